"""The pictures that the model which is fine-tuned has seen: what it learnt stays learnt, what tested it still tests,
also where the engineer adds the same files by hand. No Qt."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ml.artifact import Manifest
from ml.dataset import GOOD
from ml.picture_list import Label
from station.core.errors import StorageError
from station.history.models import ModelShelf
from station.history.store import PictureStore
from station.projects.earlier import Known, known_pictures
from station.projects.sources import Offer, Offers, Refused, Seen
from station.projects.store import ProjectStore


@dataclass(frozen=True)
class BasePictures:
    """Those of the model `base`, for the project `project_id`. Read when first asked, which may take a while: never in
    the thread of the GUI. Raises StorageError then, also where the model cannot be read."""

    base: str
    project_id: str
    models: ModelShelf
    store: PictureStore
    projects: ProjectStore

    @cached_property
    def seen(self) -> Mapping[str, Seen]:
        """By content."""
        listed = list(_listed(self.models.manifest(self.base)))
        known = known_pictures(self.projects, self.store, {content for content, _ in listed}, but=self.project_id)
        found: dict[str, Seen] = {}
        for content, one in listed:
            found.setdefault(content, one if content not in known else _as_known(one, known[content]))
        return found

    def claiming(self, offers: Offers) -> Offers:
        """Of any source: what the model has seen is known when it is taken in."""
        return replace(offers, seen=self.seen)

    def offers(self, but: Container[str] = ()) -> Offers:
        """All whose contents are kept still, except the contents `but`."""
        found: list[Offer] = []
        refused: list[Refused] = []
        for content, one in self.seen.items():
            if content in but:
                continue
            try:
                file = self.store.path(content)
            except StorageError:
                reason = f"{one.name}, which the model has seen, is not kept on this station. Add its file by hand."
                refused.append(Refused(one.name, reason))
            else:
                found.append(one.claimed(Offer(one.name, file)))
        return Offers(tuple(found), tuple(refused), self.seen)


def _listed(manifest: Manifest) -> Iterator[tuple[str, Seen]]:
    """What the model itself says. Whether a test picture showed a good part, it does not: the name does where it comes
    from an MVTec layout."""
    data, generated = manifest.data, frozenset(manifest.data.generated)
    for name, content in data.files:
        if name not in generated:
            yield content, Seen(name, "good", "learn")
    for name, content in data.defects:
        yield content, Seen(name, "bad", "learn")
    for name, content in data.tests:
        yield content, _tested(name)


def _tested(name: str) -> Seen:
    folders = Path(name).parts[:-1]
    if folders[:1] != ("test",) or len(folders) != 2:
        return Seen(name, "unsure", "test")
    label: Label = "good" if folders[1] == GOOD else "bad"
    return Seen(name, label, "test", kind=folders[1] if label == "bad" else None)


def _as_known(one: Seen, known: Known) -> Seen:
    """What people say of a picture counts more than what the model, or a folder, said."""
    kind = known.kind or (one.kind if known.label == "bad" else None)
    return Seen(one.name, known.label, one.use, kind=kind, part=known.part, mask=known.mask)
