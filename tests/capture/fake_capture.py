"""A stand-in for `cv2.VideoCapture` whose cable can be pulled and whose driver can hang."""

import threading
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray


class FakeDevice:
    """A camera that may be there, gone, or hanging; numbers its pictures in their first pixel's blue value."""

    def __init__(self, interval_s: float = 0.01, shape: tuple[int, ...] = (40, 48, 3), dtype: Any = np.uint8) -> None:
        self.interval_s = interval_s
        self.is_there = True
        self.connections = 0
        self.released = 0
        self._shape = shape
        self._dtype = dtype
        self._count = 0
        self._goes_on = threading.Event()
        self._goes_on.set()

    def open(self) -> "FakeCapture":
        self.connections += 1
        return FakeCapture(self)

    def hang(self) -> None:
        self._goes_on.clear()

    def let_go(self) -> None:
        self._goes_on.set()

    def next(self) -> tuple[bool, NDArray[Any] | None]:
        time.sleep(self.interval_s)
        self._goes_on.wait(20)
        if not self.is_there:
            return False, None
        self._count += 1
        pixels = np.zeros(self._shape, self._dtype)
        pixels[0, 0, ...] = 0
        pixels.reshape(-1)[0] = self._count % 250  # the blue value of the first pixel
        return True, pixels


class FakeCapture:
    def __init__(self, device: FakeDevice) -> None:
        self._device = device

    def isOpened(self) -> bool:  # noqa: N802
        return self._device.is_there

    def read(self) -> tuple[bool, NDArray[Any] | None]:
        return self._device.next()

    def release(self) -> None:
        self._device.released += 1
