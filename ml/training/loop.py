"""The one loop of all networks that train in steps."""

import copy
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ml.errors import CancelledError, TrainingError
from ml.progress import Cancelled, Progress, never, silent
from ml.training.monitor import Reconstructions

VALIDATIONS = 12
"""How often a training run is measured on the validation pictures."""

_DIVERGED = (
    "The loss is no number any more after {} steps: the training has diverged. Lower the learning rate, or use another "
    "seed."
)

Losses = Mapping[str, Tensor | float]


class Lesson(ABC):
    """One training run of a method's networks, made new for each run.

    networks: everything that learns, as one module.
    optimisers, schedules: those that `step` uses.
    random: where all randomness of the run comes from, on the CPU. What is kept beside these from one step to the next
        is in `networks`, as a buffer: a run is continued exactly from their states.
    patience: the run ends early once so many measurements in a row were no better than the best; None: never.
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
        """A few good pictures and what the networks make of them, to be looked at; networks are in `eval()`."""
        return None


def run_lesson(
    lesson: Lesson,
    steps: int,
    progress: Progress = silent,
    cancelled: Cancelled = never,
) -> None:
    """Take `steps` steps and leave the networks in `eval()`, in the state that validated best.

    Raises CancelledError between two steps, and TrainingError when a loss is no number any more.
    """
    best, best_state = math.inf, None
    every = max(1, -(-steps // VALIDATIONS))
    lesson.networks.train()
    for number in range(steps):
        if cancelled():
            raise CancelledError("Training was cancelled; nothing was written.")
        progress("Training", number, steps)
        losses = lesson.step(number)
        is_last = number == steps - 1
        if (number + 1) % every == 0 or is_last:
            loss = float(losses.get("total", next(iter(losses.values()))))
            if not math.isfinite(loss):
                raise TrainingError(_DIVERGED.format(number + 1))
            lesson.networks.eval()
            with torch.no_grad():
                measured = lesson.validate()
            lesson.networks.train()
            if measured is not None and not math.isfinite(measured):
                raise TrainingError(_DIVERGED.format(number + 1))
            if measured is not None and measured < best:
                best = measured
                best_state = None if is_last else copy.deepcopy(lesson.networks.state_dict())
            elif measured is None:
                best_state = None
    if best_state is not None:
        lesson.networks.load_state_dict(best_state)
    lesson.networks.eval()
    progress("Training", steps, steps)


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
