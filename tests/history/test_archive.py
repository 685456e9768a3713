"""Everything of one home, opened and closed together; a deployment is whole or not at all."""

from pathlib import Path

import pytest

from ml.errors import ModelFileError
from station.core.errors import StorageError
from station.history.archive import Archive
from station.history.deployment import Deployment, deploy
from station.home import Home
from tests.history import parts
from tests.history.test_models import write


def test_that_a_part_recorded_in_one_session_is_found_in_the_next(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with Archive.open(home) as archive, archive.writer(min_free_gb=0) as writer:
        stored = writer.record(parts.inspected())
    with Archive.open(home) as archive:
        assert archive.reader.get(stored.id)[0] == stored
        assert archive.pictures.path(stored.picture_hash or "").is_file()


def test_that_a_damaged_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.database.write_bytes(b"this is no database, but it may be all that is left of one")
    before = home.database.read_bytes()
    with pytest.raises(StorageError, match=r"loupe\.db"):
        Archive.open(home)
    assert home.database.read_bytes() == before


def test_that_parts_are_refused_before_the_disk_is_full_and_faults_still_fit(tmp_path: Path) -> None:
    with Archive.open(Home(tmp_path)) as archive, archive.writer(min_free_gb=1e9) as writer:
        with pytest.raises(StorageError, match="Disk nearly full"):
            writer.record(parts.inspected())
        writer.record(parts.without_picture())
        assert [row.inspection.verdict for row in archive.reader.recent(5)] == ["FAULT"]


def test_that_every_deployment_is_the_next_revision(tmp_path: Path) -> None:
    written = write(tmp_path / "ring.loupe")
    with Archive.open(Home(tmp_path)) as archive:
        order = Deployment(tmp_path / "ring.loupe", "Ring", "folder:/parts", serial_required=True)
        first, second = (deploy(order, archive) for _ in range(2))
    assert (first.revision, second.revision) == (1, 2)
    assert second.model_hash == written.model_hash
    assert second.source == "folder:/parts"
    assert second.serial_required


def test_that_a_model_that_cannot_be_read_changes_no_recipe(tmp_path: Path) -> None:
    with Archive.open(Home(tmp_path)) as archive:
        with pytest.raises(ModelFileError):
            deploy(Deployment(tmp_path / "missing.loupe", "Ring", "demo"), archive)
        assert archive.recipes.names() == []
