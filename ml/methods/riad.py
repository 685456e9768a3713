"""RIAD: "Reconstruction by inpainting for visual anomaly detection", Zavrtanik, Kristan, Skočaj, Pattern Recognition
112, 2021, 107706.

A U-Net learns to paint in squares that were hidden in good pictures. Each pixel is hidden in one of three passes, and
the picture is put together from what the passes painted in (section 3.1), so that no defect can be copied from itself.
Trained by the sum of squared error, multi-scale gradient similarity and structural similarity (section 3.2); the map is
1 - the gradient similarity, averaged plainly over squares of 2, 4, 8 and 16 pixels and smoothed, the score its maximum
(section 3.3).

Departures: the network is narrower, and learns from crops, as far as the time at hand demands; it is fully
convolutional and inspects whole inputs. Each crop of a batch has squares of its own size. The squares that are hidden
when scoring are the same for every picture. Similarities are taken of values from 0 to 1, to which their constants
belong, the squared error of values from -1 to 1. The learning rate is forty times the published one and falls along a
cosine: there are hundreds of steps instead of ten thousands. The map is smoothed by a Gaussian by default
(`smoothing`), and kept at a quarter of the resolution, which the smoothing leaves nothing finer than. After minutes of
training the rarest details of a part are painted in no better than a defect: for whole pictures the map therefore
counts, place by place, in how far it exceeds that of good parts, in their spread (`standardise`). Of defects painted
into good pictures of the set aliens that raised the image AUROC from 0.57 to 0.76.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.catalogue.riad import RiadParameters
from ml.drawing import below
from ml.inpainting import disjoint_masks, paint_in
from ml.methods.base import Geometry, Scored
from ml.methods.trained import TrainedMethod
from ml.networks.resizing import averaged
from ml.networks.unet import SIDE_MULTIPLE_PX, UNet
from ml.similarity import gradient_pyramid, gradient_similarities, structural_similarity
from ml.training.loop import Lesson, Losses
from ml.training.monitor import Reconstructions
from ml.usual_maps import usual_and_spread

CELL_PX = 4
"""Pitch of the map in pixels of the input."""

PUBLISHED_MEAN_PX = 21
PUBLISHED_WEIGHT_DECAY = 1e-5
MASK_SEED = 112
"""Of the squares that are hidden when scoring: part of the method, not of one training."""

VALIDATED_CROPS = 4
STANDARDISING_PICTURES = 24
LEAST_SPREAD = 0.01
"""Of a map, whose values lie between 0 and 1: where good parts hardly differ, no less is counted in."""


class Riad(TrainedMethod):
    """Learns nothing per position in either geometry; needs no pretrained weights."""

    name = "riad"
    parameters: RiadParameters
    score_rule = "max_smoothed"

    def __init__(
        self,
        parameters: RiadParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        self.sigma_px = parameters.sigma_px if parameters.smoothing == "gaussian" else 0.0
        height, width = input_size
        self._is_standardised = parameters.standardise and geometry == "whole"
        if self._is_standardised:
            rows, columns = -(-height // CELL_PX), -(-width // CELL_PX)
            self.statistics = {"usual": torch.zeros(rows, columns), "spread": torch.ones(rows, columns)}
        self._masks = fixed_masks(parameters, *_padded_size(height, width))
        self.prepare_networks()

    def build_networks(self) -> nn.Module:
        # 0 is not decided yet: such a network is looked at, but neither trained nor stored.
        return UNet(max(self.parameters.width, 1)).to(memory_format=torch.channels_last)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        return InpaintingLesson(self.networks, self.parameters, parts, validation or parts, seed, steps, self.device)

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        if not self._is_standardised:
            return
        # Pictures that were learnt from make up the number: hundreds of steps remember none of them.
        pictures = [*validation][:STANDARDISING_PICTURES]
        pictures += [parts[index] for index in range(min(len(parts), STANDARDISING_PICTURES - len(pictures)))]
        maps = torch.cat([self._cells(picture.to(self.device)) for picture in pictures])
        usual, spread = usual_and_spread(maps, self.sigma_px, self.input_size, LEAST_SPREAD)
        self.statistics = {"usual": usual, "spread": spread}

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        self.require_fitted()
        # One by one: larger batches are slower per picture on a CPU, and the passes of one picture keep a GPU busy.
        return self._scored(torch.cat([self._cells(picture[None]) for picture in embedded]))

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        self.require_fitted()
        pictures = padded(inputs)
        painted = torch.cat([paint_in(self.networks, pictures, hidden) for hidden in self._masks])
        of_painted = [
            gradients.reshape(len(self._masks), -1, *gradients.shape[1:])
            for gradients in gradient_pyramid(as_shares(painted))
        ]
        similarities = gradient_similarities(gradient_pyramid(as_shares(pictures)), of_painted)
        return self._scored(self._mapped([similarity.mean(0) for similarity in similarities]))

    def _scored(self, cells: Tensor) -> Scored:
        if self._is_standardised:
            cells = (cells - self.statistics["usual"]) / self.statistics["spread"]
        return Scored(cells)

    def _cells(self, picture: Tensor) -> Tensor:
        """(1, rows, columns) for one input (1, 3, height, width)."""
        picture = padded(picture)
        painted = torch.cat([paint_in(self.networks, picture, hidden.to(picture.device)) for hidden in self._masks])
        similarities = gradient_similarities(gradient_pyramid(as_shares(picture)), gradient_pyramid(as_shares(painted)))
        return self._mapped([similarity.mean(0, keepdim=True) for similarity in similarities])

    def _mapped(self, similarities: Sequence[Tensor]) -> Tensor:
        """(n, rows, columns) of gradient similarities (n, 1, height, width) of padded inputs, scale by scale."""
        height, width = self.input_size
        size = _padded_size(height, width)
        unlike = torch.stack(
            [functional.interpolate(1 - similarity, size=size, mode="bilinear") for similarity in similarities]
        ).mean(0)[..., :height, :width]
        if self.parameters.smoothing == "mean":
            reach = PUBLISHED_MEAN_PX // 2
            unlike = functional.avg_pool2d(
                functional.pad(unlike, (reach, reach, reach, reach), mode="reflect"), PUBLISHED_MEAN_PX, stride=1
            )
        return averaged(unlike, (-(-height // CELL_PX), -(-width // CELL_PX)))[:, 0]


class InpaintingLesson(Lesson):
    """Random crops of random pictures, painted in; measured on the same crops and squares each time."""

    def __init__(
        self,
        network: nn.Module,
        parameters: RiadParameters,
        parts: Sequence[Tensor],
        validation: Sequence[Tensor],
        seed: int,
        steps: int,
        device: torch.device,
    ) -> None:
        self.networks = network
        self.random = torch.Generator().manual_seed(seed)
        self._parameters = parameters
        self._parts = parts
        self._device = device
        optimiser = torch.optim.Adam(
            network.parameters(), lr=parameters.learning_rate, weight_decay=PUBLISHED_WEIGHT_DECAY
        )
        self.optimisers = (optimiser,)
        self.schedules = (torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps),)
        shown = torch.linspace(0, len(validation) - 1, min(VALIDATED_CROPS, len(validation))).long().tolist()
        self._validated = torch.cat([self._crop(validation[index]) for index in shown]).to(device)
        self._validation_masks = [hidden.to(device) for hidden in fixed_masks(parameters, *self._validated.shape[-2:])]

    def step(self, number: int) -> Losses:
        crops = torch.cat(
            [self._crop(self._parts[self._drawn(len(self._parts))]) for _ in range(self._parameters.batch)]
        )
        height, width = crops.shape[-2:]
        sides = self._parameters.cell_sides_px
        hidden = torch.stack(
            [
                disjoint_masks(height, width, sides[self._drawn(len(sides))], self._parameters.sets, self.random)
                for _ in crops
            ],
            dim=1,
        ).unsqueeze(2)
        crops, hidden = crops.to(self._device), hidden.to(self._device)
        losses = inpainting_losses(paint_in(self.networks, crops, hidden), crops)
        total = torch.stack(list(losses.values())).sum()
        self.optimisers[0].zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.optimisers[0].step()
        self.schedules[0].step()
        return {"total": total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    @torch.no_grad()
    def validate(self) -> float:
        totals = [
            torch.stack(
                list(inpainting_losses(paint_in(self.networks, self._validated, hidden), self._validated).values())
            ).sum()
            for hidden in self._validation_masks
        ]
        return float(torch.stack(totals).mean())

    def samples(self) -> Reconstructions | None:
        """The validated crops; nothing where there are none."""
        if not len(self._validated):
            return None
        painted = paint_in(self.networks, self._validated, self._validation_masks[0])
        originals, made = (
            (as_shares(pictures).clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
            for pictures in (self._validated, painted)
        )
        return Reconstructions(originals, made)

    def _crop(self, part: Tensor) -> Tensor:
        """A random crop of one of the inputs (n, 3, height, width) of a picture: (1, 3, height, width)."""
        height, width = part.shape[-2:]
        crop = self._parameters.crop_px or max(height, width)
        index, top, left = self._drawn(len(part)), self._drawn(height - crop + 1), self._drawn(width - crop + 1)
        return padded(part[index : index + 1, :, top : top + crop, left : left + crop].clone())

    def _drawn(self, count: int) -> int:
        """A whole number from 0 to `count` - 1, or 0."""
        return below(max(count, 1), self.random)


def inpainting_losses(painted: Tensor, pictures: Tensor) -> dict[str, Tensor]:
    """The three losses of section 3.2, each of weight 1, of pictures (n, 3, height, width) within [-1, 1]."""
    painted_shares, shares = as_shares(painted), as_shares(pictures)
    similarities = gradient_similarities(gradient_pyramid(painted_shares), gradient_pyramid(shares))
    return {
        "squared_error": functional.mse_loss(painted, pictures),
        "gradients": torch.stack([1 - similarity.mean() for similarity in similarities]).mean(),
        "structure": 1 - structural_similarity(painted_shares, shares).mean(),
    }


def fixed_masks(parameters: RiadParameters, height: int, width: int) -> list[Tensor]:
    """The same masks (sets, 1, 1, height, width) each time, for every size of squares."""
    return [
        disjoint_masks(height, width, side, parameters.sets, torch.Generator().manual_seed(MASK_SEED))[:, None, None]
        for side in parameters.cell_sides_px
    ]


def padded(pictures: Tensor) -> Tensor:
    """Reflected at the bottom and on the right up to sides that the network takes."""
    height, width = (int(side) for side in pictures.shape[-2:])  # numbers in a traced graph, too
    below, right = (long - side for long, side in zip(_padded_size(height, width), (height, width), strict=True))
    return functional.pad(pictures, (0, right, 0, below), mode="reflect")


def _padded_size(height: int, width: int) -> tuple[int, int]:
    return height + -height % SIDE_MULTIPLE_PX, width + -width % SIDE_MULTIPLE_PX


def as_shares(pictures: Tensor) -> Tensor:
    """Values from -1 to 1 -> from 0 to 1."""
    return (pictures + 1) / 2
