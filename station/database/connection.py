"""How every connection to the database is set up."""

from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_S = 5.0


def make_engine(path: Path, enforce_references: bool = True) -> Engine:
    """An engine whose commits have reached the disk (synchronous=FULL). Touches no file yet."""
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_TIMEOUT_S})

    def configure(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        # The driver's own transactions start late and never around DDL; `_begin` starts them instead.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA foreign_keys = {int(enforce_references)}")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.close()

    event.listen(engine, "connect", configure)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin_statement", "BEGIN"))
