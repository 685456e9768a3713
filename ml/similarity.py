"""How alike two pictures are, as maps: structural similarity and gradient magnitude similarity.

Pictures are float tensors (n, channels, height, width) with values from 0 to 1: the published constants belong to that
range. Similarities are 1 for equal pictures. All of it may be trained through, and reaches the picture's border: what
lies outside is taken as the border's own reflection or value, so that no frame is invented or left out.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

SSIM_WINDOW_PX = 11
SSIM_SIGMA_PX = 1.5
SSIM_CONSTANTS = (0.01**2, 0.03**2)
GMS_CONSTANT = 0.0026
GMS_SCALES = 4
_WINDOW = torch.softmax(
    -torch.arange(-(SSIM_WINDOW_PX // 2), SSIM_WINDOW_PX // 2 + 1).float().square() / (2 * SSIM_SIGMA_PX**2), dim=0
)
_NO_SLOPE_AT_ZERO = 1e-12  # the root's derivative is infinite at 0


def structural_similarity(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity, (n, channels, height, width) in [-1, 1].

    "Image quality assessment: from error visibility to structural similarity", Wang et al., IEEE Transactions on Image
    Processing 2004, equation 13, with its Gaussian window of 11 x 11 pixels and sigma 1.5. Both sides from 6 px.
    """
    mean_1, mean_2 = _window_mean(first), _window_mean(second)
    variance_1 = _window_mean(first.square()) - mean_1.square()
    variance_2 = _window_mean(second.square()) - mean_2.square()
    covariance = _window_mean(first * second) - mean_1 * mean_2
    c1, c2 = SSIM_CONSTANTS
    luminance = (2 * mean_1 * mean_2 + c1) / (mean_1.square() + mean_2.square() + c1)
    return luminance * (2 * covariance + c2) / (variance_1 + variance_2 + c2)


def gradient_magnitude(grey: Tensor) -> Tensor:
    """Length of the gradient (n, 1, height, width) by Prewitt's operator; a full step from 0 to 1 gives 1."""
    padded = functional.pad(grey, (1, 1, 1, 1), mode="replicate")
    rows = padded[..., :-2, :] + padded[..., 1:-1, :] + padded[..., 2:, :]
    columns = padded[..., :-2] + padded[..., 1:-1] + padded[..., 2:]
    across = (rows[..., 2:] - rows[..., :-2]) / 3
    down = (columns[..., 2:, :] - columns[..., :-2, :]) / 3
    return torch.sqrt(across.square() + down.square() + _NO_SLOPE_AT_ZERO)


def median_3x3(grey: Tensor) -> Tensor:
    """The median of each pixel and its eight neighbours, (n, 1, height, width); the border pixels are repeated."""
    padded = functional.pad(grey, (1, 1, 1, 1), mode="replicate")
    height, width = (int(side) for side in grey.shape[-2:])  # numbers in a traced graph, too
    if grey.requires_grad:  # comparing by pairs would split the gradient where neighbours are equal
        neighbours = [padded[..., top : top + height, left : left + width] for top in range(3) for left in range(3)]
        return torch.stack(neighbours).median(dim=0).values
    # Between the highest low, the middle middle and the lowest high of three sorted columns: a tenth of the time.
    lows, middles, highs = _sorted_three(*(padded[..., top : top + height, :] for top in range(3)))
    low, middle, high = ([row[..., left : left + width] for left in range(3)] for row in (lows, middles, highs))
    highest_low = torch.maximum(torch.maximum(low[0], low[1]), low[2])
    lowest_high = torch.minimum(torch.minimum(high[0], high[1]), high[2])
    return _sorted_three(highest_low, _sorted_three(*middle)[1], lowest_high)[1]


def gradient_pyramid(pictures: Tensor, scales: int = GMS_SCALES) -> list[Tensor]:
    """Gradient magnitudes at `scales` sizes, each half the one before: `scales` tensors (n, 1, height, width).

    As in "Reconstruction by inpainting for visual anomaly detection", Zavrtanik et al., Pattern Recognition 2021,
    section 3.2: of the channels' mean, after a median filter of 3 x 3 pixels. Both sides from 2 ** (scales - 1) px.
    """
    grey = median_3x3(pictures.mean(1, keepdim=True))
    gradients = [gradient_magnitude(grey)]
    for _ in range(scales - 1):
        grey = functional.avg_pool2d(grey, 2)
        gradients.append(gradient_magnitude(grey))
    return gradients


def gradient_similarities(first: Sequence[Tensor], second: Sequence[Tensor]) -> list[Tensor]:
    """Gradient magnitude similarity of two gradient pyramids, scale by scale; values in (0, 1].

    "Gradient magnitude similarity deviation", Xue et al., IEEE Transactions on Image Processing 2014, equation 4, whose
    170 of 8-bit counts the constant is. One picture may be compared with several.
    """
    return [
        (2 * one * other + GMS_CONSTANT) / (one.square() + other.square() + GMS_CONSTANT)
        for one, other in zip(first, second, strict=True)
    ]


def _sorted_three(first: Tensor, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The three values at each place, the lowest first."""
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    return torch.minimum(low, third), torch.maximum(low, torch.minimum(high, third)), torch.maximum(high, third)


def _window_mean(values: Tensor) -> Tensor:
    """Gaussian mean of each pixel's surroundings, channel by channel."""
    channels, reach = int(values.shape[1]), SSIM_WINDOW_PX // 2
    weights = _WINDOW.to(values).expand(channels, 1, 1, SSIM_WINDOW_PX)
    padded = functional.pad(values, (reach, reach, reach, reach), mode="reflect")
    across = functional.conv2d(padded, weights, groups=channels)
    return functional.conv2d(across, weights.mT, groups=channels)
