"""What a screen shows of a part, made off the GUI thread: the picture as 8-bit RGB, the heat map on its fixed scale."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ml.calibration import Calibration
from ml.maps import ScoreMap, heat_rgba
from station.core.frame import Pixels
from station.core.inspection import Inspection, PartView

VIEW_SIDE_PX = 1600
"""Pictures are shrunk to this for the screen; a 4K screen shows the picture area at about this size."""
THUMBNAIL_SIDE_PX = 128


def displayed(pixels: Pixels, window: tuple[float, float], side_px: int = VIEW_SIDE_PX) -> NDArray[np.uint8]:
    """`(h, w, 3)` uint8 RGB with the longer side at most `side_px`, in the recipe's value window."""
    height, width = pixels.shape[:2]
    shrink = min(1.0, side_px / max(height, width))
    if shrink < 1:
        size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    if pixels.dtype != np.uint8 or window != (0, 255):
        low, high = window
        pixels = np.clip((pixels.astype(np.float32) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    rgb = pixels if pixels.ndim == 3 else cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)
    return np.ascontiguousarray(rgb, dtype=np.uint8)


class PartPresenter:
    """Makes the views of one part: its growing overlay and the final one share the shrunken picture."""

    def __init__(self, pixels: Pixels, window: tuple[float, float], calibration: Calibration | None) -> None:
        self.picture = displayed(pixels, window)
        self._scale = self.picture.shape[1] / pixels.shape[1]
        self._calibration = calibration

    def view(self, score_map: ScoreMap | None, inspection: Inspection | None) -> PartView:
        """The part as judged, or still being scored (`inspection` None)."""
        heat = None
        if score_map is not None and self._calibration is not None:
            height, width = self.picture.shape[:2]
            heat = heat_rgba(self._calibration.normalise_map(score_map.at_size(height, width)))
        return PartView(picture=self.picture, heat=heat, scale=self._scale, inspection=inspection)


def overlaid(view: PartView) -> NDArray[np.uint8]:
    """Picture with its heat map and region outlines, `(h, w, 3)` uint8 RGB, for files and reports."""
    image = view.picture.copy()
    if view.heat is not None:
        alpha = view.heat[..., 3:].astype(np.float32) / 255 * 0.6
        image = (image * (1 - alpha) + view.heat[..., :3] * alpha).round().astype(np.uint8)
    if view.inspection is not None:
        for region in view.inspection.regions:
            x, y = round(region.x * view.scale), round(region.y * view.scale)
            corner = (x + round(region.width * view.scale), y + round(region.height * view.scale))
            cv2.rectangle(image, (x, y), corner, (0, 0, 0), 4)
            cv2.rectangle(image, (x, y), corner, (235, 119, 71), 2)
    return image
