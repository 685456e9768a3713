"""What Patch SVDD's encoder learns from: Yi and Yoon, ACCV 2020, arXiv 2006.16067, sections 3.2 and 3.3.

Two patches out of the same surroundings: at which of eight places around the first does the second lie? (Cross-entropy,
equation 4.) And patches that all but coincide shall be embedded alike (the SVDD loss, equation 3, weighted by lambda).
Both at both patch sizes; neighbours lie 3/4 of the patch's side off, plus up to a quarter of it. The second patch is
seen under a colour shift and noise of its own, so that position has to be told from what is shown.

Departures: patches are not cut out one by one. A window twice as wide as the large patch goes through the encoder, and
many pairs are read off its dense map: the same embeddings, far more pairs for the arithmetic, not as independent. Hence
offsets are whole cells (2 px for patches of 64 px) and the jitter of the SVDD loss is one cell, where the paper has up
to 1 px at the small patch; its pairs carry the noise of their window. Neighbours are drawn among those that lie within
the window: the authors' code moves those that do not back into the picture, with a wrong answer then. The learning
rate falls to nothing along half a cosine, since minutes end before a constant one has settled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.errors import TrainingError
from ml.networks.patch_svdd import SMALL_CELLS, PatchEncoder, PositionClassifier
from ml.training.loop import Lesson, Losses

COLOUR_SHIFT = 0.02
NOISE = 0.02
PAIRS = 64
"""Per window, patch size and loss."""

WINDOW_CELLS = 4 * SMALL_CELLS
SMALLEST_SPREAD = 0.01
"""Of trained embeddings, which lie in (-1, 1) and spread over half of it: below, all patches have become one."""

WARM_UP = 0.1  # of all steps: at full pace the first ones drive the tanh into its ends, where it learns no more
VALIDATION_WINDOWS = 8
PICTURES_LOOKED_AT = 32  # for mean and spread of the pixels

_PLACES = torch.tensor([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)])


@dataclass(frozen=True, slots=True)
class Pairs:
    """Corners of two patches each, int64 (n, 2) in cells, rows before columns; which of eight places, int64 (n,)."""

    first: Tensor
    second: Tensor
    place: Tensor


def draw_pairs(count: int, cells: int, nearest: int, farthest: int, random: torch.Generator) -> Pairs:
    """`count` pairs on a map of `cells` x `cells`, `nearest` to `farthest` cells apart along each axis that differs.

    Both lie on the map: the first is drawn evenly among the cells that have such a neighbour.
    """
    place = torch.randint(len(_PLACES), (count,), generator=random)
    offsets = _PLACES[place] * torch.randint(nearest, farthest + 1, (count, 2), generator=random)
    free = cells - offsets.abs()
    first = (-offsets).clamp(min=0) + (torch.rand(count, 2, generator=random) * free).long()
    return Pairs(first, first + offsets, place)


class PositionLesson(Lesson):
    """One training of an encoder on pictures as pixels in [0, 1], RGB."""

    def __init__(
        self,
        encoder: PatchEncoder,
        parts: Sequence[Tensor],
        validation: Sequence[Tensor],
        seed: int,
        *,
        steps: int,
        windows: int,
        svdd_weight: float,
        learning_rate: float,
        is_continued: bool = False,
    ) -> None:
        """parts, validation: per picture (n, 3, height, width), sides of at least `WINDOW_CELLS` cells.

        is_continued: the encoder has learnt before; mean and spread of its pixels stay.
        """
        self.random = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            classifiers = nn.ModuleList((PositionClassifier(), PositionClassifier()))
        self.encoder = encoder
        self._device = encoder.mean.device
        self._classifiers = classifiers.to(self._device)
        self.networks = nn.ModuleDict({"encoder": encoder, "classifiers": classifiers})
        self.networks.to(memory_format=torch.channels_last)  # halves the time of a step
        optimiser = torch.optim.Adam(self.networks.parameters(), lr=learning_rate)
        self.optimisers = (optimiser,)
        warm_up = max(1, round(WARM_UP * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: min((step + 1) / warm_up, 0.5 * (1 + cos(pi * min(step / steps, 1))))
        )
        self.schedules = (schedule,)
        self._parts = parts
        self._validation = validation
        self._seed = seed
        self._windows = windows
        self._svdd_weight = svdd_weight
        if not is_continued:
            every = -(-len(parts) // PICTURES_LOOKED_AT)
            encoder.standardise_by([parts[index] for index in range(0, len(parts), every)])

    def step(self, number: int) -> Losses:
        """Every loss on `windows` windows, each of a picture drawn anew."""
        losses, _ = self._losses(self._parts, self._windows, self.random)
        optimiser = self.optimisers[0]
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["total"])
        optimiser.step()
        self.schedules[0].step()
        return {name: loss.detach() for name, loss in losses.items()}

    def validate(self) -> float:
        """The same losses on the same windows each time; pictures learnt from stand in where there are no others.

        Raises TrainingError when the embedding has collapsed.
        """
        random = torch.Generator().manual_seed(self._seed)
        losses, embeddings = self._losses(self._validation or self._parts, VALIDATION_WINDOWS, random)
        for embedded in embeddings:
            refuse_collapse(embedded, self._svdd_weight)
        return float(losses["total"].detach())

    def _losses(
        self, parts: Sequence[Tensor], windows: int, random: torch.Generator
    ) -> tuple[dict[str, Tensor], tuple[Tensor, Tensor]]:
        """All losses by name, and the embeddings (n, 64) of the patches looked at, small and large."""
        pixels = self._draw_windows(parts, windows, random)
        views = torch.cat((self._noisy(pixels, random), self._noisy(pixels, random)))
        small = self.encoder.embed_small(views.contiguous(memory_format=torch.channels_last))
        large = self.encoder.embed_large(small)
        losses, embeddings = {}, []
        for name, cells, maps, classifier in zip(
            ("small", "large"), (SMALL_CELLS, 2 * SMALL_CELLS), (small, large), self._classifiers, strict=True
        ):
            here, there = maps.chunk(2)
            pairs = draw_pairs(windows * PAIRS, maps.shape[-1], cells * 3 // 4, cells - 1, random)
            patches = _read(here, pairs.first)
            logits = classifier(patches, _read(there, pairs.second))
            losses[f"position_{name}"] = functional.cross_entropy(logits, pairs.place.to(self._device))
            close = draw_pairs(windows * PAIRS, maps.shape[-1], 1, 1, random)
            losses[f"svdd_{name}"] = (_read(here, close.first) - _read(here, close.second)).norm(dim=1).mean()
            embeddings.append(patches)
        position = losses["position_small"] + losses["position_large"]
        losses["total"] = position + self._svdd_weight * (losses["svdd_small"] + losses["svdd_large"])
        return losses, (embeddings[0], embeddings[1])

    def _draw_windows(self, parts: Sequence[Tensor], count: int, random: torch.Generator) -> Tensor:
        """Windows (count, 3, side, side), each anywhere in any input of any picture."""
        side = WINDOW_CELLS * self.encoder.cell_px
        windows = []
        for index in torch.randint(len(parts), (count,), generator=random).tolist():
            inputs = parts[index]
            length, _, height, width = inputs.shape
            item, top, left = (
                int(torch.randint(end, (), generator=random)) for end in (length, height - side + 1, width - side + 1)
            )
            windows.append(inputs[item, :, top : top + side, left : left + side])
        return torch.stack(windows).to(self._device)

    def _noisy(self, pixels: Tensor, random: torch.Generator) -> Tensor:
        """One colour shift per window and noise per pixel; new tensors, fit for learning by gradient."""
        shift = COLOUR_SHIFT * torch.randn(len(pixels), 3, 1, 1, generator=random)
        noise = NOISE * torch.randn(pixels.shape, generator=random)
        return pixels + (shift + noise).to(self._device)


def refuse_collapse(embeddings: Tensor, svdd_weight: float) -> None:
    """Raise TrainingError where the embeddings (n, 64) of different patches are one and the same."""
    spread = float(embeddings.detach().std(0, unbiased=False).square().mean().sqrt())
    if not spread >= SMALLEST_SPREAD:
        raise TrainingError(
            f"The embedding has collapsed: all patches of the good pictures look the same to it (spread {spread:.4f}, "
            f"needed {SMALLEST_SPREAD}). Lower lambda (svdd_weight, now {svdd_weight:g}), or check that the pictures "
            "are not blank."
        )


def _read(maps: Tensor, corners: Tensor) -> Tensor:
    """Embeddings (n, 64) at cells (n, 2) of maps (windows, 64, rows, columns), as many from each window in turn."""
    window = torch.arange(len(corners)) % len(maps)
    return maps.permute(0, 2, 3, 1)[window, corners[:, 0], corners[:, 1]]
