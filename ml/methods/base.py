"""The one interface of all methods: fit on what `embed` makes of normal pictures, score what it makes of others."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from ml.catalogue import min_pictures, needs_defects, needs_masks
from ml.pictures import Pixels
from ml.progress import Cancelled, Progress, never, silent
from ml.runtime.scores import ScoreRule
from ml.training.loop import Watch

Geometry = Literal["whole", "patches"]
HeldOut = Literal["folds", "hold-out"]
Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """Raw scores, higher = more anomalous.

    cells: float32 (n, grid_height, grid_width). scores: float32 (n,), or None where the picture's score is to be taken
    from its map by `Method.score_rule`; the score of a picture cut into patches is the highest of its patches'.
    """

    cells: Tensor
    scores: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """What a model knows that is to be gone on from (`Method.update`).

    tensors: of its file. replay: normal pictures that it learnt from, embedded, as far as they are at hand.
    """

    tensors: Mapping[str, NDArray[Any]]
    replay: Sequence[Tensor] = ()


class Method(ABC):
    """A method with its parameters, fitted by `fit` or `load_tensors`.

    `parameters` is the catalogue's frozen model, `geometry` that of `ml.preprocessing.Preprocessing` and `input_size`
    the (height, width) of one input in pixels. In the geometry `patches` an input may show any place of the part, so
    nothing may be learnt per position (`is_position_free`).

    What the caller needs to know to prepare inputs and to place scores, constant after construction:
    mean, std: standardisation per RGB channel of values in [0, 1].
    offset_px: (down, right) shift of the cells' centres against an even grid over the input, in its pixels.
    sigma_px: Gaussian smoothing that the map is shown and judged with, in pixels of the input.
    score_rule: how a picture's score comes from its map, before (`_raw`) or after smoothing; `top1` is the mean of the
        highest 1 % of the cells.

    What training needs to know:
    held_out: how pictures are held back to find the threshold. `folds`: the method is fitted again without each fifth
        of the parts, then on all; for methods whose fit is quick. `hold-out`: it is fitted once, without some parts.
    min_parts: below three, nothing can be held out; perturbed copies of the pictures themselves stand in.
    learns_embedding: `learn_embedding` is called before the first `embed`; such a method is never fitted in folds.
    embedding_hash: names what `embed` computes, so that its results may be kept on disk (in half precision); None
        where they are not worth it.
    failed_score: from this score on a picture could not be compared at all. Such a good part must not make a threshold.
    labelled_defects: embedded pictures of parts with a defect, set before `fit` where the job has some; most ignore
        it. needs_defects: with these parameters the method cannot do without.
    watch: who follows the training in steps, and where it is kept meanwhile; set before `learn_embedding` and `fit`.
    needs_defects_again: where `needs_defects`, `update` cannot do without them either.
    replays: `update` needs normal pictures that the model learnt from, because it would forget them.
    only_lowers: no normal picture scores higher after `update` than before, so that scores of pictures that the model
        had not seen remain an upper bound for the updated one.
    labelled_masks: where the defects of `labelled_defects` are, bool (n, height, width) at the inputs' size, in their
        order; empty where the job has no masks.
    """

    name: ClassVar[str]
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)
    offset_px: tuple[float, float] = (0.0, 0.0)
    sigma_px: float = 0.0
    score_rule: ScoreRule = "max_raw"
    held_out: HeldOut = "folds"
    min_parts: int
    learns_embedding: bool = False
    needs_defects_again: bool = True
    replays: bool = False
    only_lowers: bool = False
    embedding_hash: str | None = None
    failed_score: float = math.inf
    labelled_defects: Sequence[Tensor] = ()
    labelled_masks: Sequence[Tensor] = ()
    watch: Watch = Watch()
    needs_defects: bool
    needs_masks: bool

    def __init__(
        self,
        parameters: BaseModel,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        """The constructor of every method; this one needs neither `weights` nor `state` (see `ml.methods.create`)."""
        self.geometry = geometry
        self.input_size = input_size
        self.margin_px = 0
        self.parameters = parameters
        self.min_parts = min_pictures(parameters)
        self.needs_defects = needs_defects(parameters)
        self.needs_masks = needs_masks(parameters)
        self.device = torch.device("cpu")

    @property
    def is_position_free(self) -> bool:
        """True when one model serves all positions."""
        return self.geometry == "patches"

    def leave_out(self, margin_px: int) -> None:
        """The outermost `margin_px` of each input only show what is around it: nothing of them need be learnt, and what
        `score` gives there does not count. To be said before anything else is asked.
        """
        self.margin_px = margin_px

    def embed(self, inputs: Tensor) -> Tensor:
        """Standardised inputs (n, 3, height, width) -> what `fit` and `score` take (n, C, rows, columns), both float32.

        Frozen: the same before and after `fit`, so that training may keep its results. May return inference tensors: a
        method that trains on them by gradient clones them. Identity unless a method says otherwise.
        """
        return inputs

    def variants(self, pixels: Pixels, seed: int) -> Iterable[Pixels]:
        """Further pictures of the same part to fit on beside `pixels` as captured: rotated ones, for example."""
        return ()

    def learn_embedding(
        self, inputs: Sequence[Tensor], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """Make `embed` ready from normal pictures, (n, 3, height, width) each; only where `learns_embedding`."""
        raise NotImplementedError

    def embedding_seconds(self) -> float:
        """About how long `learn_embedding` takes here, for the estimate."""
        return 0.0

    def fit_seconds(self, sample: Tensor, pictures: int, inputs_per_picture: int) -> float:
        """About how long one `fit` on so many pictures takes here, for the estimate; 0 where it is of no weight.

        sample: one embedded input (1, C, rows, columns). Called before `fit`; what is learnt meanwhile is thrown away.
        """
        return 0.0

    @abstractmethod
    def fit(
        self,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        """Learn from normal pictures only; what an earlier call learnt is forgotten.

        parts: one embedded picture per item, (n, C, rows, columns); it may be walked through more than once, and an
        item may be computed anew at each access. validation: further normal pictures that may choose an epoch or scale
        the maps, and nothing else; none where too few were to be had. The same seed and parts on the same machine give
        the same tensors.
        Raises CancelledError soon after `cancelled()` is true, TrainingError when nothing can be learnt from `parts`.
        """

    def fit_for_scores(
        self, parts: Sequence[Tensor], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """`fit` where nothing but `score` is asked for before the next one, which may take less; scores are the same
        but for rounding.
        """
        self.fit(parts, seed, progress, cancelled)

    @abstractmethod
    def update(
        self,
        past: Past,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        """Learn further normal pictures and keep what the model of `past` has learnt; what this one had is forgotten.

        `parts` and `validation` are new ones, as `fit` takes them; where the method `replays`, `validation` holds
        replayed ones too. `embed` stays what it was in that model, from whose tensors this method was created. The same
        arguments on the same machine give the same tensors. Raises as `fit` does, ModelFileError as `load_tensors`
        does, and TrainingError where `past` does not hold what is needed.
        """

    @abstractmethod
    def score(self, embedded: Tensor) -> Scored:
        """Score embedded inputs (n, C, rows, columns); an input's score does not depend on the others in the batch."""

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        """`score(embed(inputs))` in operations that `ml.runtime.export` can trace, for any number of inputs.

        No loop over data, no writing into slices, no autocast. Raises ExportError where the method, as it is set, has
        none.
        """
        return self.score(self.embed(inputs))

    @abstractmethod
    def tensors(self) -> Tensors:
        """All that inference needs, frozen networks included, as arrays in the main memory."""

    @abstractmethod
    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `tensors` gave, frozen networks excepted: those are given to `ml.methods.create`.

        Others under further names are left alone. Raises ModelFileError when one is missing or has another shape.
        """

    def to(self, device: torch.device | str) -> Self:
        """Move to `device` and give the method itself: inputs are expected and scores are returned there."""
        self.device = torch.device(device)
        return self
