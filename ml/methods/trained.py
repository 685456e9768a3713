"""What methods whose networks train in steps share: the run itself, and their place in the model file."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.errors import TrainingError
from ml.methods.base import Geometry, HeldOut, Method, Past, Tensors
from ml.methods.features import required
from ml.progress import Cancelled, Progress, never, silent
from ml.training.loop import Lesson, run_lesson
from ml.training.replay import Balanced

UPDATE_SHARE = 0.2
"""Of the steps that the model was trained for: the networks know the part already, and minutes are to suffice."""

NETWORK_PREFIX = "network."
STATISTIC_PREFIX = "statistic."


class TrainedMethod(Method):
    """A method with networks of its own.

    A subclass builds them in `build_networks`, says in `lesson` how they learn and in `finish` what is measured once
    they have. Its parameters have a setting `steps`.

    networks: everything that learns; always in `eval()` outside of `fit`.
    statistics: further tensors of the model by name, each with the shape that it has from the start.
    is_continued: set while `lesson` is asked for a run that goes on from a model's weights: what that model settled
        before its own run (scales, a code's length, a tuned teacher, a window of grey) is kept then, since its weights
        rest on it.
    """

    held_out: HeldOut = "hold-out"
    replays = True
    is_continued: bool = False
    networks: nn.Module
    statistics: dict[str, Tensor]

    def __init__(
        self,
        parameters: Any,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """Subclasses call this first, and `prepare_networks` at the end of their own constructor."""
        super().__init__(parameters, geometry, input_size, weights, state)
        self.parameters: Any = parameters
        self.statistics = {}
        self._is_fitted = False

    @abstractmethod
    def build_networks(self) -> nn.Module:
        """New networks, randomly initialised; the caller has seeded torch."""

    @abstractmethod
    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        """A run of `steps` steps on `networks`, on the device of the method. Called after `build_networks`."""

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        """Measure what scoring needs, with trained networks and without gradients; fills `statistics`."""
        return

    def prepare_networks(self, seed: int = 0) -> None:
        """Set new networks, the same for the same seed; torch's own generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.networks = self.build_networks().to(self.device).eval()

    def fit(
        self,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        if not len(parts):
            raise TrainingError("There is no normal picture to learn from.")
        if self.parameters.steps < 1:
            raise RuntimeError("how many steps to train is decided before `fit` (`ml.training.plan`)")
        self.prepare_networks(seed)
        self._train(parts, validation, seed, self.parameters.steps, progress, cancelled)

    def update(
        self,
        past: Past,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        """Goes on from the stored weights for a share of the steps, on as many replayed pictures as new ones
        (rehearsal, Ratcliff, Psychological Review 1990), with the method's own learning rate and schedule from their
        beginning; then what scoring needs is measured anew on both.
        """
        if not len(parts) or not len(past.replay):
            raise TrainingError(
                "A network that goes on learning from new pictures alone forgets the old ones. Add good pictures that "
                "the model learnt from (--replay on the command line)."
            )
        self.load_tensors(past.tensors)
        self.is_continued = True
        try:
            both = Balanced(past.replay, parts, seed)
            self._train(both, validation, seed, update_steps(self.parameters.steps), progress, cancelled)
        finally:
            self.is_continued = False

    def _train(
        self,
        parts: Sequence[Tensor],
        validation: Sequence[Tensor],
        seed: int,
        steps: int,
        progress: Progress,
        cancelled: Cancelled,
    ) -> None:
        with torch.inference_mode(False), torch.enable_grad(), _seeded(seed, self.device):
            run_lesson(self.lesson(parts, validation, seed, steps), steps, progress, cancelled, self.watch)
        self.networks.eval()
        with torch.no_grad():
            self.finish(parts, validation)
        self._is_fitted = True

    def tensors(self) -> Tensors:
        self.require_fitted()
        state = {f"{NETWORK_PREFIX}{key}": value for key, value in self.networks.state_dict().items()}
        statistics = {f"{STATISTIC_PREFIX}{key}": value for key, value in self.statistics.items()}
        return {key: value.detach().cpu().contiguous().numpy() for key, value in {**state, **statistics}.items()}

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        state = {
            key: required(tensors, f"{NETWORK_PREFIX}{key}", tuple(value.shape), value.dtype)
            for key, value in self.networks.state_dict().items()
        }
        self.networks.load_state_dict(state)
        self.networks.eval()
        self.statistics = {
            key: required(tensors, f"{STATISTIC_PREFIX}{key}", tuple(value.shape), value.dtype).to(self.device)
            for key, value in self.statistics.items()
        }
        self._is_fitted = True

    def to(self, device: torch.device | str) -> Self:
        self.networks.to(device)
        self.statistics = {key: value.to(device) for key, value in self.statistics.items()}
        return super().to(device)

    def require_fitted(self) -> None:
        """Raises RuntimeError before `fit` or `load_tensors`."""
        if not self._is_fitted:
            raise RuntimeError(f"{type(self).__name__} was asked to work before it was fitted")


def update_steps(steps: int) -> int:
    """How many steps an update takes of a model that was trained for `steps`."""
    return max(1, round(UPDATE_SHARE * steps))


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """torch's own generators start from `seed` inside, for layers that draw from them, and are left as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
