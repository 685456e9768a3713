"""PatchCore: "Towards Total Recall in Industrial Anomaly Detection", Roth et al., CVPR 2022, arXiv 2106.08265.

A thinned-out bank of normal feature vectors; the anomaly map is the distance to the nearest of them, a picture's score
its highest raw value.

Departures: the default embedding is the plain 3x3 mean per feature, which keeps a lite network's 152 channels instead
of stretching them to 1,024 (`embedding=published` has the paper's section 3.1 as the authors' code does it); features
are scaled by their spread over the good pictures, since a few large channels would make the distance otherwise
(`standardise=false` has the published distances); the coreset is capped and chosen among at most `candidates` vectors,
drawn evenly over the pictures; re-weighting (equation 7) is optional, as the authors' code leaves it out.

With a vision transformer (`backbone=timm:vit_small_patch14_dinov2.lvd142m`, its weights from a file, `strides=14`,
`embedding=plain`, `metric=cosine`, `standardise=false`, `score=top1`, `few_shot=true`, an input of 448 px) this is
AnomalyDINO ("AnomalyDINO: Boosting Patch-based Few-shot Anomaly Detection with DINOv2", arXiv 2405.14529): nearest
patch tokens, a `foreground` mask (`ml.foreground`), `rotations` of the good pictures, the mean of the highest 1 %.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ml.catalogue.patchcore import PatchcoreParameters
from ml.errors import CancelledError, ParameterError, TrainingError
from ml.foreground import Foreground, learn_foreground
from ml.memory_bank import MemoryBank, draw_rows, extending_coreset, greedy_coreset, seconds_per_choice
from ml.methods.base import Geometry, Past, Scored, Tensors
from ml.methods.features import FeatureMethod, required
from ml.pictures import Pixels
from ml.progress import Cancelled, Progress, never, silent
from ml.published_embedding import published_embedding, published_in_graph
from ml.rotations import rotated
from ml.runtime.nearest import GraphBank
from ml.runtime.scores import ScoreRule
from ml.training.perturbations import perturbed

FEW_SHOT_COPIES = 4
"""Changed copies of each good picture that `few_shot` remembers; each costs as much memory and time as the picture."""

FEW_SHOT_SEED = 2**20
"""Added to the seed: the copies that the threshold comes from must be others, or all of them would score nothing."""

EXTENSION = 3
"""Times `coreset_cap`: most vectors that one update adds. A score is a distance to the nearest vector, and a few new
pictures show less of how parts vary than the many old ones did: what they do show is remembered more closely to make up
for it. On the demo line's development seeds a new batch's false calls were 2 % with once the cap, 0.7 and 1.7 % with
twice, 0 and 0.3 % with four times, while old defects scored as before; each step costs time per part.
"""

SMALLEST_SPREAD = 1e-6
"""A feature that never varied must not turn rounding into a distance."""


class Patchcore(FeatureMethod):
    """The bank does not know positions, so both geometries work alike."""

    name = "patchcore"
    only_lowers = True
    parameters: PatchcoreParameters

    def __init__(
        self,
        parameters: PatchcoreParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(
            parameters,
            geometry,
            input_size,
            parameters.strides[0],
            neighbourhood=3 if parameters.embedding == "mean" else 1,
            weights=weights,
            state=state,
        )
        if parameters.foreground and geometry == "patches":
            raise ParameterError(
                "foreground=true needs the whole picture in one input: a single patch does not tell the part from "
                "what it lies on. Train without patches or with foreground=false."
            )
        self.sigma_px = parameters.sigma_px
        self.score_rule: ScoreRule = "max_raw" if parameters.score == "max" else "top1_raw"
        self._bank: MemoryBank | None = None
        self._stored = torch.empty(0, 0)
        self._spread = torch.ones(self._feature_count())
        self._foreground = Foreground.everything(self._feature_count())

    @torch.inference_mode()
    def embed(self, inputs: Tensor) -> Tensor:
        maps = self.extractor(inputs)
        if self.parameters.embedding == "published":
            return self.pyramid.within_margin(published_embedding(maps, self.parameters.feature_dim))
        return torch.cat(self.pyramid.resample(maps), dim=1)

    def _embedded_in_graph(self, inputs: Tensor) -> Tensor:
        if self.parameters.embedding != "published":
            return self.embed(inputs)
        embedded = published_in_graph(self.extractor(inputs), self.parameters.feature_dim)
        return self.pyramid.within_margin(embedded)

    def variants(self, pixels: Pixels, seed: int) -> Iterator[Pixels]:
        yield from rotated(pixels, self.parameters.rotations)
        if self.parameters.few_shot:
            yield from perturbed(pixels, FEW_SHOT_COPIES, seed + FEW_SHOT_SEED)

    def fit_seconds(self, sample: Tensor, pictures: int, inputs_per_picture: int) -> float:
        """Choosing the coreset."""
        total = pictures * inputs_per_picture * sample[0, 0].numel() * self.parameters.rotations
        candidates = min(total, self.parameters.candidates)
        count = self._count_of(total)
        if self.parameters.few_shot:  # every vector is kept
            return 0.0
        dimensions = min(self.parameters.projection, sample.shape[1])
        points = torch.randn(candidates, dimensions, generator=torch.Generator().manual_seed(0))
        return seconds_per_choice(points) * count

    def fit(
        self,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        if not len(parts):
            raise TrainingError("PatchCore needs at least one normal picture.")
        foreground = Foreground.everything(self._feature_count())
        if self.parameters.foreground:
            foreground = learn_foreground(parts)
        candidates, total = self._drawn(parts, foreground, seed, progress, cancelled)
        spread = torch.ones_like(candidates[0])
        if self.parameters.standardise:
            spread = candidates.std(0, unbiased=False).clamp(min=SMALLEST_SPREAD)
        candidates = self._scaled(candidates, spread)
        if not self.parameters.few_shot:
            chosen = greedy_coreset(
                candidates, self._count_of(total), seed, self.parameters.projection, progress, cancelled
            )
            candidates = candidates[chosen]
        self._take(candidates, spread, foreground)

    def update(
        self,
        past: Past,
        parts: Sequence[Tensor],
        seed: int,
        progress: Progress = silent,
        cancelled: Cancelled = never,
        validation: Sequence[Tensor] = (),
    ) -> None:
        """The choice of the bank goes on among the new vectors, the stored ones being chosen already.

        Spread and foreground stay: another spread would ask for stored vectors that are no longer there, and since the
        bank only grows no picture's distances can rise (re-weighting apart).
        """
        self.load_tensors(past.tensors)
        candidates, _ = self._drawn(parts, self._foreground, seed, progress, cancelled)
        candidates = self._scaled(candidates, self._spread)
        if not self.parameters.few_shot:
            count, projection = EXTENSION * self.parameters.coreset_cap, self.parameters.projection
            candidates = candidates[
                extending_coreset(self._stored, candidates, count, seed, projection, progress, cancelled)
            ]
        self._take(torch.cat([self._stored, candidates]), self._spread, self._foreground)

    def _drawn(
        self, parts: Sequence[Tensor], foreground: Foreground, seed: int, progress: Progress, cancelled: Cancelled
    ) -> tuple[Tensor, int]:
        """Raw vectors (n, C) drawn evenly over the pictures, and how many there are in all."""
        random = torch.Generator().manual_seed(seed)
        quota = -(-self.parameters.candidates // len(parts))
        drawn, total = [], 0
        for index in range(len(parts)):
            if cancelled():
                raise CancelledError("cancelled while collecting features")
            progress("Collecting features", index, len(parts))
            embedded = parts[index]
            rows = _as_rows(embedded)
            if self.parameters.foreground:
                rows = rows[foreground.cells(embedded).flatten()]
            total += len(rows)
            drawn.append(draw_rows(rows, quota, random).to(self.device, torch.float32))
        return torch.cat(drawn), total

    def _scaled(self, rows: Tensor, spread: Tensor) -> Tensor:
        rows /= spread
        return functional.normalize(rows, dim=1) if self.parameters.metric == "cosine" else rows

    def _count_of(self, total: int) -> int:
        """How many of `total` vectors the bank keeps at most."""
        return max(min(round(self.parameters.coreset_ratio * total), self.parameters.coreset_cap), 1)

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        bank = self._fitted_bank()
        count, _, grid_rows, grid_columns = embedded.shape
        queries = _as_rows(embedded) / self._spread
        judged = self._foreground.cells(embedded) if self.parameters.foreground else None
        scores = None
        if self.parameters.reweight:
            nearest, indices = bank.nearest(queries, self.parameters.neighbours)
            distances = nearest.mean(1)
            highest = nearest[:, 0] if judged is None else nearest[:, 0] * judged.flatten()
            scores = self._reweighted(bank, queries, highest, indices[:, 0], count)
        elif self.parameters.neighbours == 1:
            distances = bank.distances(queries)
        else:
            distances = bank.nearest(queries, self.parameters.neighbours)[0].mean(1)
        cells = distances.reshape(count, grid_rows, grid_columns)
        return Scored(self.pyramid.with_margin(cells if judged is None else cells * judged), scores)

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        self._fitted_bank()
        size = self.pyramid.rows, self.pyramid.columns
        bank = GraphBank(self._stored, self.parameters.metric, size[0] * size[1])
        features = self._embedded_in_graph(inputs)
        queries = features.permute(0, 2, 3, 1).reshape(-1, self._feature_count()) * (1 / self._spread)
        nearest = bank.distances(queries, self.parameters.neighbours)
        cells = (nearest if self.parameters.neighbours == 1 else nearest.mean(1)).reshape(-1, *size)
        judged = self._foreground.cells_in_graph(features) if self.parameters.foreground else None
        scores = None
        if self.parameters.reweight:
            highest = nearest[:, 0].reshape(-1, *size)
            scores = self._reweighted_in_graph(bank, queries, highest if judged is None else highest * judged)
        return Scored(self.pyramid.with_margin(cells if judged is None else cells * judged), scores)

    def tensors(self) -> Tensors:
        self._fitted_bank()
        own = {"bank": self._stored.cpu().numpy(), "spread": self._spread.cpu().numpy()}
        if self.parameters.foreground:
            own["foreground"] = self._foreground.tensor().numpy()
        return {**self.backbone_tensors(), **own}

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        count = self._feature_count()
        bank = required(tensors, "bank", (None, count)).to(self.device)
        foreground = Foreground.everything(count)
        if self.parameters.foreground:
            foreground = Foreground.of(required(tensors, "foreground", (count + 2,)))
        self._take(bank, required(tensors, "spread", (count,)).to(self.device), foreground)

    def to(self, device: torch.device | str) -> Self:
        if self._bank is not None:
            self._bank.to(device)
        self._spread = self._spread.to(device)
        return super().to(device)

    def _take(self, rows: Tensor, spread: Tensor, foreground: Foreground) -> None:
        self._stored = rows
        self._spread = spread
        self._foreground = foreground
        self._bank = MemoryBank(rows, self.parameters.metric).to(self.device)

    def _fitted_bank(self) -> MemoryBank:
        if self._bank is None:
            raise RuntimeError("PatchCore was asked to work before it was fitted")
        return self._bank

    def _feature_count(self) -> int:
        if self.parameters.embedding == "published":
            return self.parameters.feature_dim
        return sum(self.extractor.channels)

    def _reweighted(self, bank: MemoryBank, queries: Tensor, distances: Tensor, indices: Tensor, count: int) -> Tensor:
        """Equation 7 per input, float32 (count,): the highest distance s* from the query m_test to its nearest row m*,
        times 1 - exp(s*) / sum of exp|m_test - m| over the rows m nearest to m* (m* is one of them).
        """
        highest, worst = distances.reshape(count, -1).max(1)
        worst = worst + torch.arange(count, device=worst.device) * (len(queries) // count)
        _, around = bank.nearest(bank.rows(indices[worst]), self.parameters.reweight_neighbours)
        to_query = bank.distances_to(queries[worst], around)
        return highest * (1 - torch.exp(highest - torch.logsumexp(to_query, dim=1)))

    def _reweighted_in_graph(self, bank: GraphBank, queries: Tensor, distances: Tensor) -> Tensor:
        """`_reweighted` of distances (n, rows, columns); m* is looked up for m_test alone."""
        cells = self.pyramid.rows * self.pyramid.columns
        highest, worst = distances.reshape(-1, cells).max(1)
        by_input = queries.reshape(-1, cells, queries.shape[1])
        index = worst[:, None, None].expand(-1, 1, by_input.shape[2])
        query = by_input.gather(1, index)[:, 0]
        row = bank.rows(bank.nearest(query)[:, 0])
        to_query = bank.distances_to(query, bank.nearest(row, self.parameters.reweight_neighbours))
        return highest * (1 - torch.exp(highest - torch.logsumexp(to_query, dim=1)))


def _as_rows(embedded: Tensor) -> Tensor:
    return embedded.permute(0, 2, 3, 1).flatten(0, 2)
