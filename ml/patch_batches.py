"""Patches drawn at random from the training pictures, for as long as training lasts.

Published training sets hold the patches that one walk over each picture gives, cut before. Here each patch has a place
of its own among all that scoring can ask for, borders and the reflection beyond them included.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ml.drawing import shared_out
from ml.patch_scores import GreyWindow, PatchLayout

MOST_PICTURES = 16
"""In one draw: a picture that does not fit into the memory is decoded anew each time it is asked for."""

_TRIES = 8
"""Draws before a batch is filled with what has been accepted so far."""

_TURN_DEGREES, _LEAST_SCALE, _MOST_SCALE, _SHEAR_DEGREES = 10.0, 0.5, 2.0, 0.2
_BRIGHTNESS, _CONTRAST, _SATURATION, _HUE_TURNS = 0.2, 0.2, 0.3, 0.2

_TO_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


class RandomPatches:
    """Batches of `count` patches of `parts`, one picture per item as inputs (n, 3, height, width) of the layout's size.

    Patches outside of `window` are drawn again.
    """

    def __init__(
        self,
        parts: Sequence[Tensor],
        layout: PatchLayout,
        window: GreyWindow,
        count: int,
        is_augmented: bool = False,
    ) -> None:
        self._parts = parts
        self._layout = layout
        self._window = window
        self._count = count
        self._is_augmented = is_augmented

    def __call__(self, random: torch.Generator) -> Tensor:
        """float32 (count, 3, patch, patch) on the CPU; `random` is all that decides."""
        patches = self._any(random)
        if not self._window.accepts_everything:
            patches = self._accepted(patches, random)
        if self._is_augmented:
            patches = augmented(patches, random)
        return patches.contiguous(memory_format=torch.channels_last)

    def _accepted(self, patches: Tensor, random: torch.Generator) -> Tensor:
        """As many, those that the window rejects drawn anew; all as they are where it takes none of many."""
        kept = patches[self._window.accepts(patches)]
        for _ in range(_TRIES):
            if len(kept) >= self._count:
                break
            more = self._any(random)
            kept = torch.cat([kept, more[self._window.accepts(more)]])
        if not len(kept):
            return patches
        return kept.repeat(math.ceil(self._count / len(kept)), 1, 1, 1)[: self._count]

    def _any(self, random: torch.Generator) -> Tensor:
        shares = shared_out(self._count, MOST_PICTURES)
        drawn = torch.randint(len(self._parts), (len(shares),), generator=random).tolist()
        return torch.cat(
            [self._of(self._parts[index], share, random) for index, share in zip(drawn, shares, strict=True)]
        )

    def _of(self, part: Tensor, count: int, random: torch.Generator) -> Tensor:
        layout, side = self._layout, torch.arange(self._layout.patch_px)
        index = torch.randint(len(part), (count, 1, 1), generator=random)
        tops = torch.randint(len(layout.rows) - len(side) + 1, (count, 1), generator=random)
        lefts = torch.randint(len(layout.columns) - len(side) + 1, (count, 1), generator=random)
        rows, columns = layout.rows[tops + side], layout.columns[lefts + side]
        return part[index, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def augmented(patches: Tensor, random: torch.Generator) -> Tensor:
    """Turned, scaled, sheared and otherwise lit, each patch (n, 3, patch, patch) of values -1 to 1 in its own way.

    The published ranges: 10 degrees, 0.5 to 2 times, a shear of 0.2 degrees, brightness and contrast by 0.2,
    saturation by 0.3, hue by 0.2 of a turn. Departures: what lies outside of the patch is its reflection instead of
    black, and hue turns in the YIQ space, where all patches turn at once.
    """
    return _lit_otherwise(_warped(patches, random), random)


def _warped(patches: Tensor, random: torch.Generator) -> Tensor:
    count = len(patches)
    turn = torch.deg2rad(_uniform(count, -_TURN_DEGREES, _TURN_DEGREES, random))
    shear = torch.tan(torch.deg2rad(_uniform(count, -_SHEAR_DEGREES, _SHEAR_DEGREES, random)))
    scale = _uniform(count, _LEAST_SCALE, _MOST_SCALE, random)
    cosine, sine = turn.cos() / scale, turn.sin() / scale
    nothing = torch.zeros(count)
    first = torch.stack([cosine, cosine * shear - sine, nothing], dim=1)
    second = torch.stack([sine, sine * shear + cosine, nothing], dim=1)
    grid = functional.affine_grid(torch.stack([first, second], dim=1), list(patches.shape), align_corners=False)
    return functional.grid_sample(patches, grid, padding_mode="reflection", align_corners=False)


def _lit_otherwise(patches: Tensor, random: torch.Generator) -> Tensor:
    count = len(patches)
    values = (patches + 1) / 2 * _factors(count, _BRIGHTNESS, random)
    colours = torch.einsum("ij,njhw->nihw", _TO_YIQ, values)
    luma, chroma = colours[:, :1], colours[:, 1:]
    middle = luma.mean((1, 2, 3), keepdim=True)
    contrast = _factors(count, _CONTRAST, random)
    luma = middle + (luma - middle) * contrast
    turn = 2 * math.pi * _uniform(count, -_HUE_TURNS, _HUE_TURNS, random)
    turning = torch.stack([turn.cos(), -turn.sin(), turn.sin(), turn.cos()], dim=1).reshape(count, 2, 2)
    chroma = torch.einsum("nij,njhw->nihw", turning, chroma) * contrast * _factors(count, _SATURATION, random)
    lit = torch.einsum("ij,njhw->nihw", torch.linalg.inv(_TO_YIQ), torch.cat([luma, chroma], dim=1))
    return lit.clamp(0, 1) * 2 - 1


def _factors(count: int, reach: float, random: torch.Generator) -> Tensor:
    return _uniform(count, 1 - reach, 1 + reach, random)[:, None, None, None]


def _uniform(count: int, low: float, high: float, random: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, generator=random)
