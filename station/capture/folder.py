"""The pictures of a folder, one after the other."""

from collections import deque
from pathlib import Path

from ml.dataset import LabelledPicture, read_mvtec
from ml.errors import PictureError, TrainingError
from ml.pictures import PICTURE_SUFFIXES, list_pictures
from station.capture.picture_file import frame_from_file
from station.core.errors import CameraError, CameraExhaustedError
from station.core.frame import Frame


class FolderCamera:
    """Delivers what lies in the folder at `open`, in natural order, then CameraExhaustedError.

    A folder of the MVTec layout, or the folder `test` of one, gives its test pictures with truth and kind of defect,
    the good ones first. A file that cannot be read is a CameraError naming it; the next `grab` goes on with the next
    file. A read is as quick as the disk: a file system that hangs is not bounded by the time-out.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pending: deque[LabelledPicture | Path] | None = None
        self._count = 0

    @property
    def name(self) -> str:
        return f"folder:{self._folder.resolve().name}"

    def open(self) -> None:
        pictures = self._found()
        if not pictures:
            kinds = ", ".join(sorted(PICTURE_SUFFIXES))
            raise CameraError(f"{self._folder}: no pictures in this folder ({kinds}). Choose a folder that holds some.")
        self._pending, self._count = deque(pictures), len(pictures)

    def trigger(self) -> None:
        """Nothing to keep: a file waits until it is grabbed."""

    def grab(self, timeout_s: float) -> Frame:
        if self._pending is None:
            raise CameraError(f"{self.name}: the folder is not open.")
        if not self._pending:
            raise CameraExhaustedError(
                f"{self.name}: all {self._count} pictures have been shown. Choose the folder again to start over."
            )
        picture = self._pending.popleft()
        if isinstance(picture, Path):
            return frame_from_file(picture, self.name)
        return frame_from_file(picture.path, self.name, picture.truth, picture.kind)

    def close(self) -> None:
        self._pending = None

    def _found(self) -> list[LabelledPicture] | list[Path]:
        if not self._folder.is_dir():
            raise CameraError(f"{self._folder}: there is no such folder. Check the name, or the network drive.")
        try:
            layout = self._layout()
            return list_pictures(self._folder) if layout is None else read_mvtec(layout)
        except (PictureError, TrainingError) as error:
            raise CameraError(str(error)) from error

    def _layout(self) -> Path | None:
        """The root of the MVTec layout that was chosen; None for a plain folder."""
        folder = self._folder.resolve()
        for root in (folder, folder.parent):
            test = root / "test"
            if folder in (root, test) and test.is_dir() and any(entry.is_dir() for entry in test.iterdir()):
                return root
        return None
