"""Generated pictures as files: made from a folder of good ones, marked, listed and laid out for a person. No torch
unless the generator needs it.

    pictures/generated_GENERATOR_0001.png     each with its mark inside
    masks/generated_GENERATOR_0001_mask.png   255 where a defect was made
    generated.json                            how they were made, and from what
    contact_sheet.png                         each beside its source

The folder appears whole or not at all.
"""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np

from ml.errors import GenerationError
from ml.generation.catalogue import GeneratorInfo, generator, parse_settings
from ml.generation.contact_sheet import ContactSheet
from ml.generation.create import create
from ml.generation.generator import GeneratedPicture, Generator, check_wanted
from ml.generation.marking import Mark, encode_marked
from ml.job import MOST_GENERATED, TrainingJob
from ml.pictures import Pixels, default_window, encode_png
from ml.progress import Cancelled, Progress, never, silent
from ml.training.survey import Survey, survey_pictures

LIST_VERSION: Final = 1
PICTURES, MASKS, LIST, SHEET = "pictures", "masks", "generated.json", "contact_sheet.png"


@dataclass(frozen=True, slots=True)
class GenerationOrder:
    """`count` pictures made by `generator` from the good ones of `data`, into the new or empty folder `out`.

    `masks`: whether the truth of what was changed is written too; None: where defects are made.
    """

    data: Path
    generator: str
    count: int
    out: Path
    seed: int = 0
    settings: Mapping[str, object] = field(default_factory=dict)
    masks: bool | None = None


@dataclass(frozen=True, slots=True)
class Production:
    """What was made. `sources` are the good pictures that were used, `skipped` those that were not, with why."""

    folder: Path
    pictures: tuple[Path, ...]
    sources: int
    skipped: tuple[str, ...]
    note: str


