"""Where a project's pictures come from: folders, the history; for those of the model that is fine-tuned see
`base_pictures`. No Qt.

Each source offers files with what is known of them from where they lie; `admit` looks into one and takes it in.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count, islice
from pathlib import Path
from types import MappingProxyType

from ml.dataset import GOOD, is_mvtec, read_mvtec
from ml.errors import PictureError, TrainingError
from ml.generation.marking import mark_in
from ml.picture_facts import Examined, examine
from ml.picture_list import Label, Use
from ml.pictures import MIN_TRAINING_SIDE_PX, list_pictures, read_picture_bytes
from station.core.errors import StorageError
from station.core.verdict import Verdict
from station.history.filters import HistoryFilter
from station.history.reader import HistoryReader
from station.history.records import InspectionRow
from station.projects.project import Origin, ProjectPicture
from station.projects.store import ProjectError

MOST_FROM_HISTORY = 2000


@dataclass(frozen=True, slots=True)
class Offer:
    """A picture file, and what is known of it before it is opened; the fields are those of `ProjectPicture`."""

    name: str
    file: Path
    label: Label = "good"
    use: Use = "learn"
    use_given: bool = False
    part: str | None = None
    kind: str | None = None
    mask: Path | None = None
    origin: Origin = "folder"
    origin_id: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A picture that was not taken in, and why in words."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture that the model which is fine-tuned has learnt, or was tested with."""

    name: str
    label: Label
    use: Use
    kind: str | None = None
    part: str | None = None
    mask: Path | None = None

    def claimed(self, offer: Offer) -> Offer:
        """The offer of this very picture, wherever it lies: it is used as before. What its source says of it counts
        where nothing else is known, unless that is only what any file of a folder is taken for."""
        says_itself = offer.use_given or offer.origin == "history"
        label = self.label if self.label != "unsure" or not says_itself else offer.label
        is_bad = label == "bad"
        return replace(
            offer,
            label=label,
            use=self.use,
            use_given=True,
            part=self.part or offer.part,
            kind=(self.kind or offer.kind) if is_bad else None,
            mask=(self.mask or offer.mask) if is_bad else None,
            origin="base",
        )


