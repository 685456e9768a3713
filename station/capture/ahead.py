"""Fetching ahead: the next frame is read and decoded while the line judges the one before it."""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from station.core.errors import CameraError
from station.core.frame import Frame
from station.core.ports import Camera

T = TypeVar("T")

log = logging.getLogger(__name__)

_PATIENCE_S: Final = 10.0
"""Decoding 100 megapixels takes seconds and no part may be lost over it; a disk that hangs takes longer."""
_CLOSE_TIMEOUT_S: Final = 1.0


class AheadCamera:
    """A source that always has its next picture (a folder's files, the demo line), with one frame fetched ahead.

    After each frame a thread of its own, in which alone the source lives, fetches the next one: one, no more. That
    frame waits for the next `grab`, whenever it comes, so none is left out and the order stays; it is captured when it
    is grabbed, as it would be without this. A failure waits in the same way and is raised in its turn; nothing is
    fetched behind it before that. `close` discards what waits: after `open` the source begins as it always does.

    Not for live cameras, which have threads of their own: what they saw before a part was in place is no picture of it.
    Nor for a watched folder: what is overwritten or removed there before its turn is judged as it is then.
    """

    def __init__(self, source: Camera) -> None:
        self._source = source
        self._thread: _SourceThread | None = None
        self._left_behind: _SourceThread | None = None
        self._ahead: Future[Frame] | None = None

    @property
    def name(self) -> str:
        return self._source.name

    def open(self) -> None:
        self.close()
        if self._left_behind is not None and self._left_behind.is_alive:
            raise CameraError(self._silence())
        self._thread = thread = _SourceThread(f"capture {self.name}")
        try:
            opened = thread.ask(self._source.open)
            self._await(opened, _PATIENCE_S)
            opened.result()
        except BaseException:
            self.close()
            raise

    def trigger(self) -> None:
        self._source.trigger()

    def grab(self, timeout_s: float) -> Frame:
        """The frame fetched ahead, else the next one.

        A picture that is being decoded when the time is over is waited for: as a part it is not late, only large.
        """
        thread = self._thread
        if thread is None:
            raise CameraError(f"{self.name}: the source is not open.")
        ahead = self._ahead = self._ahead or self._fetched(thread, timeout_s)
        self._await(ahead, timeout_s + _PATIENCE_S)
        self._ahead = None
        frame = ahead.result()
        self._ahead = self._fetched(thread, timeout_s)
        return replace(frame, captured_at=datetime.now(UTC))

    def close(self) -> None:
        """A thread that hangs in the file system is left behind; it closes the source as soon as it is let go."""
        thread, self._thread, self._ahead = self._thread, None, None
        if thread is not None and not thread.end(self._source.close):
            log.warning("%s: the file system hangs; the thread is left behind until it lets go", self.name)
            self._left_behind = thread

    def _fetched(self, thread: "_SourceThread", timeout_s: float) -> Future[Frame]:
        return thread.ask(lambda: self._source.grab(timeout_s))

    def _await(self, answer: Future[T], timeout_s: float) -> None:
        """Raises CameraError when it does not come; it is not lost then, and may be awaited again."""
        if not wait([answer], timeout_s).done:
            raise CameraError(self._silence())

    def _silence(self) -> str:
        return f"{self.name}: the source does not answer. Check the disk or network drive."


class _SourceThread:
    """Does what it is asked, one thing after the other. A daemon: where the file system hangs, the program still ends.
    An executor's thread would be waited for."""

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def ask(self, act: Callable[[], T]) -> Future[T]:
        """What `act` gives or raises, once it was its turn."""
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(act())
            except BaseException as failure:  # noqa: BLE001  # handed over: raised where the answer is awaited
                answer.set_exception(failure)

        self._calls.put(call)
        return answer

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def end(self, last: Callable[[], None]) -> bool:
        """Do `last`, then end; returns when that is done, or False after a second."""
        self._calls.put(last)
        self._calls.put(None)
        self._thread.join(_CLOSE_TIMEOUT_S)
        return not self.is_alive

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # with it the frame, which would be kept until the next one
