"""CDRs on disk while the database is away: one file per record, deleted once it is stored."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

Stored = dict[str, Any]  # a record as JSON has it


class SpoolFull(Exception):
    """The spool is full. The sender should try another instance."""


class Spool:
    """A directory of JSON files, each named after the idempotency key of its record."""

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._rejected = directory / "rejected"
        self._limit = limit
        self._rejected.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in directory.glob("*.new"):
            leftover.unlink()
        self.count = sum(1 for _ in directory.glob("*.json"))

    def put(self, records: dict[UUID, Stored]) -> dict[UUID, Exception]:
        """Write records. They survive a power failure once this returns.

        Returns the records that are not safe, by key: SpoolFull or OSError. Raises OSError if none
        is safe.
        """
        failed: dict[UUID, Exception] = {}
        for key, record in records.items():
            try:
                self._write(key, record)
            except (SpoolFull, OSError) as error:
                failed[key] = error
        self._sync()
        return failed

    def _write(self, key: UUID, record: Stored) -> None:
        if self.count >= self._limit:
            raise SpoolFull
        final = self._directory / f"{key}.json"
        known = final.exists()
        temporary = self._directory / f"{key}.{uuid4()}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(record, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(final)
        self.count += not known

    def batch(self, size: int) -> list[tuple[Path, Stored]]:
        """Up to `size` of the waiting records, with their files."""
        found: list[tuple[Path, Stored]] = []
        for path in self._waiting():
            try:
                found.append((path, json.loads(path.read_text())))
            except ValueError:
                self.reject(path)
            if len(found) == size:
                break
        return found

    def done(self, paths: list[Path]) -> None:
        """Delete the files of records that the database has."""
        for path in paths:
            path.unlink(missing_ok=True)
        self._recount()

    def reject(self, path: Path) -> None:
        """Put aside a record that the database will never take, for a person to look at."""
        path.rename(self._rejected / path.name)
        self._recount()

    def _waiting(self) -> Iterator[Path]:
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.endswith(".json"):
                    yield Path(entry.path)

    def _recount(self) -> None:
        self.count = sum(1 for _ in self._waiting())

    def _sync(self) -> None:
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
