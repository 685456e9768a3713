"""Live cameras: a thread of their own keeps the newest picture, so that a hanging driver never blocks the line."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import cv2
from numpy.typing import NDArray

from station.capture.pixels import rgb_or_grey
from station.core.errors import CameraError
from station.core.frame import Frame

log = logging.getLogger(__name__)

LOST = "Camera lost. Check the cable, then press Reconnect."

_RETRY_S: Final = (0.2, 0.5, 1.0, 2.0, 5.0)
_CLOSE_TIMEOUT_S: Final = 1.0


class Capture(Protocol):
    """What is used of `cv2.VideoCapture`; pixels are BGR."""

    def isOpened(self) -> bool: ...  # noqa: N802

    def read(self) -> tuple[bool, NDArray[Any] | None]: ...

    def release(self) -> None: ...


OpenCapture = Callable[[], Capture]


@dataclass(frozen=True, slots=True, eq=False)
class _Shot:
    """One picture as the driver gave it."""

    number: int
    pixels: NDArray[Any]
    arrived_s: float
    """By the monotonic clock."""
    captured_at: datetime


class LiveCamera:
    """A source that never ends: USB camera or network stream.

    Without a trigger `grab` gives the newest picture, at most `max_age_s` old and each picture once. After `trigger`
    it gives the first picture that arrived after it; one kept for longer than `max_kept_s` is refused rather than
    taken for another part's. A camera silent for `lost_after_s` is lost: `grab` says so at once, while the thread
    tries to reach it again, waiting longer from try to try.

    `close` waits a second for the thread. A driver that hangs for longer keeps its thread, a daemon, which releases
    the device as soon as the driver lets go; a new `open` works with a new thread.
    """

    def __init__(
        self,
        name: str,
        open_capture: OpenCapture,
        *,
        open_timeout_s: float = 8.0,
        max_age_s: float = 0.1,
        max_kept_s: float = 30.0,
        lost_after_s: float = 0.8,
    ) -> None:
        self._name = name
        self._open_capture = open_capture
        self._open_timeout_s = open_timeout_s
        self._max_age_s = max_age_s
        self._max_kept_s = max_kept_s
        self._lost_after_s = lost_after_s
        self._session: _Session | None = None

    @property
    def name(self) -> str:
        return self._name

    @property
    def is_lost(self) -> bool:
        """The camera is open and silent. May be asked from any thread."""
        session = self._session
        return session is not None and session.is_silent(self._lost_after_s)

    def open(self) -> None:
        """Returns when the first picture has come."""
        self.close()
        session = _Session(self._name, self._open_capture)
        session.start()
        if not session.wait_for_first(self._open_timeout_s):
            session.end()
            raise CameraError(
                f"{self._name}: the camera gives no picture. Check the cable and that nothing else uses it."
            )
        self._session = session

    def trigger(self) -> None:
        session = self._session
        if session is not None:
            session.trigger()

    def grab(self, timeout_s: float) -> Frame:
        session = self._session
        if session is None:
            raise CameraError(f"{self._name}: the camera is not open.")
        shot, was_triggered = session.take(timeout_s, self._max_age_s, self._lost_after_s)
        age_s = time.monotonic() - shot.arrived_s
        if was_triggered and age_s > self._max_kept_s:
            raise CameraError(f"{self._name}: the picture of this part is {age_s:.0f} s old. Inspect the part again.")
        pixels, bit_depth = rgb_or_grey(shot.pixels, self._name)
        return Frame(pixels, bit_depth, self._name, captured_at=shot.captured_at)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.end()


class _Session:
    """From one `open` to its `close`: the thread, and what it shares with those that grab."""

    def __init__(self, name: str, open_capture: OpenCapture) -> None:
        self._name = name
        self._open_capture = open_capture
        self._thread = threading.Thread(target=self._run, name=f"capture {name}", daemon=True)
        self._changed = threading.Condition()
        self._is_ending = False
        self._has_failed = False
        """The last thing that the driver said was no."""
        self._newest: _Shot | None = None
        self._kept: _Shot | None = None
        self._triggered_s: float | None = None
        self._taken_number = 0

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        self._thread.join(_CLOSE_TIMEOUT_S)
        if self._thread.is_alive():
            log.warning("%s: the driver hangs; its thread is left behind until it lets go", self._name)

    def wait_for_first(self, timeout_s: float) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._has_failed, timeout_s)
            return self._newest is not None

    def trigger(self) -> None:
        with self._changed:
            self._triggered_s, self._kept = time.monotonic(), None

    def is_silent(self, lost_after_s: float) -> bool:
        with self._changed:
            return self._has_failed or self._silent_s() > lost_after_s

    def take(self, timeout_s: float, max_age_s: float, lost_after_s: float) -> tuple[_Shot, bool]:
        """The picture wanted, and whether a trigger wanted it. Raises CameraError."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while True:
                shot, was_triggered = self._wanted(max_age_s), self._triggered_s is not None
                if shot is not None:
                    self._taken_number, self._kept, self._triggered_s = shot.number, None, None
                    return shot, was_triggered
                left_s = deadline - time.monotonic()
                if self._has_failed or self._silent_s() > lost_after_s:
                    self._triggered_s = None
                    raise CameraError(LOST)
                if left_s <= 0:
                    self._triggered_s = None
                    raise CameraError(f"{self._name}: no picture within {timeout_s:g} s. Check the camera.")
                self._changed.wait(min(left_s, max(0.001, lost_after_s - self._silent_s() + 0.001)))

    def _wanted(self, max_age_s: float) -> _Shot | None:
        if self._triggered_s is not None:
            return self._kept
        newest = self._newest
        if newest is None or newest.number == self._taken_number:
            return None
        return newest if time.monotonic() - newest.arrived_s <= max_age_s else None

    def _silent_s(self) -> float:
        return 0.0 if self._newest is None else time.monotonic() - self._newest.arrived_s

    def _run(self) -> None:
        tries = 0
        while not self._is_ending:
            seen = self._watch_once()
            tries = 0 if seen else tries + 1
            with self._changed:
                self._has_failed = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._is_ending, _RETRY_S[min(tries, len(_RETRY_S) - 1)])

    def _watch_once(self) -> bool:
        """One connection, from opening to loss or end; whether it gave a picture."""
        seen = False
        try:
            capture = self._open_capture()
            try:
                while not self._is_ending and capture.isOpened():
                    is_good, pixels = capture.read()
                    if not is_good or pixels is None:
                        break
                    seen = True
                    self._publish(pixels)
            finally:
                capture.release()
        except (cv2.error, OSError) as error:
            log.warning("%s: the driver failed (%s)", self._name, type(error).__name__)  # its text may hold the address
        return seen

    def _publish(self, pixels: NDArray[Any]) -> None:
        with self._changed:
            number = 1 if self._newest is None else self._newest.number + 1
            self._newest = _Shot(number, pixels, time.monotonic(), datetime.now(UTC))
            self._has_failed = False
            if self._triggered_s is not None and self._kept is None:
                self._kept = self._newest
            self._changed.notify_all()
