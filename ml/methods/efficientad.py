"""EfficientAD: "Accurate Visual Anomaly Detection at Millisecond-Level Latencies", Batzner, Heckler, König, WACV 2024,
arXiv 2303.14535.

A small convolutional student learns on good pictures what a frozen teacher says of every spot (section 3.2), and what
an autoencoder says of it, which knows the whole picture but little of its detail (section 3.3). Where student and
teacher differ the surface is unusual; where student and autoencoder differ the arrangement is. Both maps are scaled by
their quantiles over good pictures that were not learnt from and averaged (section 3.4); a picture's score is the
map's maximum.

Departures. No published teacher can be had offline: the teacher is a frozen ImageNet backbone, its maps brought onto
the student's grid, all its channels or a fixed semi-orthogonal projection to `channels` of them, standardised over at
most STATISTICS_INPUTS good pictures. It looks further around than the student does. It sees good pictures as they are,
so that what it says of each is computed once; the autoencoder, which sees them with brightness, contrast or saturation
changed, has to say the same. The penalty's pictures are procedural textures instead of ImageNet's. The student sees
reflections beyond the picture's edge, and the map has no blind frame; it is smoothed for display.

Since there are about a thousand steps instead of 70,000, and a fraction of the published network's work in each:
- the student is narrower, has batch normalisation (textures pass with the good pictures' statistics, and so do these
  themselves in the second half) and a first layer of stride 2 (`student=published`: neither), and learns from crops of
  `batch` pictures;
- the learning rate is higher, rises over the first tenth and falls along half a cosine (`schedule=late_drop`);
- the hard loss starts as the mean of all errors and narrows to the largest tenth of them, published a thousandth;
- a student that has not learnt all still errs much on good pictures, in directions common to them. Differences are
  therefore whitened by their second moments over the good pictures learnt from, which weighs every direction by how
  well the student foretells it (`differences=squares`);
- a branch that explains nothing says nothing: both maps are weighted by the share of the good pictures' mean square
  that they explain on pictures not learnt from, the autoencoder's by its own share of the teacher times the student's
  share of the autoencoder (`branches=equal`).

Where it is weak. Defects painted on good pictures that were not learnt from, after 250 steps of width 32: on toys and
biscuits, where the student explained 0.52 and 0.34 of the teacher, image AUROC 0.81 and 0.84; on ground metal, where it
explained 0.03, 0.72: surfaces whose good pictures differ much from each other are hardly learnt in minutes, and what is
found there is mostly found by the whitening. The autoencoder together with the student explained next to nothing of any
of them, so that a usual spot in an unusual place goes unnoticed after such a training; longer ones were not measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.backbones import build_backbone
from ml.catalogue.efficientad import EfficientadParameters
from ml.drawing import below
from ml.generation.textures import texture
from ml.methods.base import Geometry, Scored, Tensors
from ml.methods.features import BACKBONE_PREFIX
from ml.methods.trained import TrainedMethod
from ml.networks.pdn import Autoencoder, padding_px, patch_description_network, reflect_padded
from ml.pictures import LUMA
from ml.pyramid import Pyramid
from ml.student_lessons import schedule
from ml.training.loop import Lesson, Losses

PROJECTION_SEED = 0
STATISTICS_INPUTS = 200
"""Enough for means, spreads and quantiles over all cells, and no long wait on thousands of patches."""

CACHE_BYTES = 2**30
"""What the teacher said is kept up to so much, in half precision; the rest is asked again."""

LOW_QUANTILE, HIGH_QUANTILE, AT_HIGH_QUANTILE = 0.9, 0.995, 0.1
"""Section 3.4: the maps become 0 at the one and 0.1 at the other."""

WEIGHT_DECAY = 1e-5
STATISTICS_SHARE = 0.5
"""Of the steps, after which the student normalises by the statistics gathered: those of a few crops tell pictures
apart, which it must not rely on."""

LATE_SHARE, LATE_FACTOR = 0.95, 0.1
LARGEST_JITTER = 0.2
SMALLEST_SPREAD = 1e-6
SHRINKAGE = 0.01
"""Of the mean variance, added to each direction's: one without any difference must not turn rounding into a score."""


