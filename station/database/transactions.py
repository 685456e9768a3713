"""One transaction per act, and SQLite's failures in words. Nothing else opens a connection."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, IntegrityError, InterfaceError, ProgrammingError

from station.core.errors import StorageError

_BUSY = "Another program holds the file. Close it (a database browser, a back-up) and try again"
_ADVICE = {
    sqlite3.SQLITE_FULL: "The disk is full. Free some space; nothing of this entry was stored",
    sqlite3.SQLITE_READONLY: "The file or its folder is read-only. Give the station's user the right to write there",
    sqlite3.SQLITE_CANTOPEN: "The file cannot be opened. Check that its folder exists and may be written",
    sqlite3.SQLITE_PERM: "The file may not be opened. Give the station's user the right to it",
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_IOERR: "The disk failed to read or write. Check the drive and its cable",
    sqlite3.SQLITE_CORRUPT: "The file is damaged; it was left as it is. Move it away, or put a back-up in its place",
    sqlite3.SQLITE_NOTADB: "This is not a database file; it was left as it is. Move it away, or put a back-up there",
}


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one unchanging state of the history. Raises StorageError."""
    with storage_errors(engine), engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection that holds the write lock from the start; commits at the end, rolls back on any error.

    Taking the lock at once makes a second writer wait; one that first read would be refused at its first write.
    Raises StorageError.
    """
    with (
        storage_errors(engine),
        engine.connect().execution_options(begin_statement="BEGIN IMMEDIATE") as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def storage_errors(engine: Engine) -> Iterator[None]:
    """Turn what SQLite says of files and disks into StorageError; wrong SQL stays what it is, a bug."""
    try:
        yield
    except (ProgrammingError, InterfaceError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise
    except (IntegrityError, sqlite3.IntegrityError) as error:
        raise StorageError(f"{engine.url.database}: the entry was refused: {_cause(error)}.") from error
    except (DatabaseError, sqlite3.DatabaseError) as error:
        cause = _cause(error)
        # The low byte is the kind of failure, the rest a detail of it.
        kind = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if kind not in _ADVICE:
            raise
        raise StorageError(f"{engine.url.database}: {_ADVICE[kind]} ({cause}).") from error


def _cause(error: DatabaseError | sqlite3.DatabaseError) -> BaseException:
    """The driver's own error inside SQLAlchemy's."""
    return (error.orig or error) if isinstance(error, DatabaseError) else error
