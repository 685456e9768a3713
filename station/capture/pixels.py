"""OpenCV's pixels made ours."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from station.core.errors import CameraError
from station.core.frame import Pixels


def rgb_or_grey(pixels: NDArray[Any], source: str) -> tuple[Pixels, int]:
    """Grey `(height, width)` or RGB `(height, width, 3)` of OpenCV's grey, BGR or BGRA, and the bit depth.

    Raises CameraError naming `source` for another shape or type of value.
    """
    if pixels.dtype not in (np.uint8, np.uint16):
        raise CameraError(f"{source}: gives {pixels.dtype} values. Set the camera to 8 or 16 bits.")
    bit_depth = pixels.dtype.itemsize * 8
    match pixels.shape:
        case (_, _):
            return pixels, bit_depth
        case (_, _, 1):
            return pixels[..., 0], bit_depth
        case (_, _, 3):
            return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), bit_depth
        case (_, _, 4):
            return cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB), bit_depth
    raise CameraError(f"{source}: gives pictures of the shape {pixels.shape}. Set the camera to grey or colour.")
