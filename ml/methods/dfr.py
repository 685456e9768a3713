"""DFR: "Deep Feature Reconstruction for Unsupervised Anomaly Segmentation", Yang, Shi and Qi, 2020, arXiv 2012.07122.

A frozen network's maps are brought onto one grid; an autoencoder of 1x1 convolutions learns to give back the features
of good pictures position by position (section 3.2); the map is the mean squared error over the channels (equation 5),
a picture's score its highest value. The length of the code is the number of principal components that hold 90 % of the
features' variance (section 4.2).

Departures: any backbone instead of VGG-19; its maps are resampled onto the grid directly instead of via the picture's
size, which gives almost the same features without 900 MB per picture; channels are standardised (`standardise=false`:
as published); a batch is drawn from the positions of all pictures instead of from four whole pictures, the same for an
autoencoder that sees no neighbours, only better mixed; the learning rate starts thirty times higher and falls along a
cosine, to get in minutes where the published one gets in hours; the state that gives back held-out good pictures best
is kept; the map is smoothed.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.nn.utils.fusion import fuse_linear_bn_eval

from ml.catalogue.dfr import DfrParameters
from ml.feature_scale import ChannelStatistics
from ml.memory_bank import draw_rows
from ml.methods.base import Geometry, Scored, Tensors
from ml.methods.features import FeatureMethod, required
from ml.methods.trained import NETWORK_PREFIX, TrainedMethod
from ml.training.loop import Lesson, Losses

KEPT_VALUES = 2**28
"""Feature values held while training, 1 GiB: beyond it positions are drawn evenly over the pictures."""

VALIDATION_ROWS = 20_000
PCA_ROWS = 20_000


class FeatureAutoencoder(nn.Sequential):
    """C -> (C + 2z) / 2 -> 2z -> z -> 2z -> (C + 2z) / 2 -> C on rows (n, C): a 1x1 convolution sees one position.

    Batch normalisation and ReLU behind every layer but the code and the output.
    """

    def __init__(self, channels: int, code: int) -> None:
        wide = (channels + 2 * code) // 2
        super().__init__(
            *_hidden(channels, wide),
            *_hidden(wide, 2 * code),
            nn.Linear(2 * code, code),
            *_hidden(code, 2 * code),
            *_hidden(2 * code, wide),
            nn.Linear(wide, channels),
        )


CODE_LAYER = "6"
"""The place in `FeatureAutoencoder` of the layer that gives the code."""


class ReconstructionLesson(Lesson):
    """Adam on the mean squared error of rows drawn at random; the learning rate falls to zero along a half cosine."""

    def __init__(
        self, autoencoder: nn.Module, rows: Tensor, held_out: Tensor, parameters: DfrParameters, seed: int, steps: int
    ) -> None:
        """rows, held_out: standardised features float32 (n, C), the latter possibly none."""
        self.networks = autoencoder
        self.random = torch.Generator().manual_seed(seed)
        self.optimisers = [torch.optim.Adam(autoencoder.parameters(), lr=parameters.learning_rate)]
        self._rows = rows
        self._held_out = held_out
        self._parameters = parameters
        self._steps = steps

    def step(self, number: int) -> Losses:
        (optimiser,) = self.optimisers
        for group in optimiser.param_groups:
            group["lr"] = self._parameters.learning_rate * (1 + math.cos(math.pi * number / self._steps)) / 2
        drawn = torch.randint(len(self._rows), (self._parameters.batch,), generator=self.random)
        batch = self._rows[drawn.to(self._rows.device)]
        loss = mse_loss(self.networks(batch), batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return {"total": loss.detach()}

    def validate(self) -> float | None:
        if not len(self._held_out):
            return None
        return float(mse_loss(self.networks(self._held_out), self._held_out))


class Dfr(FeatureMethod, TrainedMethod):
    """Looks at each position alone, so both geometries work alike."""

    name = "dfr"
    parameters: DfrParameters
    networks: FeatureAutoencoder

    def __init__(
        self,
        parameters: DfrParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, parameters.grid_stride, weights=weights, state=state)
        self.sigma_px = parameters.sigma_px
        self._channels = sum(self.extractor.channels)
        self._code = parameters.code or 1
        self.statistics = {"mean": torch.zeros(self._channels), "spread": torch.ones(self._channels)}
        self.prepare_networks()

    @property
    def embedding_hash(self) -> str:  # type: ignore[override]
        return f"on one grid|{self.backbone_hash}|{self.parameters.grid_stride}|{self.device.type}"

    @torch.inference_mode()
    def embed(self, inputs: Tensor) -> Tensor:
        return torch.cat(self.pyramid.resample(self.extractor(inputs)), dim=1)

    def build_networks(self) -> FeatureAutoencoder:
        return FeatureAutoencoder(self._channels, self._code)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        """Also settles what the autoencoder works on and, by the rule, its code: only now the features are there."""
        random = torch.Generator().manual_seed(seed)
        rows = self._drawn(parts, KEPT_VALUES // self._channels, random)
        held_out = self._drawn(validation, VALIDATION_ROWS, random)
        if self.parameters.standardise and not self.is_continued:
            found = ChannelStatistics(self._channels)
            for block in torch.split(rows, PCA_ROWS):
                found.add(block)
            self.statistics = {"mean": found.mean.to(self.device), "spread": found.spread.to(self.device)}
        rows.sub_(self.statistics["mean"]).div_(self.statistics["spread"])
        held_out.sub_(self.statistics["mean"]).div_(self.statistics["spread"])
        if not self.is_continued:
            self._code = self.parameters.code or components(draw_rows(rows, PCA_ROWS, random), self.parameters.variance)
            self.prepare_networks(seed)
        return ReconstructionLesson(self.networks, rows, held_out, self.parameters, seed, steps)

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        self.require_fitted()
        count, _, grid_rows, grid_columns = embedded.shape
        rows = (_as_rows(embedded) - self.statistics["mean"]) / self.statistics["spread"]
        errors = (self.networks(rows) - rows).square().mean(1)
        return Scored(self.pyramid.with_margin(errors.reshape(count, grid_rows, grid_columns)))

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        self.require_fitted()
        rows = self.embed(inputs).permute(0, 2, 3, 1).reshape(-1, self._channels)
        rows = (rows - self.statistics["mean"]) * (1 / self.statistics["spread"])
        wrong = _without_normalisation(self.networks)(rows) - rows
        cells = (wrong * wrong).mean(1).reshape(-1, self.pyramid.rows, self.pyramid.columns)
        return Scored(self.pyramid.with_margin(cells))

    def tensors(self) -> Tensors:
        return {**self.backbone_tensors(), **super().tensors()}

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self._code = len(required(tensors, f"{NETWORK_PREFIX}{CODE_LAYER}.bias", (None,)))
        self.prepare_networks()
        super().load_tensors(tensors)

    def _drawn(self, parts: Sequence[Tensor], most: int, random: torch.Generator) -> Tensor:
        """At most about `most` positions' features, drawn evenly over the pictures: rows (n, C) of their own memory."""
        quota = -(-most // max(len(parts), 1))
        drawn = [draw_rows(_as_rows(parts[index]), quota, random).to(self.device) for index in range(len(parts))]
        return torch.cat([torch.empty(0, self._channels, device=self.device), *drawn])


def components(rows: Tensor, share: float) -> int:
    """How many principal components of the rows (n, C) hold `share` of their variance; at least 1."""
    centred = rows.double() - rows.double().mean(0)
    variances = torch.linalg.eigvalsh(centred.t() @ centred).flip(0).clamp(min=0)
    reached = variances.cumsum(0) >= share * variances.sum()
    return int(reached.int().argmax()) + 1


def _without_normalisation(autoencoder: Iterable[nn.Module]) -> nn.Module:
    """A trained autoencoder's layers, the normalisations taken into the layers before them."""
    layers: list[nn.Module] = []
    for layer in autoencoder:
        if isinstance(layer, nn.BatchNorm1d) and isinstance(layers[-1], nn.Linear):
            layers[-1] = fuse_linear_bn_eval(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def _hidden(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    return nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU()


def _as_rows(embedded: Tensor) -> Tensor:
    return embedded.permute(0, 2, 3, 1).flatten(0, 2)
