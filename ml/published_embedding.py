"""PatchCore's embedding as the authors' code has it: 3x3 neighbourhoods, averaged down to vectors of one length.

"Towards Total Recall in Industrial Anomaly Detection", Roth et al., CVPR 2022, arXiv 2106.08265, section 3.1.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def published_embedding(maps: Sequence[Tensor], feature_dim: int) -> Tensor:
    """3x3 neighbourhoods (zeros outside), each pooled to `feature_dim`, on the finest map's grid, pooled together.

    Maps (n, C, rows, columns) of each stride -> (n, feature_dim, rows, columns) of the first.
    """
    count, _, rows, columns = maps[0].shape
    pooled = []
    for features in maps:
        patches = functional.unfold(features.float(), 3, padding=1).transpose(1, 2)
        level = functional.adaptive_avg_pool1d(patches, feature_dim).transpose(1, 2)
        level = level.reshape(count, feature_dim, *features.shape[-2:])
        pooled.append(functional.interpolate(level, size=(rows, columns), mode="bilinear", align_corners=False))
    stacked = torch.stack(pooled, dim=1).permute(0, 3, 4, 1, 2).reshape(count, rows * columns, -1)
    joined: Tensor = functional.adaptive_avg_pool1d(stacked, feature_dim)
    return joined.reshape(count, rows, columns, feature_dim).permute(0, 3, 1, 2)


def published_in_graph(maps: Sequence[Tensor], feature_dim: int) -> Tensor:
    """`published_embedding` in operations that ONNX has.

    Both averages are linear over channels and neighbourhood, so a map takes one convolution, to those features that
    anything of it reaches; with two maps these are the first half and the second.
    """
    size = [int(side) for side in maps[0].shape[2:]]
    together = torch.split(_averaging(len(maps) * feature_dim, feature_dim), feature_dim, dim=1)
    parts: list[Tensor] = []
    begun = 0  # features of the last part that the next map adds to
    for features, share in zip(maps, together, strict=True):
        channels = int(features.shape[1])
        weights = share @ _averaging(9 * channels, feature_dim)
        reached = weights.any(1).nonzero().flatten().tolist()
        convolved = _convolved(features, weights[reached[0] : reached[-1] + 1])
        level = functional.interpolate(convolved, size=size, mode="bilinear", align_corners=False)
        if reached[0] < begun:  # a feature at the seam is an average over both maps
            parts[-1:] = [parts[-1][:, :-1], parts[-1][:, -1:] + level[:, :1]]
            level = level[:, 1:]
        parts.append(level)
        begun = reached[-1] + 1
    return torch.cat(parts, dim=1)


def _convolved(features: Tensor, weights: Tensor) -> Tensor:
    """Weights (outputs, 9 C) over 3x3 neighbourhoods; in groups, since what one is made of lies close together."""
    outputs, channels = len(weights), int(features.shape[1])
    groups = math.gcd(outputs, channels)
    blocks = weights.reshape(groups, outputs // groups, groups, 9 * channels // groups)
    own = torch.stack([blocks[group, :, group] for group in range(groups)]).flatten(0, 1)
    if own.count_nonzero() == weights.count_nonzero():  # nothing crosses the groups
        return functional.conv2d(features, own.reshape(outputs, -1, 3, 3), padding=1, groups=groups)
    return functional.conv2d(features, weights.reshape(outputs, -1, 3, 3), padding=1)


def _averaging(inputs: int, outputs: int) -> Tensor:
    """`adaptive_avg_pool1d` as a matrix, float32 (outputs, inputs)."""
    first = torch.arange(outputs) * inputs // outputs
    last = -(-torch.arange(1, outputs + 1) * inputs // outputs)
    places = torch.arange(inputs)
    within = ((places >= first[:, None]) & (places < last[:, None])).float()
    return within / within.sum(1, keepdim=True)
