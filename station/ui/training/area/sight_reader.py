"""Reads the picture to be shown outside the GUI thread, and finds in it what is searched."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from station.projects.project import Looks, ProjectPicture
from station.projects.sight import Sight, see
from station.workers.queries import Queries


class SightReader(QObject):
    """The latest question counts; answers to older ones are dropped."""

    seen = Signal(object)
    """Sight: of the picture as it is, and again when what is searched was found in it."""
    failed = Signal(str)
    """The picture cannot be read: why, and what to do."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queries = Queries(self)
        self._wanted: tuple[ProjectPicture, Looks] | None = None
        self._shown: tuple[ProjectPicture, Looks] | None = None

    @property
    def is_reading(self) -> bool:
        """Whether what was told last is not all that is wanted."""
        return self._wanted != self._shown

    def read(self, picture: ProjectPicture, looks: Looks) -> None:
        """See `picture` as `looks` says; nothing is done where that was told last, or is being done."""
        wanted = picture, looks.model_copy(update={"area": None})  # what is drawn needs no other look at the picture
        if wanted == self._wanted:
            return
        is_new = self._shown is None or self._shown[0] != picture
        self._wanted = wanted
        plain = wanted[1].model_copy(update={"parts": None, "ring": None})
        if is_new and plain != wanted[1]:  # a picture is shown before its parts are found
            self._ask(wanted, plain, withdraw_waiting=True)
            self._ask(wanted, wanted[1], withdraw_waiting=False)
        else:
            self._ask(wanted, wanted[1], withdraw_waiting=True)

    def close(self) -> None:
        self._queries.close()

    def _ask(self, wanted: tuple[ProjectPicture, Looks], looks: Looks, *, withdraw_waiting: bool) -> None:
        self._queries.ask(
            partial(see, wanted[0], looks),
            then=partial(self._on_sight, wanted),
            otherwise=partial(self._on_failure, wanted),
            withdraw_waiting=withdraw_waiting,
        )

    def _on_sight(self, wanted: tuple[ProjectPicture, Looks], sight: Sight) -> None:
        if wanted == self._wanted:
            self._shown = sight.picture, sight.looks
            self.seen.emit(sight)

    def _on_failure(self, wanted: tuple[ProjectPicture, Looks], reason: str) -> None:
        if wanted == self._wanted:
            self._wanted = self._shown = None  # it may be asked for again
            self.failed.emit(reason)
