"""A table in memory, with secondary indexes that follow every change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import fields
from typing import Any, Generic, TypeVar

from router_confd.directory.rows import Row

R = TypeVar("R", bound=Row)
Key = Callable[[R], Hashable | None]


class Index(Generic[R]):
    """Rows by a key, lowest id first. It leaves out rows whose key is None."""

    def __init__(self, key: Key[R]) -> None:
        self._key = key
        self._entries: dict[Hashable, tuple[R, ...]] = {}

    def __getitem__(self, key: Hashable) -> tuple[R, ...]:
        return self._entries.get(key, ())

    def add(self, row: R) -> None:
        key = self._key(row)
        if key is None:
            return
        present = self._entries.get(key, ())
        if present and present[-1].id > row.id:
            self._entries[key] = tuple(sorted((*present, row), key=lambda r: r.id))
        else:
            self._entries[key] = (*present, row)

    def remove(self, row: R) -> None:
        key = self._key(row)
        if key is None:
            return
        rest = tuple(r for r in self._entries.get(key, ()) if r.id != row.id)
        if rest:
            self._entries[key] = rest
        else:
            self._entries.pop(key, None)


class Table(Generic[R]):
    """All rows of one database table, by id."""

    def __init__(self, name: str, row: type[R], where: str = "") -> None:
        self.name = name
        self._row = row
        self._indexes: list[Index[R]] = []
        self.rows: dict[int, R] = {}
        columns = ", ".join(field.name for field in fields(row))
        condition = f" AND {where}" if where else ""
        self.select = f"SELECT {columns} FROM {name} WHERE true{condition}"

    def index(self, key: Key[R]) -> Index[R]:
        """A new index over this table."""
        result = Index(key)
        self._indexes.append(result)
        return result

    def put(self, records: Iterable[Any]) -> None:
        """Add these database records, or replace the rows with the same ids."""
        for record in records:
            row = self._row(*record)
            self.drop([row.id])
            self.rows[row.id] = row
            for index in self._indexes:
                index.add(row)

    def drop(self, ids: Iterable[int]) -> None:
        """Remove these rows. Ids that are not there are ignored."""
        for row_id in ids:
            old = self.rows.pop(row_id, None)
            if old is not None:
                for index in self._indexes:
                    index.remove(old)
