"""Patches that show a defect at their centre, drawn at random for as long as training lasts.

A patch is defective where its centre pixel is marked: the rule of the steel-sheet work. Any marked pixel may be the
centre; where the patch then reaches past the picture it shows the reflection, as inspection does.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ml.drawing import below, shared_out
from ml.errors import TrainingError
from ml.generation.catalogue.synthetic_defects import KINDS
from ml.generation.synthetic_defects import SyntheticDefects
from ml.patch_scores import reflected

PICTURES_AT_ONCE = 8
"""That one draw takes its patches from."""

KEPT_SQUARES = 512
"""Painted squares that are drawn from: painting one takes about as long as learning from ten patches."""

PAINTED_SIDE = 4
"""Defects are painted on squares of so many patches' sides: their sizes go with what they are painted on."""

PATCH_KINDS = tuple(kind for kind in KINDS if kind != "cutpaste_patch")
"""A piece moved from elsewhere gives itself away at its edges, which a patch in its midst does not show."""

_GREY = 1 / 512
"""Largest difference between the channels of a grey picture, of the full range."""

_TRIES = 8
_SQUARES_PER_RUN = 100_000_000


Batches = Callable[[int, torch.Generator], Tensor]
"""Draws float32 (count, 3, patch, patch) on the CPU; the number of the step and the generator are all that decides."""


class LabelledPatches:
    """Batches of `count` patches of pictures of defective parts, of each as many, however large its defect.

    defects: inputs (n, 3, height, width) each. masks: bool (n, height, width) each, true on the defect.
    """

    def __init__(self, defects: Sequence[Tensor], masks: Sequence[Tensor], patch_px: int, count: int) -> None:
        """Raises TrainingError where nothing is marked."""
        self._patch_px = patch_px
        self._count = count
        self._shown = [
            (one, mask)
            for inputs, marked in zip(defects, masks, strict=True)
            for one, mask in zip(inputs, marked, strict=True)
            if mask.any()
        ]
        if not self._shown:
            raise TrainingError("The masks of the pictures of defective parts mark no defect. Check the masks.")

    def __call__(self, number: int, random: torch.Generator) -> Tensor:
        drawn = []
        for share in shared_out(self._count, PICTURES_AT_ONCE):
            one, mask = self._shown[below(len(self._shown), random)]
            drawn.append(centred(one, mask, share, self._patch_px, random))
        return torch.cat(drawn)


class PaintedPatches:
    """Batches of `count` patches of good parts on which defects are painted, one new square for each step.

    A square depends on `seed` and its own number alone: a run that is continued paints the same ones again.

    parts: inputs (n, 3, height, width) each, of values -1 to 1. pictures: squares that one batch is taken from.
    """

    def __init__(
        self, parts: Sequence[Tensor], patch_px: int, count: int, seed: int, pictures: int = PICTURES_AT_ONCE
    ) -> None:
        self._parts = parts
        self._patch_px = patch_px
        self._count = count
        self._seed = seed
        self._pictures = pictures
        self._painter = SyntheticDefects(PATCH_KINDS)
        self._squares: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, number: int, random: torch.Generator) -> Tensor:
        newest = number + self._pictures
        oldest = max(0, newest - KEPT_SQUARES)
        drawn = []
        for share in shared_out(self._count, self._pictures):
            square, marked = self._square(oldest + below(newest - oldest, random))
            drawn.append(centred(square, marked, share, self._patch_px, random))
        return torch.cat(drawn).float()

    def _square(self, index: int) -> tuple[Tensor, Tensor]:
        if index not in self._squares:
            if len(self._squares) == KEPT_SQUARES:
                del self._squares[next(iter(self._squares))]
            self._squares[index] = self._painted(torch.Generator().manual_seed(self._seed * _SQUARES_PER_RUN + index))
        return self._squares[index]

    def _painted(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        part = self._parts[below(len(self._parts), random)]
        inputs = part[below(len(part), random)]
        height, width = (min(side, PAINTED_SIDE * self._patch_px) for side in inputs.shape[1:])
        top, left = below(inputs.shape[1] - height + 1, random), below(inputs.shape[2] - width + 1, random)
        square = inputs[:, top : top + height, left : left + width].cpu()
        for _ in range(_TRIES):
            painted, marked = with_defect(square, self._painter, below(2**31 - 1, random))
            if marked.any():
                break
        return painted.half(), marked  # counts need no more digits


def with_defect(picture: Tensor, painter: SyntheticDefects, seed: int) -> tuple[Tensor, Tensor]:
    """The picture (3, height, width) of values -1 to 1 with a painted defect, and where it is, bool (height, width).

    A grey part gets a grey defect: colour alone would give it away.
    """
    values = np.clip((picture.permute(1, 2, 0).numpy() + 1) / 2, 0, 1).astype(np.float32)
    is_grey = float(np.ptp(values, axis=2).max()) < _GREY
    painted = painter.sample(np.ascontiguousarray(values[..., 0]) if is_grey else values, seed)
    pixels = torch.from_numpy(painted.pixels * 2 - 1)
    coloured = pixels.expand(3, *pixels.shape) if is_grey else pixels.permute(2, 0, 1)
    return coloured, torch.from_numpy(painted.mask)


def centred(picture: Tensor, marked: Tensor, count: int, patch_px: int, random: torch.Generator) -> Tensor:
    """Patches (count, 3, patch, patch) of a picture (3, height, width), each around one of its marked pixels.

    The centre of a patch of an even side is the first pixel of its second half.
    """
    places = marked.nonzero()
    chosen = places[torch.randint(len(places), (count,), generator=random)]
    side = torch.arange(patch_px) - patch_px // 2
    rows = reflected(chosen[:, :1] + side, picture.shape[1])
    columns = reflected(chosen[:, 1:] + side, picture.shape[2])
    return picture[:, rows[:, :, None], columns[:, None, :]].permute(1, 0, 2, 3)
