"""Logs rotate; what nobody foresaw leaves a readable report, once, from whatever thread it came."""

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from station import logs


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    logs.start_logging(tmp_path)
    yield tmp_path
    logs.stop_logging()
    logs.forget_unforeseen()
    root.handlers[:] = before
    root.setLevel(level)


def reports(folder: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("report-*.txt"))]


def fail(words: str, kind: type[Exception] = ZeroDivisionError) -> None:
    try:
        raise kind(words)
    except kind as bug:
        logging.getLogger("station").critical("Unforeseen failure", exc_info=bug)


def test_that_a_report_tells_version_thread_and_trace(folder: Path) -> None:
    fail("made up")
    (text,) = reports(folder)
    for words in ("Loupe ", "Python ", "thread MainThread", "ZeroDivisionError: made up", "in fail"):
        assert words in text


def test_that_a_failure_that_comes_again_and_again_is_reported_once(folder: Path) -> None:
    for _ in range(50):
        fail("made up")
    assert len(reports(folder)) == 1


def test_that_only_the_newest_reports_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "REPORTS_KEPT", 3)
    for number in range(6):
        fail(str(number), type(f"Failure{number}", (Exception,), {}))
    assert [f"Failure{number}: {number}" in text for number, text in zip((3, 4, 5), reports(folder), strict=True)]


def test_that_the_log_file_rotates(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs.stop_logging()
    monkeypatch.setattr(logs, "LOG_BYTES", 2000)
    logs.start_logging(folder)
    for number in range(500):
        logging.getLogger("station").info("part %d", number)
    names = sorted(path.name for path in folder.glob("loupe.log*"))
    assert names == ["loupe.log", *(f"loupe.log.{n}" for n in range(1, logs.LOG_FILES))]


def test_that_a_folder_that_cannot_be_written_does_not_keep_the_station_from_running(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    logs.start_logging(blocked / "logs")
    logs.stop_logging()


def test_that_an_exception_in_any_thread_is_told_with_its_report(folder: Path) -> None:
    told: list[BaseException] = []
    logs.catch_unforeseen(told.append)

    def work() -> None:
        raise ZeroDivisionError("in a thread")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert [str(bug) for bug in told] == ["in a thread"]
    assert "in a thread" in reports(folder)[0]


def test_that_a_failure_while_painting_is_told_and_does_not_crash_the_process() -> None:
    script = """
import sys
from PySide6.QtCore import QTimer
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QApplication, QWidget
from station.logs import catch_unforeseen

class Bad(QWidget):
    def paintEvent(self, event):
        painter = QPainter(self)
        raise ZeroDivisionError("in a paint event")

app = QApplication([])
told = []
catch_unforeseen(told.append)
window = Bad()
window.show()
QTimer.singleShot(300, app.quit)
for wait in (50, 100, 150):
    QTimer.singleShot(wait, window.repaint)
app.exec()
print(len(told) > 1, {str(bug) for bug in told})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "True {'in a paint event'}"
    assert "active painter" not in done.stderr
