"""One set-up at a time: a lock file that the operating system releases when its holders are gone."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


POLL_S = 0.2


@contextmanager
def exclusive(path: Path, on_wait: Callable[[], None]) -> Iterator[int]:
    """Hold the lock `path`, waiting for another holder after one call of `on_wait`; yields the file descriptor.

    A child process that inherits the descriptor holds the lock too: pip, should it outlive a killed set-up, keeps the
    next one waiting until it has stopped writing.
    """
    with path.open("a") as file:
        if not _try_lock(file.fileno()):
            on_wait()
            while not _try_lock(file.fileno()):
                time.sleep(POLL_S)
        yield file.fileno()
