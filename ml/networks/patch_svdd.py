"""The networks of Patch SVDD: "Patch-level SVDD for Anomaly Detection and Segmentation", Yi and Yoon, ACCV 2020,
arXiv 2006.16067, section 3.4 and the authors' code.

A patch is embedded at two sizes: the small patch by eight unpadded convolutions, the large one, twice as wide, as its
four quadrants through the same encoder and a head that joins them. No layer pads, so a picture goes through the
encoder once and every patch of it is read off the result, the same as if it had been cut out: the head looks at
quadrants a fixed number of cells apart, which is a dilation.

Departures: pixels are standardised by their mean and spread over all training pictures, where the authors subtract the
mean picture, which supposes aligned parts; weights start with variance-preserving noise (He et al., arXiv 1502.01852),
since the default of torch shrinks eight layers' output to a constant and a budget of minutes cannot wait for its
growth; the patch sizes 32 and 16 for small parts use the same layers without the first one's stride.
"""

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 64
SLOPE = 0.1
SMALL_CELLS = 16
"""Side of a small patch in cells, the pitch of the dense map; a large patch has twice as many."""

SMALLEST_DEVIATION = 0.02  # of pixels in [0, 1]: flat pictures must not be drowned in the noise that training adds

PatchSide = Literal[32, 64]


class PatchEncoder(nn.Module):
    """Embeds patches of `patch_px` and of half that side, densely.

    cell_px: pitch of the dense map in pixels. centre_px: how far the middle of what an embedding sees lies below and
    right of its patch's middle.
    """

    def __init__(self, patch_px: PatchSide) -> None:
        super().__init__()
        self.patch_px = patch_px
        self.cell_px = patch_px // (2 * SMALL_CELLS)
        # The stride of two leaves the last row and column of a 32-px patch unseen: 31 px count.
        self.centre_px = -0.5 if self.cell_px == 2 else 0.0
        widths = (3, 32, 64, 128, 128, 64, 32, 32, CHANNELS)
        last = len(widths) - 2
        self.small = nn.ModuleList(
            nn.Conv2d(
                widths[layer],
                widths[layer + 1],
                kernel_size=2 if layer == last and self.cell_px == 1 else 3,
                stride=self.cell_px if layer == 0 else 1,
            )
            for layer in range(len(widths) - 1)
        )
        self.joining = nn.Conv2d(CHANNELS, 128, kernel_size=2, dilation=SMALL_CELLS)
        self.large = nn.Conv2d(128, CHANNELS, kernel_size=1)
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.full((3,), 0.5))
        self.register_buffer("deviation", torch.ones(1))
        for layer in (*self.small, self.joining, self.large):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE)
            nn.init.zeros_(layer.bias)

    def standardise_by(self, pictures: Iterable[Tensor]) -> None:
        """Take mean and spread of pictures (n, 3, height, width), RGB in [0, 1], as those of the part."""
        looks = [(pixels.mean((0, 2, 3)), pixels.square().mean((0, 2, 3))) for pixels in pictures]
        mean, square = (torch.stack(values).mean(0) for values in zip(*looks, strict=True))
        self.mean.copy_(mean)
        self.deviation.fill_(max(float((square - mean.square()).mean().clamp(min=0).sqrt()), SMALLEST_DEVIATION))

    def embed_small(self, pixels: Tensor) -> Tensor:
        """RGB in [0, 1] (n, 3, height, width) -> (n, 64, rows, columns) in (-1, 1).

        Cell (i, j) is the embedding of the small patch whose corner lies at (i, j) * `cell_px`; there is one for every
        such patch that lies within the picture.
        """
        features = (pixels - self.mean[:, None, None]) / self.deviation
        for layer in self.small[:-1]:
            features = functional.leaky_relu(layer(features), SLOPE)
        return torch.tanh(self.small[-1](features))

    def embed_large(self, small: Tensor, every: int = 1) -> Tensor:
        """What `embed_small` gave -> (n, 64, rows, columns) of the large patches with corners `every` cells apart."""
        joined = functional.conv2d(
            small, self.joining.weight, self.joining.bias, stride=every, dilation=self.joining.dilation
        )
        return torch.tanh(self.large(functional.leaky_relu(joined, SLOPE)))


class PositionClassifier(nn.Module):
    """Tells from two patches' embeddings at which of eight places around the first the second lies (equation 4).

    In the last layer every input's weights over the eight classes have unit length, as in the authors' code. There the
    length is taken outside of the graph together with the weights, which leaves them as they were drawn; here they
    learn. The paper speaks of a classifier that is trained along, and one whose last layer is frozen noise asks the
    encoder for more than position.
    """

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.first = nn.Linear(CHANNELS, 128)
        self.second = nn.Linear(128, 128)
        self.last = nn.Linear(128, classes)

    def forward(self, here: Tensor, there: Tensor) -> Tensor:
        """Embeddings (n, 64) of both -> logits (n, 8)."""
        hidden = functional.leaky_relu(self.first(here - there), SLOPE)
        hidden = functional.leaky_relu(self.second(hidden), SLOPE)
        return functional.linear(hidden, functional.normalize(self.last.weight, dim=0), self.last.bias)
