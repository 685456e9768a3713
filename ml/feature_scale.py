"""How large a frozen network's channels are over the good pictures: what features are scaled with."""

import torch
from torch import Tensor

SMALLEST_SPREAD = 1e-6
_OF_LEVEL = 0.01
_OF_SIZE = 2.0**-8


class ChannelStatistics:
    """Mean and spread of channels, summed up in double precision over any number of maps (n, C, rows, columns)."""

    def __init__(self, channels: int) -> None:
        self._count = 0
        self._sums = torch.zeros(2, channels, dtype=torch.float64)

    def add(self, features: Tensor) -> None:
        """Take in maps float (n, C, rows, columns), or rows (n, C)."""
        values = features.detach().cpu().double().transpose(0, 1).flatten(1)
        self._count += values.shape[1]
        self._sums += torch.stack((values.sum(1), values.square().sum(1)))

    @property
    def mean(self) -> Tensor:
        """Per channel, float32 (C,)."""
        mean: Tensor = self._sums[0] / self._count
        return mean.float()

    @property
    def spread(self) -> Tensor:
        """Standard deviation per channel, float32 (C,), above 0 and no smaller than makes sense.

        A channel that never varied among the good pictures must not turn rounding into a distance: half precision, in
        which features may be stored, is good for one part in 2,048 of a value. Nor may its first small change outweigh
        all other channels: a hundredth of the level's mean spread is the least.
        """
        mean, square = self._sums / self._count
        deviation = (square - mean.square()).clamp(min=0).sqrt()
        least = torch.maximum(square.sqrt() * _OF_SIZE, deviation.mean() * _OF_LEVEL)
        return torch.maximum(deviation, least).clamp(min=SMALLEST_SPREAD).float()
