"""Logs that rotate, and a readable report for every failure that nobody foresaw."""

import logging
import platform
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

LOG_BYTES = 2_000_000
LOG_FILES = 5
REPORTS_KEPT = 20


def start_logging(folder: Path) -> None:
    """Write warnings to stderr and everything from INFO on to `folder`/loupe.log, at most five files of 2 MB.

    A folder that cannot be written leaves stderr alone: logging never keeps the station from running.
    """
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in list(root.handlers):
        root.removeHandler(handler)
    to_stderr = logging.StreamHandler()
    to_stderr.setLevel(logging.WARNING)
    to_stderr.setFormatter(logging.Formatter("loupe: %(levelname)s %(name)s: %(message)s"))
    root.addHandler(to_stderr)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        to_file = RotatingFileHandler(
            folder / "loupe.log", maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1, encoding="utf-8"
        )
    except OSError as error:
        root.warning("No log file: %s", error)
        return
    logging.getLogger("alembic").setLevel(logging.WARNING)
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(name)s: %(message)s"))
    root.addHandler(to_file)
    root.addHandler(ReportHandler(folder))


def stop_logging() -> None:
    """Close the log file, so that the folder can be moved or deleted."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        handler.close()
        root.removeHandler(handler)


class ReportHandler(logging.Handler):
    """Writes one text file per unforeseen failure: when, which versions, the whole trace. The newest 20 are kept.

    The same failure at the same line is reported once: one that comes with every repaint must not push the first ones,
    which tell most, out of the folder.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(logging.CRITICAL)
        self._folder = folder
        self._reported: set[tuple[type[BaseException], str, int]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info or record.exc_info[1] is None:
            return
        bug = record.exc_info[1]
        where = traceback.extract_tb(bug.__traceback__)[-1:]
        failure = (type(bug), *((where[0].filename, where[0].lineno or 0) if where else ("", 0)))
        if failure in self._reported:
            return
        self._reported.add(failure)
        from importlib.metadata import version  # with an e-mail parser in its train: not for every start

        now = datetime.now(UTC)
        text = (
            f"Loupe {version('loupe')} failed in a way that was not foreseen.\n{record.getMessage()}\n"
            f"{now.isoformat()}\n{platform.platform()}, Python {platform.python_version()}\n"
            f"thread {record.threadName}\n\n" + "".join(traceback.format_exception(bug))
        )
        try:
            (self._folder / f"report-{now:%Y%m%d-%H%M%S-%f}.txt").write_text(text, encoding="utf-8")
            for old in sorted(self._folder.glob("report-*.txt"))[:-REPORTS_KEPT]:
                old.unlink(missing_ok=True)
        except OSError:
            self.handleError(record)


def catch_unforeseen(tell: Callable[[BaseException], None]) -> None:
    """Hand every exception that reaches the top of any thread to `tell`, after logging it.

    `tell` is called in the thread that failed.
    """

    def in_main_thread(kind: type[BaseException], bug: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, bug, trace)
            return
        logging.getLogger(__name__).critical("Unforeseen failure", exc_info=(kind, bug, trace))
        # A painter in a frame of the trace would outlive its paint event, and Qt would crash before the FAULT is told.
        traceback.clear_frames(trace)
        tell(bug)

    def in_thread(failure: threading.ExceptHookArgs) -> None:
        if failure.exc_value is not None and not isinstance(failure.exc_value, SystemExit):
            in_main_thread(failure.exc_type, failure.exc_value, failure.exc_traceback)

    sys.excepthook = in_main_thread
    threading.excepthook = in_thread


def forget_unforeseen() -> None:
    """Give exceptions back to Python's own handling."""
    sys.excepthook = sys.__excepthook__
    threading.excepthook = threading.__excepthook__
