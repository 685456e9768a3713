"""The leak checks themselves: they find what runs on and leave alone what has ended."""

import threading

import pytest
from PySide6.QtCore import QObject, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from tests import leaks


@pytest.fixture(autouse=True)
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "GRACE_MS", 20)


def test_that_a_thread_still_waiting_is_told_with_the_line_that_started_it() -> None:
    ended = threading.Event()
    with leaks.Watch() as watch:
        thread = threading.Thread(target=ended.wait, name="waiting")
        thread.start()
    (line,) = watch.threads_left()
    ended.set()
    thread.join()
    assert "'waiting'" in line
    assert "tests/installer/test_leaks.py:" in line
    assert watch.threads_left() == []


def test_that_a_running_qthread_and_an_active_timer_are_told(qapp: QApplication) -> None:
    owner = QObject()
    owner.setObjectName("owner")
    with leaks.Watch() as watch:
        thread = QThread()
        thread.start()
        timer = QTimer(owner)
        timer.start(60_000)
    told = watch.qt_left()
    thread.quit()
    assert thread.wait(2000)
    timer.stop()
    assert sorted(told) == ["QThread of nobody", "QTimer of QObject 'owner'"]
    assert watch.qt_left() == []


def test_that_a_window_left_open_is_told_and_one_that_asked_to_be_deleted_is_not(qapp: QApplication) -> None:
    with leaks.Watch() as watch:
        kept, closed = QWidget(), QWidget()
        kept.setWindowTitle("kept")
        kept.show()
        closed.show()
        closed.close()
        closed.deleteLater()
    told = watch.qt_left()
    kept.close()
    kept.deleteLater()
    assert told == ["window QWidget 'kept'"]
    assert watch.qt_left() == []
