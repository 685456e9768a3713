"""A video file, picture by picture."""

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
from numpy.typing import NDArray

from station.capture.live import Capture
from station.capture.pixels import rgb_or_grey
from station.core.errors import CameraError, CameraExhaustedError
from station.core.frame import Frame, Pixels

_READ_AHEAD: Final = 1
"""Beside the one that the reader has in hand."""
_CLOSE_TIMEOUT_S: Final = 1.0
_STOP_CHECK_S: Final = 0.1


class VideoFileCamera:
    """Delivers every picture of the file in order, however slowly it is asked, then CameraExhaustedError.

    A thread of its own reads a little ahead, so that a hanging network drive blocks nobody beyond the time-out.
    """

    def __init__(self, path: Path, open_capture: Callable[[str], Capture] = cv2.VideoCapture) -> None:
        self._path = path
        self._open_capture = open_capture
        self._reader: _Reader | None = None
        self._count = 0
        self._has_ended = False

    @property
    def name(self) -> str:
        return f"video:{self._path.name}"

    def open(self) -> None:
        self.close()
        if not self._path.is_file():
            raise CameraError(f"{self._path}: there is no such video file. Check the name.")
        self._count, self._has_ended = 0, False
        self._reader = _Reader(str(self._path), self.name, self._open_capture)

    def trigger(self) -> None:
        """Nothing to keep: the next picture waits until it is grabbed."""

    def grab(self, timeout_s: float) -> Frame:
        if self._reader is None:
            raise CameraError(f"{self.name}: the video is not open.")
        if not self._has_ended:
            picture = self._reader.next(timeout_s)
            if picture is not None:
                self._count += 1
                return Frame(*picture, self.name, name=f"{self._path.stem}-{self._count:06d}")
            self._has_ended = True
        if self._count == 0:
            raise CameraError(f"{self._path}: no picture can be read from this file. Choose another video.")
        raise CameraExhaustedError(
            f"{self.name}: all {self._count} pictures have been shown. Choose the video again to start over."
        )

    def close(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.end()


_Picture = tuple[Pixels, int]
"""Grey or RGB, and the bit depth."""


class _Reader:
    """Reads, decodes and converts ahead in a daemon thread: one that hangs in the file system outlives `end` until that
    lets go."""

    def __init__(self, path: str, name: str, open_capture: Callable[[str], Capture]) -> None:
        self._path = path
        self._name = name
        self._open_capture = open_capture
        self._pictures: queue.Queue[_Picture | CameraError | None] = queue.Queue(_READ_AHEAD)
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="video reader", daemon=True)
        self._thread.start()

    def next(self, timeout_s: float) -> _Picture | None:
        """The next picture; None at the end. Raises CameraError when it does not come in time or is none of ours."""
        try:
            picture = self._pictures.get(timeout=max(timeout_s, 0.0))
        except queue.Empty as error:
            raise CameraError(
                f"{self._name}: no picture within {timeout_s:g} s. Check the disk or network drive."
            ) from error
        if isinstance(picture, CameraError):
            raise picture
        return picture

    def end(self) -> None:
        self._is_ending.set()
        self._thread.join(_CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        try:
            capture = self._open_capture(self._path)
            try:
                is_good, pixels = capture.read()
                while is_good and pixels is not None and self._put(self._converted(pixels)):
                    is_good, pixels = capture.read()
            finally:
                capture.release()
        except cv2.error:
            pass  # a damaged file ends here, like a short one
        self._put(None)

    def _converted(self, pixels: NDArray[Any]) -> _Picture | CameraError:
        """An error is that picture's, and is raised in its turn."""
        try:
            return rgb_or_grey(pixels, self._name)
        except CameraError as error:
            return error

    def _put(self, picture: _Picture | CameraError | None) -> bool:
        """False when the camera was closed meanwhile."""
        while not self._is_ending.is_set():
            try:
                self._pictures.put(picture, timeout=_STOP_CHECK_S)
            except queue.Full:
                continue
            return True
        return False
