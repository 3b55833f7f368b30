"""Assembly of user data: cloud-config parts, MIME, gzip."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import yaml

from rendering.files import File

BOUNDARY = "===============c4=="  # fixed, or the same content would give other bytes each time


_OWNER, _MODE = "root:root", "0644"  # what cloud-init gives a file that names neither


class _Dumper(yaml.CSafeDumper):
    """Safe YAML that writes texts of several lines as literal blocks, which people can read."""


def _text(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write_files(files: Iterable[File]) -> str:
    """The value of cloud-init's `write_files`, as YAML without the key.

    Owner and mode are left out where cloud-init would take the same by itself.
    """
    entries = [
        {"path": f.path}
        | ({"owner": f.owner} if f.owner != _OWNER else {})
        | ({"permissions": f.mode} if f.mode != _MODE else {})
        | {"content": f.content}
        for f in files
    ]
    return yaml.dump(entries, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)


def multipart(parts: Iterable[tuple[str, str]]) -> str:
    """A MIME message of (file name, cloud-config text) parts, which is reproducible."""
    message = MIMEMultipart(boundary=BOUNDARY)
    for name, text in parts:
        subtype = "jinja2" if text.startswith("## template: jinja\n") else "cloud-config"
        part = MIMEText(text, subtype, "us-ascii" if text.isascii() else "utf-8")
        part.add_header("Content-Disposition", "attachment", filename=name)
        message.attach(part)
    return message.as_string()


def compress(text: str, limit: int) -> bytes:
    """gzip without a time stamp, so that equal text gives equal bytes.

    More than `limit` bytes are packed again by zopfli: 5 % smaller, half a second later. More
    passes than these gain less than the length of a name.
    """
    data = gzip.compress(text.encode(), compresslevel=9, mtime=0)
    if len(data) <= limit:
        return data
    import zopfli.gzip  # type: ignore[import-untyped]  # synth has no time for what it does not use

    return bytes(zopfli.gzip.compress(text.encode(), numiterations=15))
