"""A second start raises the first window; a signal from the system closes it."""

import os
import signal
import subprocess
import sys
from uuid import uuid4

import pytest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from station.ui.first_window import FirstWindow, raise_first_window
from station.ui.termination import Termination

SECOND_START = "import sys; from station.ui.first_window import raise_first_window as r; sys.exit(not r(sys.argv[1]))"


@pytest.fixture
def name() -> str:
    return f"loupe-test-{uuid4().hex[:12]}"


def test_that_a_second_start_raises_the_first_window(qtbot: QtBot, name: str) -> None:
    first = FirstWindow(name)
    with qtbot.waitSignal(first.raise_requested, timeout=20_000):
        second = subprocess.Popen([sys.executable, "-c", SECOND_START, name])
    assert second.wait(20) == 0
    first.close()


def test_that_the_name_a_killed_station_left_behind_is_taken_over(qtbot: QtBot, name: str) -> None:
    killed = FirstWindow(name)  # never closed: its socket stays in the file system
    first = FirstWindow(name)
    with qtbot.waitSignal(first.raise_requested, timeout=20_000):
        subprocess.Popen([sys.executable, "-c", SECOND_START, name]).wait(20)
    for each in (killed, first):
        each.close()


def test_that_nobody_to_raise_is_told(qapp: QApplication, name: str) -> None:
    assert not raise_first_window(name, patience_s=0.2)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_that_a_signal_is_told_by_an_idle_event_loop(qtbot: QtBot, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    termination = Termination()
    with qtbot.waitSignal(termination.requested):
        os.kill(os.getpid(), number)
    termination.close()
    assert signal.getsignal(number) is before
