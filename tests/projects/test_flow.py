"""Projects on disk, one window each, and the way from step to step."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from station.projects.flow import Flow, Readiness, Rule
from station.projects.project import Candidate, Project, ProjectPicture, Step
from station.projects.store import PICTURES_FILE, PROJECT_FILE, ProjectError, ProjectStore


def picture(name: str, **fields: object) -> ProjectPicture:
    values = {"sha256": "0" * 64, "width_px": 64, "height_px": 48, "added_at": datetime.now(UTC), **fields}
    return ProjectPicture(name=name, file=Path("/parts") / name, **values)  # type: ignore[arg-type]


def needs(count: int) -> Rule:
    return lambda project: Readiness("" if len(project.pictures) >= count else f"{count} pictures are needed")


@pytest.fixture
def store(tmp_path: Path) -> ProjectStore:
    return ProjectStore(tmp_path)


def test_that_a_project_is_reopened_as_it_was_left(store: ProjectStore) -> None:
    with Flow.begin(store, Project(name="Ring"), {}) as flow:
        flow.change(pictures=(picture("a.png"), picture("b.png", label="bad")), step=Step.METHOD)
        left = flow.replace(flow.project.with_candidate(Candidate(title="PatchCore", order={"method": "patchcore"})))
    with Flow.reopen(store, left.id, {}) as flow:
        assert flow.project == left
        assert [one.name for one in flow.project.used("good")] == ["a.png"]


def test_that_one_window_has_a_project_at_a_time(store: ProjectStore) -> None:
    with Flow.begin(store, Project(name="Ring"), {}) as flow, pytest.raises(ProjectError, match="open in another"):
        Flow.reopen(store, flow.project.id, {})
    Flow.reopen(store, flow.project.id, {}).close()


def test_that_a_project_that_is_gone_leaves_no_folder_behind(store: ProjectStore, tmp_path: Path) -> None:
    with Flow.begin(store, Project(name="Ring"), {}) as flow:
        gone = flow.project.id
    store.remove(gone)
    with pytest.raises(ProjectError, match="No such file"):
        Flow.reopen(store, gone, {})
    assert not list(tmp_path.iterdir())


def test_that_a_step_is_shown_once_nothing_is_missing_before_it(store: ProjectStore) -> None:
    with Flow.begin(store, Project(name="Ring"), {Step.PICTURES: needs(1), Step.METHOD: needs(2)}) as flow:
        assert not flow.go(Step.AREA)
        assert flow.reachable() == ((Step.PICTURES,), "1 pictures are needed")
        flow.change(pictures=(picture("a.png"),))
        assert flow.go(Step.METHOD)
        assert not flow.go(Step.TRAINING)
        assert flow.project.step is Step.METHOD
        assert flow.go(Step.PICTURES)


def test_that_what_cannot_be_stored_has_not_happened(store: ProjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with Flow.begin(store, Project(name="Ring"), {}) as flow:
        monkeypatch.setattr("station.projects.store.write_atomically", full)
        with pytest.raises(ProjectError, match=r"No space left on device.*Free some space"):
            flow.change(notes="new alloy")
        assert flow.project.notes == ""


def test_that_pictures_are_written_only_when_they_change(store: ProjectStore) -> None:
    with Flow.begin(store, Project(name="Ring"), {}) as flow:
        file = flow.folder / PICTURES_FILE
        before = file.stat().st_mtime_ns, file.stat().st_ino
        flow.change(notes="new alloy")
        assert (file.stat().st_mtime_ns, file.stat().st_ino) == before


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        (PROJECT_FILE, "no json", "this is no project file"),
        (PROJECT_FILE, json.dumps({"version": 7}), "another Loupe"),
        (PROJECT_FILE, json.dumps({"name": ""}), "name"),
        (PICTURES_FILE, json.dumps([{"name": "a.png"}]), "file"),
    ],
)
def test_that_a_damaged_project_says_what_is_wrong_and_stays_listed(
    store: ProjectStore, file: str, content: str, told: str
) -> None:
    with Flow.begin(store, Project(name="Ring"), {}) as flow:
        (flow.folder / file).write_text(content)
    with pytest.raises(ProjectError, match=told):
        Flow.reopen(store, flow.project.id, {})
    (summary,) = store.list()
    assert told in summary.problem
    store.remove(summary.id)
    assert store.list() == ()


def test_that_projects_are_listed_with_the_last_changed_first(store: ProjectStore) -> None:
    for number, name in enumerate(("Ring", "Seat")):
        with Flow.begin(store, Project(name=name), {}) as flow:
            os.utime(flow.folder / PROJECT_FILE, (number, number))
    assert [one.name for one in store.list()] == ["Seat", "Ring"]
