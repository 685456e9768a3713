"""How many of a folder's pictures can be trained on: each is decoded once, outside the GUI thread. QtCore only."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from ml.dataset import read_normals
from ml.errors import PictureError
from ml.generation.marking import mark_of, refuse_made_defect
from ml.pictures import read_picture
from station.workers.queries import Queries

AT_ONCE = 4  # pictures between two reports


@dataclass(frozen=True, slots=True)
class UnreadablePicture:
    """A file that training would leave out, and why in plain words."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What is known so far of the good pictures in `folder`: `checked` of them were decoded.

    `names` are all files found, `sizes` how many of the readable ones have which width and height in px. `generated`
    are the names of those that no camera took: they are learnt from and never give a threshold.
    """

    folder: Path
    names: tuple[str, ...]
    checked: int = 0
    unreadable: tuple[UnreadablePicture, ...] = ()
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    generated: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        return self.checked == len(self.names)

    @property
    def usable(self) -> int:
        return self.checked - len(self.unreadable)

    @property
    def usable_names(self) -> tuple[str, ...]:
        unreadable = {picture.name for picture in self.unreadable}
        return tuple(name for name in self.names if name not in unreadable)


class PictureSurvey(QObject):
    """One folder at a time; another one ends the work on the first."""

    found = Signal(object)
    """Findings so far; the last ones are complete."""
    failed = Signal(str)
    """The folder cannot be used: why, and what to do."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queries = Queries(self)
        self._queries.answered.connect(self._on_findings)
        self._queries.failed.connect(self._on_failure)

    @Slot(Path)
    def look_into(self, folder: Path) -> None:
        """Begin with `folder`: pictures in it, or in its train/good as in the MVTec layout."""
        self._queries.ask(lambda: _listed(folder), withdraw_waiting=True)

    def close(self) -> None:
        self._queries.close()

    @Slot(int, object)
    def _on_findings(self, number: int, findings: Findings) -> None:
        if not self._queries.is_latest(number):
            return
        self.found.emit(findings)
        if not findings.is_complete and self._queries.is_latest(number):
            self._queries.ask(lambda: _checked_further(findings))

    @Slot(int, str)
    def _on_failure(self, number: int, reason: str) -> None:
        if self._queries.is_latest(number):
            self.failed.emit(reason)


def _listed(folder: Path) -> Findings:
    normals, paths = read_normals(folder)
    return Findings(normals, tuple(path.relative_to(normals).as_posix() for path in paths))


def _checked_further(before: Findings) -> Findings:
    unreadable, sizes, generated = list(before.unreadable), before.sizes.copy(), list(before.generated)
    names = before.names[before.checked : before.checked + AT_ONCE]
    for name in names:
        try:
            height, width = read_picture(before.folder / name).pixels.shape[:2]
            mark = mark_of(before.folder / name)
            refuse_made_defect(mark, before.folder / name)
        except PictureError as error:
            unreadable.append(UnreadablePicture(name, str(error)))
        else:
            sizes[(width, height)] += 1
            generated += [] if mark is None else [name]
    checked = before.checked + len(names)
    return Findings(before.folder, before.names, checked, tuple(unreadable), sizes, tuple(generated))
