"""What an updated model's threshold comes from: scores of old and of new good parts that it had not seen.

Each batch is to keep the promised false-alarm rate, so each gets a threshold and the highest counts (`ml.calibration`).

Old parts, in this order:
- none where the base itself had only perturbed copies: they say nothing of how parts differ;
- those that were held out when the base was trained, scored by the updated model, which has not learnt from them
  either;
- the scores stored with the base where an update can only lower them (`Method.only_lowers`): they are an upper bound of
  what the updated model would give;
- for methods that are fitted quickly, both batches in five turns, each part scored by a model fitted without it.
Else a threshold cannot be had, and it is said what is missing.

New parts: held out in turn; the base is updated with the others and scores them. Such a model has seen fewer of the new
parts than the one that is kept, so the scores tend to lie high and the real rate below the promised one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ml.artifact import Manifest
from ml.calibration import MIN_PARTS, Calibration, calibrate, folds
from ml.errors import TrainingError
from ml.job import TrainingJob
from ml.methods.base import Method, Past, Tensors
from ml.methods.trained import TrainedMethod
from ml.progress import Cancelled, Progress
from ml.training.embedded import Chosen, EmbeddedPictures
from ml.training.held_out import FOLDS, Measured, measured, staged
from ml.training.loop import Watch
from ml.training.old_and_new import OldAndNew
from ml.training.replay import Balanced
from ml.training.splits import MIN_PARTS_TO_SPLIT, hold_out_share
from ml.training.survey import check_cancelled

NETWORK_FOLDS = 3
"""For methods that train in steps: each turn takes as long as the update itself."""

OldScores = Literal["none", "held out", "stored", "in turn"]


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one batch, picture by picture."""

    measured: list[Measured]
    parts: list[str]


def old_scores_of(method: Method, base: Manifest, pictures: OldAndNew, parts: Sequence[str]) -> OldScores:
    """Where the old parts' scores come from. Raises TrainingError saying what to give where they cannot be had."""
    source = base.calibration.source
    if source == "perturbations":
        return "none"
    if _different(parts, pictures.held_out) >= MIN_PARTS:
        return "held out"
    if method.only_lowers:
        return "stored"
    if base.data.held_out:
        raise TrainingError(
            f"The threshold also comes from the parts that were held out when '{base.name}' was trained, and "
            f"{_different(parts, pictures.held_out)} of {len(base.data.held_out)} of their pictures are at hand. Add "
            "the pictures that it was trained on (--replay on the command line)."
        )
    if method.replays or source == "hold-out":
        raise TrainingError(
            f"'{base.name}' does not say which good parts gave its threshold and were not learnt from: they were too "
            "few to set any aside, or an earlier version of Loupe trained it. Train a new model on all pictures."
        )
    if _different(parts, pictures.learnt) < MIN_PARTS_TO_SPLIT:
        raise TrainingError(
            f"The threshold must hold for the old parts too, and pictures of {_different(parts, pictures.learnt)} of "
            f"them are at hand; at least {MIN_PARTS_TO_SPLIT} are needed. Add the pictures that '{base.name}' was "
            "trained on (--replay on the command line)."
        )
    return "in turn"


def rounds_of(method: Method, old: OldScores, new_parts: int) -> int:
    """How often the method learns, the last time for good."""
    if old == "in turn":
        return FOLDS + 1
    return min(NETWORK_FOLDS if isinstance(method, TrainedMethod) else FOLDS, new_parts) + 1


