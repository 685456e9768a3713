"""Opening the history's database file."""

from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine

from station.core.errors import StorageError
from station.database.connection import make_engine
from station.database.tables import REVISION
from station.database.transactions import reading, storage_errors


def open_database(path: Path) -> Engine:
    """The engine of the history at `path`: made when absent, migrated (after a back-up) when older.

    SQLite in WAL with synchronous=FULL: what was committed survives a power cut. Dispose the engine when done.
    Raises StorageError naming the file when it is damaged, not a history, or from a newer Loupe; the file is then
    left untouched.
    """
    engine = make_engine(path)
    try:
        revision = _revision(engine, path)
        _keep_ahead_log(engine, path)
        if revision != REVISION:
            # Imported here: a start with an up-to-date database has no use for the migration tool.
            from station.database.migration import migrate

            migrate(path, revision)
    except BaseException:
        engine.dispose()
        raise
    return engine


def checkpoint(engine: Engine) -> None:
    """Take what the write-ahead log holds into the database file, as far as nobody reads it; no writer waits for this.

    Without it SQLite does so within a commit, after each 1000 pages. Raises StorageError.
    """
    with storage_errors(engine), closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
        cursor.close()


def _revision(engine: Engine, path: Path) -> str | None:
    """The migration that the file is at; None for a new file. Writes nothing."""
    with reading(engine) as connection:
        tables = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
        if not tables:
            return None
        if "alembic_version" not in tables:
            raise StorageError(
                f"{path} is a database, but not a history of Loupe (it holds the table {min(tables)!r}). "
                "Choose another home folder with --home, or move the file away."
            )
        return str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one())


def _keep_ahead_log(engine: Engine, path: Path) -> None:
    # On the driver's connection: SQLite changes the mode outside transactions only. The mode stays with the file.
    with storage_errors(engine), closing(engine.raw_connection()) as connection:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        (mode,) = cursor.fetchone() or ("none",)
        cursor.close()
    if mode != "wal":
        raise StorageError(
            f"{path}: this drive cannot keep a write-ahead log (SQLite answers {mode!r}). "
            "Put the home folder on a local drive, not a network share."
        )
