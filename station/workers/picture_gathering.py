"""Taking pictures into a project and checking them, outside the GUI thread, in batches. QtCore only."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from PySide6.QtCore import QObject, Signal

from ml.errors import PictureError
from ml.picture_facts import PictureFacts, examine, load_facts, save_facts
from ml.pictures import read_picture_bytes
from station.projects.checking import findings_of
from station.projects.project import Finding, Project, ProjectPicture
from station.projects.sources import Admitted, Offer, Offers, Refused, Seen, admit
from station.workers.queries import Queries

BATCH_S, LONGEST_BATCH_S = 0.3, 3.0
"""Between two reports: pictures appear while the others are still being read. Each is stored with all before it, so
that the more there are, the rarer reports must be."""
_BATCH_GROWS_WITH = 500  # pictures
THUMBNAILS, FACTS_FILE = "thumbnails", "facts.npz"


@dataclass(frozen=True, slots=True)
class Progress:
    """What is being done, in words, and how far it is."""

    words: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """How an order to add pictures ended. `already` were in the project before, from the same files."""

    added: int
    already: int
    refused: tuple[Refused, ...]
    is_cancelled: bool = False


@dataclass(slots=True)
class _Order:
    """What of one source is still to be looked into."""

    waiting: deque[Offer]
    total: int
    refused: list[Refused]
    taken: set[str]
    files: set[Path]
    seen: Mapping[str, Seen]
    added: int = 0
    already: int = 0


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found out about pictures that nothing was known of; `unreadable` by name with the reason."""

    remaining: tuple[ProjectPicture, ...]
    unreadable: dict[str, str]


