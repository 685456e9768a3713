"""Scoring in a child process, with small children of our own in place of `loupe judge`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from station.workers.scoring import ScoredSheet, ScoringProcess, ScoringProgress

DONE = """
import json, sys
model, pictures, _, out, _ = sys.argv[1:]
print(json.dumps({"event": "progress", "stage": "Judging", "done": 1, "total": 2, "eta_s": 0.5}))
print(json.dumps({"event": "scored", "name": "a", "score": 1.0}))
print(json.dumps({"event": "sheet", "folder": out, "model_hash": "0" * 64, "pictures": 2, "faults": 1}))
"""
FAILS = """
import json, sys
print(json.dumps({"event": "error", "message": "model.loupe: there is no such file."}))
sys.exit(2)
"""
WAITS = """
import json, time
print(json.dumps({"event": "progress", "done": 0, "total": 9}), flush=True)
time.sleep(60)
"""


@pytest.fixture
def child_of(qapp: object) -> Iterator[object]:
    made: list[ScoringProcess] = []

    def child(source: str) -> ScoringProcess:
        made.append(ScoringProcess((sys.executable, "-c", source)))
        return made[-1]

    yield child
    for process in made:
        process.stop()
        process.deleteLater()


def start(process: ScoringProcess, folder: Path) -> None:
    process.start(folder / "model.loupe", folder / "pictures.json", folder / "model.scores")


def test_that_progress_and_the_finished_sheet_are_told(child_of, qtbot: QtBot, tmp_path: Path) -> None:
    process, seen = child_of(DONE), []
    process.progressed.connect(seen.append)
    with qtbot.waitSignal(process.succeeded, timeout=10_000) as told:
        start(process, tmp_path)
    assert told.args == [ScoredSheet(tmp_path / "model.scores", "0" * 64, pictures=2, faults=1)]
    assert seen == [ScoringProgress(1, 2, 0.5)]
    assert not process.is_running


def test_that_a_failure_is_told_in_the_childs_own_words(child_of, qtbot: QtBot, tmp_path: Path) -> None:
    process = child_of(FAILS)
    with qtbot.waitSignal(process.failed, timeout=10_000) as told:
        start(process, tmp_path)
    assert told.args == ["model.loupe: there is no such file."]


def test_that_a_child_that_ends_without_a_sheet_has_failed(child_of, qtbot: QtBot, tmp_path: Path) -> None:
    process = child_of("pass")
    with qtbot.waitSignal(process.failed, timeout=10_000) as told:
        start(process, tmp_path)
    assert "without a result" in told.args[0]


def test_that_a_missing_program_is_told(qtbot: QtBot, tmp_path: Path) -> None:
    process = ScoringProcess((str(tmp_path / "nothing"),))
    with qtbot.waitSignal(process.failed, timeout=10_000) as told:
        start(process, tmp_path)
    assert "cannot be started" in told.args[0]
    process.deleteLater()


def test_that_scoring_can_be_cancelled_and_begun_anew(child_of, qtbot: QtBot, tmp_path: Path) -> None:
    process = child_of(WAITS)
    for _ in range(2):
        with qtbot.waitSignal(process.progressed, timeout=10_000):
            start(process, tmp_path)
        with qtbot.waitSignal(process.cancelled, timeout=10_000):
            process.cancel()
