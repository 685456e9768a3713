"""Good parts beside those that a camera took: generated ones, to learn from and for nothing else.

The generator is fitted on the pictures that are learnt from, and on no others: what it made of a held-out part would
tell the model of it. Its samples lie in a temporary folder, so that memory does not grow with their number.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from ml.artifact import Augmented
from ml.errors import ParameterError
from ml.generation.catalogue import GENERATORS, GeneratorInfo, generator, parse_settings
from ml.generation.create import create
from ml.generation.generator import check_enough
from ml.generation.production import SurveyedPictures, marked_samples
from ml.job import Augmentation, TrainingJob
from ml.progress import Cancelled, Progress
from ml.training.splits import Split
from ml.training.survey import Survey, check_cancelled

FOLDER = "augmented"
"""Where generated pictures seem to lie in the names that a model file lists."""


@dataclass(frozen=True, slots=True)
class Learnt:
    """A survey with generated pictures behind the others, their parts, and the split in which they are learnt from."""

    survey: Survey
    parts: list[str]
    split: Split | None


def check_augmentation(augmentation: Augmentation | None) -> None:
    """Raises ParameterError for an unknown generator, one that makes defects, and settings that it does not have."""
    if augmentation is None:
        return
    info = generator(augmentation.generator)
    if info.makes != "good":
        good = ", ".join(name for name, each in GENERATORS.items() if each.makes == "good")
        raise ParameterError(
            f"{info.name} makes pictures with defects, and a model learns from good parts only; "
            f"generators of good ones: {good}"
        )
    parse_settings(info.name, augmentation.settings)


def generating_seconds(augmentation: Augmentation | None) -> float:
    """About how long the generator's own training takes; making the pictures is of no weight beside it."""
    if augmentation is None:
        return 0.0
    info = generator(augmentation.generator)
    return info.minutes_of(parse_settings(info.name, augmentation.settings)) * 60


def described(augmentation: Augmentation | None) -> Augmented | None:
    """What the model file says of it."""
    if augmentation is None:
        return None
    settings = parse_settings(augmentation.generator, augmentation.settings).model_dump(mode="json")
    return Augmented(generator=augmentation.generator, settings=settings, count=augmentation.count)


def check_sources(augmentation: Augmentation | None, survey: Survey, split: Split | None) -> None:
    """Raises TrainingError where the generator needs more pictures than are learnt from."""
    if augmentation is not None:
        check_enough(augmentation.generator, SurveyedPictures(survey, _sources(survey, split)))


@contextmanager
def augmented(
    job: TrainingJob,
    survey: Survey,
    parts: Sequence[str],
    split: Split | None,
    progress: Progress,
    cancelled: Cancelled,
) -> Iterator[Learnt]:
    """Fit the job's generator, and make its pictures, which last until the context ends; without one, all stays as is.

    `split` None: there are too few parts to hold any out, and all pictures are learnt from.
    Raises TrainingError and CancelledError.
    """
    if job.augment is None:
        yield Learnt(survey, list(parts), split)
        return
    info = generator(job.augment.generator)
    made_by = create(info.name, parse_settings(info.name, job.augment.settings))
    fitted = SurveyedPictures(survey, _sources(survey, split))
    made_by.fit(fitted, job.seed, progress, cancelled)
    with TemporaryDirectory(prefix="loupe-augmented-") as folder:
        names: list[str] = []
        hashes: list[str] = []
        marks, elsewhere = dict(survey.marks), dict(survey.elsewhere)
        own_parts = list(parts)
        for sample in marked_samples(made_by, info, survey, fitted.indices, job.augment.count, job.seed):
            check_cancelled(cancelled)
            progress(_stage(info), len(names), job.augment.count)
            path = Path(folder) / f"{sample.name}.png"
            path.write_bytes(sample.data)
            names.append(f"{FOLDER}/{path.name}")
            hashes.append(sha256(sample.data).hexdigest())
            marks[len(own_parts)] = sample.mark
            elsewhere[names[-1]] = path
            source = sample.made.source
            own_parts.append(names[-1] if source is None else parts[fitted.indices[source]])
        progress(_stage(info), len(names), job.augment.count)
        more = tuple(range(len(parts), len(own_parts)))
        yield Learnt(
            replace(
                survey,
                names=survey.names + tuple(names),
                hashes=survey.hashes + tuple(hashes),
                marks=marks,
                elsewhere=elsewhere,
            ),
            own_parts,
            None if split is None else replace(split, learnt=split.learnt + more),
        )


def _sources(survey: Survey, split: Split | None) -> list[int]:
    """Generated pictures among those learnt from are no sources: their flaws would grow."""
    learnt = range(len(survey.names)) if split is None else split.learnt
    return [index for index in learnt if index not in survey.marks]


def _stage(info: GeneratorInfo) -> str:
    return f"Generating pictures ({info.title})"
