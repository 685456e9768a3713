"""Thumbnails for the table, read outside the GUI thread: the rows on the screen first, the latest used kept."""

from collections import OrderedDict, deque

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage, QPixmap

from station.core.inspection import Inspection
from station.ui.history.part_pictures import PartPictures
from station.workers.queries import Queries

KEPT = 600
WAITING = 40  # more rows than any screen shows: what was scrolled past is not worth reading


class Thumbnails(QObject):
    """Asked for a picture it has not yet, it answers None and tells by `ready` when it is there."""

    ready = Signal(str)
    """Content hash of the picture whose thumbnail can be had now."""

    def __init__(self, pictures: PartPictures, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._kept: OrderedDict[str, QPixmap | None] = OrderedDict()
        self._waiting: deque[Inspection] = deque(maxlen=WAITING)
        self._reading: str | None = None
        self._queries = Queries(self)
        self._queries.answered.connect(self._on_answer)
        self._queries.failed.connect(self._on_failure)

    def of(self, inspection: Inspection) -> QPixmap | None:
        """None also for good where the part has no picture or it cannot be read."""
        picture_hash = inspection.picture_hash
        if picture_hash is None:
            return None
        if picture_hash in self._kept:
            self._kept.move_to_end(picture_hash)
            return self._kept[picture_hash]
        if picture_hash != self._reading and all(picture_hash != each.picture_hash for each in self._waiting):
            self._waiting.append(inspection)
            self._read_next()
        return None

    def close(self) -> None:
        self._waiting.clear()
        self._queries.close()

    def _read_next(self) -> None:
        if self._reading is None and self._waiting:
            newest = self._waiting.pop()
            self._reading = newest.picture_hash
            self._queries.ask(lambda: self._pictures.thumbnail(newest))

    @Slot(int, object)
    def _on_answer(self, number: int, pixels: NDArray[np.uint8]) -> None:
        height, width = pixels.shape[:2]
        image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
        self._keep(QPixmap.fromImage(image))

    @Slot(int, str)
    def _on_failure(self, number: int, reason: str) -> None:
        self._keep(None)

    def _keep(self, pixmap: QPixmap | None) -> None:
        picture_hash, self._reading = self._reading, None
        if picture_hash is not None:
            self._kept[picture_hash] = pixmap
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            self.ready.emit(picture_hash)
        self._read_next()
