"""Opening, migrating and refusing the database file."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from station.core.errors import StorageError
from station.core.verdict import Verdict
from station.database import open_database
from station.database.migration import SCRIPTS, migrate
from station.database.tables import REVISION, metadata
from station.database.transactions import reading
from station.history import HistoryWriter
from tests.history.parts import inspected

ADD_A_COLUMN = f"""
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "{REVISION}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inspections", sa.Column("shift", sa.Text))
"""


def test_that_commits_reach_the_disk_before_they_return(engine: Engine) -> None:
    with reading(engine) as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_that_the_migrations_give_exactly_the_tables_of_the_code(engine: Engine) -> None:
    with reading(engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_that_the_code_names_the_newest_migration() -> None:
    assert ScriptDirectory(str(SCRIPTS)).get_current_head() == REVISION


def test_that_opening_an_up_to_date_history_imports_no_migration_tool_torch_or_qt(
    engine: Engine, database: Path
) -> None:
    engine.dispose()
    program = (
        "import sys; from pathlib import Path; import station.history; from station.database import open_database;"
        f"open_database(Path({str(database)!r})).dispose();"
        "print(*sorted({'alembic', 'torch', 'PySide6'} & sys.modules.keys()))"
    )
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == ""


def test_that_a_newer_database_is_refused_by_name_and_left_alone(engine: Engine, database: Path) -> None:
    engine.dispose()
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    before = database.read_bytes()
    with pytest.raises(StorageError, match=r"loupe\.db is at revision '0099'.*newer.*Install") as refusal:
        open_database(database)
    assert str(database) in str(refusal.value)
    assert database.read_bytes() == before
    assert not list(database.parent.glob("*.backup-*"))


@pytest.mark.parametrize(
    "content", [b"this is no database, but a letter to it " * 100, b"SQLite format 3\x00" + b"\xff" * 9000]
)
def test_that_a_damaged_file_is_refused_and_left_as_it_was(database: Path, content: bytes) -> None:
    database.write_bytes(content)
    with pytest.raises(StorageError, match=r"loupe\.db.*left as it is"):
        open_database(database)
    assert database.read_bytes() == content
    assert [path.name for path in database.parent.iterdir()] == ["loupe.db"]


def test_that_a_database_of_another_program_is_refused(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    before = database.read_bytes()
    with pytest.raises(StorageError, match=r"not a history of Loupe.*'bookmarks'"):
        open_database(database)
    assert database.read_bytes() == before


def test_that_a_file_in_a_missing_folder_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        open_database(tmp_path / "missing" / "loupe.db")


def test_that_a_locked_database_is_a_storage_error_once_the_wait_is_over(
    engine: Engine, database: Path, writer: HistoryWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.database.connection.BUSY_TIMEOUT_S", 0.05)
    impatient = open_database(database)
    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN IMMEDIATE")
        blocked = HistoryWriter(impatient, writer._store, 0)
        with pytest.raises(StorageError, match="Another program holds the file"):
            blocked.record(inspected())
        blocked.close()
    impatient.dispose()


@pytest.fixture
def next_scripts(tmp_path: Path) -> Callable[[str], Path]:
    """The migrations of a later Loupe: ours and one more."""

    def make(script: str) -> Path:
        folder = tmp_path / "100% later"
        shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "versions" / "9999_later.py").write_text(script)
        return folder

    return make


def test_that_an_older_database_is_backed_up_and_then_migrated(
    engine: Engine, database: Path, writer: HistoryWriter, next_scripts: Callable[[str], Path]
) -> None:
    stored = writer.record(inspected(Verdict.NG))
    migrate(database, REVISION, next_scripts(ADD_A_COLUMN))  # the writer's connection is open: its log is copied too
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT id, shift FROM inspections").fetchall() == [(stored.id, None)]
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    with closing(sqlite3.connect(database.with_name(f"loupe.db.backup-{REVISION}"))) as backup:
        assert backup.execute("SELECT id FROM inspections").fetchall() == [(stored.id,)]
        assert backup.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISION,)
        assert "shift" not in backup.execute("SELECT sql FROM sqlite_master WHERE name = 'inspections'").fetchone()[0]


def test_that_a_failing_migration_changes_nothing_and_a_second_try_keeps_the_first_backup(
    engine: Engine, database: Path, next_scripts: Callable[[str], Path]
) -> None:
    scripts = next_scripts(ADD_A_COLUMN + "    raise RuntimeError('a bug in the migration')\n")
    for _ in range(2):
        with pytest.raises(RuntimeError, match="a bug in the migration"):
            migrate(database, REVISION, scripts)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(REVISION,)]
        assert "shift" not in connection.execute("SELECT group_concat(sql) FROM sqlite_master").fetchone()[0]
    assert sorted(path.name for path in database.parent.glob("*.backup*")) == [
        f"loupe.db.backup-{REVISION}",
        f"loupe.db.backup-{REVISION}-2",
    ]


def test_that_a_migration_that_breaks_references_is_undone(
    engine: Engine, database: Path, writer: HistoryWriter, next_scripts: Callable[[str], Path]
) -> None:
    insert = "INSERT INTO reviews VALUES (1, 'nobody', '', '', 'operator', 'escape', NULL, '')"
    scripts = next_scripts(ADD_A_COLUMN + f'    op.execute("{insert}")\n')
    with pytest.raises(StorageError, match="it was undone"):
        migrate(database, REVISION, scripts)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM reviews").fetchone() == (0,)


def test_that_a_history_of_the_first_loupe_keeps_its_parts_and_learns_of_deployments(database: Path) -> None:
    first_only = database.parent / "first"
    shutil.copytree(SCRIPTS, first_only, ignore=shutil.ignore_patterns("__pycache__", "0002*"))
    migrate(database, None, first_only)
    row = "INSERT INTO recipes VALUES (1, 'Ring', 1, '{}', '2026-01-01T00:00:00.000000+00:00')"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(row)
    open_database(database).dispose()
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT name FROM recipes").fetchall() == [("Ring",)]
        assert connection.execute("SELECT count(*) FROM deployments").fetchone() == (0,)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == (REVISION,)


@pytest.mark.parametrize("table", ["inspections", "reviews"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET sequence = sequence",
        "DELETE FROM {table}",
        "INSERT OR REPLACE INTO {table} SELECT * FROM {table}",
    ],
)
def test_that_no_program_can_change_what_was_stored(
    database: Path, writer: HistoryWriter, reviews, table: str, statement: str
) -> None:
    part = writer.record(inspected(Verdict.NG))
    reviews.add(part.id, "confirmed", "local", "supervisor")
    with closing(sqlite3.connect(database)) as connection:
        before = connection.execute(f"SELECT * FROM {table}").fetchall()
        with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"):
            connection.execute(statement.format(table=table))
        assert connection.execute(f"SELECT * FROM {table}").fetchall() == before != []


def test_that_an_inspection_cannot_be_replaced_by_its_id(database: Path, writer: HistoryWriter) -> None:
    writer.record(inspected(Verdict.NG))
    with closing(sqlite3.connect(database)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(inspections)") if row[1] != "sequence"]
        names = ", ".join(columns)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            connection.execute(f"INSERT OR REPLACE INTO inspections ({names}) SELECT {names} FROM inspections")


def test_that_a_verdict_without_a_score_is_refused(database: Path, writer: HistoryWriter) -> None:
    with pytest.raises(StorageError, match="verdict_has_score"):
        writer.record(inspected(Verdict.OK, score=None))