class Updating:
    """One update of a base model with its calibration."""

    def __init__(
        self,
        job: TrainingJob,
        base: Manifest,
        tensors: Tensors,
        method: Method,
        pictures: EmbeddedPictures,
        told_apart: OldAndNew,
        parts: Sequence[str],
        progress: Progress,
        cancelled: Cancelled,
    ) -> None:
        """`parts`: of each picture of `pictures`, in which `told_apart` tells new and old ones."""
        self._job = job
        self._base = base
        self._past = tensors
        self._method = method
        self._pictures = pictures
        self._which = told_apart
        self._parts = parts
        self._progress = progress
        self._cancelled = cancelled

    def carry_out(self, old: OldScores, watch: Watch) -> tuple[Tensors, Calibration]:
        """The updated model's tensors and its calibration. The update itself comes first: `watch` follows it and keeps
        it, so that an interrupted training does not begin it again."""
        method, new = self._method, self._which.new
        method.watch = watch
        self._update(new, "Building the model")
        tensors = method.tensors()
        method.watch = Watch()
        batches = {"held out": self._held_out, "stored": self._stored, "in turn": self._in_turn, "none": list}[old]()
        if old != "in turn":
            batches.append(self._new())
        return tensors, self._calibrated(batches)

    def _update(self, new: Sequence[int], stage: str) -> None:
        replayed = list(self._which.learnt)
        shown: Sequence[int] = ()
        shown_old: Sequence[int] = ()
        if self._method.replays:
            new, shown = hold_out_share(self._parts, new, self._job.seed)
            replayed, shown_old = hold_out_share(self._parts, replayed, self._job.seed)
        chosen = self._chosen
        self._method.update(
            Past(self._past, chosen(replayed)),
            chosen(new),
            self._job.seed,
            staged(self._progress, stage),
            self._cancelled,
            Balanced(chosen(self._captured(shown_old)), chosen(self._captured(shown)), self._job.seed),
        )

    def _chosen(self, indices: Sequence[int]) -> Chosen:
        return Chosen(self._pictures, indices)

    def _held_out(self) -> list[Scores]:
        return [Scores(self._measured(self._which.held_out), [self._parts[index] for index in self._which.held_out])]

    def _stored(self) -> list[Scores]:
        """The base's, batch by batch where it has several."""
        known = self._base.calibration
        found: dict[int, Scores] = {}
        numbers = known.groups or tuple(range(known.n))
        for score, maximum, part, batch in zip(
            known.scores, known.map_maxima, numbers, known.batches or (0,) * known.n, strict=True
        ):
            of_batch = found.setdefault(batch, Scores([], []))
            of_batch.measured.append((score, maximum))
            of_batch.parts.append(str(part))
        return [found[batch] for batch in sorted(found)]

    def _new(self) -> Scores:
        """The new parts, each scored by a model that was updated without it."""
        rounds = NETWORK_FOLDS if isinstance(self._method, TrainedMethod) else FOLDS
        return self._turned(self._which.new, rounds, self._update)

    def _in_turn(self) -> list[Scores]:
        """Old and new parts, each scored by a model that was fitted without it."""
        old, new = self._which.learnt, self._which.new

        def fitted(learnt: Sequence[int], stage: str) -> None:
            self._method.fit(self._chosen(learnt), self._job.seed, staged(self._progress, stage), self._cancelled)

        both = self._turned((*old, *new), FOLDS, fitted)
        is_new = set(self._captured(new))
        split: tuple[list[int], list[int]] = ([], [])
        for place, index in enumerate(self._captured((*old, *new))):
            split[index in is_new].append(place)
        return [Scores([both.measured[one] for one in side], [both.parts[one] for one in side]) for side in split]

    def _turned(self, indices: Sequence[int], rounds: int, learn: Callable[[Sequence[int], str], None]) -> Scores:
        """Generated pictures are learnt from, except while the part that they were made from is held out."""
        captured = self._captured(indices)
        own_parts = [self._parts[index] for index in captured]
        held_out = folds(own_parts, rounds, self._job.seed)
        scores: dict[int, Measured] = {}
        for number, fold in enumerate(held_out, start=1):
            unseen = {own_parts[place] for place in fold}
            learn(
                [index for index in indices if self._parts[index] not in unseen],
                f"Calibrating, round {number} of {len(held_out)}",
            )
            scores.update(zip(fold, self._measured([captured[place] for place in fold]), strict=True))
        return Scores([scores[place] for place in range(len(captured))], own_parts)

    def _captured(self, indices: Sequence[int]) -> list[int]:
        taken = set(self._pictures.captured)
        return [index for index in indices if index in taken]

    def _measured(self, indices: Sequence[int]) -> list[Measured]:
        found = []
        for index in indices:
            check_cancelled(self._cancelled)
            found.append(measured(self._pictures.detect(index), self._method, self._pictures.name(index)))
        return found

    def _calibrated(self, batches: Sequence[Scores]) -> Calibration:
        every = [
            (*one, f"{number}: {part}", str(number))
            for number, batch in enumerate(batches)
            for one, part in zip(batch.measured, batch.parts, strict=True)
        ]
        scores, maxima, parts, numbers = zip(*every, strict=True)
        return calibrate(
            scores,
            maxima,
            parts,
            alpha=self._job.alpha,
            source="fine-tuning",
            band_factor=self._job.unsure_factor,
            batches=numbers,
        )


def _different(parts: Sequence[str], indices: Sequence[int]) -> int:
    return len({parts[index] for index in indices})
