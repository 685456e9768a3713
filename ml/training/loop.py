"""The one loop of all networks that train in steps."""

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ml.errors import CancelledError, TrainingError
from ml.progress import Cancelled, Progress, never, silent
from ml.training.checkpoint import Checkpoint, CurvePoint, Saved, Standing, refused
from ml.training.interruption import interruptions_deferred
from ml.training.monitor import Monitor, Reconstructions
from ml.training.snapshot import SnapshotError, capture, load_networks, restore, stored

VALIDATIONS = 12
"""How often a training run is measured on the validation pictures."""

CURVE_POINTS = 200
"""Of the losses, over a whole run: what a person can see, and no flood."""

CHECKPOINT_INTERVAL_S = 60.0
WRITING_SHARE = 0.05
"""Of the time at most goes into checkpoints: those of large networks are written more seldom."""

WORTH_KEEPING_S = 10.0
"""The end of the steps is kept too, since calibration follows, unless the last checkpoint is younger than this."""

_DIVERGED = (
    "The loss is no number any more after {} steps: the training has diverged. Lower the learning rate, or use another "
    "seed."
)

Losses = Mapping[str, Tensor | float]


class Lesson(ABC):
    """One training run of a method's networks, made new for each run.

    networks: everything that learns, as one module.
    optimisers, schedules: those that `step` uses.
    random: where all randomness of the run comes from, on the CPU. Layers that draw from torch's own generator
        (dropout) may: that is seeded before the lesson is made (`TrainedMethod.fit`) and continued too.
    patience: the run ends early once so many measurements in a row were no better than the best; None: never.

    A run is continued exactly from the states of these, in a lesson made anew for the same pictures, seed and steps.
    What else is kept from one step to the next is given by `memory`.
    """

    networks: nn.Module
    optimisers: Sequence[Optimizer]
    schedules: Sequence[LRScheduler] = ()
    random: torch.Generator
    patience: int | None = None

    @abstractmethod
    def step(self, number: int) -> Losses:
        """Step `number`, from 0: draw a batch, forward, backward, let the optimisers step. Networks are in `train()`.

        Gives the losses by name; the one called `total`, else the first, is shown.
        """

    def validate(self) -> float | None:
        """A measure on normal pictures that were not learnt from, lower is better; networks are in `eval()`.

        None where there are no such pictures: the last state is kept then.
        """
        return None

    def samples(self) -> Reconstructions | None:
        """A few good pictures and what the networks make of them, to be looked at; networks are in `eval()`.

        Asked only where somebody watches; what it draws from `random` is given back.
        """
        return None

    def memory(self) -> dict[str, Tensor]:
        """What else the next step depends on."""
        return {}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Take over what `memory` gave, in a lesson made anew; the states of all else follow.

        Raises SnapshotError where it is not what this lesson keeps.
        """
        if memory:
            raise SnapshotError("it holds what this method does not keep")


@dataclass(frozen=True, slots=True)
class Watch:
    """Who follows a run, and where it is kept; by default nobody and nowhere."""

    monitor: Monitor = field(default_factory=Monitor)
    checkpoint: Checkpoint | None = None


def run_lesson(
    lesson: Lesson,
    steps: int,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    watch: Watch | None = None,
) -> None:
    """Take `steps` steps, or fewer by the lesson's patience, and leave the networks in `eval()`, in the state that
    validated best.

    With a checkpoint the run is kept about every minute and when it is stopped, and goes on from there if the
    checkpoint says so: the result is the same to the bit. It is stopped between two steps: Raises CancelledError, or
    KeyboardInterrupt for Ctrl-C. Raises TrainingError when a loss is no number any more, when the checkpoint cannot be
    continued, or when a run that is stopped cannot be kept.
    """
    watch = watch or Watch()
    run = _Run(lesson, steps, watch)
    with interruptions_deferred() if watch.checkpoint else nullcontext(never) as is_interrupted:
        run.resume()
        lesson.networks.train()
        while not run.is_over:
            if cancelled():
                run.keep_at_stop()
                raise CancelledError("Training was cancelled; no model was written.")
            if is_interrupted():
                run.keep_at_stop()
                raise KeyboardInterrupt
            progress("Training", run.done, steps)
            run.step()
            run.keep_if_due()
    run.finish()
    progress("Training", steps, steps)


class _Run:
    """A lesson under way: the best state so far, the losses since the last point of the curve, the last checkpoint."""

    def __init__(self, lesson: Lesson, steps: int, watch: Watch) -> None:
        self.done = 0
        self._lesson = lesson
        self._steps = steps
        self._monitor = watch.monitor
        self._is_watched = type(watch.monitor) is not Monitor
        self._checkpoint = watch.checkpoint
        self._validate_every = max(1, -(-steps // VALIDATIONS))
        self._tell_every = max(1, -(-steps // CURVE_POINTS))
        self._best = math.inf
        self._best_state: dict[str, Tensor] | None = None
        self._without_gain = 0
        self._curve: list[CurvePoint] = []
        self._sums: dict[str, Tensor] = {}
        self._summed = 0
        self._kept_at_step = 0
        self._kept_at_s = time.monotonic()
        self._interval_s = CHECKPOINT_INTERVAL_S

    @property
    def is_over(self) -> bool:
        patience = self._lesson.patience
        return self.done >= self._steps or (patience is not None and self._without_gain >= patience)

    def step(self) -> None:
        """One step, and what is due after it. What fails here would fail again: it is not worth keeping."""
        try:
            self._step()
        except TrainingError:
            if self._checkpoint is not None:
                self._checkpoint.remove()
            raise

    def _step(self) -> None:
        losses = self._lesson.step(self.done)
        self.done += 1
        self._add(losses)
        is_last = self.done == self._steps
        if self.done % self._validate_every == 0 or is_last:
            measured = self._measured(losses)
            self._judge(measured, is_last)
            self._tell(measured)
            self._show_samples()
        elif self.done % self._tell_every == 0:
            self._tell(None)

    def finish(self) -> None:
        """Leave the best state."""
        if self._checkpoint is not None and time.monotonic() - self._kept_at_s > WORTH_KEEPING_S:
            self._keep_if_possible()
        if self._best_state is not None:
            self._lesson.networks.load_state_dict(self._best_state)
        self._lesson.networks.eval()

    def _measured(self, losses: Losses) -> float | None:
        if not math.isfinite(float(losses.get("total", next(iter(losses.values()))))):
            raise TrainingError(_DIVERGED.format(self.done))
        self._lesson.networks.eval()
        with torch.no_grad():
            measured = self._lesson.validate()
        self._lesson.networks.train()
        if measured is not None and not math.isfinite(measured):
            raise TrainingError(_DIVERGED.format(self.done))
        return measured

    def _judge(self, measured: float | None, is_last: bool) -> None:
        if measured is None:
            self._best_state = None
        elif measured < self._best:
            self._best, self._without_gain = measured, 0
            self._best_state = None if is_last else copy.deepcopy(self._lesson.networks.state_dict())
        else:
            self._without_gain += 1

    # What is told

    def _add(self, losses: Losses) -> None:
        for name, loss in losses.items():
            value = torch.as_tensor(loss, dtype=torch.float32).detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._summed += 1

    def _tell(self, measured: float | None) -> None:
        means = {name: float(total) / self._summed for name, total in self._sums.items()}
        finite = {name: mean for name, mean in means.items() if math.isfinite(mean)}
        point = CurvePoint(step=self.done, losses=finite, validation=measured)
        self._sums, self._summed = {}, 0
        self._curve.append(point)
        self._monitor.losses(point.step, self._steps, point.losses, point.validation)

    def _show_samples(self) -> None:
        if not self._is_watched:
            return
        before = self._lesson.random.get_state()
        self._lesson.networks.eval()
        with torch.no_grad():
            pictures = self._lesson.samples()
        self._lesson.networks.train()
        self._lesson.random.set_state(before)  # a run that is watched learns the same as one that is not
        if pictures is not None:
            self._monitor.samples(self.done, pictures)

    # What is kept

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one to go on from."""
        saved = None if self._checkpoint is None else self._checkpoint.read()
        if self._checkpoint is None or saved is None:
            return
        path, standing = self._checkpoint.path, saved.standing
        if standing.steps != self._steps or standing.done > standing.steps:
            raise refused(path, f"it is a run of {standing.steps} steps, not of {self._steps}")
        try:
            restore(self._lesson, saved.snapshot)
            if saved.best is not None:
                self._best_state = copy.deepcopy(self._lesson.networks.state_dict())
                load_networks(self._best_state, saved.best)
        except SnapshotError as error:
            raise refused(path, str(error)) from error
        self.done = self._kept_at_step = standing.done
        self._best = math.inf if standing.best is None else standing.best
        self._without_gain = standing.without_gain
        self._curve = list(standing.curve)
        self._sums, self._summed = dict(saved.sums), standing.summed
        for point in self._curve:
            self._monitor.losses(point.step, self._steps, point.losses, point.validation)

    def keep_if_due(self) -> None:
        """Now and then. A disk that is full for a while does not end a training."""
        if self._checkpoint is not None and time.monotonic() - self._kept_at_s >= self._interval_s and not self.is_over:
            self._keep_if_possible()

    def keep_at_stop(self) -> None:
        """Raises TrainingError where that is not possible: whoever stops a run believes that it can go on."""
        if self._checkpoint is None or self.done == self._kept_at_step:
            return
        try:
            self._keep(self._checkpoint)
        except OSError as error:
            raise TrainingError(
                f"{self._checkpoint.path}: training was stopped, and what it had learnt cannot be kept "
                f"({error.strerror or error}). Free some space or check the folder, and train anew."
            ) from error

    def _keep_if_possible(self) -> None:
        if self._checkpoint is not None:
            with suppress(OSError):
                self._keep(self._checkpoint)
            self._kept_at_s = time.monotonic()

    def _keep(self, checkpoint: Checkpoint) -> None:
        began = time.monotonic()
        standing = Standing(
            done=self.done,
            steps=self._steps,
            best=self._best if math.isfinite(self._best) else None,
            without_gain=self._without_gain,
            curve=tuple(self._curve),
            summed=self._summed,
        )
        best = None if self._best_state is None else {key: stored(value) for key, value in self._best_state.items()}
        sums = {name: stored(total) for name, total in self._sums.items()}
        checkpoint.write(Saved(standing, capture(self._lesson), best, sums))
        self._kept_at_step = self.done
        self._interval_s = max(CHECKPOINT_INTERVAL_S, (time.monotonic() - began) / WRITING_SHARE)


def seconds_per_step(make: Callable[[], Lesson], least_s: float = 1.0, least_steps: int = 3) -> float:
    """Time some steps of a lesson made for the purpose.

    The first, which allocates, does not count, unless it takes twice `least_s`: then it is all there is to learn.
    """
    lesson = make()
    lesson.networks.train()
    began = time.perf_counter()
    lesson.step(0)
    first_s = time.perf_counter() - began
    if first_s > 2 * least_s:
        return first_s
    began = time.perf_counter()
    number = 0
    while number < least_steps or (time.perf_counter() - began < least_s and number < 50):
        number += 1
        lesson.step(number)
    return (time.perf_counter() - began) / number
