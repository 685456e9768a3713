"""What the core asks of the outside: each a Protocol, each with one conformance test suite."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml.artifact import Manifest
from ml.maps import Detection, ScoreMap
from station.core.frame import Frame, Pixels
from station.core.inspection import Inspected, Inspection


class Camera(Protocol):
    """A source of frames. Lives in the thread that calls it; only `trigger` may be called from another one."""

    @property
    def name(self) -> str:
        """What the status bar shows, e.g. `folder:parts` or `camera:0`."""
        ...

    def open(self) -> None:
        """Make ready. Raises CameraError; may be called again after `close`."""
        ...

    def trigger(self) -> None:
        """Thread-safe note that a part is in place now; a live camera keeps the picture of this moment for `grab`."""
        ...

    def grab(self, timeout_s: float) -> Frame:
        """The next frame, within `timeout_s`.

        Raises CameraError; at a finite source's end CameraExhaustedError, where only nothing came NoPartYetError.
        """
        ...

    def close(self) -> None:
        """Release everything; safe to call twice and before `open`."""
        ...


class Computing(Protocol):
    """What computes a loaded model."""

    @property
    def title(self) -> str:
        """Library, version and threads or device, for people."""
        ...


class Detector(Protocol):
    """A loaded model."""

    @property
    def manifest(self) -> Manifest: ...

    @property
    def runtime(self) -> Computing: ...

    @property
    def reference_thumbnail(self) -> NDArray[np.float32] | None:
        """What the training parts look like, `(64, 64)` grey 0 to 1: see `ml.quality`."""
        ...

    def score(self, pixels: Pixels, on_partial: Callable[[ScoreMap], None] | None = None) -> Detection:
        """Score one picture of any size from 32 px; `on_partial` receives the map so far after each batch."""
        ...


class InspectionLog(Protocol):
    """Where inspections are kept. `record` returns only when the row is committed and its files are in place."""

    def record(self, inspected: Inspected) -> Inspection:
        """Raises StorageError; then nothing is stored."""
        ...
