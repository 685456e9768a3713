"""What patches of good parts score that look like a given one.

Rough and rich patches are redrawn worse than plain ones, whether good or not: on a part that has both, the highest
score then lies on what is rough. A patch's score is therefore divided by what good patches of the same brightness,
contrast and fineness score, in the geometric mean.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from ml.patch_scores import grey

LOOKS = 3
_PAIRS = [(first, second) for first in range(LOOKS) for second in range(first, LOOKS)]
DESIGN = 1 + LOOKS + len(_PAIRS)
"""Of a polynomial of second degree: the constant, each look, and each product of two."""

_FINE_PX = 5
_LEAST_SPREAD = 0.02  # of values from -1 to 1: noise of a few counts of 255 says nothing about a surface
_LEAST_SHARE = 1e-3  # of the mean score: a patch that is redrawn by chance without any difference has no logarithm
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """weights: float32 (DESIGN, terms) of the logarithms of the terms. low, high: float32 (LOOKS,), the range of looks
    that was learnt from. least, most: float32 (terms,), the range of the logarithms expected there: a combination of
    looks that no good patch has is no reason to expect more.
    """

    weights: Tensor
    low: Tensor
    high: Tensor
    least: Tensor
    most: Tensor

    @classmethod
    def of(cls, stored: Tensor) -> Self:
        """What `tensor` gave."""
        ends = stored[DESIGN:-2, 0]
        return cls(stored[:DESIGN], ends[:LOOKS], ends[LOOKS:], stored[-2], stored[-1])

    @classmethod
    def ones(cls, terms: int) -> Self:
        """Every patch is expected to score 1."""
        constant = torch.zeros(terms)
        return cls(torch.zeros(DESIGN, terms), torch.zeros(LOOKS), torch.ones(LOOKS), constant, constant)

    def tensor(self) -> Tensor:
        """All of it as float32 (DESIGN + 2 LOOKS + 2, terms)."""
        ends = torch.cat([self.low, self.high])[:, None].expand(-1, self.weights.shape[1])
        return torch.cat([self.weights, ends, self.least[None], self.most[None]])

    def terms(self, patches: Tensor) -> Tensor:
        """Expected scores (n, terms) of patches (n, 3, patch, patch), above 0."""
        logarithms = _design(looks(patches), self.low, self.high) @ self.weights
        return torch.minimum(torch.maximum(logarithms, self.least), self.most).exp()


def learn_expectation(patches: Tensor, scores: Tensor, by_look: bool) -> Expectation:
    """From good patches (n, 3, patch, patch) and their scores (n, terms), none negative.

    by_look false: the same for all patches, the scores' arithmetic mean.
    """
    scores = scores.double()
    # Where good parts are redrawn without any difference at all, whatever is not scores high.
    means = scores.mean(0).clamp(min=1e-12)
    seen = looks(patches)
    low, high = seen.amin(0), seen.amax(0)
    weights = torch.zeros(DESIGN, scores.shape[1], dtype=torch.float64, device=scores.device)
    if not by_look:
        weights[0] = means.log()
        return Expectation(weights.float(), low, high, weights[0].float(), weights[0].float())
    design = _design(seen, low, high).double()
    logarithms = torch.maximum(scores, _LEAST_SHARE * means).log()
    centre = logarithms.mean(0)
    ridge = _RIDGE * len(design) * torch.eye(DESIGN, dtype=torch.float64, device=scores.device)
    weights = torch.linalg.solve(design.T @ design + ridge, design.T @ (logarithms - centre))
    weights[0] += centre
    expected = (design @ weights).float()
    return Expectation(weights.float(), low, high, expected.amin(0), expected.amax(0))


def looks(patches: Tensor) -> Tensor:
    """Mean grey, and the logarithms of its spread and of that of its fine detail: float32 (n, LOOKS)."""
    greys = grey(patches.float())
    fine = greys - functional.avg_pool2d(greys[:, None], _FINE_PX, 1, _FINE_PX // 2, count_include_pad=False)[:, 0]
    spreads = [(values.flatten(1).std(1) + _LEAST_SPREAD).log() for values in (greys, fine)]
    return torch.stack([greys.mean((1, 2)), *spreads], dim=1)


def _design(seen: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """(n, DESIGN) of looks (n, LOOKS)."""
    span = (high - low).clamp(min=1e-6)
    place = ((seen - low) / span).clamp(0, 1)
    first, second = (list(looks) for looks in zip(*_PAIRS, strict=True))
    return torch.cat([torch.ones_like(place[:, :1]), place, place[:, first] * place[:, second]], dim=1)
