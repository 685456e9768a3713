"""Training: candidates one after another, whatever happens is told and can be gone on from."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QProcess, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ml.artifact import read_manifest
from ml.job import TrainingJob
from ml.score_sheet import ScoreSheet, scores_folder
from ml.training.resources import Resources
from station.projects.flow import Flow
from station.projects.project import Project, Step
from station.projects.queue import with_shown
from station.projects.steps import RULES
from station.ui import theme
from station.ui.training.learning.candidate_row import CandidateRow
from station.ui.training.learning.page import LearningPage
from station.ui.training.wizard_page import WizardPorts
from station.workers.training import TrainingProcess
from tests.projects.pictures import project_of
from tests.ui.training.conftest import OpenFlow
from tests.ui.training.fake_training import FAILS, HANGS, LEARNS, fake_command


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> None:
    theme.apply(qapp, "light")


@pytest.fixture
def quick(ports: WizardPorts, tmp_path: Path) -> Iterator[WizardPorts]:
    """Ports whose training child takes moments."""
    process = TrainingProcess(ports.home.jobs, fake_command(tmp_path))
    yield replace(ports, training=process)
    process.stop()
    process.deleteLater()


def queued(tmp_path: Path, *seeds: int) -> Project:
    project = project_of(tmp_path / "in")
    for seed in seeds:
        project = with_shown(project.model_copy(update={"order": {"method": "padim", "seed": seed}}))
    return project


def shown(qtbot: QtBot, flow: Flow, ports: WizardPorts) -> LearningPage:
    page = LearningPage(flow, ports)
    qtbot.addWidget(page, before_close_func=lambda _: page.close_down())  # which keeps it alive until then
    page.resize(900, 560)
    page.show()
    page.enter()
    return page


def states(page: LearningPage) -> list[str]:
    return [one.state for one in page._flow.project.candidates]


def first_row(page: LearningPage) -> CandidateRow:
    return next(iter(page._queue.rows.values()))


def start(page: LearningPage, qtbot: QtBot) -> None:
    qtbot.mouseClick(page._queue.start, Qt.MouseButton.LeftButton)


def test_that_the_shown_order_is_trained_without_any_ado(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "padim"})), quick)
    assert states(page) == ["waiting"] and "Start" in page._flow.readiness(Step.TRAINING).obstacle
    with qtbot.waitSignal(page.changed):
        qtbot.keyClick(page._queue.start, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: states(page) == ["trained"])
    (one,) = page._flow.project.candidates
    assert one.model_hash == "ab" * 32 and (Path(one.folder) / "model.loupe").is_file()
    assert page._flow.readiness(Step.TRAINING).obstacle == ""
    assert "is trained" in page._run._stage.text()
    assert quick.archive.snapshots.of(f"project:{page._flow.project.id}") == {
        picture.sha256 for picture in page._flow.project.pictures
    }
    page.enter()
    assert states(page) == ["trained"]  # the same order does not join twice


def test_that_a_failure_is_told_and_the_next_one_has_its_turn(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, FAILS, 0)), quick)
    start(page, qtbot)
    qtbot.waitUntil(lambda: states(page) == ["failed", "trained"])
    first = first_row(page)
    assert first._problem.text() == "Too few pictures. Add more." and first.retry.isVisible()
    qtbot.mouseClick(first.retry, Qt.MouseButton.LeftButton)
    assert states(page) == ["waiting", "trained"]
    qtbot.waitUntil(lambda: states(page) == ["failed", "trained"])
    assert "Too few" in page._notice._words.text() and page._side.currentWidget() is page._notice


def test_that_a_cancelled_run_goes_on_where_it_stood(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, LEARNS, 0)), quick)
    start(page, qtbot)
    qtbot.waitUntil(page._run._show_learning.isChecked)
    qtbot.mouseClick(page._run._cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: states(page) == ["cancelled", "waiting"])
    first = first_row(page)
    assert "is kept" in first._state.text() and first.go_on.isVisible()
    qtbot.mouseClick(first.go_on, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: states(page) == ["trained", "trained"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_that_a_killed_child_is_told_and_can_go_on(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, LEARNS)), quick)
    start(page, qtbot)
    qtbot.waitUntil(page._run._show_learning.isChecked)
    process = quick.training.findChild(QProcess)
    assert process is not None
    os.kill(process.processId(), signal.SIGKILL)
    qtbot.waitUntil(lambda: states(page) == ["failed"])
    (only,) = page._queue.rows.values()
    assert "memory" in only._problem.text() and only.go_on.isVisible()
    assert "is kept" in page._notice._words.text()


def test_that_a_power_cut_leaves_a_queue_that_goes_on(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    project = queued(tmp_path, LEARNS, 0)
    project = project.with_candidate(project.candidates[0].model_copy(update={"state": "running"}))
    flow = open_flow(project)
    folder = flow.candidate_folder(project.candidates[0].id)
    folder.mkdir(parents=True)
    (folder / "model.loupe.resume").touch()
    TrainingJob(data=tmp_path / "in", out=folder / "model.loupe", seed=LEARNS).save(folder / "job.json")
    page = shown(qtbot, flow, quick)
    assert states(page) == ["cancelled", "waiting"]
    first = first_row(page)
    assert "Interrupted" in first._problem.text() and "was interrupted" in page._notice._title.text()
    qtbot.mouseClick(first.go_on, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: states(page) == ["trained", "trained"])


def test_that_a_run_goes_on_without_its_page_and_is_found_again(
    quick: WizardPorts, tmp_path: Path, qtbot: QtBot
) -> None:
    project = queued(tmp_path, HANGS)
    flow = Flow.begin(quick.projects, project, RULES)
    page = shown(qtbot, flow, quick)
    start(page, qtbot)
    qtbot.waitUntil(lambda: page._run._stage.text() == "Describing pictures")
    page.close_down()
    flow.close()
    assert quick.training.is_running
    with Flow.reopen(quick.projects, project.id, RULES) as again:
        later = shown(qtbot, again, quick)
        assert states(later) == ["running"] and later._side.currentWidget() is later._run
        qtbot.mouseClick(later._run._cancel, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: states(later) == ["cancelled"])
        later.close_down()


def test_that_one_model_is_trained_at_a_time(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    (tmp_path / "other").mkdir()
    other = TrainingJob(data=tmp_path, out=tmp_path / "other" / "model.loupe", seed=HANGS)
    with qtbot.waitSignal(quick.training.progressed):
        quick.training.train(other, "Door handle")
    page = shown(qtbot, open_flow(queued(tmp_path, 0)), quick)
    assert "Door handle" in page._queue._turn.text()
    start(page, qtbot)
    assert states(page) == ["waiting"] and "when that is done" in page._queue._turn.text()
    quick.training.cancel()
    qtbot.waitUntil(lambda: states(page) == ["trained"])
    assert not page._queue._turn.isVisible()


def test_that_pictures_that_are_gone_stop_the_queue_and_are_named(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, 0, 5)), quick)
    (tmp_path / "in" / "part_003.png").unlink()
    start(page, qtbot)
    qtbot.waitUntil(lambda: states(page) == ["failed", "waiting"])
    assert "part_003.png" in first_row(page)._problem.text()


def test_that_a_model_of_other_pictures_than_now_is_marked(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, 0)), quick)
    start(page, qtbot)
    qtbot.waitUntil(lambda: states(page) == ["trained"])
    with qtbot.waitSignal(page._candidates.compared):
        page.enter()
    assert not first_row(page)._outdated.isVisible()
    page._flow.change(pictures=page._flow.project.pictures[1:])
    page.enter()
    qtbot.waitUntil(first_row(page)._outdated.isVisible)


def test_that_candidates_can_be_repeated_and_removed(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, 0)), quick)
    start(page, qtbot)
    qtbot.waitUntil(lambda: states(page) == ["trained"])
    (one,) = page._queue.rows.values()
    qtbot.mouseClick(one.repeat, Qt.MouseButton.LeftButton)
    assert states(page) == ["trained", "waiting"]
    folder = Path(page._flow.project.candidates[0].folder)
    first = first_row(page)
    qtbot.mouseClick(first.remove, Qt.MouseButton.LeftButton)
    assert states(page) == ["waiting"]
    qtbot.waitUntil(lambda: not folder.exists())


def test_that_a_disk_that_refuses_the_project_is_told(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, 0)), quick)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("station.projects.store.write_atomically", full)
    start(page, qtbot)
    qtbot.waitUntil(lambda: "No space left" in page._queue._problem.text())
    assert states(page) == ["waiting"] and not quick.training.is_running


def test_that_closing_the_station_ends_the_child(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, HANGS)), quick)
    start(page, qtbot)
    qtbot.waitUntil(lambda: page._run._stage.text() == "Describing pictures")
    process = quick.training.findChild(QProcess)
    assert process is not None
    number = process.processId()
    page.close_down()
    quick.training.stop()
    assert not psutil.pid_exists(number)
    assert states(page) == ["running"]  # what became of it is found when the project is opened again


def test_that_memory_and_disk_are_checked_before_the_start(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = shown(qtbot, open_flow(queued(tmp_path, 0)), quick)
    qtbot.waitUntil(lambda: "of memory" in page._queue._needs.text())
    assert page._queue._problem.text() == ""
    room = Resources(memory=2**40, disk=1000)
    monkeypatch.setattr("station.projects.needs.available", lambda _job: room)
    start(page, qtbot)
    qtbot.waitUntil(lambda: "Free some space" in page._queue._problem.text())
    assert states(page) == ["waiting"] and not quick.training.is_running
    assert "Too little room" in page._notice._title.text()
    monkeypatch.undo()
    start(page, qtbot)
    qtbot.waitUntil(lambda: states(page) == ["trained"])


def test_that_too_little_memory_is_a_warning_where_it_may_do(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Resources(memory=800 * 2**20, disk=2**40, temporary=2**40)
    monkeypatch.setattr("station.projects.needs.available", lambda _job: room)
    page = shown(qtbot, open_flow(queued(tmp_path, 0)), quick)
    qtbot.waitUntil(lambda: "half-way" in page._queue._problem.text())
    start(page, qtbot)
    qtbot.waitUntil(lambda: states(page) == ["trained"])
    assert "half-way" in page._run.log_text()


def test_that_a_real_training_leaves_a_model_and_its_scores(
    ports: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", bad=1, order={"method": "template"})), ports)
    start(page, qtbot)
    qtbot.waitUntil(lambda: states(page) not in (["waiting"], ["running"]), timeout=60_000)
    (one,) = page._flow.project.candidates
    assert one.state == "trained", one.problem
    model = Path(one.folder) / "model.loupe"
    assert read_manifest(model).model_hash == one.model_hash
    assert [row.name for row in ScoreSheet.load(scores_folder(model)).rows] == ["part_100.png"]
