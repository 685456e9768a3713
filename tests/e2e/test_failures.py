"""The whole station when something goes wrong, when it is closed at a bad moment, and with nothing but a keyboard."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QWidget

from station.core.verdict import Verdict
from station.home import Home, HomeInUseError
from station.logs import start_logging, stop_logging
from station.settings import Settings
from station.ui.first_window import raise_first_window
from tests.e2e.driver import Operator, pause, prepare_demo_home, running_station

pytestmark = pytest.mark.usefixtures("qapp")


@pytest.fixture(scope="module")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("station") / "home"
    prepare_demo_home(home)
    return home


@pytest.fixture
def logs(demo_home: Path) -> Iterator[Path]:
    folder = Home(demo_home).logs
    start_logging(folder)
    yield folder
    stop_logging()


def shown(operator: Operator) -> str:
    """All words on the screen."""
    labels = [label.text() for label in operator.window.findChildren(QLabel) if label.isVisible()]
    spoken = [widget.accessibleName() for widget in operator.window.findChildren(QWidget) if widget.isVisible()]
    return "\n".join(labels + spoken)


def test_that_a_bug_while_judging_stops_the_line_with_a_fault_and_a_report(
    demo_home: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        monkeypatch.setattr("station.core.inspector.judge", lambda *_: 1 / 0)
        part = operator.inspect()
        assert part.inspection.verdict is Verdict.FAULT
        operator.wait_until(lambda: "The line has stopped" in shown(operator), "the operator is told")
        monkeypatch.undo()
        operator.window.action_requested.emit("reload")
        operator.wait_ready()
        assert operator.inspect().inspection.verdict is not Verdict.FAULT
    newest = sorted(logs.glob("report-*.txt"))[-1].read_text(encoding="utf-8")
    assert "ZeroDivisionError" in newest
    assert "test_failures.py" in newest


def test_that_a_bug_in_a_slot_of_the_worker_s_thread_stops_the_line(
    demo_home: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        monkeypatch.setattr("station.workers.inspection.Inspector", lambda *_: 1 / 0)
        operator.window.action_requested.emit("reload")
        operator.wait_until(lambda: "The line has stopped" in shown(operator), "the operator is told")
        operator.wait_until(lambda: len(operator.parts) == 1, "one FAULT is recorded")
        monkeypatch.undo()
        operator.window.action_requested.emit("reload")
        operator.wait_ready()
        assert operator.inspect().inspection.verdict is not Verdict.FAULT


def test_that_a_disk_that_is_full_is_told_and_every_part_is_a_fault(demo_home: Path) -> None:
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        operator.station.keeper.change(disk_warn_gb=1e9, disk_stop_gb=1e9)
        assert "The disk is full" in shown(operator)
        part = operator.inspect()
        assert part.inspection.verdict is Verdict.FAULT
        assert "Disk nearly full" in (part.inspection.fault or "")
        assert part.is_stored, "the FAULT itself still fits"
        operator.station.keeper.change(disk_warn_gb=0.0, disk_stop_gb=0.0)
        assert operator.inspect().inspection.verdict is not Verdict.FAULT, "freed space needs no restart"


def test_that_a_damaged_history_is_told_on_every_page_and_left_alone(tmp_path: Path) -> None:
    place = Home(tmp_path / "home")
    place.folder.mkdir()
    place.database.write_bytes(b"no database " * 100)
    from station.app import Station

    with place.lock():
        station = Station(place, Settings(), None, None)
        station.window.show()
        operator = Operator(station)
        operator.wait_until(lambda: "The history cannot be opened" in shown(operator), "the operator is told")
        for name in ("history", "training"):
            station.window.open_page(name)
            QApplication.processEvents()
            assert "loupe.db" in shown(operator)
            assert "is being opened" not in shown(operator)
        station.window.close()
        assert station.stop()
        station.window.deleteLater()
        station.deleteLater()
        pause(10)
    assert place.database.read_bytes() == b"no database " * 100


@pytest.mark.parametrize("moment", ["while parts are rendered", "while the model is learnt"])
def test_that_the_window_closes_while_the_demo_is_prepared(tmp_path: Path, moment: str) -> None:
    word = "Rendering" if moment == "while parts are rendered" else "pictures"
    with running_station(tmp_path / "home", source="demo") as operator:
        if moment == "while parts are rendered":
            operator.wait_until(lambda: word in shown(operator), moment)
        else:
            training = operator.station._training
            assert training is not None
            operator.wait_until(lambda: training.is_running, moment)
            pause(300)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    jobs = tmp_path / "home" / "jobs"
    assert not list(jobs.rglob("*.loupe")), "nothing half-made stays"


def test_that_the_home_is_free_again_after_closing(demo_home: Path) -> None:
    with running_station(demo_home, source="demo"), pytest.raises(HomeInUseError):
        Home(demo_home).lock()
    Home(demo_home).lock().release()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_that_sigterm_closes_the_station_cleanly(demo_home: Path) -> None:
    station = subprocess.Popen(
        [sys.executable, "-m", "station", "run", "--home", str(demo_home)], stderr=subprocess.PIPE, text=True
    )
    assert raise_first_window(Home(demo_home).socket_name, patience_s=30)
    station.send_signal(signal.SIGTERM)
    _, words = station.communicate(timeout=60)
    assert station.returncode == 0, words
    assert "Traceback" not in words
    assert "QThread" not in words


def test_that_a_keyboard_alone_does_everything_an_operator_needs(demo_home: Path, window_system: None) -> None:
    with running_station(demo_home, source="demo") as operator:
        operator.wait_ready()
        serial = operator.page("inspect").findChild(QLineEdit)
        assert serial is not None
        operator.wait_until(operator.window.isActiveWindow, "the window has the keys")
        for _ in range(30):
            if serial.hasFocus():
                break
            press(Qt.Key.Key_Tab)
        assert serial.hasFocus(), "Tab reaches the serial"
        for key in (Qt.Key.Key_A, Qt.Key.Key_7):
            press(key)
        operator.wait_until(lambda: serial.text().lower() == "a7", "the serial is typed")
        part = operator.inspect()
        assert part.inspection.serial.lower() == "a7"
        for number, name in enumerate(("inspect", "history", "training", "settings"), start=1):
            operator.key(Qt.Key(Qt.Key.Key_0 + number), Qt.KeyboardModifier.ControlModifier)
            assert operator.window.current_page() == name
        operator.key(Qt.Key.Key_1, Qt.KeyboardModifier.ControlModifier)
        assert operator.inspect().inspection.verdict in Verdict


def press(key: Qt.Key) -> None:
    """To whatever has the focus, slower than any scanner."""
    focus = QApplication.focusWidget()
    assert focus is not None
    QTest.keyClick(focus.window().windowHandle(), key)
    pause(80)
