"""A small variant of a picture at the picture's own size, with the picture's own fine detail. No torch.

What moved between the picture and its variant is found by dense optical flow ("Fast optical flow using dense inverse
search", Kroeger et al., ECCV 2016, arXiv 1603.03590), and the large picture's detail, which the small one cannot show,
is moved alike and added to the enlarged variant. So the result is as sharp as the picture where the variant shows parts
of it, and only as sharp as the variant where it shows something that the picture nowhere near does: no detail fits it.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.generation.value_window import Values

_FLOW_SIDE_PX = 128
_FOREIGN = 0.15
"""How far, of the window, the variant may differ from what was moved there before detail no longer belongs to it."""

_FLOW_SMOOTHING = 0.02  # of the shorter side: an outline that wavers from pixel to pixel is a fault of the flow


def detailed(variant: Values, small: Values, large: Values) -> Values:
    """`variant`, of `small`, enlarged to the size of `large`, which is the same picture as `small`."""
    height, width = large.shape[:2]
    size = width, height
    flow = _flow(variant, small)
    moved_small = _moved(small, flow)
    scale = np.array([width / small.shape[1], height / small.shape[0]], np.float32)
    moved_large = _moved(large, cv2.resize(flow, size, interpolation=cv2.INTER_CUBIC) * scale)
    detail = moved_large - cv2.resize(moved_small, size, interpolation=cv2.INTER_CUBIC)
    foreign = cv2.GaussianBlur(np.abs(variant - moved_small).max(axis=2), (0, 0), 1.0)
    fitting = cv2.resize(np.exp(-((foreign / _FOREIGN) ** 2)), size)[..., None]
    return np.asarray(cv2.resize(variant, size, interpolation=cv2.INTER_CUBIC) + fitting * detail, np.float32)


def _flow(variant: Values, small: Values) -> NDArray[np.float32]:
    """Where each pixel of the variant is found in the small picture: (height, width, 2) float32, x and y in pixels."""
    height, width = small.shape[:2]
    grow = max(1.0, _FLOW_SIDE_PX / min(height, width))
    size = round(width * grow), round(height * grow)
    wanted, known = (_grey(cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)) for picture in (variant, small))
    found = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(wanted, known, None)
    smooth = cv2.GaussianBlur(found, (0, 0), _FLOW_SMOOTHING * min(size))
    back = np.array([width / size[0], height / size[1]], np.float32)
    return np.asarray(cv2.resize(smooth, (width, height), interpolation=cv2.INTER_AREA) * back, np.float32)


def _grey(picture: Values) -> NDArray[np.uint8]:
    return np.asarray(np.rint(np.clip(picture.mean(axis=2), 0, 1) * 255), np.uint8)


def _moved(picture: Values, flow: NDArray[np.float32]) -> Values:
    height, width = picture.shape[:2]
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    moved = cv2.remap(
        picture, across + flow[..., 0], down + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)
