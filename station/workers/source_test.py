"""Trying a picture source once, apart from the line: what it gives, or why it gives nothing. No Qt."""

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.pictures import default_window
from station.capture import open_camera
from station.core.errors import CameraError
from station.core.presentation import displayed

PREVIEW_SIDE_PX = 320
GRAB_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class SourceTrial:
    """`picture` is `(h, w, 3)` uint8 RGB at preview size, None when the source gave none; `problem` then says why."""

    spec: str
    picture: NDArray[np.uint8] | None = None
    width_px: int = 0
    height_px: int = 0
    bit_depth: int = 0
    seconds: float = 0.0
    problem: str = ""


def try_source(spec: str) -> SourceTrial:
    """Open the source, take one picture, close it; never raises for a source that fails."""
    began = time.monotonic()
    try:
        camera = open_camera(spec)
        try:
            camera.open()
            camera.trigger()
            frame = camera.grab(GRAB_TIMEOUT_S)
        finally:
            camera.close()
    except CameraError as error:
        return SourceTrial(spec, problem=str(error), seconds=time.monotonic() - began)
    return SourceTrial(
        spec,
        picture=displayed(frame.pixels, default_window(frame.bit_depth), PREVIEW_SIDE_PX),
        width_px=frame.width_px,
        height_px=frame.height_px,
        bit_depth=frame.bit_depth,
        seconds=time.monotonic() - began,
    )
