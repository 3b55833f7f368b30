"""Does an instance find its files, and only those that its user data names?"""

from __future__ import annotations

import getpass
import gzip
import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from agent import bundle
from agent.bundle import Place, fetch
from agent.errors import AgentError
from common import paths
from rendering.bundle import Bundle
from rendering.files import File

KEY = "acme/sbc.json.gz"
ME = f"{getpass.getuser()}:{getpass.getuser()}"


def made(text: str) -> Bundle:
    return Bundle.of(KEY, [File("/srv/new/file", text, "0640", ME)])


def place_of(bucket: str, wanted: Bundle, region: str) -> Place:
    return Place(region=region, bucket=bucket, key=KEY, sha256=wanted.sha256)


@pytest.fixture
def bucket(aws: str, tenant: str) -> str:
    """A versioned bucket, with another tier's object whose key begins like ours."""
    client = boto3.client("s3", region_name=aws)
    name = f"files-{tenant}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": aws})
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    client.put_object(Bucket=name, Key=f"{KEY}.old", Body=made("other").data)
    return name


@pytest.fixture
def s3(aws: str) -> Any:
    return boto3.client("s3", region_name=aws)


def test_the_files_are_written_with_mode_and_owner(
    s3: Any, bucket: str, aws: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = made("text\n")
    s3.put_object(Bucket=bucket, Key=KEY, Body=wanted.data)
    monkeypatch.setattr(paths, "BUNDLE", tmp_path / "bundle.json")
    paths.BUNDLE.write_text(place_of(bucket, wanted, aws).model_dump_json())
    bundle.install(tmp_path)
    written = tmp_path / "srv/new/file"
    assert written.read_text() == "text\n"
    assert written.stat().st_mode & 0o777 == 0o640


def test_an_older_template_gets_its_own_files(s3: Any, bucket: str, aws: str) -> None:
    """An instance refresh that is rolled back launches instances with the former user data."""
    versions = [made(f"version {number}") for number in range(4)]
    for version in versions:
        s3.put_object(Bucket=bucket, Key=KEY, Body=version.data)
    for version in versions:
        assert fetch(s3, place_of(bucket, version, aws)) == version.data


def test_files_with_another_digest_are_refused(s3: Any, bucket: str, aws: str) -> None:
    s3.put_object(Bucket=bucket, Key=KEY, Body=made("forged").data)
    with pytest.raises(AgentError, match="no version has the digest"):
        fetch(s3, place_of(bucket, made("wanted"), aws))
    with pytest.raises(AgentError, match="no version has the digest"):
        fetch(s3, place_of(bucket, made("other"), aws))  # there, but under another key


def test_an_absent_object_is_an_error_that_is_repeated(s3: Any, bucket: str, aws: str) -> None:
    with pytest.raises(AgentError, match=KEY):
        fetch(s3, place_of(bucket, made("x"), aws))


@pytest.mark.parametrize(
    "data",
    [
        b"no gzip",
        gzip.compress(b"no json"),
        made("x").data[:-9],
        gzip.compress(json.dumps([{"path": "/a"}]).encode()),
        gzip.compress(b"1"),
    ],
)
def test_a_damaged_bundle_is_an_error_of_one_line(data: bytes) -> None:
    with pytest.raises(AgentError, match=r"^bundle: [^\n]*$"):
        bundle.unpack(data)


def test_a_wrong_place_names_its_file(tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    path.write_text('{"region": "eu-central-1"}')
    with pytest.raises(AgentError, match=str(path)):
        bundle.load(path)
