"""A SQLite file that is ours alone, or a sentence that says why not. Knows no events."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias

from flagstaff.errors import ServeError

__all__ = ["Database", "Kind"]

_BUSY_SECONDS = 10.0
_CACHE_KIB = 65_536  # a random key goes to any page of its index: they must not be read again for each
_CHECKPOINT_PAGES = 8_000  # 32 MB: the same page is then written to the file once and not twenty times

_Place: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file must be: SQLite's application id, the version of the schema, and how to create it."""

    application: int
    version: int
    schema: str


class Database:
    """A file of one kind in WAL mode, durable (fsync) at every commit, safe to share among threads.

    Opening creates the file, readable by its owner alone, or raises ServeError and leaves a file that
    isn't ours as it was. A file that is removed while it is open is made anew at the next writing.
    """

    def __init__(self, path: Path, kind: Kind) -> None:
        self.path = path
        self._kind = kind
        self._lock = Lock()
        with self._explained():
            self._writer, self._place = self._open()

    def close(self) -> None:
        """Close the file; what was committed is already safe."""
        with self._lock:
            self._writer.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the one writer a transaction: all that happens inside is on disk afterwards, or nothing is."""
        with self._lock, self._explained():
            self._follow()
            with _transaction(self._writer):
                yield self._writer

    def read(self, query: str) -> list[tuple[Any, ...]]:
        """Run one query on a connection of its own, so that a long report never holds up the writer."""
        with self._explained(), closing(self._connect("ro")) as connection:
            return connection.execute(query).fetchall()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise ServeError(f"{self.path}: {error}") from error
        except OSError as error:
            raise ServeError(f"{self.path}: {error.strerror or error}") from error

    def _follow(self) -> None:
        """Open the file anew when it is no longer the one at the path: a write to it would be lost."""
        if self.path.exists() and _place(self.path) == self._place:
            return
        before = self._writer
        self._writer, self._place = self._open()
        before.close()

    def _open(self) -> tuple[sqlite3.Connection, _Place]:
        # Events name people: the file is its owner's alone (SQLite's side files copy its mode).
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        with ExitStack() as stack:
            connection = stack.enter_context(closing(self._connect("rw")))
            self._adopt(connection)
            place = _place(self.path)
            stack.pop_all()
        return connection, place

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )

    def _adopt(self, connection: sqlite3.Connection) -> None:
        is_new = self._is_new(connection)
        _switch_to_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if is_new:
            kind = self._kind
            marks = f"PRAGMA application_id = {kind.application}; PRAGMA user_version = {kind.version};"
            connection.executescript(f"BEGIN IMMEDIATE; {kind.schema} {marks} COMMIT;")

    def _is_new(self, connection: sqlite3.Connection) -> bool:
        """Tell an empty file from one of ours; any other is refused before anything touches it."""
        application, version, tables = self._marks(connection)
        if (application, version, tables) == (0, 0, 0):
            return True
        if application != self._kind.application:
            raise ServeError(f"{self.path} is another program's database; choose another file")
        if version != self._kind.version:
            older = version < self._kind.version
            raise ServeError(
                f"{self.path} was written by {'an older' if older else 'a newer'} flagstaff"
                f" (schema {version}, this one knows {self._kind.version});"
                f" {'' if older else 'upgrade flagstaff or '}choose another file"
            )
        return False

    def _marks(self, connection: sqlite3.Connection) -> tuple[int, int, int]:
        """Read them at one moment: somebody else may be creating the file just now."""
        try:
            connection.execute("BEGIN")
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
                raise
            raise ServeError(f"{self.path} is not a database; choose another file") from None
        return application, version, tables


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    """Switch when nobody else holds the file: here SQLite does not always wait by itself."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _place(path: Path) -> _Place:
    state = path.stat()
    return state.st_dev, state.st_ino