class PictureGathering(QObject):
    """For one open project; one thing at a time, in the order asked. `close` before the project is closed.

    Thumbnails and figures lie in the project's folder, where they may be lost without harm: they are made again.
    """

    admitted = Signal(object)
    """Tuple of ProjectPicture, not yet checked: to be added now."""
    progressed = Signal(object)
    """Progress."""
    ended = Signal(object)
    """Gathered: the source has no more, or it was cancelled."""
    checked = Signal(object)
    """dict of name to tuple of Finding: of all pictures that were given, or of those that have changed."""
    failed = Signal(str)
    """Nothing more comes of this order: why, and what to do."""

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self._facts: dict[str, PictureFacts] | None = None  # only ever touched by the questions, one after another
        self._is_cancelled = Event()
        self._queries = Queries(self)
        self._checks = 0
        self._sources: deque[tuple[Callable[[], Offers], Callable[[], Project]]] = deque()
        self._is_gathering = False

    @staticmethod
    def thumbnail_file(folder: Path, sha256: str) -> Path:
        """Where the thumbnail of a picture lies in the project's folder, once it was looked into."""
        return folder / THUMBNAILS / f"{sha256}.jpg"

    def gather(self, source: Callable[[], Offers], project: Callable[[], Project]) -> None:
        """Take in what `source` offers, called in the thread; files that the project has already are passed over.

        Sources come in the order asked; `project` gives the one that is open when the turn comes.
        """
        self._sources.append((source, project))
        self._begin_next()

    def check(self, pictures: Sequence[ProjectPicture]) -> None:
        """Compare all with one another; an order to check before this one is forgotten."""
        self._checks += 1
        number, whole = self._checks, tuple(pictures)
        self._queries.ask(
            lambda: self._missing(whole), then=lambda look: self._look_on(number, whole, look), otherwise=self._fail
        )

    def look_for_files(self, pictures: Sequence[ProjectPicture]) -> None:
        """Only find out which files have gone or come back since; `checked` then tells what has changed."""
        whole = tuple(pictures)
        self._queries.ask(lambda: _gone_or_back(whole), then=self._on_files, otherwise=self._fail)

    def cancel(self) -> None:
        """End adding after the picture that is being read, and drop what waits; what was added stays."""
        self._is_cancelled.set()
        self._sources.clear()

    def close(self) -> None:
        self._is_cancelled.set()
        self._checks += 1
        self._queries.close()

    # Adding

    def _begin_next(self) -> None:
        if self._is_gathering or not self._sources:
            return
        self._is_gathering = True
        self._is_cancelled.clear()
        source, project_of = self._sources.popleft()
        pictures = project_of().pictures
        names, files = {one.name for one in pictures}, {one.file for one in pictures}
        first = pictures[0] if pictures else None
        self._queries.ask(
            lambda: _order(source(), names, files),
            then=lambda order: self._go_on(order, first),
            otherwise=self._give_up,
        )

    def _give_up(self, reason: str) -> None:
        self._is_gathering = False
        self.failed.emit(reason)
        self._begin_next()

    def _go_on(self, order: _Order, depth_of: ProjectPicture | None) -> None:
        if order.waiting and not self._is_cancelled.is_set():
            self.progressed.emit(Progress(self.tr("Reading pictures"), order.total - len(order.waiting), order.total))
            self._queries.ask(
                lambda: self._admit_some(order, depth_of),
                then=lambda batch: self._on_batch(order, depth_of, batch),
                otherwise=self._give_up,
            )
            return
        self._is_gathering = False
        self.ended.emit(Gathered(order.added, order.already, tuple(order.refused), bool(order.waiting)))
        self._begin_next()

    def _on_batch(self, order: _Order, depth_of: ProjectPicture | None, batch: tuple[ProjectPicture, ...]) -> None:
        if batch:
            self.admitted.emit(batch)
        self._go_on(order, depth_of or (batch[0] if batch else None))

    def _admit_some(self, order: _Order, depth_of: ProjectPicture | None) -> tuple[ProjectPicture, ...]:
        found: list[ProjectPicture] = []
        until = time.monotonic() + min(LONGEST_BATCH_S, BATCH_S * (1 + len(order.taken) / _BATCH_GROWS_WITH))
        while order.waiting and time.monotonic() < until and not self._is_cancelled.is_set():
            offer = order.waiting.popleft()
            if offer.file.absolute() in order.files:
                order.already += 1
                continue
            try:
                taken_in = admit(offer, order.taken, order.seen)
                self._refuse_other_depth(taken_in, depth_of or (found[0] if found else None))
            except PictureError as error:
                order.refused.append(Refused(offer.name, str(error)))
                continue
            self._keep(taken_in.examined.facts, taken_in.examined.thumbnail)
            order.taken.add(taken_in.picture.name)
            order.files.add(taken_in.picture.file)
            found.append(taken_in.picture)
        order.added += len(found)
        return tuple(found)

    def _refuse_other_depth(self, one: Admitted, first: ProjectPicture | None) -> None:
        known = None if first is None else self._known().get(first.sha256)
        if known is not None and (known.bit_depth > 8) != (one.examined.facts.bit_depth > 8):
            raise PictureError(
                f"{one.picture.file} has {one.examined.facts.bit_depth} bits, the pictures of this project have "
                f"{known.bit_depth}: one model cannot learn both. Begin a project of its own for them."
            )

    # Checking

    def _missing(self, pictures: tuple[ProjectPicture, ...]) -> _Look:
        known = self._known()
        unreadable = {one.name: _gone_words(one) for one in pictures if not one.file.is_file()}
        unknown = [
            one
            for one in pictures
            if one.name not in unreadable
            and (one.sha256 not in known or not self.thumbnail_file(self._folder, one.sha256).is_file())
        ]
        return _Look(tuple(unknown), unreadable)

    def _look_on(self, number: int, whole: tuple[ProjectPicture, ...], look: _Look) -> None:
        if number != self._checks:
            return
        if look.remaining:
            self.progressed.emit(Progress(self.tr("Looking at pictures"), len(whole) - len(look.remaining), len(whole)))
            self._queries.ask(
                lambda: self._look_at_some(look),
                then=lambda further: self._look_on(number, whole, further),
                otherwise=self._fail,
            )
            return
        self.progressed.emit(Progress(self.tr("Comparing pictures"), 0, 0))
        self._queries.ask(
            lambda: self._findings(number, whole, look),
            then=lambda found: self._on_findings(number, found),
            otherwise=self._fail,
        )

    def _look_at_some(self, look: _Look) -> _Look:
        waiting, unreadable = deque(look.remaining), dict(look.unreadable)
        until = time.monotonic() + BATCH_S
        while waiting and time.monotonic() < until:
            one = waiting.popleft()
            try:
                found = examine(read_picture_bytes(one.file), str(one.file))
                if found.facts.sha256 != one.sha256:
                    raise PictureError(f"{one.file} is another picture than when it was added. Remove it, add it anew.")
            except PictureError as error:
                unreadable[one.name] = str(error)
            else:
                self._keep(found.facts, found.thumbnail)
        return _Look(tuple(waiting), unreadable)

    def _findings(
        self, number: int, whole: tuple[ProjectPicture, ...], look: _Look
    ) -> dict[str, tuple[Finding, ...]] | None:
        if number != self._checks:
            return None
        known = self._known()
        contents = {one.sha256 for one in whole}
        kept = {content: facts for content, facts in known.items() if content in contents}
        with suppress(OSError):  # what cannot be kept is measured again at the next start
            save_facts(self._folder / FACTS_FILE, kept)
        return findings_of(whole, kept, look.unreadable)

    def _on_findings(self, number: int, found: dict[str, tuple[Finding, ...]] | None) -> None:
        if number == self._checks and found is not None:
            self.checked.emit(found)

    def _on_files(self, changed: dict[str, tuple[Finding, ...]]) -> None:
        if changed:
            self.checked.emit(changed)

    # Both

    def _known(self) -> dict[str, PictureFacts]:
        if self._facts is None:
            self._facts = load_facts(self._folder / FACTS_FILE)
        return self._facts

    def _keep(self, facts: PictureFacts, thumbnail: bytes) -> None:
        file = self.thumbnail_file(self._folder, facts.sha256)
        with suppress(OSError):  # the same for thumbnails, which are not flushed either
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(thumbnail)
        self._known()[facts.sha256] = facts

    def _fail(self, reason: str) -> None:
        self.failed.emit(reason)


def _order(offers: Offers, names: set[str], files: set[Path]) -> _Order:
    return _Order(deque(offers.pictures), len(offers.pictures), list(offers.refused), names, files, offers.seen)


def _gone_or_back(pictures: tuple[ProjectPicture, ...]) -> dict[str, tuple[Finding, ...]]:
    """Findings of the pictures whose file was there before and is not now, or the other way round."""
    changed: dict[str, tuple[Finding, ...]] = {}
    for one in pictures:
        others = tuple(finding for finding in one.findings if finding.kind != "unreadable")
        is_gone, was_gone = not one.file.is_file(), len(others) < len(one.findings)
        if is_gone and not was_gone:
            changed[one.name] = (Finding(kind="unreadable", words=_gone_words(one)), *others)
        elif was_gone and not is_gone:
            changed[one.name] = others
    return changed


def _gone_words(picture: ProjectPicture) -> str:
    return f"{picture.file} is not there any more. Put it back, or remove the picture from the project."
