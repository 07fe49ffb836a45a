"""The state on disk: records by kind and key in SQLite, written together at the end of each request."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

Record = TypeVar("Record")


class Store:
    """What was flushed outlives the process, SIGKILL included (not a power cut: nothing is synced to the disk, for speed).

    One process owns the file: a second one gets sqlite3.OperationalError.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, timeout=0.3, isolation_level=None, check_same_thread=False)
        self._database.execute("pragma locking_mode = exclusive")
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = off")
        self._database.execute("create table if not exists record (kind text, key text, body blob, primary key (kind, key))")
        self._waiting: dict[tuple[str, str], object] = {}
        self._encode = msgspec.msgpack.Encoder().encode

    def put(self, kind: str, key: str, record: object) -> None:
        """Written as it is at the next flush; None deletes. Putting the same record again before that costs nothing."""
        self._waiting[kind, key] = record

    def flush(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, {}
        kept = [(kind, key, self._encode(record)) for (kind, key), record in waiting.items() if record is not None]
        gone = [place for place, record in waiting.items() if record is None]
        self._database.execute("begin")
        self._database.executemany("insert or replace into record values (?, ?, ?)", kept)
        self._database.executemany("delete from record where kind = ? and key = ?", gone)
        self._database.execute("commit")

    def every(self, kind: str, shape: type[Record]) -> Iterator[tuple[str, Record]]:
        decode = msgspec.msgpack.Decoder(shape).decode
        for key, body in self._database.execute("select key, body from record where kind = ? order by key", (kind,)):
            yield key, decode(body)

    def bytes_of(self, kind: str, key: str) -> bytes:
        waiting = self._waiting.get((kind, key))
        if isinstance(waiting, bytes):
            return waiting
        (body,) = self._database.execute("select body from record where kind = ? and key = ?", (kind, key)).fetchone()
        return msgspec.msgpack.decode(body, type=bytes)

    def clear(self) -> None:
        self._waiting.clear()
        self._database.execute("delete from record")

    def close(self) -> None:
        self.flush()
        self._database.close()
