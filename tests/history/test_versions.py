"""Which model a recipe used when, approvals by a second person, and the way back."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from station.core.errors import RecipeError
from station.core.people import IdentityError, Person, TypedNames
from station.history.archive import Archive
from station.history.deployment import Deployment, deploy
from station.history.versions import ApprovalError
from station.home import Home
from tests.history.test_models import write

ENGINEER, SECOND = Person("Engineer"), Person("Second")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(Home(tmp_path)) as opened:
        yield opened


def put(archive: Archive, folder: Path, seed: int, **fields: object) -> str:
    """Deploy a model of its own to the recipe Ring; returns its hash."""
    path = folder / f"{seed}.loupe"
    written = write(path, seed=seed)
    deploy(Deployment(path, "Ring", "demo", by=ENGINEER, **fields), archive)  # type: ignore[arg-type]
    return written.model_hash


def test_that_every_revision_tells_its_model_who_deployed_it_and_why(archive: Archive, tmp_path: Path) -> None:
    first, second = put(archive, tmp_path, 1), put(archive, tmp_path, 2, notes="new alloy")
    found = archive.versions.of_recipe("Ring")
    assert [(one.revision, one.model_hash, one.deployed_by, one.notes) for one in found] == [
        (2, second, "Engineer", "new alloy"),
        (1, first, "Engineer", ""),
    ]
    assert [one.revision for one in archive.versions.of_model(first)] == [1]


def test_that_going_back_is_a_new_revision_that_repeats_the_old_one(archive: Archive, tmp_path: Path) -> None:
    first, _ = put(archive, tmp_path, 1), put(archive, tmp_path, 2)
    assert archive.versions.can_roll_back("Ring") == 1
    restored = archive.versions.roll_back("Ring", SECOND)
    assert (restored.revision, restored.model_hash) == (3, first)
    latest = archive.versions.of_recipe("Ring")[0]
    assert (latest.rolled_back_to, latest.deployed_by) == (1, "Second")


def test_that_going_back_twice_goes_back_further_and_not_forth(archive: Archive, tmp_path: Path) -> None:
    hashes = [put(archive, tmp_path, seed) for seed in (1, 2, 3)]
    assert archive.versions.roll_back("Ring", ENGINEER).model_hash == hashes[1]
    assert archive.versions.roll_back("Ring", ENGINEER).model_hash == hashes[0]
    assert archive.versions.can_roll_back("Ring") is None
    with pytest.raises(RecipeError, match="nothing to go back to"):
        archive.versions.roll_back("Ring", ENGINEER)
    assert archive.versions.roll_back("Ring", ENGINEER, to_revision=3).model_hash == hashes[2]


def test_that_the_revision_in_use_and_unknown_ones_are_refused(archive: Archive, tmp_path: Path) -> None:
    put(archive, tmp_path, 1)
    with pytest.raises(RecipeError, match="is the one in use"):
        archive.versions.roll_back("Ring", ENGINEER, to_revision=1)
    with pytest.raises(RecipeError, match="no revision 7"):
        archive.versions.roll_back("Ring", ENGINEER, to_revision=7)
    with pytest.raises(RecipeError, match="no recipe 'Seat'"):
        archive.versions.roll_back("Seat", ENGINEER)


def test_that_a_model_waits_for_a_second_person_where_the_station_asks_for_one(
    archive: Archive, tmp_path: Path
) -> None:
    with pytest.raises(ApprovalError, match="approval of a second person"):
        put(archive, tmp_path, 1, needs_approval=True)
    with pytest.raises(ApprovalError, match="cannot be the second person"):
        put(archive, tmp_path, 1, needs_approval=True, approver=Person("ENGINEER"))
    assert archive.recipes.names() == []
    model = put(archive, tmp_path, 1, needs_approval=True, approver=SECOND)
    (approval,) = archive.versions.approvals(model)
    assert (approval.approver, approval.is_authenticated) == ("Second", False)


def test_that_an_approval_given_before_holds(archive: Archive, tmp_path: Path) -> None:
    written = write(tmp_path / "1.loupe", seed=1)
    with pytest.raises(ApprovalError, match="not on this station"):
        archive.versions.approve(written.model_hash, SECOND)
    archive.models.add(tmp_path / "1.loupe")
    archive.versions.approve(written.model_hash, ENGINEER)
    assert not archive.versions.is_approved(written.model_hash, ENGINEER)
    archive.versions.approve(written.model_hash, SECOND, "looked at the misses")
    put(archive, tmp_path, 1, needs_approval=True)
    assert archive.recipes.names() == ["Ring"]


@pytest.mark.parametrize("table", ["approvals", "deployments"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET sequence = 9", "DELETE FROM {}"])
def test_that_no_program_can_change_who_deployed_or_approved(
    archive: Archive, tmp_path: Path, table: str, statement: str
) -> None:
    put(archive, tmp_path, 1, approver=SECOND)
    with (
        closing(sqlite3.connect(tmp_path / "loupe.db")) as connection,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        connection.execute(statement.format(table))


def test_that_typed_names_are_believed_and_marked(archive: Archive) -> None:
    assert TypedNames().identify("  Second   Person ") == Person("Second Person", is_authenticated=False)
    for name in ("", "   ", "x" * 81):
        with pytest.raises(IdentityError, match="Type a name"):
            TypedNames().identify(name)


def test_that_a_deployed_model_pins_the_pictures_that_it_rests_on(archive: Archive, tmp_path: Path) -> None:
    content = archive.pictures.put(b"a good part", ".png")
    written = write(tmp_path / "ring.loupe", picture=content)
    assert not archive.snapshots.is_pinned(content)
    deploy(Deployment(tmp_path / "ring.loupe", "Ring", "demo"), archive)
    assert archive.snapshots.of(f"model:{written.model_hash}") == {content}


def test_that_pictures_are_pinned_as_long_as_one_owner_holds_them(archive: Archive) -> None:
    content = archive.pictures.put(b"picture", ".png")
    archive.snapshots.pin("project:1", [content, content])
    archive.snapshots.pin("model:2", [content])
    archive.snapshots.release("project:1")
    assert archive.snapshots.is_pinned(content)
    assert archive.snapshots.of("model:2") == {content}
    archive.snapshots.release("model:2")
    assert not archive.snapshots.is_pinned(content)