class Efficientad(TrainedMethod):
    """Its autoencoder knows positions within an input; cut into patches, these may show any place of the part."""

    name = "efficientad"
    parameters: EfficientadParameters
    networks: nn.ModuleDict

    def __init__(
        self,
        parameters: EfficientadParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        own = None if state is None else _of_backbone(state)
        self.extractor = build_backbone(parameters.backbone, parameters.strides, weights, own)
        self.pyramid = Pyramid(self.extractor, input_size, parameters.grid_stride)
        self.mean, self.std = self.extractor.mean, self.extractor.std
        self.offset_px = (self.pyramid.offset_px, self.pyramid.offset_px)
        self.sigma_px = parameters.sigma_px
        available = sum(self.extractor.channels)
        self.channels = min(parameters.channels, available)
        self.statistics = {
            "teacher_weight": torch.zeros(self.channels, available),
            "teacher_bias": torch.zeros(self.channels),
            "whitening": torch.eye(self.channels).repeat(2, 1, 1),  # of the student's map's differences, of the other's
            "explained": torch.ones(2),
            "quantiles": torch.tensor([[0.0, 1.0], [0.0, 1.0]]),  # of the student's map, of the autoencoder's
        }
        self.prepare_networks()

    def build_networks(self) -> nn.ModuleDict:
        settings = self.parameters
        # Width 0 is not decided yet: such a network is looked at, but neither trained nor stored.
        student = patch_description_network(
            settings.network,
            max(settings.width, 1),
            2 * self.channels,
            settings.grid_stride,
            quick=settings.student == "quick",
        )
        autoencoder = Autoencoder(self.channels, (self.pyramid.rows, self.pyramid.columns), settings.autoencoder_px)
        return nn.ModuleDict({"student": student, "autoencoder": autoencoder}).to(memory_format=torch.channels_last)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        if not self.is_continued:
            self._standardise_teacher(parts)
        return MimicryLesson(self, parts, seed, steps)

    @torch.no_grad()
    def ask_teacher(self, inputs: Tensor) -> Tensor:
        """Standardised inputs (n, 3, height, width) -> (n, channels, rows, columns), each about mean 0, variance 1."""
        features = torch.cat(self.pyramid.resample(self.extractor(inputs)), dim=1)
        weight, bias = self.statistics["teacher_weight"], self.statistics["teacher_bias"]
        return functional.conv2d(features, weight[:, :, None, None], bias)

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        if self.parameters.differences == "whitened":
            self.statistics["whitening"] = self._whitening(parts)
        squares = torch.zeros(5, dtype=torch.float64)
        maps = []
        for one in self._some_inputs(validation or parts):
            said, surface, arrangement, remembered = self._answers(one)
            values = (said, remembered, said - surface, said - remembered, remembered - arrangement)
            squares += torch.stack([value.square().mean() for value in values]).double().cpu()
            maps.append(torch.stack(self._maps(one)).flatten(1).cpu().numpy())
        of_teacher, of_autoencoder, surface_left, memory_left, arrangement_left = squares.clamp(min=SMALLEST_SPREAD)
        by_student = 1 - surface_left / of_teacher
        by_autoencoder = (1 - memory_left / of_teacher).clamp(min=0) * (1 - arrangement_left / of_autoencoder)
        self.statistics["explained"] = torch.stack([by_student, by_autoencoder]).clamp(min=0).float().to(self.device)
        # numpy's quantiles, since torch's take no more than 2^24 values
        quantiles = np.quantile(np.concatenate(maps, axis=1), (LOW_QUANTILE, HIGH_QUANTILE), axis=1).T
        self.statistics["quantiles"] = torch.from_numpy(quantiles.copy()).float().to(self.device)

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        self.require_fitted()
        # One by one: larger batches are slower per picture on a CPU, and wide students need much memory.
        return self._scored(torch.stack([torch.cat(self._maps(one[None])) for one in embedded]))

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        self.require_fitted()
        return self._scored(torch.stack(self._maps(inputs), dim=1))

    def weights(self) -> Tensor:
        """Of the student's and the autoencoder's map, (2,), together 1."""
        explained = self.statistics["explained"]
        if self.parameters.branches == "equal" or float(explained.sum()) < SMALLEST_SPREAD:
            return torch.full_like(explained, 0.5)
        shares: Tensor = explained / explained.sum()
        return shares

    def tensors(self) -> Tensors:
        frozen = {f"{BACKBONE_PREFIX}{key}": value for key, value in self.extractor.state().items()}
        return {**super().tensors(), **frozen}

    def to(self, device: torch.device | str) -> Self:
        self.extractor.to(device)
        self.pyramid.to(device)
        return super().to(device)

    def _scored(self, maps: Tensor) -> Scored:
        """Of the student's and the autoencoder's maps (n, 2, rows, columns)."""
        low, high = self.statistics["quantiles"].unbind(1)
        scale = self.weights() * AT_HIGH_QUANTILE / (high - low).clamp(min=SMALLEST_SPREAD)
        return Scored(((maps - low[:, None, None]) * scale[:, None, None]).sum(1))

    def _answers(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the teacher, both halves of the student and the autoencoder say of inputs, (n, C, rows, columns)."""
        answers = self.networks["student"](reflect_padded(inputs, self.parameters.grid_stride))
        surface, arrangement = answers.split(self.channels, dim=1)
        return self.ask_teacher(inputs), surface, arrangement, self.networks["autoencoder"](inputs)

    def _differences(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Teacher - student and autoencoder - student, (n, C, rows, columns) each."""
        said, surface, arrangement, remembered = self._answers(inputs)
        return said - surface, remembered - arrangement

    def _maps(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean squared differences student - teacher and student - autoencoder, (n, rows, columns) each."""
        whitening = self.statistics["whitening"][:, :, :, None, None]
        surface, arrangement = (
            functional.conv2d(difference, matrix).square().mean(1)
            for difference, matrix in zip(self._differences(inputs), whitening, strict=True)
        )
        return surface, arrangement

    def _whitening(self, parts: Sequence[Tensor]) -> Tensor:
        """(2, C, C): what makes the differences over good pictures uncorrelated, each of mean square 1."""
        products, count = torch.zeros(2, self.channels, self.channels, dtype=torch.float64), 0
        for one in self._some_inputs(parts):
            rows = torch.cat(self._differences(one)).flatten(2).double().cpu()
            products, count = products + rows @ rows.mT, count + rows.shape[2]
        moments = products / count
        level = moments.diagonal(dim1=1, dim2=2).mean(1).clamp(min=SMALLEST_SPREAD)[:, None, None]
        factor = torch.linalg.cholesky(moments + SHRINKAGE * level * torch.eye(self.channels, dtype=torch.float64))
        whitening: Tensor = torch.linalg.inv(factor).float().to(self.device)
        return whitening

    def _standardise_teacher(self, parts: Sequence[Tensor]) -> None:
        """Projection, means and spreads of the teacher in one affine map: weight x + bias."""
        available = sum(self.extractor.channels)
        count, total = 0, torch.zeros(available, dtype=torch.float64)
        products = torch.zeros(available, available, dtype=torch.float64)
        with torch.no_grad():
            for one in self._some_inputs(parts):
                features = torch.cat(self.pyramid.resample(self.extractor(one)), dim=1)
                rows = features[0].flatten(1).T.double().cpu()  # sums of squares need the digits
                count, total, products = count + len(rows), total + rows.sum(0), products + rows.T @ rows
        mean = total / count
        covariance = products / count - mean[:, None] * mean
        projection = _projection(self.channels, available) / covariance.diag().clamp(min=SMALLEST_SPREAD**2).sqrt()
        spread = (projection @ covariance @ projection.T).diag().clamp(min=SMALLEST_SPREAD).sqrt()
        weight = projection / spread[:, None]
        self.statistics["teacher_weight"] = weight.float().to(self.device)
        self.statistics["teacher_bias"] = -(weight @ mean).float().to(self.device)

    def _some_inputs(self, parts: Sequence[Tensor]) -> Iterator[Tensor]:
        """Up to STATISTICS_INPUTS inputs (1, 3, height, width) on the device, spread evenly over the pictures."""
        shown = np.unique(np.linspace(0, len(parts) - 1, min(len(parts), STATISTICS_INPUTS)).round().astype(int))
        each = max(STATISTICS_INPUTS // len(shown), 1)
        for index in shown.tolist():
            part = parts[index]
            for one in np.unique(np.linspace(0, len(part) - 1, min(len(part), each)).round().astype(int)).tolist():
                yield part[one : one + 1].to(self.device)


class MimicryLesson(Lesson):
    """`batch` good pictures, a jittered copy of each and one texture per step."""

    def __init__(self, method: Efficientad, parts: Sequence[Tensor], seed: int, steps: int) -> None:
        self.networks = method.networks
        self.random = torch.Generator().manual_seed(seed)
        self._method = method
        self._parts = parts
        self._device = method.device
        self._student, self._autoencoder = method.networks["student"], method.networks["autoencoder"]
        self._said: dict[tuple[int, int], Tensor] = {}
        self._room = CACHE_BYTES
        self._mean, self._std = (torch.tensor(values)[:, None, None] for values in (method.mean, method.std))
        settings = method.parameters
        optimiser = torch.optim.Adam(method.networks.parameters(), lr=settings.learning_rate, weight_decay=WEIGHT_DECAY)
        self.optimisers = (optimiser,)
        self._steps = steps
        self._stride = settings.grid_stride
        self._grid = (method.pyramid.rows, method.pyramid.columns)
        cells = max(settings.crop_px // self._stride, 1) if settings.crop_px else max(self._grid)
        self._crop = tuple(min(cells, side) for side in self._grid)

    def step(self, number: int) -> Losses:
        settings = self._method.parameters
        self._set_rate(number)
        self._student.train(number < STATISTICS_SHARE * self._steps)
        clean, changed, said_here, remembered_here, said_whole, remembered_whole = [], [], [], [], [], []
        for _ in range(settings.batch):
            picture, said = self._drawn_picture()
            jittered = self._jittered(picture)
            remembered = self._autoencoder(jittered.to(self._device), self.random)
            top, left = (self._drawn(side - cells + 1) for side, cells in zip(self._grid, self._crop, strict=True))
            here = (..., slice(top, top + self._crop[0]), slice(left, left + self._crop[1]))
            clean.append(self._cut(picture, top, left))
            changed.append(self._cut(jittered, top, left))
            said_here.append(said[here])
            remembered_here.append(remembered[here])
            said_whole.append(said)
            remembered_whole.append(remembered)
        inputs = torch.cat(clean + changed).to(self._device, memory_format=torch.channels_last)
        answers = self._student(inputs)
        surface = answers[: settings.batch, : self._method.channels]
        arrangement = answers[settings.batch :, self._method.channels :]
        losses = {
            "hard": hardest_mean((surface - torch.cat(said_here)).square(), self._hard_share(number)),
            "penalty": self._penalty(),
            "autoencoder": functional.mse_loss(torch.cat(remembered_whole), torch.cat(said_whole)),
            "agreement": functional.mse_loss(arrangement, torch.cat(remembered_here)),
        }
        total = torch.stack(list(losses.values())).sum()
        self.optimisers[0].zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        self.optimisers[0].step()
        return {"total": total.detach(), **{name: loss.detach() for name, loss in losses.items()}}

    def _set_rate(self, number: int) -> None:
        settings = self._method.parameters
        if settings.schedule == "cosine":
            factor = schedule(number, self._steps)
        else:
            factor = 1.0 if number < max(int(LATE_SHARE * self._steps), 1) else LATE_FACTOR
        for group in self.optimisers[0].param_groups:
            group["lr"] = settings.learning_rate * factor

    def _hard_share(self, number: int) -> float:
        """From all errors to `hard_share` of them, geometrically over the first `hard_after` of the steps."""
        settings = self._method.parameters
        done = min(number / (settings.hard_after * self._steps), 1.0) if settings.hard_after else 1.0
        return float(settings.hard_share**done)

    def _penalty(self) -> Tensor:
        """Mean square of what the student says of a texture, which must not blur the good pictures' statistics."""
        was_training = self._student.training
        self._student.eval()
        answers = self._student(self._penalty_picture().to(self._device, memory_format=torch.channels_last))
        self._student.train(was_training)
        penalty: Tensor = answers[:, : self._method.channels].square().mean()
        return penalty

    def _drawn_picture(self) -> tuple[Tensor, Tensor]:
        """An input (1, 3, height, width) on the CPU, and what the teacher says of it on the device."""
        index = self._drawn(len(self._parts))
        part = self._parts[index]
        which = self._drawn(len(part))
        picture = part[which : which + 1].clone()
        if (index, which) in self._said:
            return picture, self._said[index, which].to(self._device, torch.float32)
        # Rounded whether kept or not: a run that is continued has kept nothing yet.
        said = self._method.ask_teacher(picture.to(self._device)).half()
        size = said.numel() * said.element_size()
        if size <= self._room:
            self._room -= size
            self._said[index, which] = said.cpu()
        return picture, said.float()

    def _cut(self, picture: Tensor, top: int, left: int) -> Tensor:
        """What the student looks at to answer the cells of the crop, reflections included."""
        height, width = (cells * self._stride + padding_px(self._stride) for cells in self._crop)
        top, left = top * self._stride, left * self._stride
        return reflect_padded(picture, self._stride)[..., top : top + height, left : left + width]

    def _penalty_picture(self) -> Tensor:
        height, width = (cells * self._stride + padding_px(self._stride) for cells in self._crop)
        values = torch.from_numpy(texture(height, width, self._drawn(2**31))).permute(2, 0, 1)
        return ((values - self._mean) / self._std)[None]

    def _jittered(self, picture: Tensor) -> Tensor:
        """Brightness, contrast or saturation changed by up to a fifth (section 3.3), clipped to its range."""
        kind = self._drawn(3)
        factor = 1 + LARGEST_JITTER * (2 * float(torch.rand((), generator=self.random)) - 1)
        values = picture * self._std + self._mean
        grey = (values * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
        towards = (torch.zeros(()), grey.mean(), grey)[kind]
        return ((torch.lerp(towards.expand_as(values), values, factor)).clamp(0, 1) - self._mean) / self._std

    def _drawn(self, count: int) -> int:
        return below(count, self.random)


def hardest_mean(errors: Tensor, share: float) -> Tensor:
    """Mean of the largest `share` of the values, at least one: L_hard of section 3.2, where `share` is 0.001."""
    count = max(round(share * errors.numel()), 1)
    mean: Tensor = errors.flatten().topk(count, sorted=False).values.mean()
    return mean


def _projection(channels: int, available: int) -> Tensor:
    """Fixed float64 (channels, available): the identity where nothing is to be left out, else orthonormal rows."""
    if channels == available:
        return torch.eye(available, dtype=torch.float64)
    random = torch.Generator().manual_seed(PROJECTION_SEED)
    columns: Tensor = torch.linalg.qr(torch.randn(available, channels, generator=random, dtype=torch.float64))[0]
    return columns.T


def _of_backbone(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(BACKBONE_PREFIX): value for key, value in state.items() if key.startswith(BACKBONE_PREFIX)}
