"""The pictures of a fine-tuning: new ones, and those that the base model was made with, known by their content."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self

from ml.artifact import DataFingerprint
from ml.errors import TrainingError
from ml.job import TrainingJob
from ml.progress import Cancelled, Progress
from ml.training.survey import Skipped, Survey, identity, survey_pictures

REPLAYED = "replay"
"""Where the pictures of `TrainingJob.replay` seem to lie in the names of the survey."""


@dataclass(frozen=True, slots=True)
class OldAndNew:
    """A survey of all pictures at hand, and by index, ascending: which are new, which the base model learnt from, and
    which it never learnt from but got its threshold of."""

    survey: Survey
    new: tuple[int, ...]
    learnt: tuple[int, ...]
    held_out: tuple[int, ...]

    @classmethod
    def of(cls, survey: Survey, base: DataFingerprint) -> Self:
        """Tells the pictures of a survey apart by their hashes, and parts on one picture by their numbers too."""
        in_parts = survey.parts is not None
        of_file = {name: identity(name, content, in_parts) for name, content in base.files}
        known = set(of_file.values())
        held_out = {each for name, each in of_file.items() if name in base.held_out}
        own = [identity(*each, in_parts) for each in zip(survey.names, survey.hashes, strict=True)]
        return cls(
            survey,
            tuple(index for index, each in enumerate(own) if each not in known),
            tuple(index for index, each in enumerate(own) if each in known - held_out),
            tuple(index for index, each in enumerate(own) if each in held_out),
        )

    def only(self, indices: Collection[int], base: DataFingerprint) -> Self:
        """Without all other pictures, which are not listed as skipped."""
        left_out = {index: Skipped(name, "") for index, name in enumerate(self.survey.names) if index not in indices}
        return self.of(replace(self.survey.without(left_out), skipped=self.survey.skipped), base)

    @property
    def recorded(self) -> tuple[tuple[str, str], ...]:
        """New pictures as (name, hash)."""
        return tuple((self.survey.names[index], self.survey.hashes[index]) for index in self.new)


def gather(job: TrainingJob, base: DataFingerprint, progress: Progress, cancelled: Cancelled) -> Survey:
    """A survey of the job's pictures and behind them those of its `replay` that the base was made with.

    The look of the pictures is that of the former. Raises TrainingError as `survey_pictures` does, where nothing is
    new, where a picture was set aside for judging or shows a defect that the base learnt from, and where `replay` holds
    no picture of the base.
    """
    survey = survey_pictures(job, progress, cancelled)
    known = {content for _, content in base.files}
    _refuse_spoilt(job, survey, base)
    if all(content in known for content in survey.hashes):
        raise TrainingError(
            f"{job.data}: the model knows all of these pictures already. Give pictures of new good parts, 20 or more."
        )
    if job.replay is None:
        return survey
    listed = job.model_copy(update={"data": job.replay, "exclude": ()})
    replay = survey_pictures(listed, progress, cancelled)
    seen = known - set(survey.hashes)
    useless = {
        index: Skipped(name, f"{replay.path(index)}: the base model was not made with this picture")
        for index, (name, content) in enumerate(zip(replay.names, replay.hashes, strict=True))
        if content not in seen
    }
    if len(useless) == len(replay.names) and not any(content in known for content in survey.hashes):
        raise TrainingError(
            f"{job.replay}: none of these {len(replay.names)} pictures is one that the base model was made with. Give "
            "the folder or list that it was trained on."
        )
    return _joined(survey, replay.without(useless))


def _joined(survey: Survey, replay: Survey) -> Survey:
    names = tuple(f"{REPLAYED}/{name}" for name in replay.names)
    paths = {name: replay.path(index) for index, name in enumerate(names)}
    parts = {
        f"{REPLAYED}/{name}": f"{REPLAYED}: {part}"
        for name, part in replay.listed_parts.items()
        if name in replay.names
    }
    return replace(
        survey,
        names=survey.names + names,
        hashes=survey.hashes + replay.hashes,
        marks={**survey.marks, **{len(survey.names) + index: mark for index, mark in replay.marks.items()}},
        elsewhere={**survey.elsewhere, **paths},
        listed_parts={**survey.listed_parts, **parts},
    )


def _refuse_spoilt(job: TrainingJob, survey: Survey, base: DataFingerprint) -> None:
    for files, what in (
        (base.tests, "was set aside for judging the base model, and is no longer fit for that once it is learnt from"),
        (base.defects, "shows a defect: the base model learnt it as one"),
    ):
        kept = {content for _, content in files}
        for name, content in zip(survey.names, survey.hashes, strict=True):
            if content in kept:
                raise TrainingError(f"{job.data}: '{name}' {what}. Exclude it, or give pictures of other good parts.")
