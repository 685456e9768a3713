"""Looks for a part's outline and keeps the one that is proposed until it is taken or discarded."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from ml.inspection_area import Rectangle, Shape
from ml.pictures import Pixels
from station.projects.proposals import Proposal, propose
from station.workers.queries import Queries


class OutlineFinder(QObject):
    found = Signal()
    """An outline is `proposed` now."""
    failed = Signal(str)
    """There is none: why, and what to do."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._queries = Queries(self)
        self._looked_at: Pixels | None = None
        self._proposed: Shape | None = None

    @property
    def proposed(self) -> Shape | None:
        return self._proposed

    def look(self, kind: Proposal, pixels: Pixels, box: Rectangle | None) -> None:
        """Find the outline in `pixels`; `box` around it for `grabcut`. Ends what was looked for before."""
        self._proposed, self._looked_at = None, pixels
        self._queries.ask(
            partial(propose, kind, pixels, box),
            then=partial(self._on_found, pixels),
            otherwise=partial(self._on_failed, pixels),
            withdraw_waiting=True,
        )

    def drop(self) -> Shape | None:
        """Forget what is proposed or looked for; gives the former."""
        dropped, self._proposed, self._looked_at = self._proposed, None, None
        return dropped

    def close(self) -> None:
        self._queries.close()

    def _on_found(self, pixels: Pixels, shape: Shape) -> None:
        if pixels is self._looked_at:
            self._proposed = shape
            self.found.emit()

    def _on_failed(self, pixels: Pixels, reason: str) -> None:
        if pixels is self._looked_at:
            self._looked_at = None
            self.failed.emit(reason)
