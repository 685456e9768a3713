"""Arrays as pixmaps. numpy is imported with the first of them: an empty window has no use for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtGui import QImage, QPixmap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FORMATS = {3: QImage.Format.Format_RGB888, 4: QImage.Format.Format_RGBA8888}


def pixmap(pixels: NDArray[np.uint8]) -> QPixmap:
    """`(h, w, 3)` uint8 RGB, or `(h, w, 4)` RGBA, not premultiplied."""
    import numpy as np

    height, width, channels = pixels.shape
    data = np.ascontiguousarray(pixels).data
    return QPixmap.fromImage(QImage(data, width, height, channels * width, _FORMATS[channels]))
