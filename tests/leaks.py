"""Finds what a test leaves running: Python threads, QThreads, QTimers, windows.

Python threads are noted when they start, with the project's line that started them. Qt's are looked for among the live
objects: replacing `QTimer.start`, which is a slot, would change how signals connect to it.
"""

import gc
import threading
import traceback
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent, QObject, QThread, QTimer
from PySide6.QtWidgets import QApplication, QWidget

PROJECT = Path(__file__).resolve().parents[1]
GRACE_MS = 2000

# Threads of libraries that serve the whole process and end with it, by the beginning of their names.
LIBRARY_THREADS = ("tqdm", "pydevd", "pytest_timeout")


class Watch:
    """Looks at what was started between entering and leaving, and what of it still runs."""

    def __init__(self) -> None:
        self._patch = pytest.MonkeyPatch()
        self._threads: list[tuple[threading.Thread, str]] = []
        self._windows_before: set[int] = set()

    def __enter__(self) -> Self:
        start = threading.Thread.start

        def noting_start(thread: threading.Thread) -> None:
            self._threads.append((thread, _line_of_the_project()))
            start(thread)

        self._patch.setattr(threading.Thread, "start", noting_start)
        self._windows_before = {_address(window) for window in _windows()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._patch.undo()

    def threads_left(self) -> list[str]:
        """The Python threads that have not ended after a grace, one line each."""
        return [f"thread {thread.name!r}, started at {line}" for thread, line in self._threads if _goes_on(thread)]

    def qt_left(self) -> list[str]:
        """The QThreads and QTimers that run and the windows that are there, one line each; each is told once only."""
        _delete_what_asked_for_it()
        left = [f"{_described(thing)} of {_described(thing.parent())}" for thing in _running_in_qt()]
        if self._new_windows():
            gc.collect()  # a window in a reference cycle is garbage, not a leak
        return left + [f"window {_described(window)} {window.windowTitle()!r}" for window in self._new_windows()]

    def _new_windows(self) -> list[QWidget]:
        return [
            window
            for window in _windows()
            if _address(window) not in self._windows_before and (window.isVisible() or _is_ours(window))
        ]


_told: "weakref.WeakSet[QObject]" = weakref.WeakSet()


def _running_in_qt() -> list[QObject]:
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), (QThread, QTimer)) and _runs(thing)]
    new = [thing for thing in found if thing not in _told]
    _told.update(new)
    return new


def _runs(thing: QThread | QTimer) -> bool:
    if not shiboken6.isValid(thing):
        return False
    if isinstance(thing, QTimer):
        return thing.isActive()
    return thing is not QThread.currentThread() and not thing.wait(GRACE_MS)


def _goes_on(thread: threading.Thread) -> bool:
    if thread.name.startswith(LIBRARY_THREADS):
        return False
    thread.join(GRACE_MS / 1000)
    return thread.is_alive()


def _windows() -> list[QWidget]:
    """Top-level widgets that no other widget owns; none where there is no application with widgets."""
    if not isinstance(QCoreApplication.instance(), QApplication):
        return []
    return [window for window in QApplication.topLevelWidgets() if window.parent() is None]


def _is_ours(window: QWidget) -> bool:
    """Libraries keep hidden menus and tool tips for later; we have no reason to."""
    return type(window).__module__.split(".")[0] in {"station", "tests"}


def _address(window: QWidget) -> int:
    return int(shiboken6.getCppPointer(window)[0])


def _described(thing: QObject | None) -> str:
    if thing is None:
        return "nobody"
    return f"{type(thing).__name__} {thing.objectName()!r}" if thing.objectName() else type(thing).__name__


def _line_of_the_project() -> str:
    ours = [
        frame
        for frame in traceback.extract_stack()
        if frame.filename.startswith(str(PROJECT)) and "site-packages" not in frame.filename
    ][:-2]  # less this function and the one that notes
    return f"{Path(ours[-1].filename).relative_to(PROJECT)}:{ours[-1].lineno}" if ours else "a line of a library"


def _delete_what_asked_for_it() -> None:
    """Carry out `deleteLater`, which otherwise waits for an event loop that a test no longer runs."""
    if QCoreApplication.instance() is not None:
        QCoreApplication.processEvents()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
