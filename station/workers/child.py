"""What every child process of ours gets."""

import contextlib

import psutil
from PySide6.QtCore import QProcess, QProcessEnvironment


def child_environment() -> QProcessEnvironment:
    """Ours, with output in UTF-8 that comes at once."""
    environment = QProcessEnvironment.systemEnvironment()
    environment.insert("PYTHONUNBUFFERED", "1")
    environment.insert("PYTHONIOENCODING", "utf-8")
    return environment


def lower_priority(process: QProcess) -> None:
    """Let the line go first. Call as soon as `process` has started, before it has threads: on Linux a priority belongs
    to a thread and is inherited.
    """
    low = getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 10)
    with contextlib.suppress(psutil.Error, OSError):
        psutil.Process(process.processId()).nice(low)
