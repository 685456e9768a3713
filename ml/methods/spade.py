"""SPADE: "Sub-Image Anomaly Detection with Deep Pyramid Correspondences", Cohen and Hoshen, 2020, arXiv 2005.02357.

For each picture the K good pictures nearest to it are looked up by one pooled vector (section 3.2); the anomaly map is
the distance from every position to the nearest of all positions of those K pictures (section 3.3).

Two readings of the pyramid: `map=concatenated` joins all depths to one vector per position, as the paper's section 3.4
has it; `map=layers` makes one map per depth at that depth's own resolution and takes their mean, as the known
implementation does.

Departures: each depth is scaled by the spread of its vectors over the good pictures, since the depth with the largest
values would make the distance otherwise (`standardise=false`: as published); the pooled vector is the mean over the
deepest map that is used; K is 10 instead of 50; the picture's score is the maximum of the map, so that the two agree
(`score=neighbours` is the published one, equation 1); the positions of concatenated features lie on a grid coarser than
the finest map; the gallery is kept in half precision, and where it exceeds `gallery_mb` the pictures that cover the
others best are kept. Cleaning of the gallery is not in the paper.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize, pixel_shuffle, pixel_unshuffle

from ml.catalogue.spade import SpadeParameters
from ml.errors import CancelledError, TrainingError
from ml.feature_scale import ChannelStatistics
from ml.memory_bank import MemoryBank, greedy_coreset
from ml.methods.base import Geometry, Past, Scored, Tensors
from ml.methods.features import FeatureMethod, required
from ml.progress import Cancelled, Progress, never, silent
from ml.runtime.nearest import distances_to_nearest
from ml.runtime.scores import ScoreRule

_HALF_LIMIT = torch.finfo(torch.float16).max
_MB = 2**20


class Spade(FeatureMethod):
    """Knows no positions, so both geometries work alike: in `patches`, each patch counts as a picture.

    What it embeds, fits and stores is the raw pyramid, (n, C, rows, columns) on the grid of the deepest map; finer maps
    lie in it as blocks (`pixel_unshuffle`): a quarter of the numbers that the joined grid of features takes.
    """

    name = "spade"
    parameters: SpadeParameters

    def __init__(
        self,
        parameters: SpadeParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, parameters.grid_stride, weights=weights, state=state)
        self.sigma_px = parameters.sigma_px
        self.score_rule: ScoreRule = "max_smoothed"
        deepest = self.extractor.strides[-1]
        self._blocks = [deepest // stride for stride in self.extractor.strides]
        channels = self.extractor.channels
        self._packed = [count * block**2 for count, block in zip(channels, self._blocks, strict=True)]
        self._cells = (input_size[0] // deepest, input_size[1] // deepest)
        self._gallery = torch.empty(0)
        self._scale = torch.empty(0)
        self._pooled = torch.empty(0)

    @property
    def embedding_hash(self) -> str:  # type: ignore[override]
        return f"raw pyramid|{self.backbone_hash}|{self.device.type}"

    @torch.inference_mode()
    def embed(self, inputs: Tensor) -> Tensor:
        maps = zip(self.extractor(inputs), self._blocks, strict=True)
        return torch.cat([pixel_unshuffle(level, block) for level, block in maps], dim=1)

    @torch.inference_mode()
    def fit_seconds(self, sample: Tensor, pictures: int, inputs_per_picture: int) -> float:
        """Little to fit; but of each fit's share of held-out pictures, a fifth as a rule, every one is compared."""
        if inputs_per_picture * pictures < 2:
            return 0.0
        self.fit([sample] * min(pictures, self.parameters.nearest_pictures), seed=0)
        began = time.perf_counter()
        self.score(sample)
        return (time.perf_counter() - began) * pictures * inputs_per_picture / 5

    def fit(
        self,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        if not len(parts):
            raise TrainingError("SPADE needs at least one normal picture.")
        self._learn(parts, 0, seed, progress, cancelled)

    def update(
        self,
        past: Past,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        """The new pictures join the gallery, all scales are measured anew over it, and cleaning looks at the new ones.

        Where the gallery kept every picture this equals a fit on all of them, but for the rounding of stored features
        to half precision.
        """
        self.load_tensors(past.tensors)
        stored = [one[None].float().cpu() for one in self._gallery]
        self._learn([*stored, *parts], len(stored), seed, progress, cancelled)

    def _learn(self, parts: Sequence[Tensor], known: int, seed: int, progress: Progress, cancelled: Cancelled) -> None:
        """Scales and gallery of the pictures, of which the first `known` have been cleaned before."""
        statistics = [ChannelStatistics(channels) for channels in self.extractor.channels]
        pooled, owners = [], []
        for index in range(len(parts)):
            _check(cancelled, progress, "Describing the pictures", index, len(parts))
            maps = self._unpacked(parts[index].float())
            for level, found in zip(maps, statistics, strict=True):
                found.add(level)
            pooled.append(maps[-1].mean((2, 3)).cpu())
            owners += [(index, number) for number in range(len(pooled[-1]))]
        scale = torch.stack([found.spread.square().sum().sqrt() for found in statistics])
        if not self.parameters.standardise:
            scale = torch.ones_like(scale)
        kept = self._chosen(torch.cat(pooled) / scale[-1], known, seed)
        gallery = torch.empty(len(kept), sum(self._packed), *self._cells, dtype=torch.float16)
        for place, (index, number) in enumerate(owners[position] for position in kept):
            _check(cancelled, progress, "Collecting features", place, len(kept))
            gallery[place] = parts[index][number].clamp(-_HALF_LIMIT, _HALF_LIMIT)
        self._take(gallery, scale)

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        """Input by input: each has a gallery of its own, and no score can depend on the batch."""
        if not len(self._gallery):
            raise RuntimeError("SPADE was asked to work before it was fitted")
        cells, scores = [], []
        for one in embedded.float():
            maps = self._scaled(one[None])
            distances, nearest = self._retrieved(maps[-1].mean((2, 3)))
            cells.append(self._map(maps, self._scaled(self._gallery[nearest].float())))
            scores.append(distances.mean())
        return Scored(torch.stack(cells), torch.stack(scores) if self.parameters.score == "neighbours" else None)

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        """The nearest pictures are looked up in the graph, which holds the gallery, unpacked, in half precision."""
        if not len(self._gallery):
            raise RuntimeError("SPADE was asked to work before it was fitted")
        gallery = [level.permute(0, 2, 3, 1).contiguous() for level in self._unpacked(self._gallery)]
        scale = [1 / factor for factor in self._scale]
        centre = [torch.zeros(size) for size in self.extractor.channels]
        if self.parameters.metric == "l2":  # moving everything changes no distance, and keeps their rounding small
            centre = [level.float().mean((0, 1, 2)) * factor for level, factor in zip(gallery, scale, strict=True)]
        own = [
            level * factor - middle[:, None, None]
            for level, factor, middle in zip(self.extractor(inputs), scale, centre, strict=True)
        ]
        distances, nearest = self._retrieved_in_graph(own[-1].mean((2, 3)), self._pooled - centre[-1])
        count = int(nearest.shape[1])
        others = [
            (level[nearest.reshape(-1)].float() * factor - middle).permute(0, 3, 1, 2)
            for level, factor, middle in zip(gallery, scale, centre, strict=True)
        ]
        cells = self._map_in_graph(own, others, count)
        return Scored(cells, distances.mean(1) if self.parameters.score == "neighbours" else None)

    def _retrieved_in_graph(self, pooled: Tensor, gallery: Tensor) -> tuple[Tensor, Tensor]:
        """As `_retrieved` for n inputs, pooled (n, C): (n, K) both."""
        if self.parameters.metric == "cosine":
            distances = 1 - normalize(pooled, dim=1) @ normalize(gallery, dim=1).t()
        else:
            differences = pooled[:, None] - gallery
            distances = (differences * differences).sum(2).sqrt()
        found = distances.topk(min(self.parameters.nearest_pictures, len(gallery)), dim=1, largest=False)
        return found.values, found.indices

    def _map_in_graph(self, own: list[Tensor], others: list[Tensor], count: int) -> Tensor:
        """Cells (n, rows, columns) of maps (n, C, ...) against `count` retrieved ones each, (n count, C, ...)."""
        if self.parameters.map == "concatenated":
            own, others = ([torch.cat(self.pyramid.resample(levels), dim=1)] for levels in (own, others))
        by_depth = []
        for level, gallery in zip(own, others, strict=True):
            channels, rows, columns = (int(length) for length in level.shape[1:])
            queries = level.permute(0, 2, 3, 1).reshape(-1, rows * columns, channels)
            bank = gallery.permute(0, 2, 3, 1).reshape(-1, count * rows * columns, channels)
            found = distances_to_nearest(queries, bank, self.parameters.metric, self.parameters.neighbours)
            by_depth.append(found.mean(2).reshape(-1, 1, rows, columns))
        if self.parameters.map == "concatenated":
            return by_depth[0][:, 0]
        return torch.cat(self.pyramid.resample(by_depth), dim=1).mean(1)

    def tensors(self) -> Tensors:
        gallery, scale = self._gallery.cpu().numpy(), self._scale.cpu().numpy()
        return {**self.backbone_tensors(), "gallery": gallery, "scale": scale}

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        gallery = required(tensors, "gallery", (None, sum(self._packed), *self._cells), torch.float16)
        self._take(gallery, required(tensors, "scale", (len(self._blocks),)))

    def to(self, device: torch.device | str) -> Self:
        self._gallery, self._scale, self._pooled = (
            part.to(device) for part in (self._gallery, self._scale, self._pooled)
        )
        return super().to(device)

    def _take(self, gallery: Tensor, scale: Tensor) -> None:
        self._gallery, self._scale = gallery.to(self.device), scale.to(self.device)
        # From what is stored and not from what was seen: a loaded model retrieves the same pictures.
        self._pooled = torch.cat([self._scaled(one[None].float())[-1].mean((2, 3)) for one in self._gallery])

    def _chosen(self, pooled: Tensor, known: int, seed: int) -> list[int]:
        """Which pictures (n, C) make the gallery: those beyond the first `known` cleaned, then as many as there is room
        for, in their order."""
        cleaning, share = self.parameters.cleaning, self.parameters.cleaning_share
        clean = torch.from_numpy(normal_looking(pooled[known:], cleaning, share, seed)) + known
        clean = torch.cat([torch.arange(known), clean])
        room = self.parameters.gallery_mb * _MB // (2 * sum(self._packed) * self._cells[0] * self._cells[1])
        if room < len(clean):
            clean = clean[greedy_coreset(pooled[clean], max(room, 1), seed)]
        return clean.sort().values.tolist()

    def _unpacked(self, packed: Tensor) -> list[Tensor]:
        levels = torch.split(packed, self._packed, dim=1)
        return [pixel_shuffle(level, block) for level, block in zip(levels, self._blocks, strict=True)]

    def _scaled(self, packed: Tensor) -> list[Tensor]:
        return [level / scale for level, scale in zip(self._unpacked(packed), self._scale, strict=True)]

    def _retrieved(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest pictures to the one with the vector (1, C): distances (K,), rising, and indices (K,)."""
        if self.parameters.metric == "cosine":
            distances = 1 - cosine_similarity(self._pooled, pooled)
        else:
            distances = (self._pooled - pooled).square().sum(dim=1).sqrt()  # over the channels, pair by pair
        return distances.topk(min(self.parameters.nearest_pictures, len(distances)), largest=False)

    def _map(self, own: list[Tensor], others: list[Tensor]) -> Tensor:
        """Cells (rows, columns) of one input, (1, C, ...) per depth, against the retrieved ones, (K, C, ...)."""
        if self.parameters.map == "concatenated":
            joined = (torch.cat(self.pyramid.resample(levels), dim=1) for levels in (own, others))
            return self._distances(*joined)[0, 0]
        by_depth = [self._distances(level, gallery) for level, gallery in zip(own, others, strict=True)]
        return torch.cat(self.pyramid.resample(by_depth)).mean(0)[0]

    def _distances(self, own: Tensor, others: Tensor) -> Tensor:
        """From each position of (1, C, rows, columns) to the nearest of all of (K, C, ...): (1, 1, rows, columns)."""
        bank = MemoryBank(_as_rows(others), self.parameters.metric)
        if self.parameters.neighbours == 1:
            distances = bank.distances(_as_rows(own))
        else:
            distances = bank.nearest(_as_rows(own), self.parameters.neighbours)[0].mean(1)
        return distances.reshape(1, 1, *own.shape[2:])


def normal_looking(pooled: Tensor, cleaning: str, share: float, seed: int) -> NDArray[np.intp]:
    """Rising indices of the pictures (n, C) that are kept: all but the `share` that looks oddest, rounded down but at
    least one.

    Both ways only rank. A one-class SVM's own boundary is of no use here: with few pictures and many features nearly
    all of them lie on it when nu is small, and at scikit-learn's default of 0.5 half of the good pictures lie outside.
    That nu describes the bulk, against which an odd picture stands out; how many go is for `share` to say.
    """
    count = max(1, int(share * len(pooled)))
    if cleaning == "none" or count == len(pooled):
        return np.arange(len(pooled))
    if cleaning == "one_class_svm":
        from sklearn.svm import OneClassSVM

        model = OneClassSVM(kernel="rbf", gamma="scale", nu=0.5)
    else:
        from sklearn.ensemble import IsolationForest

        model = IsolationForest(random_state=seed)
    vectors = pooled.double().numpy()
    typical = model.fit(vectors).score_samples(vectors)
    return np.sort(np.argsort(typical, kind="stable")[count:])


def _as_rows(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _check(cancelled: Cancelled, progress: Progress, stage: str, done: int, total: int) -> None:
    if cancelled():
        raise CancelledError("cancelled while learning the good pictures")
    progress(stage, done, total)
