"""A lab without machines: the AWS API in this process, on loopback. Needs no root."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from lab.aws import cloud, views
from lab.aws.views import InstanceView
from lab.terraform import runner

TICK: Final = 0.5  # seconds
Progress = runner.Progress


class LoopbackLab:
    """Terraform and the AWS API, which believes that every instance runs."""

    def __init__(self, state: Path, port: int) -> None:
        self._port = port
        self._runner = runner.Runner(state / "terraform", runner.on_loopback(port))

    def apply(self, stack: str, synth_dir: Path, progress: Progress) -> None:
        """`terraform init` and `apply` of a synthesized stack. Raises `HostError`."""
        self._runner.apply(stack, synth_dir, progress)

    def changes(self, stack: str, synth_dir: Path, progress: Progress) -> bool:
        """Whether `terraform plan` would change anything. Raises `HostError`."""
        return self._runner.changes(stack, synth_dir, progress)

    def destroy(self, stack: str, synth_dir: Path, progress: Progress) -> None:
        """`terraform destroy` of a synthesized stack. Raises `HostError`."""
        self._runner.destroy(stack, synth_dir, progress)

    def stored(self, region: str, bucket: str, key: str) -> bytes:
        """The newest version of an object in S3."""
        answer = cloud.client("s3", region, self._port).get_object(Bucket=bucket, Key=key)
        body: bytes = answer["Body"].read()
        return body

    def instances(self) -> list[InstanceView]:
        """The instances that the API has launched."""
        with views.MOTO:
            return list(views.instances())


@contextmanager
def loopback_lab(state: Path) -> Iterator[LoopbackLab]:
    """Serve the API, once in a process, while the block runs. `state` is an existing directory."""
    cloud.configure_moto(state)
    from lab.aws import moto
    from lab.aws.autoscaling import groups, refresh_api

    moto.apply()
    for name in ("werkzeug", "botocore"):
        logging.getLogger(name).setLevel(logging.ERROR)
    port, _ = cloud.start_on_loopback()
    stop = threading.Event()

    def keep_groups() -> None:
        while not stop.wait(TICK):
            with views.MOTO:
                groups.tick(lambda _: True)
                refresh_api.tick()

    keeper = threading.Thread(target=keep_groups, name="groups", daemon=True)
    keeper.start()
    try:
        yield LoopbackLab(state, port)
    finally:
        stop.set()
        keeper.join()
