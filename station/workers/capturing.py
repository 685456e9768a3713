"""Pictures for a project from a camera: a live preview, and a number of them with a pause in between. QtCore only."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Final

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from ml.errors import PictureError
from ml.files import write_atomically
from ml.pictures import default_window, encode_png
from station.core.errors import CameraError, CameraExhaustedError, NoPartYetError
from station.core.frame import Frame
from station.core.ports import Camera
from station.core.presentation import displayed

PREVIEW_PX: Final = 480
GRAB_S: Final = 1.0
WAIT_S: Final = 10.0
"""Without a picture for so long, the camera gives none."""
_PREVIEW_EVERY_MS: Final = 100
_CLOSE_MS: Final = 15_000
LIVE_KINDS: Final = ("camera:", "rtsp:", "rtsps:")
"""Sources that go on by themselves; from others a preview would take pictures away."""


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """`count` pictures from the source `spec`, at least `pause_s` apart, into `folder`. Without any: preview only."""

    spec: str
    folder: Path
    count: int = 0
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class CaptureEnd:
    """`files` in their order. `problem` in words where fewer came than were ordered; empty when all did, or on stop."""

    files: tuple[Path, ...]
    problem: str = ""


class _Worker(QObject):
    """Lives in the capturing thread; one picture per turn of its event loop."""

    previewed = Signal(object)
    """`(h, w, 3)` uint8 RGB."""
    captured = Signal(object)
    """Path of a picture that is stored now."""
    ended = Signal(object)
    """CaptureEnd."""

    def __init__(self, open_camera: Callable[[str], Camera]) -> None:
        super().__init__()
        self._open_camera = open_camera
        self._camera: Camera | None = None
        self._order: CaptureOrder | None = None
        self._files: list[Path] = []
        self._next_at = 0.0
        self._silent_since = 0.0
        self._timer: QTimer | None = None

    @Slot(object)
    def begin(self, order: CaptureOrder) -> None:
        """Open the source, unless it is open already, and begin; an order that runs is replaced."""
        try:
            if self._camera is None or self._order is None or self._order.spec != order.spec:
                self._release()
                self._camera = self._open_camera(order.spec)
                self._camera.open()
        except CameraError as error:
            self._end(_held(order.spec, error))
            return
        self._order, self._files = order, []
        self._next_at = self._silent_since = time.monotonic()
        if self._timer is None:
            self._timer = QTimer(self)
            self._timer.timeout.connect(self._turn)
        self._timer.start(0)

    @Slot()
    def stop(self) -> None:
        """End what runs; what was captured is told."""
        if self._order is not None or self._camera is not None:
            self._end("")

    @Slot()
    def finish(self) -> None:
        """Release the camera and leave the thread's event loop."""
        self._release()
        if self._timer is not None:
            self._timer.stop()
            self._timer.deleteLater()
            self._timer = None
        self.thread().quit()

    @Slot()
    def _turn(self) -> None:
        order, camera = self._order, self._camera
        if order is None or camera is None or self._timer is None:
            return
        is_due = order.count > len(self._files) and time.monotonic() >= self._next_at
        if not is_due and not order.spec.startswith(LIVE_KINDS):
            self._timer.setInterval(_PREVIEW_EVERY_MS)
            return
        try:
            if is_due:
                camera.trigger()
            frame = camera.grab(GRAB_S)
        except NoPartYetError as error:
            if time.monotonic() - max(self._silent_since, self._next_at) > WAIT_S:  # in a pause none is expected
                self._end(str(error))
            return
        except CameraExhaustedError as error:
            self._end(str(error))
            return
        except CameraError as error:
            self._end(f"{error} {len(self._files)} of {order.count} pictures were captured and kept.")
            return
        self._silent_since = time.monotonic()
        self.previewed.emit(displayed(frame.pixels, default_window(frame.bit_depth), PREVIEW_PX))
        if is_due:
            self._store(order, frame)
        self._timer.setInterval(0 if order.count > len(self._files) else _PREVIEW_EVERY_MS)

    def _store(self, order: CaptureOrder, frame: Frame) -> None:
        """The instant of capture is the name; `encode_png` loses nothing."""
        stamp = frame.captured_at.astimezone(UTC)
        file = order.folder / f"camera {stamp:%Y-%m-%d %H.%M.%S.%f}.png"
        try:
            order.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(file, encode_png(frame.pixels))
        except OSError as error:
            self._end(f"{file}: the picture could not be stored ({error.strerror}). Free some space.")
            return
        except PictureError as error:
            self._end(str(error))
            return
        self._files.append(file)
        self._next_at = time.monotonic() + order.pause_s
        self.captured.emit(file)
        if len(self._files) == order.count:
            self._end("")

    def _end(self, problem: str) -> None:
        files, self._files = tuple(self._files), []
        self._order = None
        if self._timer is not None:
            self._timer.stop()
        self._release()
        self.ended.emit(CaptureEnd(files, problem))

    def _release(self) -> None:
        if self._camera is not None:
            self._camera.close()
            self._camera = None


class Capturing(QObject):
    """The capturing thread, from the GUI thread's side. `close` before the owner goes."""

    previewed = Signal(object)
    """`(h, w, 3)` uint8 RGB, as the camera sees now or as was just captured."""
    captured = Signal(object)
    """Path of a picture that is stored now."""
    ended = Signal(object)
    """CaptureEnd: the camera is free again."""
    _begin = Signal(object)
    _stop = Signal()
    _finish = Signal()

    def __init__(self, open_camera: Callable[[str], Camera], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread = QThread(self)
        self._thread.setObjectName("capturing")
        self._worker = _Worker(open_camera)
        self._worker.moveToThread(self._thread)
        self._begin.connect(self._worker.begin)
        self._stop.connect(self._worker.stop)
        self._finish.connect(self._worker.finish)
        self._worker.previewed.connect(self.previewed)
        self._worker.captured.connect(self.captured)
        self._worker.ended.connect(self._on_end)
        self._is_running = False

    @property
    def is_running(self) -> bool:
        """From an order to its end."""
        return self._is_running

    def begin(self, order: CaptureOrder) -> None:
        """The answers come as signals."""
        if not self._thread.isRunning():
            self._thread.start()
        self._is_running = True
        self._begin.emit(order)

    @Slot()
    def stop(self) -> None:
        if self._thread.isRunning():
            self._stop.emit()

    def close(self) -> bool:
        """Release the camera and end the thread; False where a driver hangs and the thread could not be ended."""
        if not self._thread.isRunning():
            return True
        self._finish.emit()
        return self._thread.wait(_CLOSE_MS)

    @Slot(object)
    def _on_end(self, end: CaptureEnd) -> None:
        self._is_running = False
        self.ended.emit(end)


def _held(spec: str, error: CameraError) -> str:
    if not spec.startswith("camera:"):
        return str(error)
    return f"{error} Where the line uses this camera: take the pictures from the history, or stop the line first."
