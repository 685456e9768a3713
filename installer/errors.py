"""What set-up tells people when it cannot go on; foreseen failures never show a traceback."""

import signal
import sys
from collections.abc import Callable
from types import FrameType

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


class SetUpError(Exception):
    """Set-up cannot go on; the text says what failed and what to do."""


def report_failures(action: Callable[[], int]) -> int:
    """Run `action` and return its exit status, or that of the failure it met, after telling it on stderr."""
    _stop_like_ctrl_c()
    try:
        return action()
    except SetUpError as error:
        _tell(str(error))
        return EXIT_FAILED
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        _tell(f"Set-up failed: {error.strerror or error}{place}")
        return EXIT_FAILED
    except KeyboardInterrupt:
        _tell("Stopped. Nothing half-made was left behind; start again whenever you like.")
        return EXIT_INTERRUPTED


def _tell(message: str) -> None:
    sys.stdout.flush()
    print(f"\n{message}", file=sys.stderr, flush=True)


def _stop_like_ctrl_c() -> None:
    """A closed terminal and a polite kill clean up exactly as Ctrl-C does."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