class SurveyedPictures(Sequence[Pixels]):
    """Some pictures of a survey, decoded at each access."""

    def __init__(self, survey: Survey, indices: Sequence[int]) -> None:
        self._survey = survey
        self.indices = tuple(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Pixels:  # type: ignore[override]  # no slices
        return self._survey.read(self.indices[index]).pixels


@dataclass(frozen=True, slots=True, eq=False)
class MarkedPicture:
    """A generated picture with its file's bytes and name."""

    made: GeneratedPicture
    mark: Mark
    name: str
    data: bytes


def marked_samples(
    made_by: Generator, info: GeneratorInfo, survey: Survey, fitted: Sequence[int], count: int, seed: int
) -> Iterator[MarkedPicture]:
    """`count` samples of a generator that was fitted on the pictures `fitted` of `survey`, as files hold them."""
    settings = made_by.parameters.model_dump(mode="json")
    for number, made in enumerate(made_by.sample(count, seed), start=1):
        source = None if made.source is None else fitted[made.source]
        mark = Mark(
            generator=info.name,
            makes=info.makes,
            settings=settings,
            seed=seed,
            number=number,
            kind=made.kind,
            source=None if source is None else survey.names[source],
            source_sha256=None if source is None else survey.hashes[source],
        )
        yield MarkedPicture(made, mark, f"generated_{info.name}_{number:04d}", encode_marked(made.pixels, mark))


def produce(order: GenerationOrder, progress: Progress = silent, cancelled: Cancelled = never) -> Production:
    """Carry out an order. Generated pictures among the good ones are no sources.

    Raises ParameterError for settings, TrainingError where nothing can be learnt from the pictures, GenerationError
    where `out` holds something or cannot be written, CancelledError when `cancelled` said so; then nothing is left.
    """
    info = generator(order.generator)
    made_by = create(info.name, parse_settings(info.name, order.settings))
    if not 1 <= order.count <= MOST_GENERATED:
        raise GenerationError(f"{order.count} pictures cannot be made; choose 1 to {MOST_GENERATED}.")
    _refuse_taken(order.out)
    # The same pictures as a training would take, with the same words for those that it would not.
    survey = survey_pictures(TrainingJob(data=order.data, out=Path("unused.loupe")), progress, cancelled)
    pictures = SurveyedPictures(survey, survey.captured)
    made_by.fit(pictures, order.seed, progress, cancelled)
    staging = order.out.with_name(f".{order.out.name}.{uuid4().hex}.tmp")
    try:
        _write(order, info, made_by, survey, pictures, staging, progress, cancelled)
        check_wanted(cancelled)
        _put_in_place(staging, order.out)
    except OSError as error:
        raise GenerationError(
            f"{order.out}: cannot be written ({error.strerror}). Free some space or choose another folder."
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Production(
        folder=order.out,
        pictures=tuple(sorted((order.out / PICTURES).iterdir())),
        sources=len(pictures),
        skipped=tuple(item.reason for item in survey.skipped),
        note=made_by.note,
    )


def _write(
    order: GenerationOrder,
    info: GeneratorInfo,
    made_by: Generator,
    survey: Survey,
    pictures: SurveyedPictures,
    staging: Path,
    progress: Progress,
    cancelled: Cancelled,
) -> None:
    has_masks = info.makes == "defects" if order.masks is None else order.masks
    (staging / PICTURES).mkdir(parents=True)
    if has_masks:
        (staging / MASKS).mkdir()
    sheet = ContactSheet(
        f"{info.title}: {order.count} generated pictures",
        f"Left a good picture, right what was made of it. Made from {len(pictures)} pictures, seed {order.seed}"
        f"{', changes outlined' if info.makes == 'defects' else ''}.",
        default_window(survey.bit_depth),
    )
    listed = []
    samples = marked_samples(made_by, info, survey, pictures.indices, order.count, order.seed)
    for done, sample in enumerate(samples):
        check_wanted(cancelled)
        progress("Generating", done, order.count)
        (staging / PICTURES / f"{sample.name}.png").write_bytes(sample.data)
        if has_masks:
            mask = encode_png(sample.made.mask.astype(np.uint8) * np.uint8(255))
            (staging / MASKS / f"{sample.name}_mask.png").write_bytes(mask)
        listed.append(_entry(sample, has_masks))
        if sample.made.source is not None:
            shown = f"{sample.mark.number:04d}"
            sheet.add(pictures[sample.made.source], str(sample.mark.source), sample.made, shown)
    progress("Generating", order.count, order.count)
    document = {
        "version": LIST_VERSION,
        "loupe": version("loupe"),
        "generator": info.name,
        "settings": made_by.parameters.model_dump(mode="json"),
        "seed": order.seed,
        "count": order.count,
        "note": made_by.note,
        "sources": [{"file": survey.names[index], "sha256": survey.hashes[index]} for index in pictures.indices],
        "skipped": [{"file": item.file, "reason": item.reason} for item in survey.skipped],
        "pictures": listed,
    }
    (staging / LIST).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    mark = Mark(generator=info.name, makes=info.makes, seed=order.seed, kind="contact sheet")
    (staging / SHEET).write_bytes(encode_marked(sheet.drawn(), mark))


def _entry(sample: MarkedPicture, has_mask: bool) -> dict[str, Any]:
    return {
        "file": f"{PICTURES}/{sample.name}.png",
        "sha256": sha256(sample.data).hexdigest(),
        "mask": f"{MASKS}/{sample.name}_mask.png" if has_mask else None,
        "kind": sample.mark.kind,
        "source": sample.mark.source,
        "source_sha256": sample.mark.source_sha256,
        "changes": dict(sample.made.changes),
    }


def _refuse_taken(out: Path) -> None:
    """Before the work, not after it."""
    if any(out.iterdir()) if out.is_dir() else out.exists():
        raise GenerationError(f"{out}: is there already and is not overwritten. Choose a new or an empty folder.")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise GenerationError(f"{out}: cannot be made ({error.strerror}). Choose another folder.") from error


def _put_in_place(staging: Path, out: Path) -> None:
    """Raises OSError, also where something came to lie there meanwhile."""
    if out.is_dir():
        out.rmdir()  # empty, or this fails
    staging.rename(out)
