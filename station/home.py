"""The station's home folder: where everything lies that one station keeps, and the lock that keeps it to one."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from platformdirs import user_data_path

from station.core.errors import StationError

HOME_VARIABLE = "LOUPE_HOME"
_LOCKED_BYTE = 1 << 30  # Windows locks bytes against reading too: far from the pid


class HomeInUseError(StationError):
    """Another station has the home folder; `pid` is its process, None while it is only starting."""

    def __init__(self, folder: Path, pid: int | None) -> None:
        process = "another process" if pid is None else f"process {pid}"
        super().__init__(
            f"The home folder {folder} is in use by {process}. Close that station, or choose another with --home."
        )
        self.pid = pid


@dataclass(frozen=True, slots=True)
class Home:
    """The folder and what lies where in it. Nothing is made before `lock`."""

    folder: Path

    @classmethod
    def locate(cls, option: Path | None = None) -> Self:
        """The folder given, else that of LOUPE_HOME, else the platform's folder for a user's data."""
        chosen = option or os.environ.get(HOME_VARIABLE) or user_data_path("Loupe", appauthor=False)
        return cls(Path(chosen).expanduser().absolute())

    @property
    def database(self) -> Path:
        return self.folder / "loupe.db"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def jobs(self) -> Path:
        return self.folder / "jobs"

    @property
    def projects(self) -> Path:
        return self.folder / "projects"

    @property
    def settings(self) -> Path:
        return self.folder / "settings.json"

    @property
    def socket_name(self) -> str:
        """Under which the station that has this folder listens; short, as socket names must be."""
        return f"loupe-{hashlib.sha256(str(self.folder.resolve()).encode()).hexdigest()[:16]}"

    def lock(self) -> "FileLock":
        """Make the folders and keep other stations out, until released or until this process ends in any way.

        Raises HomeInUseError when another station has it, StationError when the folder cannot be made.
        """
        try:
            for folder in (self.folder, self.pictures, self.models, self.logs, self.jobs, self.projects):
                folder.mkdir(parents=True, exist_ok=True)
            file = (self.folder / "loupe.lock").open("a+b")
        except OSError as error:
            raise StationError(
                f"The home folder {self.folder} cannot be used ({error.strerror}). Choose another with --home."
            ) from error
        try:
            if not _lock(file):
                raise HomeInUseError(self.folder, _read_pid(file))
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode())
            file.flush()
        except OSError as error:
            file.close()
            raise StationError(
                f"The home folder {self.folder} cannot be locked ({error.strerror}). Put it on a local drive."
            ) from error
        except HomeInUseError:
            file.close()
            raise
        return FileLock(file)


class FileLock:
    """Holds what a file stands for; `release`, or leave the `with` block, to let others have it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    @classmethod
    def take(cls, path: Path) -> "FileLock | None":
        """Without waiting; None where another has it. Raises OSError."""
        file = path.open("a+b")
        try:
            is_ours = _lock(file)
        except OSError:
            file.close()
            raise
        if is_ours:
            return cls(file)
        file.close()
        return None

    def release(self) -> None:
        """Safe to call twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _lock(file: BinaryIO) -> bool:
    """Lock without waiting; the system lets go when the file is closed or its process dies. False: another has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(_LOCKED_BYTE)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            # flock belongs to the open file, not to the process: a second lock in one process is noticed too.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # as POSIX and Windows say it
        return False
    return True


def _read_pid(file: BinaryIO) -> int | None:
    file.seek(0)
    text = file.read(20).strip()
    return int(text) if text.isdigit() else None
