"""The files of this instance: an object in S3, found by the digest that user data names.

EC2 takes 16 KiB of user data, which is less than the files of an instance. So user data has their
digest, and the files are an object in the deployment's bucket, which keeps its versions: the
version with that digest is the right one, also after a rollback to an older launch template.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from agent import log
from agent.aws import clients
from agent.errors import AgentError
from agent.files.atomic import write
from agent.retry import repeat_until_success
from common import paths


class Place(BaseModel):
    """Where the files are: `bundle.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    region: str
    bucket: str
    key: str
    sha256: str  # of the object, hexadecimal

    def names(self, data: bytes) -> bool:
        """Whether `data` is the object with that digest."""
        return hashlib.sha256(data).hexdigest() == self.sha256


class BundledFile(BaseModel):
    """One file: absolute path, whole content, octal mode, owner and group."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    content: str
    mode: str
    owner: str


def load(path: Path) -> Place:
    """Read `bundle.json`. Raises `AgentError` with the file's name."""
    try:
        return Place.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise AgentError(f"{path}: {' '.join(str(error).split())}") from None


def install(root: Path = Path("/")) -> None:
    """Fetch the files, which is repeated until it succeeds, and write them below `root`."""
    place = load(paths.BUNDLE)
    client = clients.client("s3", place.region)
    data = repeat_until_success("files of this instance", lambda: fetch(client, place))
    files = unpack(data)
    for file in files:
        target = root / file.path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        owner, _, group = file.owner.partition(":")
        write(target, file.content, mode=int(file.mode, 8), owner=owner, group=group)
    log.info("files installed", count=len(files), sha256=place.sha256)


def fetch(client: Any, place: Place) -> bytes:
    """The object with the digest: the newest version, else an older one. Raises `AgentError`."""
    with clients.as_agent_error(f"s3://{place.bucket}/{place.key}"):
        newest = _get(client, place)
        if place.names(newest):
            return newest
        pages = client.get_paginator("list_object_versions")
        for page in pages.paginate(Bucket=place.bucket, Prefix=place.key):
            for version in page.get("Versions", ()):
                if version["Key"] != place.key or version["IsLatest"]:
                    continue
                older = _get(client, place, VersionId=version["VersionId"])
                if place.names(older):
                    return older
    raise AgentError(
        f"s3://{place.bucket}/{place.key}: no version has the digest {place.sha256}, which this "
        "instance's user data names"
    )


def unpack(data: bytes) -> list[BundledFile]:
    """The files of a bundle. Raises `AgentError` when it is damaged."""
    try:
        return [BundledFile.model_validate(one) for one in json.loads(gzip.decompress(data))]
    except (OSError, EOFError, zlib.error, ValueError, TypeError) as error:
        raise AgentError(f"bundle: {' '.join(str(error).split())}") from None


def _get(client: Any, place: Place, **version: str) -> bytes:
    answer = client.get_object(Bucket=place.bucket, Key=place.key, **version)
    body: bytes = answer["Body"].read()
    return body
