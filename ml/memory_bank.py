"""Exact nearest neighbours in a bank of feature vectors, and the greedy choice of which vectors to keep."""

import math
import time
from collections.abc import Iterator
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ml.errors import CancelledError
from ml.progress import Cancelled, Progress, never, silent

Metric = Literal["l2", "cosine"]

TILE_QUERIES = 1024
TILE_VALUES = 2**21
"""Distances computed at a time: 8 MiB, which bounds the memory and stays in a CPU's caches until the minimum is taken.
Smaller tiles prepare the same factors of the product too often; on a GPU, larger ones start fewer kernels.
"""

TILE_VALUES_ON_GPU = 2**26

POOL = 4096
"""Points that a coreset's next ones are sought among; a multiple of 8, which are summed alike wherever they stand."""

CACHED_POINTS = 2048
APPLIED_AT_ONCE = 64
"""A block of so many points, read for so many choices, and the distances between them stay in a core's cache."""


class MemoryBank:
    """Rows float32 (m, d) to which distances are asked, prepared once.

    Metric `l2` is the Euclidean distance, `cosine` is 1 - cosine similarity. Distances come from
    |q|^2 + |b|^2 - 2 q.b, tile by tile; both sides are centred on the bank's mean first, which changes no distance and
    keeps the cancellation small. What rounding makes negative counts as 0.
    """

    def __init__(self, rows: Tensor, metric: Metric = "l2") -> None:
        self.metric = metric
        rows = rows.float()
        self._centre = rows.mean(0) if metric == "l2" else torch.zeros_like(rows[0])
        rows = rows - self._centre if metric == "l2" else normalize(rows, dim=1)
        # |b|^2 / 2 is one more value of each row, met by a 1 in the query: cheaper than adding it to every distance.
        self._extended = torch.cat((rows, rows.square().sum(1, keepdim=True) / 2), dim=1)

    def __len__(self) -> int:
        return len(self._extended)

    def to(self, device: torch.device | str) -> Self:
        """Move to `device` and give the bank itself."""
        self._centre, self._extended = self._centre.to(device), self._extended.to(device)
        return self

    def distances(self, queries: Tensor) -> Tensor:
        """Distance of every query (q, d) to its nearest row, float32 (q,): one product and one minimum, no sorting."""
        negated = self._negated(queries)
        lowest = negated.new_empty(len(queries))
        for block, first, halves in self._tiles(negated):
            if first == 0:
                torch.amin(halves, 1, out=lowest[block])
            else:
                torch.minimum(lowest[block], halves.amin(1), out=lowest[block])
        return self._finish(lowest, _squared_norms(negated))

    def nearest(self, queries: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """The k nearest rows of every query (q, d): distances float32 (q, k), rising, and indices int64 (q, k).

        `k` above the number of rows gives all rows.
        """
        negated = self._negated(queries)
        k = min(k, len(self))
        lowest = negated.new_full((len(queries), k), torch.inf)
        indices = torch.zeros(len(queries), k, dtype=torch.int64, device=negated.device)
        for block, first, halves in self._tiles(negated):
            values, places = halves.topk(min(k, halves.shape[1]), dim=1, largest=False)
            if first > 0:
                values, places = torch.cat((lowest[block], values), 1), torch.cat((indices[block], places + first), 1)
                values, best = values.topk(k, dim=1, largest=False)
                places = places.gather(1, best)
            lowest[block, : values.shape[1]], indices[block, : values.shape[1]] = values, places
        return self._finish(lowest, _squared_norms(negated)[:, None]), indices

    def rows(self, indices: Tensor) -> Tensor:
        """The rows at `indices`, for the metric cosine at unit length."""
        return self._extended[indices, :-1] + self._centre

    def distances_to(self, queries: Tensor, indices: Tensor) -> Tensor:
        """Distances float32 (q, k) of every query (q, d) to its own choice of rows, `indices` (q, k)."""
        differences = self._negated(queries)[:, None, :-1] + self._extended[indices, :-1]
        squares = differences.square().sum(2)
        return squares.sqrt_() if self.metric == "l2" else squares.mul_(0.5)

    def _negated(self, queries: Tensor) -> Tensor:
        """What the extended rows are multiplied with, (q, d + 1): the queries as the rows are, negated, and a 1."""
        count, size = queries.shape
        negated = self._centre.new_empty(count, size + 1)
        negated[:, size] = 1
        # Written in place: joining the column to what was computed before would copy all of it once more.
        torch.sub(self._centre, queries if self.metric == "l2" else normalize(queries, dim=1), out=negated[:, :size])
        return negated

    def _tiles(self, negated: Tensor) -> Iterator[tuple[slice, int, Tensor]]:
        """|b|^2 / 2 - q.b, which orders the rows as the distance does, (queries, rows) of one tile at a time.

        Gives which queries, the first of the rows and the values, whose place the next tile takes.
        """
        values = TILE_VALUES if negated.device.type == "cpu" else TILE_VALUES_ON_GPU
        height = max(min(len(negated), TILE_QUERIES), 1)
        width = min(max(values // height, 1), len(self))
        room = negated.new_empty(height * width)
        for start in range(0, len(negated), height):
            queries = negated[start : start + height]
            for first in range(0, len(self), width):
                rows = self._extended[first : first + width]
                tile = room[: len(queries) * len(rows)].view(len(queries), len(rows))
                torch.mm(queries, rows.t(), out=tile)
                yield slice(start, start + len(queries)), first, tile

    def _finish(self, halves: Tensor, query_norms: Tensor) -> Tensor:
        squares = halves.mul_(2).add_(query_norms).clamp_(min=0)
        return squares.sqrt_() if self.metric == "l2" else squares.mul_(0.5)


def _squared_norms(negated: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(negated[:, :-1], dim=1)
    return norms.square_()


def greedy_coreset(
    rows: Tensor,
    count: int,
    seed: int,
    projection: int = 128,
    progress: Progress = silent,
    cancelled: Cancelled = never,
) -> Tensor:
    """Indices int64 (count,) of rows (n, d) that cover the others: each next one is the farthest from those chosen.

    Greedy k-centre (PatchCore, algorithm 1) from a seeded random row, on a Gaussian random projection to `projection`
    dimensions where that is fewer than d. No distances but those to the nearest chosen row are kept. The same seed
    gives the same choice on one machine. Raises CancelledError.
    """
    random = torch.Generator().manual_seed(seed)
    points = _project(rows.float(), projection, random).contiguous()
    first = int(torch.randint(len(rows), (), generator=random))
    nowhere = torch.full((len(rows),), torch.inf, device=rows.device)
    return _farthest_first(points, nowhere, first, min(count, len(rows)), progress, cancelled)


def extending_coreset(
    centres: Tensor,
    rows: Tensor,
    count: int,
    seed: int,
    projection: int = 128,
    progress: Progress = silent,
    cancelled: Cancelled = never,
) -> Tensor:
    """Indices int64 (count,) of rows (n, d): `greedy_coreset` gone on with, `centres` (m, d) being chosen already."""
    random = torch.Generator().manual_seed(seed)
    projected = _project(torch.cat([centres, rows]).float(), projection, random)
    points = projected[len(centres) :].contiguous()
    nearest = MemoryBank(projected[: len(centres)]).distances(points).square()
    return _farthest_first(points, nearest, int(nearest.argmax()), min(count, len(rows)), progress, cancelled)


def seconds_per_choice(points: Tensor) -> float:
    """About how long each choice of a long coreset takes among points (n, d), projected already."""
    uncovered = _Uncovered(points, torch.full((len(points),), torch.inf, device=points.device))
    uncovered.choose(0)
    began = 0.0
    for _ in range(2):  # the first round fills caches and wakes threads
        began = time.perf_counter()
        for _ in range(APPLIED_AT_ONCE):
            uncovered.choose(uncovered.farthest())
        uncovered.update()
    return (time.perf_counter() - began) / APPLIED_AT_ONCE


def _farthest_first(
    points: Tensor, best: Tensor, farthest: int, count: int, progress: Progress, cancelled: Cancelled
) -> Tensor:
    """`count` of the points, from `farthest` on; `best`: squared distances to what was chosen, which is written to."""
    uncovered = _Uncovered(points, best)
    chosen = torch.empty(count, dtype=torch.int64)
    every = max(count // 100, 1)
    for step in range(count):
        if step % every == 0:
            if cancelled():
                raise CancelledError("cancelled while choosing the coreset")
            progress("Choosing the memory bank", step, count)
        if step > 0:
            farthest = uncovered.farthest()
        chosen[step] = farthest
        uncovered.choose(farthest)
    progress("Choosing the memory bank", count, count)
    return chosen.to(points.device)


class _Uncovered:
    """Squared distances of all points (n, d) to the nearest chosen one, brought up to date where they are asked for.

    Lazy evaluation (Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", 1978): a distance
    only shrinks with each choice, so while the farthest of a pool of the farthest points is farther than all others
    were, these need not be looked at. When it is not, the choices made meanwhile are applied to all points, which are
    then read from the main memory once for many choices. Each distance is the same sum in the same order as if all
    were computed at every step: so are the choices.
    """

    def __init__(self, points: Tensor, best: Tensor) -> None:
        self._points = points
        self._norms = points.square().sum(1)
        self._best = best
        self._waiting: list[int] = []  # chosen, but not applied to `_best` yet
        self._pool = torch.empty(0, dtype=torch.int64, device=points.device)
        self._pool_points, self._pool_norms, self._pool_best = points[:0], self._norms[:0], best[:0]
        self._bound = math.inf  # the distance beyond which no point outside the pool lies

    def choose(self, index: int) -> None:
        """The point `index` covers others from now on, and is not to be chosen again."""
        self._waiting.append(index)
        if len(self._pool):
            squares = torch.mv(self._pool_points, self._points[index])
            squares.mul_(-2).add_(self._pool_norms).add_(self._norms[index])
            torch.minimum(self._pool_best, squares, out=self._pool_best)
            self._pool_best[self._pool == index] = -math.inf  # rounding must not bring a chosen one back

    def farthest(self) -> int:
        """The point that is farthest from those chosen, the first of several."""
        if len(self._pool):
            place = int(self._pool_best.argmax())
            if float(self._pool_best[place]) > self._bound:
                return int(self._pool[place])
        self.update()
        return int(self._best.argmax())

    def update(self) -> None:
        """Apply what was chosen to all points, and take the farthest into the pool."""
        for start in range(0, len(self._waiting), APPLIED_AT_ONCE):
            self._apply(self._waiting[start : start + APPLIED_AT_ONCE])
        self._waiting.clear()
        self._fill_pool()

    def _apply(self, indices: list[int]) -> None:
        chosen, norms = self._points[indices], self._norms[indices, None]
        at_once = CACHED_POINTS if self._points.device.type == "cpu" else len(self._points)
        for start in range(0, len(self._points), at_once):
            points = self._points[start : start + at_once]
            squares = points.new_empty(len(chosen), len(points))
            for vector, products in zip(chosen, squares, strict=True):
                torch.mv(points, vector, out=products)
            squares.mul_(-2).add_(self._norms[start : start + at_once]).add_(norms)
            best = self._best[start : start + at_once]
            torch.minimum(best, squares.amin(0), out=best)
        self._best[indices] = -math.inf

    def _fill_pool(self) -> None:
        if len(self._best) <= POOL:
            self._bound, self._pool = -math.inf, torch.arange(len(self._best), device=self._best.device)
        else:
            farthest = self._best.topk(POOL)
            self._bound, self._pool = float(farthest.values[-1]), farthest.indices.sort().values
        self._pool_points, self._pool_norms = self._points[self._pool], self._norms[self._pool]
        self._pool_best = self._best[self._pool]


def draw_rows(rows: Tensor, count: int, random: torch.Generator) -> Tensor:
    """At most `count` of the rows (n, d), drawn without replacement, in their order."""
    if len(rows) <= count:
        return rows
    drawn = torch.randperm(len(rows), generator=random)[:count].sort().values
    return rows[drawn.to(rows.device)]


def _project(rows: Tensor, dimensions: int, random: torch.Generator) -> Tensor:
    if dimensions >= rows.shape[1]:
        return rows
    matrix = torch.randn(rows.shape[1], dimensions, generator=random) / dimensions**0.5
    projected: Tensor = rows @ matrix.to(rows.device)
    return projected
