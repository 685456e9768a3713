"""Which cells show the part and which the background it lies on, told by their features.

After AnomalyDINO (Damm, Laszkiewicz, Lederer, Fischer, "AnomalyDINO: Boosting Patch-based Few-shot Anomaly Detection
with DINOv2", WACV 2025, arXiv 2405.14529, section 3.3): the first principal component of the features parts the two.

Departures: the threshold on that component is Otsu's, not a constant; which side is background is told by the outline
of the pictures, of which it must hold most; where the component does not fall into two clusters or the outline is
mixed, everything is part; a picture in which far less part is found than in any good one is judged as a whole, since a
missing or foreign part must never pass as background; and the mask is not widened: what is remembered of good parts
then holds no background, which is why a picture of nothing else stands out.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import torch
from scipy.ndimage import binary_fill_holes
from torch import Tensor
from torch.nn import functional

LEAST_SEPARATION = 0.8
"""Share of the component's variance that lies between the two clusters; an even spread without clusters has 0.75."""

LEAST_BORDER_SHARE = 0.7
"""Share of the pictures' outermost cells that must be background."""

LEAST_PART_SHARE = 0.5
"""Of the smallest part area among good pictures: with less of it, a picture is judged as a whole."""

MOST_PICTURES = 64
"""Enough to tell two clusters apart; all features of more would fill the memory."""


@dataclass(frozen=True, slots=True, eq=False)
class Foreground:
    """A cell shows the part where `direction` . features > `threshold`; `least_share`: cells of a picture with a part.

    direction: float32 (C,); zeros with a negative threshold where good pictures show no background.
    """

    direction: Tensor
    threshold: float
    least_share: float

    @classmethod
    def everything(cls, channels: int) -> Self:
        """No background at all."""
        return cls(torch.zeros(channels), -1.0, 0.0)

    @classmethod
    def of(cls, stored: Tensor) -> Self:
        """What `tensor` gave."""
        return cls(stored[:-2].cpu(), float(stored[-2]), float(stored[-1]))

    def tensor(self) -> Tensor:
        """All of it as float32 (C + 2,)."""
        return torch.cat([self.direction, torch.tensor([self.threshold, self.least_share])])

    def cells(self, features: Tensor) -> Tensor:
        """Cells to judge, bool (n, rows, columns), of features (n, C, rows, columns), each input by itself."""
        shown = self._shown(features)
        if self.least_share == 0:
            return shown
        judged = np.ones(shown.shape, bool)
        for index, part in enumerate(shown.cpu().numpy()):
            whole = binary_fill_holes(part)
            if whole.mean() >= self.least_share:
                judged[index] = whole
        return torch.from_numpy(judged).to(features.device)

    def cells_in_graph(self, features: Tensor) -> Tensor:
        """`cells` in operations that an ONNX graph has."""
        shown: Tensor = features.permute(0, 2, 3, 1) @ self.direction > self.threshold
        if self.least_share == 0:
            return shown
        rows, columns = (int(side) for side in shown.shape[1:])
        background = (~shown).float().unsqueeze(1)
        edge = torch.ones(rows, columns)
        edge[1:-1, 1:-1] = 0
        outside = _flooding()(background, background * edge).reshape(-1, rows, columns)
        least = math.ceil(self.least_share * rows * columns)
        judged: Tensor = (outside < 0.5) | ((1 - outside).sum((1, 2), keepdim=True) < least)
        return judged

    def _shown(self, features: Tensor) -> Tensor:
        return torch.einsum("nchw,c->nhw", features.float(), self.direction.to(features.device)) > self.threshold


def learn_foreground(pictures: Sequence[Tensor]) -> Foreground:
    """What is part in embedded good pictures, (n, C, rows, columns) each; `everything` where no background is found.

    Only the first input of a picture is looked at, which is the picture as captured, and no more than MOST_PICTURES.
    """
    step = -(-len(pictures) // MOST_PICTURES)
    pictures = [pictures[index][:1] for index in range(0, len(pictures), step)]
    cells = torch.cat([_cells_and_border(picture)[0] for picture in pictures])
    mean, spread = cells.mean(0), cells.std(0, unbiased=False).clamp(min=1e-6)
    scaled = (cells - mean) / spread
    _, vectors = torch.linalg.eigh((scaled.T @ scaled / len(scaled)).double())
    direction = vectors[:, -1].float() / spread
    values = cells @ direction
    threshold, separation = _otsu(values)
    border = torch.cat([_cells_and_border(picture)[1] for picture in pictures]) @ direction
    share = float((border > threshold).float().mean())
    if separation < LEAST_SEPARATION or max(share, 1 - share) < LEAST_BORDER_SHARE:
        return Foreground.everything(len(direction))
    if share > 0.5:  # the outline lies above the threshold: turn round, so that the part does
        direction, threshold = -direction, -threshold
    found = Foreground(direction, threshold, 0.0)
    shares = [float(binary_fill_holes(shown).mean()) for item in pictures for shown in found._shown(item).cpu().numpy()]
    learnt = Foreground(direction, threshold, max(LEAST_PART_SHARE * min(shares), 1e-6))
    return Foreground.of(learnt.tensor())  # a stored model must not differ by the rounding to float32


def _flooded(open_cells: Tensor, reached: Tensor) -> Tensor:
    """All that is open and joined to what is reached by open cells; 1 and 0 in float32 (n, 1, rows, columns)."""
    grows = True
    while grows:
        across = functional.max_pool2d(reached, [1, 3], [1, 1], [0, 1])
        down = functional.max_pool2d(reached, [3, 1], [1, 1], [1, 0])
        grown = torch.maximum(across, down) * open_cells
        grows = bool((grown > reached).any())
        reached = grown
    return reached


@cache
def _flooding() -> Callable[[Tensor, Tensor], Tensor]:
    """`_flooded` as a script: a traced graph has a loop then, whose turns depend on what it is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # scripts go when the tracing exporter does
        script: Callable[[Tensor, Tensor], Tensor] = torch.jit.script(_flooded)
    return script


def _cells_and_border(picture: Tensor) -> tuple[Tensor, Tensor]:
    """All cells (n rows columns, C), and those of the outermost frame."""
    cells = picture.float().permute(0, 2, 3, 1).cpu()
    frame = torch.ones(cells.shape[1:3], dtype=torch.bool)
    frame[1:-1, 1:-1] = False
    return cells.flatten(0, 2), cells[:, frame].flatten(0, 1)


def _otsu(values: Tensor) -> tuple[float, float]:
    """The threshold between two clusters with the most variance between them, and that variance's share of all."""
    ordered = values.double().sort().values
    count = len(ordered)
    total = float(ordered.var(unbiased=False))
    if count < 2 or total == 0:
        return float(ordered[0]), 0.0
    below = torch.arange(1, count, dtype=torch.float64)
    sums = ordered.cumsum(0)
    gap = sums[:-1] / below - (sums[-1] - sums[:-1]) / (count - below)
    between = below * (count - below) / count**2 * gap.square()
    best = int(between.argmax())
    return float((ordered[best] + ordered[best + 1]) / 2), float(between[best]) / total
