"""Exact nearest neighbours in a bank of feature vectors, and the greedy choice of which vectors to keep."""

from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from ml.errors import CancelledError
from ml.progress import Cancelled, Progress, never, silent

Metric = Literal["l2", "cosine"]

MAX_BLOCK_ROWS = 4096
_BLOCK_VALUES = 2**22  # distances computed at a time on a CPU: one thread does not care, two wake once instead of often


class MemoryBank:
    """Rows float32 (m, d) to which distances are asked, prepared once.

    Metric `l2` is the Euclidean distance, `cosine` is 1 - cosine similarity. Distances come from
    |q|^2 + |b|^2 - 2 q.b, blockwise; both sides are centred on the bank's mean first, which changes no distance and
    keeps the cancellation small. What rounding makes negative counts as 0.
    """

    def __init__(self, rows: Tensor, metric: Metric = "l2") -> None:
        self.metric = metric
        rows = rows.float()
        self._centre = rows.mean(0) if metric == "l2" else torch.zeros_like(rows[0])
        self._rows = (rows - self._centre if metric == "l2" else normalize(rows, dim=1)).contiguous()
        # |b|^2 is one more row of the product, met by a 1 in the query: cheaper than adding it to every distance.
        self._columns = torch.cat((self._rows.t() * -2, self._rows.square().sum(1)[None])).contiguous()

    def __len__(self) -> int:
        return len(self._rows)

    def to(self, device: torch.device | str) -> Self:
        """Move to `device` and give the bank itself."""
        self._centre, self._rows, self._columns = (
            part.to(device) for part in (self._centre, self._rows, self._columns)
        )
        return self

    def distances(self, queries: Tensor) -> Tensor:
        """Distance of every query (q, d) to its nearest row, float32 (q,): one product and one minimum, no sorting."""
        queries = self._prepare(queries)
        lowest = queries.new_empty(len(queries))
        for start, stop in self._blocks(len(queries)):
            torch.amin(self._partial(queries[start:stop]), 1, out=lowest[start:stop])
        return self._finish(lowest, queries.square().sum(1))

    def nearest(self, queries: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
        """The k nearest rows of every query (q, d): distances float32 (q, k), rising, and indices int64 (q, k).

        `k` above the number of rows gives all rows.
        """
        queries = self._prepare(queries)
        k = min(k, len(self))
        lowest = queries.new_empty(len(queries), k)
        indices = torch.empty(len(queries), k, dtype=torch.int64, device=queries.device)
        for start, stop in self._blocks(len(queries)):
            lowest[start:stop], indices[start:stop] = self._partial(queries[start:stop]).topk(k, dim=1, largest=False)
        return self._finish(lowest, queries.square().sum(1, keepdim=True)), indices

    def rows(self, indices: Tensor) -> Tensor:
        """The rows at `indices`, for the metric cosine at unit length."""
        return self._rows[indices] + self._centre

    def distances_to(self, queries: Tensor, indices: Tensor) -> Tensor:
        """Distances float32 (q, k) of every query (q, d) to its own choice of rows, `indices` (q, k)."""
        differences = self._prepare(queries).unsqueeze(1) - self._rows[indices]
        squares = differences.square().sum(2)
        return squares.sqrt_() if self.metric == "l2" else squares.mul_(0.5)

    def _prepare(self, queries: Tensor) -> Tensor:
        return queries - self._centre if self.metric == "l2" else normalize(queries, dim=1)

    def _blocks(self, count: int) -> list[tuple[int, int]]:
        rows = MAX_BLOCK_ROWS
        if self._rows.device.type == "cpu":
            rows = min(max(_BLOCK_VALUES // len(self), 32), MAX_BLOCK_ROWS)
        return [(start, min(start + rows, count)) for start in range(0, count, rows)]

    def _partial(self, queries: Tensor) -> Tensor:
        """|b|^2 - 2 q.b (q, m): orders the rows as the distance does."""
        return pad(queries, (0, 1), value=1.0) @ self._columns

    def _finish(self, partial: Tensor, query_norms: Tensor) -> Tensor:
        squares = partial.add_(query_norms).clamp_(min=0)
        return squares.sqrt_() if self.metric == "l2" else squares.mul_(0.5)


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
    dimensions where that is fewer than d. One step reads all projected rows once and is bound by memory. The same seed
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


def _farthest_first(
    points: Tensor, best: Tensor, farthest: int, count: int, progress: Progress, cancelled: Cancelled
) -> Tensor:
    """`count` of the points, from `farthest` on; `best`: squared distances to what was chosen, which is written to."""
    norms = points.square().sum(1)
    chosen = torch.empty(count, dtype=torch.int64)
    squares = torch.empty_like(norms)
    every = max(count // 100, 1)
    for step in range(count):
        if step % every == 0:
            if cancelled():
                raise CancelledError("cancelled while choosing the coreset")
            progress("Choosing the memory bank", step, count)
        chosen[step] = farthest
        torch.mv(points, points[farthest], out=squares)
        squares.mul_(-2).add_(norms).add_(norms[farthest])
        torch.minimum(best, squares, out=best)
        best[farthest] = -torch.inf  # rounding must not bring a chosen row back
        farthest = int(best.argmax())
    progress("Choosing the memory bank", count, count)
    return chosen.to(points.device)


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
