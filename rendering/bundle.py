"""The bundle of an instance's files, an object in S3 that user data names by its digest."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from rendering.files import File


@dataclass(frozen=True)
class Bundle:
    """Files in the form that `agent.bundle` unpacks, at `key` of the deployment's bucket."""

    key: str
    data: bytes

    @classmethod
    def of(cls, key: str, files: Iterable[File]) -> Bundle:
        """Pack files; equal files give equal bytes."""
        entries = [
            {"path": f.path, "mode": f.mode, "owner": f.owner, "content": f.content} for f in files
        ]
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
        return cls(key, gzip.compress(text.encode(), compresslevel=9, mtime=0))

    @cached_property
    def sha256(self) -> str:
        """Digest of the packed bytes, hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def encoded(self) -> str:
        """Base64, for Terraform."""
        return base64.b64encode(self.data).decode("ascii")
