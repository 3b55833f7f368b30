"""What an instance would boot with: the files that its user data has, and those that it names."""

from __future__ import annotations

import email
import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from agent import bundle
from agent.errors import AgentError
from common import paths
from common.names import TAG_ROLE, TAG_TENANT
from lab.aws.views import InstanceView
from lab.names import ACCOUNT

Fetch = Callable[[str, str, str], bytes]  # region, bucket and key of an object in S3

TEMPLATE = "## template: jinja\n"
OTHER = "cloud-config.yaml"  # what cloud-init does beside writing files


def title(instance: InstanceView) -> str:
    """Tenant, role and id of an instance: the name of its folder."""
    parts = [instance.tags.get(TAG_TENANT), instance.tags.get(TAG_ROLE), instance.id]
    return "-".join(part for part in parts if part)


def write(instance: InstanceView, folder: Path, fetch: Fetch) -> int:
    """Write the files of an instance below `folder`; returns how many there are.

    cloud-init would write some, and the agent the others, from the object that `fetch` gets.
    Raises `AgentError` when that is not the right one. What else its user data asks for (commands,
    mostly) is in `cloud-config.yaml` beside them.
    """
    other: list[dict[str, Any]] = []
    written = 0
    for config in cloud_configs(instance):
        for file in config.pop("write_files", []):
            _write(folder, file["path"], file["content"])
            written += 1
        other.append({key: value for key, value in config.items() if key != "merge_how"})
    text = yaml.safe_dump_all([one for one in other if one], sort_keys=False)
    (folder / OTHER).write_text(text, encoding="utf-8")
    place = bundle.load(_below(folder, paths.BUNDLE))
    data = fetch(instance.region, place.bucket, place.key)
    if not place.names(data):
        raise AgentError(f"s3://{place.bucket}/{place.key} is not what user data names")
    bundled = bundle.unpack(data)
    for one in bundled:
        _write(folder, one.path, one.content)
    return written + len(bundled)


def _below(folder: Path, path: Path | str) -> Path:
    return folder / str(path).lstrip("/")


def _write(folder: Path, path: Path | str, content: str) -> None:
    target = _below(folder, path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content, encoding="utf-8")


def cloud_configs(instance: InstanceView) -> Iterator[dict[str, Any]]:
    """The cloud-config parts of the user data, with the facts of the instance filled in."""
    data = instance.user_data or b""
    message = email.message_from_bytes(gzip.decompress(data))
    for part in message.walk():
        if part.is_multipart():
            continue
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        text = payload.decode()
        if text.startswith(TEMPLATE):
            text = _filled_in(text.removeprefix(TEMPLATE), instance)
        yield yaml.safe_load(text)


def _filled_in(text: str, instance: InstanceView) -> str:
    facts = {
        "v1": {
            "instance_id": instance.id,
            "region": instance.region,
            "availability_zone": instance.zone,
        },
        "ds": {
            "meta_data": {"local_ipv4": str(instance.private_ip)},
            "dynamic": {"instance_identity": {"document": {"accountId": ACCOUNT}}},
        },
    }
    # YAML and JSON of our own, not a page: nothing to escape
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701
    return environment.from_string(text).render(facts)
