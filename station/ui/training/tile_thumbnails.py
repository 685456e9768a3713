"""Thumbnails of a project's pictures, read from its folder outside the GUI thread when their tiles come into sight."""

from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QImage, QPixmap

from station.ui.training.picture_tile import THUMBNAIL
from station.workers.queries import Queries

KEPT = 1200
"""About 60 MB; several screens up and down scroll without reading anything."""
WAITING = 120
"""More tiles than any screen shows: what was scrolled past is not worth reading."""
AT_ONCE = 12


class TileThumbnails(QObject):
    """Asked for one it has not yet, it answers None and tells by `ready` when it is there. `close` before it goes."""

    ready = Signal(str)
    """The sha256 of the picture whose thumbnail can be had now."""

    def __init__(self, file_of: Callable[[str], Path], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file_of = file_of
        self._kept: OrderedDict[str, QPixmap] = OrderedDict()
        self._waiting: deque[str] = deque(maxlen=WAITING)
        self._missing: set[str] = set()
        self._is_reading = False
        self._queries = Queries(self)
        self._queries.answered.connect(self._on_read)

    def of(self, sha256: str) -> QPixmap | None:
        """None also for one that is not there; see `look_again`."""
        pixmap = self._kept.get(sha256)
        if pixmap is not None:
            self._kept.move_to_end(sha256)
        elif sha256 not in self._missing and sha256 not in self._waiting:
            self._waiting.append(sha256)
            self._read_next()
        return pixmap

    def look_again(self) -> None:
        """Thumbnails that were not there may have been made since."""
        missing, self._missing = self._missing, set()
        for sha256 in missing:
            self.ready.emit(sha256)

    def close(self) -> None:
        self._queries.close()

    def _read_next(self) -> None:
        if self._is_reading or not self._waiting:
            return
        self._is_reading = True
        wanted = {sha256: self._file_of(sha256) for sha256 in list(self._waiting)[-AT_ONCE:]}
        self._queries.ask(lambda: {sha256: _read(file) for sha256, file in wanted.items()})

    @Slot(int, object)
    def _on_read(self, number: int, images: dict[str, QImage]) -> None:
        self._is_reading = False
        for sha256, image in images.items():
            if sha256 in self._waiting:
                self._waiting.remove(sha256)
            if image.isNull():
                self._missing.add(sha256)
                continue
            self._kept[sha256] = QPixmap.fromImage(image)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            self.ready.emit(sha256)
        self._read_next()


def _read(file: Path) -> QImage:
    """At the size of a tile; null where there is none."""
    if not file.is_file():
        return QImage()
    image = QImage(str(file))
    if image.isNull() or (image.width() <= THUMBNAIL.width() and image.height() <= THUMBNAIL.height()):
        return image
    return image.scaled(THUMBNAIL, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
