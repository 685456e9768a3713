"""The whole station in a real window: a picture becomes a stored verdict, and nothing that fails shows as OK."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from station.capture.simulated import SimulatedCamera
from station.core.verdict import Verdict
from station.home import Home
from station.settings import Settings
from station.ui.settings.page import SettingsPage
from tests.e2e.driver import prepare_demo_home, running_station

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("station") / "home"
    prepare_demo_home(home)
    return home


def rows(home: Path) -> list[tuple[str, str, float | None, str | None]]:
    """What plain sqlite3 finds, without any of our code."""
    with sqlite3.connect(f"file:{home / 'loupe.db'}?mode=ro", uri=True) as database:
        found = database.execute("SELECT id, verdict, score, picture_hash FROM inspections ORDER BY sequence")
        return found.fetchall()


def test_that_space_brings_a_verdict_that_is_stored(demo_home: Path) -> None:
    before = len(rows(demo_home))
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        parts = [operator.inspect() for _ in range(3)]
        stored = rows(demo_home)[before:]
        assert [row[0] for row in stored] == [part.inspection.id for part in parts]
        assert [row[1] for row in stored] == [part.inspection.verdict for part in parts]
        assert Verdict.FAULT not in [part.inspection.verdict for part in parts]
    for *_, picture_hash in stored:
        assert picture_hash is not None
        assert list((demo_home / "pictures").rglob(f"{picture_hash}*"))


def test_that_good_and_bad_demo_parts_are_told_apart(demo_home: Path) -> None:
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        judged = [operator.inspect().inspection for _ in range(20)]
    caught = [part.verdict is Verdict.NG for part in judged if part.given_truth == "anomaly"]
    false_calls = [part.verdict is Verdict.NG for part in judged if part.given_truth == "normal"]
    assert sum(caught) >= 0.7 * len(caught)
    assert sum(false_calls) <= 2


@pytest.mark.parametrize(("disturbance", "word"), [("covered", "dark"), ("empty", ""), ("unfocused", "focus")])
def test_that_a_picture_without_a_usable_part_is_a_fault(
    demo_home: Path, monkeypatch: pytest.MonkeyPatch, disturbance: str, word: str
) -> None:
    monkeypatch.setattr("station.app._open_camera", lambda spec: SimulatedCamera(disturbance=disturbance))  # type: ignore[arg-type]
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        part = operator.inspect().inspection
    assert part.verdict is Verdict.FAULT
    assert word in (part.fault or "")
    assert part.picture_hash is not None, "the picture is kept to see what was wrong"


def test_that_a_lost_camera_is_a_fault_with_a_way_out(demo_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    camera = SimulatedCamera()
    monkeypatch.setattr("station.app._open_camera", lambda spec: camera)
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        camera.disturbance = "lost"
        assert operator.inspect().inspection.verdict is Verdict.FAULT
        camera.disturbance = None
        operator.window.action_requested.emit("reconnect")
        assert operator.inspect().inspection.verdict is not Verdict.FAULT


def test_that_a_runtime_chosen_in_settings_computes_from_the_next_part_on(demo_home: Path, tmp_path: Path) -> None:
    home = Path(shutil.copytree(demo_home, tmp_path / "home"))
    with running_station(home, source="demo") as operator:
        operator.wait_ready()
        operator.window.open_page("settings")
        page = operator.page("settings")
        assert isinstance(page, SettingsPage)
        told = page._about._computing
        operator.wait_until(lambda: "ONNX Runtime" in told.text(), "ONNX Runtime computes")
        page._computing._chips["torch"].click()
        operator.wait_until(lambda: "PyTorch" in told.text(), "PyTorch computes")
        operator.window.open_page("inspect")
        operator.wait_ready()
        assert operator.inspect().inspection.verdict is not Verdict.FAULT
    assert Settings.load(Home(home).settings).runtime == "torch"


def test_that_continuous_inspection_runs_and_stops(demo_home: Path) -> None:
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        operator.station.keeper.change(continuous_interval_s=0.0)
        modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        operator.key(Qt.Key.Key_C, modifiers)
        operator.wait_until(lambda: len(operator.parts) >= 5, "five parts were judged")
        operator.key(Qt.Key.Key_C, modifiers)
        judged = {part.inspection.id for part in operator.parts}
    assert judged <= {row[0] for row in rows(demo_home)}


def test_that_a_folder_of_pictures_is_inspected_to_its_end(demo_home: Path, tmp_path: Path) -> None:
    from station.capture.demo_line.dataset import write_demo_dataset

    write_demo_dataset(tmp_path / "parts", 2, seed=3, test_good=2, test_defects=2)
    with running_station(demo_home, source=f"folder:{tmp_path / 'parts'}") as operator:
        operator.wait_ready()
        modifiers = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        operator.station.keeper.change(continuous_interval_s=0.0)
        operator.key(Qt.Key.Key_C, modifiers)
        operator.wait_until(lambda: len(operator.parts) == 4, "all four pictures were judged")
    assert [part.inspection.given_truth for part in operator.parts] == ["normal", "normal", "anomaly", "anomaly"]


@pytest.mark.parametrize(
    "leave", [lambda operator: None, lambda operator: operator.wait_ready()], ids=["at once", "when ready"]
)
def test_that_the_window_closes_cleanly_in_any_state(demo_home: Path, leave: Callable[..., None]) -> None:
    with running_station(demo_home, source="demo") as operator:
        leave(operator)


def test_that_closing_while_a_part_is_judged_keeps_it(demo_home: Path) -> None:
    before = len(rows(demo_home))
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        operator.key(Qt.Key.Key_Space)
    assert len(rows(demo_home)) == before + 1


def test_that_an_unforeseen_failure_in_the_window_stops_the_line_and_leaves_a_report(demo_home: Path) -> None:
    from station.logs import start_logging, stop_logging

    start_logging(Home(demo_home).logs)
    try:
        with running_station(demo_home, source="demo") as operator:
            operator.wait_ready()
            sys.excepthook(ZeroDivisionError, ZeroDivisionError("made up"), None)
            operator.wait_until(lambda: bool(operator.parts), "the line recorded a FAULT")
            assert operator.parts[-1].inspection.verdict is Verdict.FAULT
            reports = list(Home(demo_home).logs.glob("report-*.txt"))
            assert "made up" in reports[-1].read_text(encoding="utf-8")
    finally:
        stop_logging()


def test_that_a_second_start_raises_the_first_window(demo_home: Path, window_system: None) -> None:
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        raised: list[bool] = []
        operator.station._first_window.raise_requested.connect(lambda: raised.append(True))
        second = subprocess.Popen([sys.executable, "-m", "station", "run", "--home", str(demo_home)])
        operator.wait_until(lambda: second.poll() is not None, "the second start ended")
        assert second.returncode == 0
        operator.wait_until(lambda: bool(raised), "the first window was raised")
