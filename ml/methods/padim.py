"""PaDiM: "a Patch Distribution Modeling Framework for Anomaly Detection and Localization", Defard et al., ICPR
workshops 2021, arXiv 2011.08785.

One Gaussian per position of the feature grid; the anomaly map is the Mahalanobis distance (equation 2), a picture's
score the maximum of the smoothed map.

Departures: patches at native resolution share one Gaussian (docs/adr/0003); the grid is coarser than the finest map by
default; the covariance is shrunk by default towards the one pooled over all positions instead of adding 0.01 I (section
III-B), which is `covariance=ridge`; with shrinkage towards the identity a hundredth of the mean variance is added, so
that a spot that never varied in a few pictures still may.
"""

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.catalogue.padim import PadimParameters
from ml.errors import CancelledError, ParameterError, TrainingError
from ml.gaussian import (
    Moments,
    ledoit_wolf_shrinkage,
    mean_variance,
    oas_shrinkage,
    shrink,
    shrink_to_pooled,
    whitening,
)
from ml.methods.base import Geometry, Past, Scored, Tensors
from ml.methods.features import FeatureMethod, required
from ml.pooled_gaussians import PooledGaussians, pooled_gaussians, pooled_gaussians_of
from ml.progress import Cancelled, Progress, never, silent

PUBLISHED_RIDGE = 0.01
VARIANCE_FLOOR = 0.01  # of the mean variance over all positions
MOMENTS_PREFIX = "moments."
"""Tensors of the model file that only `update` reads: float64 sums, twice the size of the rest (docs/adr/0012)."""

SELECTION_SEED = 1024  # the published one; what it picks is stored with the model all the same
_PICTURES_AT_A_TIME = 16  # one pass over the sums (tens of MB) per so many pictures
_TRIANGLE_STEP = 24  # columns of a block of the triangle in a graph: narrower ones take longer than they save
_POSITIONS_AT_A_TIME = 256  # bounds the working memory of the inversion


