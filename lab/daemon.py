"""The process of one lab: `python -m lab.daemon NAME`, started by `lab.api.Lab.up`."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from host import certificates
from lab.aws import cloud
from lab.names import Names
from lab.network.networks import CloudNetwork


@dataclass(frozen=True)
class Config:
    """The daemon's input from `up`: the layers of the two images, topmost first.

    Without `boot` there are no machines, only the AWS API.
    """

    instance: tuple[Path, ...]
    database: tuple[Path, ...]
    boot: bool = True

    def write(self, file: Path) -> None:
        layers = {"instance": self.instance, "database": self.database}
        text = {name: [str(path) for path in paths] for name, paths in layers.items()}
        file.write_text(json.dumps(text | {"boot": self.boot}))

    @classmethod
    def read(cls, file: Path) -> Config:
        data = json.loads(file.read_text())
        instance, database = (tuple(Path(p) for p in data[k]) for k in ("instance", "database"))
        return cls(instance, database, data["boot"])


def config_file(names: Names) -> Path:
    return names.state / "config.json"


def serve(names: Names) -> None:
    """Run the lab until SIGTERM, then shut every machine down."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    config = Config.read(config_file(names))
    cloud.configure_moto(names.state)

    from lab.aws import endpoints, moto
    from lab.machines.databases import Databases
    from lab.reconciler import Reconciler

    moto.apply()
    network = CloudNetwork(names)
    network.up()
    authority = certificates.authority()
    databases = Databases(names, config.database, authority)
    certificate = authority.issue(names.state / "tls", endpoints.api_names())
    port = cloud.start(names, certificate, databases.resolve)
    reconciler = Reconciler(names, network, config.instance, databases, boot=config.boot)
    write_status(names, {"pid": os.getpid(), "port": port})
    logging.getLogger(__name__).info("lab %s is up, moto on 127.0.0.1:%d", names.lab, port)
    reconciler.run(stop)


def write_status(names: Names, status: dict[str, int]) -> None:
    part = names.status_file.with_suffix(".part")
    part.write_text(json.dumps(status))
    part.rename(names.status_file)


def main() -> None:
    names = Names(sys.argv[1])
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    serve(names)


if __name__ == "__main__":
    main()
