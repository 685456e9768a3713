"""A folder into which something else puts pictures: a camera's own software, a network share."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ml.errors import PictureError
from ml.pictures import list_pictures, natural_key
from station.capture.picture_file import frame_from_file
from station.core.errors import CameraError, NoPartYetError
from station.core.frame import Frame

_SCAN_INTERVAL_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class _Content:
    """What a file holds, as far as can be told without reading it; a rename keeps it, writing changes it."""

    device: int
    inode: int
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    content: _Content
    arrived_ns: int


class WatchedFolderCamera:
    """Delivers files that come into the folder after `open`, in order of arrival, each once.

    Looked at again and again rather than watched by the system's notices, which network shares do not send. A file
    counts when its size and date have stood still for `settle_s`. One that cannot be read then is tried for
    `give_up_s`, since writers pause, and after that it is a CameraError once. A file written anew under an old name
    is a new picture, a renamed one is not. What is renamed or deleted before its turn is left out.
    """

    def __init__(self, folder: Path, settle_s: float = 0.25, give_up_s: float = 2.0) -> None:
        self._folder = folder
        self._settle_s = settle_s
        self._give_up_s = give_up_s
        self._is_open = False
        self._done: set[_Content] = set()
        self._unchanged_since: dict[_Content, float] = {}

    @property
    def name(self) -> str:
        return f"watch:{self._folder.resolve().name}"

    def open(self) -> None:
        if not self._folder.is_dir():
            raise CameraError(f"{self._folder}: there is no such folder. Check the name, or the network drive.")
        self._done = {file.content for file in self._files()}
        self._unchanged_since = {}
        self._is_open = True

    def trigger(self) -> None:
        """Nothing to keep: a file waits until it is grabbed."""

    def grab(self, timeout_s: float) -> Frame:
        if not self._is_open:
            raise CameraError(f"{self.name}: the folder is not open.")
        deadline = time.monotonic() + timeout_s
        while True:
            for file in self._settled():
                frame = self._read(file)
                if frame is not None:
                    return frame
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise NoPartYetError(f"{self.name}: no new picture came within {timeout_s:g} s.")
            time.sleep(min(_SCAN_INTERVAL_S, left_s))

    def close(self) -> None:
        self._is_open = False

    def _settled(self) -> list[_File]:
        """The new files that have stopped growing, in order of arrival."""
        files = self._files()
        self._done &= {file.content for file in files}
        new = [file for file in files if file.content not in self._done]
        now = time.monotonic()
        self._unchanged_since = {file.content: self._unchanged_since.get(file.content, now) for file in new}
        settled = [file for file in new if now - self._unchanged_since[file.content] >= self._settle_s]
        return sorted(settled, key=lambda file: (file.arrived_ns, natural_key(file.path.name)))

    def _read(self, file: _File) -> Frame | None:
        """None when the file has gone, or may yet become readable."""
        try:
            frame = frame_from_file(file.path, self.name)
        except CameraError:
            if not file.path.exists():
                return None
            if time.monotonic() - self._unchanged_since[file.content] < self._settle_s + self._give_up_s:
                return None
            self._done.add(file.content)
            raise
        self._done.add(file.content)
        return frame

    def _files(self) -> list[_File]:
        try:
            paths = list_pictures(self._folder)
        except PictureError as error:
            raise CameraError(f"{error} Check the network drive.") from error
        return [file for path in paths if (file := _described(path)) is not None]


def _described(path: Path) -> _File | None:
    try:
        status = path.stat()
    except OSError:
        return None  # gone since the folder was listed
    content = _Content(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    return _File(path, content, status.st_ctime_ns)