@dataclass(frozen=True, slots=True)
class Offers:
    """What a source has, in its order; `refused` already without opening a file. `seen`: by their contents, pictures
    that the model which is fine-tuned has seen, if they should be among them."""

    pictures: tuple[Offer, ...]
    refused: tuple[Refused, ...] = ()
    seen: Mapping[str, Seen] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A picture that was taken in, and what was measured on it."""

    picture: ProjectPicture
    examined: Examined


def from_paths(paths: Sequence[Path]) -> Offers:
    """Files as they are, folders with the pictures in them. Raises ProjectError where there are none at all."""
    found: list[Offer] = []
    for path in paths:
        found += _from_folder(path) if path.is_dir() else [Offer(path.name, path)]
    if not found:
        raise ProjectError("Nothing was chosen. Choose a folder with pictures, or drop pictures here.")
    return Offers(tuple(found))


def from_history(reader: HistoryReader, wanted: HistoryFilter, most: int = MOST_FROM_HISTORY) -> Offers:
    """The newest `most` parts that the filter lets through, with the label that a review, or an OK, proposes.

    A FAULT shows no judged part and is left out. Raises StorageError.
    """
    found: list[Offer] = []
    refused: list[Refused] = []
    for row in islice(reader.each(wanted), most):
        part = row.inspection
        if part.verdict is Verdict.FAULT or part.picture_hash is None:
            continue
        name = history_name(row)
        try:
            file = reader.store.path(part.picture_hash)
        except StorageError as error:
            refused.append(Refused(name, str(error)))
            continue
        label = proposed_label(row)
        kind = (row.review.defect_kind if row.review else None) if label == "bad" else None
        serial = f"serial {part.serial}" if part.serial else None
        found.append(
            Offer(name, file, label=label, part=serial, kind=kind or None, origin="history", origin_id=part.id)
        )
    return Offers(tuple(found), tuple(refused))


def proposed_label(row: InspectionRow) -> Label:
    """What a person found counts; of verdicts alone only OK: that a part was rejected does not make it bad."""
    verdict, review = row.inspection.verdict, row.review
    if review is None:
        return "good" if verdict is Verdict.OK else "unsure"
    match review.finding:
        case "false_call":
            return "good"
        case "escape":
            return "bad"
        case "confirmed":
            return {Verdict.OK: "good", Verdict.NG: "bad"}.get(verdict, "unsure")  # type: ignore[return-value]


def history_name(row: InspectionRow) -> str:
    """Tells recipe, time (UTC) and serial, as far as there is one."""
    part = row.inspection
    words = (part.recipe, f"{part.captured_at.astimezone(UTC):%Y-%m-%d %H.%M.%S}", part.serial or part.id[:8])
    return " ".join(word.replace("/", "-") for word in words if word)


def admit(offer: Offer, taken: Container[str], seen: Mapping[str, Seen] = MappingProxyType({})) -> Admitted:
    """Look into the file and make it a picture of the project, under a name that is not yet `taken`. What is `seen` is
    known by its content.

    Raises PictureError for what cannot be read, is too small to learn from, or was taken by no camera.
    """
    data = read_picture_bytes(offer.file)
    examined = examine(data, str(offer.file))
    mark = mark_in(data)
    if mark is not None:
        raise PictureError(
            f"{offer.file} was made by the generator '{mark.generator}': no camera took it. Add the pictures that it "
            "was made from; generated ones are made on the page Method."
        )
    facts = examined.facts
    if min(facts.width_px, facts.height_px) < MIN_TRAINING_SIDE_PX:
        raise PictureError(
            f"{offer.file} is {facts.width_px} x {facts.height_px} px. Each side must have at least "
            f"{MIN_TRAINING_SIDE_PX} px."
        )
    if facts.sha256 in seen:
        offer = seen[facts.sha256].claimed(offer)
    picture = ProjectPicture(
        name=unique_name(offer, taken),
        file=offer.file.absolute(),
        sha256=facts.sha256,
        width_px=facts.width_px,
        height_px=facts.height_px,
        label=offer.label,
        use=offer.use,
        use_given=offer.use_given,
        part=offer.part,
        kind=offer.kind,
        imported_mask=None if offer.mask is None else offer.mask.absolute(),
        origin=offer.origin,
        origin_id=offer.origin_id,
        added_at=datetime.now(UTC),
        checked=False,
    )
    return Admitted(picture, examined)


def unique_name(offer: Offer, taken: Container[str]) -> str:
    """The offer's own name, else with its folder before it, else with a number behind it."""
    wanted = (offer.name, f"{offer.file.parent.name}/{offer.name}")
    free = [name for name in wanted if name not in taken]
    return free[0] if free else next(name for number in count(2) if (name := f"{wanted[1]} ({number})") not in taken)


def _from_folder(folder: Path) -> Iterable[Offer]:
    try:
        if is_mvtec(folder):
            return _from_mvtec(folder)
        pictures = list_pictures(folder)
    except (PictureError, TrainingError) as error:
        raise ProjectError(str(error)) from error
    if not pictures:
        raise ProjectError(_no_pictures(folder))
    return [Offer(path.name, path) for path in pictures]


def _from_mvtec(folder: Path) -> Iterable[Offer]:
    """Names are paths within the layout; what is learnt and what is tested with is as the layout says."""
    train, test = folder / "train" / GOOD, folder / "test"
    goods = list_pictures(train if train.is_dir() else folder)
    found = [Offer(path.relative_to(folder).as_posix(), path, use_given=test.is_dir()) for path in goods]
    for one in read_mvtec(folder) if test.is_dir() else ():
        label: Label = "good" if one.truth == "normal" else "bad"
        name = one.path.relative_to(folder).as_posix()
        found.append(Offer(name, one.path, label, use="test", use_given=True, kind=one.kind, mask=one.mask_path))
    if not found:
        raise ProjectError(_no_pictures(folder))
    return found


def _no_pictures(folder: Path) -> str:
    try:
        within = [one.name for one in sorted(folder.iterdir()) if one.is_dir() and list_pictures(one)]
    except (OSError, PictureError):
        within = []
    if within:
        return f"{folder} holds no pictures itself; its folders do ({', '.join(within[:4])}). Choose one of them."
    return f"There are no pictures in {folder}. Choose a folder with PNG, JPEG, BMP or TIFF files."
