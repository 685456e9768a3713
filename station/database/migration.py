"""Bringing an older history up to date: back-up first, then all migrations in one transaction."""

import os
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from station.core.errors import StorageError
from station.database.connection import make_engine
from station.database.transactions import writing

SCRIPTS = Path(__file__).parent / "migrations"


def migrate(path: Path, revision: str | None, scripts: Path = SCRIPTS) -> None:
    """Take the database from `revision` (None: a new file) to the newest. Afterwards all of it or nothing is done.

    A file with content is first copied beside itself as `NAME.backup-REVISION`. Raises StorageError.
    """
    known = [script.revision for script in ScriptDirectory(str(scripts)).walk_revisions()]
    if revision is not None:
        if revision not in known:
            raise StorageError(
                f"{path} is at revision {revision!r}, which this Loupe (up to {known[0]!r}) does not know: a newer one "
                "wrote it. Install that newer Loupe again, or put back the back-up that it made beside the file."
            )
        back_up(path, revision)
    # Rebuilding a table drops the old one; its references must not be enforced meanwhile, but checked at the end.
    engine = make_engine(path, enforce_references=False)
    try:
        with writing(engine) as connection:
            config = Config()
            config.set_main_option("script_location", str(scripts).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
            if broken:
                raise StorageError(
                    f"{path}: the update would leave {len(broken)} entries without what they refer to; it was undone. "
                    "Go back to the Loupe that wrote the file."
                )
    finally:
        engine.dispose()


def back_up(path: Path, revision: str) -> Path:
    """Copy the whole database, its write-ahead log included, to a new file beside it; never over another back-up."""
    names = (f"{path.name}.backup-{revision}{f'-{number}' if number > 1 else ''}" for number in count(1))
    target = next(candidate for name in names if not (candidate := path.with_name(name)).exists())
    unfinished = target.with_name(target.name + ".part")
    unfinished.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(unfinished)) as copy:
            source.backup(copy)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    except (sqlite3.Error, OSError) as error:
        unfinished.unlink(missing_ok=True)
        raise StorageError(
            f"{path}: the back-up before the update failed ({error}). Nothing was changed. "
            "Free some space or repair the file, then start again."
        ) from error
    return target
