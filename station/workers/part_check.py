"""How the parts lie in a sample of a project's pictures, and whether their search finds them. QtCore only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from PySide6.QtCore import QObject, Signal

from ml.part_movement import Movement, MovementCheck
from station.projects.project import Looks, ProjectPicture, SearchCheck
from station.projects.sight import see
from station.workers.queries import Queries


@dataclass(frozen=True, slots=True)
class CheckedParts:
    """`movement`: of the parts as they are looked at: cut out, where they are searched. `search`: None where nothing is
    searched."""

    pictures: tuple[ProjectPicture, ...]
    looks: Looks
    movement: Movement
    search: SearchCheck | None

    def is_of(self, pictures: Sequence[ProjectPicture], looks: Looks) -> bool:
        """Whether it holds for these pictures, looked at in this way."""
        same = [one.sha256 for one in pictures] == [one.sha256 for one in self.pictures]
        return same and (looks.parts, looks.ring) == (self.looks.parts, self.looks.ring)


@dataclass(slots=True)
class _Run:
    """One check; its pictures are looked at one after the other in the thread."""

    pictures: tuple[ProjectPicture, ...]
    looks: Looks
    movement: MovementCheck = field(default_factory=MovementCheck)
    seen: int = 0
    told: int = 0
    missing: list[str] = field(default_factory=list)

    def look_at(self, picture: ProjectPicture) -> None:
        sight = see(picture, self.looks)
        self.seen += 1
        if sight.problem:
            self.missing.append(picture.name)
        elif sight.parts:
            self.movement.add(sight.parts[0].pixels)
        else:
            self.movement.add(sight.pixels)

    def result(self) -> CheckedParts:
        searches = self.looks.parts is not None or self.looks.ring is not None
        search = None
        if searches and self.seen:
            search = SearchCheck(
                parts=self.looks.parts, ring=self.looks.ring, looked_at=self.seen, missing=tuple(self.missing)
            )
        return CheckedParts(self.pictures, self.looks, self.movement.result(), search)


class PartCheck(QObject):
    """One sample at a time; another one ends the work on the first."""

    progressed = Signal(int, int)
    """Pictures looked at, of how many."""
    finished = Signal(object)
    """CheckedParts."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queries = Queries(self)
        self._run: _Run | None = None

    @property
    def is_running(self) -> bool:
        return self._run is not None

    def begin(self, pictures: Sequence[ProjectPicture], looks: Looks) -> None:
        """Look at `pictures` as `looks` says. Those that cannot be read count for nothing."""
        self._queries.ask(_nothing, withdraw_waiting=True)
        run = self._run = _Run(tuple(pictures), looks)
        for picture in pictures:
            self._queries.ask(
                partial(run.look_at, picture),
                then=partial(self._on_looked, run),
                otherwise=partial(self._on_looked, run),
            )
        self._queries.ask(run.result, then=partial(self._on_result, run))

    def stop(self) -> None:
        """Forget what was begun; nothing is told of it any more."""
        self._queries.ask(_nothing, withdraw_waiting=True)
        self._run = None

    def close(self) -> None:
        self._queries.close()

    def _on_looked(self, run: _Run, _answer: object) -> None:
        if run is self._run:
            run.told += 1
            self.progressed.emit(run.told, len(run.pictures))

    def _on_result(self, run: _Run, found: CheckedParts) -> None:
        if run is self._run:
            self._run = None
            self.finished.emit(found)


def _nothing() -> None:
    """Takes the place of questions that are withdrawn."""