class Padim(FeatureMethod):
    """Position-wise in the geometry `whole`, position-free in the geometry `patches`."""

    name = "padim"
    parameters: PadimParameters
    score_rule = "max_smoothed"

    def __init__(
        self,
        parameters: PadimParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, parameters.grid_stride, weights=weights, state=state)
        self.sigma_px = parameters.sigma_px
        available = sum(self.extractor.channels)
        if parameters.channels > available:
            raise ParameterError(
                f"padim: channels={parameters.channels}: {parameters.backbone} gives {available} at these strides"
            )
        random = torch.Generator().manual_seed(SELECTION_SEED)
        self._select(
            torch.randperm(available, generator=random)[: parameters.channels].sort().values
            if parameters.selection == "random"
            else torch.linalg.qr(torch.randn(available, parameters.channels, generator=random))[0]
        )
        self._mean = torch.empty(0, 0)
        self._unmixing = torch.empty(0, 0, 0)  # per position the transposed whitening matrix
        self._moments: Moments | None = None  # what a later update goes on from; inference does without
        self._for_scores: PooledGaussians | None = None  # instead of mean and unmixing, after `fit_for_scores`

    @torch.inference_mode()
    def embed(self, inputs: Tensor) -> Tensor:
        # The choice comes before the resampling: both are linear, and fewer channels are resampled.
        maps = self.extractor(inputs)
        if self.parameters.selection == "semi_orthogonal":
            with torch.autocast(inputs.device.type, enabled=False):  # sums over channels need more digits than half has
                mixed = [
                    torch.einsum("nchw,cd->ndhw", level.float(), part)
                    for level, part in zip(maps, self._by_depth, strict=True)
                ]
            return torch.stack(self.pyramid.resample(mixed)).sum(0)
        chosen = [level[:, channels] for level, channels in zip(maps, self._by_depth, strict=True)]
        resampled = self.pyramid.resample(chosen)
        return torch.cat([level for level in resampled if int(level.shape[1])], dim=1)  # ONNX cannot join nothing

    def fit_seconds(self, sample: Tensor, pictures: int, inputs_per_picture: int) -> float:
        size = self.parameters.channels
        positions = 1 if self.is_position_free else self.pyramid.rows * self.pyramid.columns
        probed = min(positions, _POSITIONS_AT_A_TIME)
        identity = torch.eye(size, dtype=torch.float64).repeat(probed, 1, 1)
        began = time.perf_counter()
        whitening(identity)
        return (time.perf_counter() - began) * positions / probed

    def fit(
        self,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        self._fit_to(self._gathered(self._no_moments(), parts, progress, cancelled), progress, cancelled)

    def fit_for_scores(
        self, parts: Sequence[Tensor], seed: int, progress: Progress = silent, cancelled: Cancelled = never
    ) -> None:
        """From fewer pictures than features in a fourth of the time, with the same scores."""
        if self._is_near_pooled and 1 < len(parts) < self.parameters.channels:
            samples = torch.cat([*self._samples(parts, progress, cancelled)], dim=1)
            with suppress(torch.linalg.LinAlgError):  # type: ignore[attr-defined]  # `fit` says what is wrong with them
                found = pooled_gaussians(samples)
                self._take(torch.empty(0, 0), torch.empty(0, 0, 0))
                self._for_scores = found
                return
        self.fit(parts, seed, progress, cancelled)

    def update(
        self,
        past: Past,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        """As if fitted on all pictures at once: the sums over the earlier ones are in the model file."""
        self.load_tensors(past.tensors)
        moments = self._no_moments()
        if f"{MOMENTS_PREFIX}count" in past.tensors:
            moments.load(
                {
                    key: required(past.tensors, f"{MOMENTS_PREFIX}{key}", tuple(kept.shape), kept.dtype)
                    for key, kept in moments.tensors().items()
                }
            )
        elif len(past.replay):
            self._gathered(moments, past.replay, progress, cancelled)
        else:
            raise TrainingError(
                "This PaDiM model was made by a version of Loupe that did not keep the sums which it goes on from. "
                "Add the pictures that it learnt from (--replay on the command line), or train it once anew."
            )
        self._fit_to(self._gathered(moments, parts, progress, cancelled), progress, cancelled)

    def _fit_to(self, moments: Moments, progress: Progress, cancelled: Cancelled) -> None:
        if moments.count < 2:
            raise TrainingError("PaDiM needs at least two normal pictures to learn how much a position varies.")
        covariance = self._regularised(moments)
        size = self.parameters.channels
        unmixing = torch.empty(len(covariance), size, size)
        for start in range(0, len(covariance), _POSITIONS_AT_A_TIME):
            if cancelled():
                raise CancelledError("cancelled while inverting the covariances")
            progress("Inverting the covariances", start, len(covariance))
            try:
                block = whitening(covariance[start : start + _POSITIONS_AT_A_TIME])
            except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]  # documented all the same
                raise TrainingError(
                    "The normal pictures vary too little in some place for PaDiM to learn from. "
                    "Add pictures of other parts, or use another setting of 'covariance' or PatchCore."
                ) from error
            unmixing[start : start + len(block)] = block.mT
        progress("Inverting the covariances", len(covariance), len(covariance))
        self._take(moments.mean.float(), unmixing)
        self._moments = moments

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        count, size, rows, columns = embedded.shape
        samples = embedded.permute(0, 2, 3, 1).reshape(count, rows * columns, size)
        if self._for_scores is not None:
            found = self._for_scores.distances(samples.cpu().double()).float().to(embedded.device)
            return Scored(self.pyramid.with_margin(found.reshape(count, rows, columns)))
        self._require_fitted()
        if self.is_position_free:
            centred = (samples - self._mean).reshape(1, -1, size)
        else:
            centred = (samples - self._mean).transpose(0, 1)
        distances = torch.linalg.vector_norm(torch.bmm(centred, self._unmixing), dim=2)
        by_input = distances if self.is_position_free else distances.t()
        return Scored(self.pyramid.with_margin(by_input.reshape(count, rows, columns)))

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        """What is read once per input makes most of the time: few directions a position, or the matrices' triangles."""
        self._require_fitted()
        size, rows, columns = self.parameters.channels, self.pyramid.rows, self.pyramid.columns
        samples = self.embed(inputs).permute(0, 2, 3, 1).reshape(-1, rows * columns, size)
        if self._pooled is not None:
            return Scored(self.pyramid.with_margin(self._pooled.distances(samples).reshape(-1, rows, columns)))
        centred = samples - self._mean
        if self.is_position_free:
            whitened = centred @ self._unmixing[0]
        else:
            by_position = centred.unsqueeze(2)
            bounds = [0, *range(_TRIANGLE_STEP, size - _TRIANGLE_STEP // 2, _TRIANGLE_STEP), size]
            whitened = torch.cat(
                [
                    by_position[..., :stop] @ self._unmixing[:, :stop, start:stop].contiguous()
                    for start, stop in itertools.pairwise(bounds)
                ],
                dim=3,
            )
        return Scored(self.pyramid.with_margin((whitened * whitened).sum(-1).sqrt().reshape(-1, rows, columns)))

    @cached_property
    def _pooled(self) -> PooledGaussians | None:
        """For a graph, in float32, where that is less to read than the triangles.

        Kept: `export_graph` asks once before it traces, and what finds it cannot be traced.
        """
        if not self._is_near_pooled:
            return None
        found = pooled_gaussians_of(self._mean, self._unmixing, self.parameters.channels // 2)
        return found and found.single()

    def tensors(self) -> Tensors:
        self._require_fitted()
        size = self.parameters.channels
        lower = torch.tril_indices(size, size, device=self._unmixing.device)
        sums = {} if self._moments is None else self._moments.tensors()
        return {
            **self.backbone_tensors(),
            **{f"{MOMENTS_PREFIX}{key}": kept.numpy() for key, kept in sums.items()},
            "selection": self._selection.cpu().numpy(),
            "mean": self._mean.cpu().numpy(),
            "whitening": self._unmixing[:, lower[1], lower[0]].cpu().numpy(),
        }

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        size = self.parameters.channels
        positions = 1 if self.is_position_free else self.pyramid.rows * self.pyramid.columns
        if self.parameters.selection == "random":
            selection = required(tensors, "selection", (size,), torch.int64)
        else:
            selection = required(tensors, "selection", (sum(self.extractor.channels), size))
        self._select(selection.to(self.device))
        self._moments = None
        mean = required(tensors, "mean", (positions, size))
        packed = required(tensors, "whitening", (positions, size * (size + 1) // 2))
        self._take(mean, _unpacked(packed, size))

    def to(self, device: torch.device | str) -> Self:
        self._select(self._selection.to(device))
        self._mean, self._unmixing = self._mean.to(device), self._unmixing.to(device)
        return super().to(device)

    def _select(self, selection: Tensor) -> None:
        """Also share it out over the depths, once: what a GPU has to find, every picture would wait for."""
        self._selection = selection
        depths = self.extractor.channels
        if self.parameters.selection == "semi_orthogonal":
            self._by_depth = torch.split(selection, list(depths))
            return
        firsts = itertools.accumulate(depths[:-1], initial=0)
        self._by_depth = tuple(
            selection[(selection >= first) & (selection < first + count)] - first
            for first, count in zip(firsts, depths, strict=True)
        )

    def _require_fitted(self) -> None:
        if not len(self._mean):
            raise RuntimeError("PaDiM was asked to work before it was fitted")

    def _no_moments(self) -> Moments:
        positions = 1 if self.is_position_free else self.pyramid.rows * self.pyramid.columns
        return Moments(positions, self.parameters.channels, self.parameters.covariance == "ledoit_wolf")

    def _gathered(self, moments: Moments, parts: Sequence[Tensor], progress: Progress, cancelled: Cancelled) -> Moments:
        """`moments` with the pictures added."""
        waiting: list[Tensor] = []
        for index, samples in enumerate(self._samples(parts, progress, cancelled)):
            waiting.append(samples)
            if len(waiting) == _PICTURES_AT_A_TIME or index == len(parts) - 1:
                moments.add(torch.cat(waiting, dim=1))
                waiting.clear()
        return moments

    def _samples(self, parts: Sequence[Tensor], progress: Progress, cancelled: Cancelled) -> Iterator[Tensor]:
        """Each picture's, (positions, k, channels)."""
        positions = 1 if self.is_position_free else self.pyramid.rows * self.pyramid.columns
        for index in range(len(parts)):
            if cancelled():
                raise CancelledError("cancelled while gathering statistics")
            progress("Gathering statistics", index, len(parts))
            samples = parts[index].cpu().permute(2, 3, 0, 1).flatten(0, 1)
            yield samples.reshape(positions, -1, self.parameters.channels)

    @property
    def _is_near_pooled(self) -> bool:
        """Whether few pictures change the pooled covariance in few directions of each position."""
        return self.parameters.covariance == "pooled" and not self.is_position_free

    def _regularised(self, moments: Moments) -> Tensor:
        covariance = moments.covariance()
        identity = torch.eye(covariance.shape[1], dtype=covariance.dtype)
        if self.parameters.covariance == "ridge":  # the published sample covariance divides by n - 1
            return covariance * (moments.count / (moments.count - 1)) + PUBLISHED_RIDGE * identity
        typical = mean_variance(covariance).mean()
        if not typical > 0:
            raise TrainingError("The normal pictures are all identical: there is no variation to learn from.")
        if self.parameters.covariance == "pooled":
            return shrink_to_pooled(covariance, moments.count)
        share = (
            oas_shrinkage(covariance, moments.count)
            if self.parameters.covariance == "oas"
            else ledoit_wolf_shrinkage(covariance, moments.count, moments.centred_fourth())
        )
        return shrink(covariance, share) + VARIANCE_FLOOR * typical * identity

    def _take(self, mean: Tensor, unmixing: Tensor) -> None:
        self._mean, self._unmixing = mean.to(self.device), unmixing.to(self.device)
        self._for_scores = None
        vars(self).pop("_pooled", None)


def _unpacked(packed: Tensor, size: int) -> Tensor:
    """Lower triangles (p, size * (size + 1) / 2) as transposed matrices (p, size, size)."""
    lower = torch.tril_indices(size, size)
    unmixing = torch.zeros(len(packed), size, size)
    unmixing[:, lower[1], lower[0]] = packed
    return unmixing
