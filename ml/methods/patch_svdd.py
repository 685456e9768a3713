"""Patch SVDD: "Patch-level SVDD for Anomaly Detection and Segmentation", Yi and Yoon, ACCV 2020, arXiv 2006.16067.

An encoder learns from the good pictures alone to embed patches of two sizes (`ml.position_lesson`); each patch of a
picture scores its distance to the nearest normal patch of its size (equation 6). A place scores the mean of the patches
that hold it, and the two maps are multiplied (section 3.5); a picture's score is the map's maximum.

Departures beside the encoder's and the lesson's: the picture's edge is repeated outwards, so that every place, at the
borders too, is judged by as many patches (mirrored, a defect near the border would count twice and be found on it); the
published nearest neighbour among all training patches is sought in a greedy coreset of at most `bank_cap` of them.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ml.catalogue.patch_svdd import PatchSvddParameters
from ml.errors import ParameterError
from ml.memory_bank import MemoryBank, draw_rows, greedy_coreset
from ml.methods.base import Geometry, Scored, Tensors
from ml.methods.features import required
from ml.methods.trained import TrainedMethod
from ml.networks.patch_svdd import CHANNELS, SMALL_CELLS, PatchEncoder
from ml.position_lesson import WINDOW_CELLS, PositionLesson, refuse_collapse
from ml.runtime.nearest import GraphBank

CANDIDATES = 40_000
"""Patches per size, drawn evenly over the pictures, among which the coreset is chosen."""

SMALL_STRIDE, LARGE_STRIDE = 2, 8
"""From one patch to the next, in cells: 4 and 16 px for patches of 32 and 64 px, as published."""

_SIZES = ("small", "large")
_PER_PATCH = {"small": SMALL_CELLS // SMALL_STRIDE, "large": 2 * SMALL_CELLS // LARGE_STRIDE}  # strides, along an axis


class PatchSvdd(TrainedMethod):
    """Knows no positions, so both geometries work alike. The network subtracts the mean pixel itself."""

    name = "patch_svdd"
    mean = (0.0, 0.0, 0.0)
    std = (1.0, 1.0, 1.0)
    parameters: PatchSvddParameters
    networks: PatchEncoder

    def __init__(
        self,
        parameters: PatchSvddParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        super().__init__(parameters, geometry, input_size, weights, state)
        self._banks: dict[str, MemoryBank] = {}
        self._rows: dict[str, Tensor] = {}
        self.prepare_networks()
        cell_px = self.networks.cell_px
        least, unit = WINDOW_CELLS * cell_px, LARGE_STRIDE * cell_px
        if any(side < least or side % unit for side in input_size):
            raise ParameterError(
                f"patch_svdd: the network's input is {input_size[1]}x{input_size[0]} px; with patch_px="
                f"{parameters.patch_px} its sides must be multiples of {unit} from {least} up. Choose another size"
                + (" or patch_px=32." if parameters.patch_px == 64 else ".")
            )
        self.offset_px = (self.networks.centre_px, self.networks.centre_px)

    def build_networks(self) -> PatchEncoder:
        """The encoder, weights stored channels-last: a picture takes half the time so."""
        return PatchEncoder(self.parameters.patch_px).to(memory_format=torch.channels_last)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> PositionLesson:
        """A run on windows of the pictures; `validation` chooses when it was best."""
        return PositionLesson(
            self.networks,
            parts,
            validation,
            seed,
            steps=steps,
            windows=self.parameters.batch,
            svdd_weight=self.parameters.svdd_weight,
            learning_rate=self.parameters.learning_rate,
            is_continued=self.is_continued,
        )

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        """Fill the banks with patches of `parts`. Raises TrainingError where all of them are embedded alike."""
        random = torch.Generator().manual_seed(0)
        quota = -(-CANDIDATES // len(parts))
        drawn: dict[str, list[Tensor]] = {size: [] for size in _SIZES}
        for part in parts:
            found = [self._embeddings(one.to(self.device)) for one in _singly(part)]
            for size in _SIZES:
                drawn[size].append(draw_rows(torch.cat([_as_rows(maps[size]) for maps in found]), quota, random))
        for size, rows in drawn.items():
            candidates = torch.cat(rows)
            refuse_collapse(candidates, self.parameters.svdd_weight)
            self._take(size, candidates[greedy_coreset(candidates, self.parameters.bank_cap, seed=0)])

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        self.require_fitted()
        # One by one: a batch is slower on a processor, and a dense map of every layer is large.
        return Scored(torch.cat([self._cells(one) for one in _singly(embedded)]))

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        self.require_fitted()
        distances = {}
        for size, embedded in self._embeddings(inputs).items():
            grid = [int(side) for side in embedded.shape[2:]]
            bank = GraphBank(self._rows[size], "l2", math.prod(grid))
            queries = embedded.permute(0, 2, 3, 1).reshape(-1, CHANNELS)
            distances[size] = bank.distances(queries).reshape(-1, 1, *grid)
        return Scored(self._joined(distances))

    def tensors(self) -> Tensors:
        return {**super().tensors(), **{_key(size): rows.cpu().numpy() for size, rows in self._rows.items()}}

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        super().load_tensors(tensors)
        for size in _SIZES:
            self._take(size, required(tensors, _key(size), (None, CHANNELS)))

    def to(self, device: torch.device | str) -> Self:
        for bank in self._banks.values():
            bank.to(device)
        return super().to(device)

    def _take(self, size: str, rows: Tensor) -> None:
        self._rows[size] = rows
        self._banks[size] = MemoryBank(rows).to(self.device)

    def _embeddings(self, pixels: Tensor) -> dict[str, Tensor]:
        """Per size (n, 64, rows, columns): all patches that hold any stride of the picture."""
        outside = 2 * SMALL_CELLS - LARGE_STRIDE
        padded = functional.pad(pixels, (outside * self.networks.cell_px,) * 4, mode="replicate")
        dense = self.networks.embed_small(padded.contiguous(memory_format=torch.channels_last))
        unneeded = outside - (SMALL_CELLS - SMALL_STRIDE)  # small patches reach out less far
        inside = slice(unneeded, -unneeded, SMALL_STRIDE)
        return {"small": dense[..., inside, inside], "large": self.networks.embed_large(dense, LARGE_STRIDE)}

    def _cells(self, pixels: Tensor) -> Tensor:
        """One input (1, 3, height, width) -> its map (1, rows, columns), a cell per small stride."""
        return self._joined(
            {
                size: self._banks[size].distances(_as_rows(embedded)).reshape(-1, 1, *embedded.shape[-2:])
                for size, embedded in self._embeddings(pixels).items()
            }
        )

    def _joined(self, distances: Mapping[str, Tensor]) -> Tensor:
        """Distances (n, 1, rows, columns) of all patches of either size -> the map (n, rows, columns)."""
        small, large = (functional.avg_pool2d(distances[size], _PER_PATCH[size], stride=1) for size in _SIZES)
        finer = LARGE_STRIDE // SMALL_STRIDE
        large = functional.interpolate(large, scale_factor=finer, mode="nearest")
        maps = {"product": small * large, "sum": small + large, "small": small, "large": large}
        return maps[self.parameters.map][:, 0]


def _singly(inputs: Tensor) -> list[Tensor]:
    return [inputs[index : index + 1] for index in range(len(inputs))]


def _as_rows(embedded: Tensor) -> Tensor:
    return embedded.permute(0, 2, 3, 1).flatten(0, 2)


def _key(size: str) -> str:
    return f"bank.{size}"
