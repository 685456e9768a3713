"""The nearest rows of a bank, in operations that an ONNX graph has: the same distances as `ml.memory_bank`.

The bank is a constant there, so each block of its rows becomes a matrix product of its own, whose right side ONNX
Runtime lays out once for its kernels. Only the lowest of a block leaves it: no more than a block's distances are held
at a time, and they stay in a core's cache between the product and the minimum, for which one product of the whole size
has no room. Measured with one thread and 3,000 rows of 152 values: 0.91 of the time of the bare product.
"""

from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from ml.memory_bank import Metric

BLOCK_VALUES = 2**19
"""Distances of one block and one input, 2 MiB: what a core's second cache holds. Half of it is another 4 % faster with
one thread; two threads have half of it each, and wait for each other at every block."""

LEAST_BLOCK_ROWS, MOST_BLOCK_ROWS = 64, 4096

LEAST_LOOSE_ROWS = 256
"""Of a block of rows that are no constants: each block is copied out first."""


class GraphBank:
    """Rows float32 (m, d) as constants of a graph; `queries` is how many are asked about per input."""

    def __init__(self, rows: Tensor, metric: Metric, queries: int) -> None:
        self._metric = metric
        rows = rows.float()
        self._centre = rows.mean(0) if metric == "l2" else torch.zeros_like(rows[0])
        self._rows = rows - self._centre if metric == "l2" else normalize(rows, dim=1)
        self._block_rows = min(max(BLOCK_VALUES // queries, LEAST_BLOCK_ROWS), MOST_BLOCK_ROWS)

    def distances(self, queries: Tensor, k: int = 1) -> Tensor:
        """Distances of every query (q, d) to its k nearest rows, float32 (q, k), rising; all rows if there are fewer.

        With k = 1 each block costs a product and a minimum; more are sorted out block by block.
        """
        queries = self._prepared(queries)
        asked = pad(queries, (0, 1), value=1.0)
        if k == 1:
            lowest = torch.cat([(asked @ columns).amin(1) for columns in self._columns])
            lowest = lowest.reshape(len(self._columns), -1).amin(0)[:, None]
        else:
            lowest = _lowest(asked @ self._columns[0], k)
            for columns in self._columns[1:]:
                lowest = _lowest(torch.cat((lowest, _lowest(asked @ columns, k)), 1), k)
        return _finished(lowest + (queries * queries).sum(1, keepdim=True), self._metric)

    def nearest(self, queries: Tensor, k: int = 1) -> Tensor:
        """Indices int64 (n, k) of the rows nearest to a few queries (n, d), the nearest first, without blocks."""
        partial = self._rows.square().sum(1) - 2 * self._prepared(queries) @ self._rows.t()
        return partial.topk(min(k, len(self._rows)), dim=1, largest=False).indices

    def rows(self, indices: Tensor) -> Tensor:
        """The rows at `indices` (n,), for the metric cosine at unit length: (n, d)."""
        return self._rows[indices] + self._centre

    def distances_to(self, queries: Tensor, indices: Tensor) -> Tensor:
        """Distances float32 (n, k) of a few queries (n, d) to their own choice of rows, `indices` (n, k)."""
        differences = self._prepared(queries).unsqueeze(1) - self._rows[indices]
        return _finished((differences * differences).sum(2), self._metric)

    @cached_property
    def _columns(self) -> list[Tensor]:
        """Per block (d + 1, rows): -2 b with |b|^2 below, which a 1 in the query meets."""
        return [
            torch.cat((rows.t() * -2, rows.square().sum(1)[None])).contiguous()
            for rows in torch.split(self._rows, self._block_rows)
        ]

    def _prepared(self, queries: Tensor) -> Tensor:
        return queries - self._centre if self._metric == "l2" else normalize(queries, dim=1)


def distances_to_nearest(queries: Tensor, rows: Tensor, metric: Metric, k: int = 1) -> Tensor:
    """As `GraphBank.distances`, for banks that a graph puts together itself, one per input: queries (n, q, d) to the
    nearest of rows (n, m, d), float32 (n, q, k). For `l2` both are to lie around the origin.
    """
    if metric == "cosine":
        queries, rows = normalize(queries, dim=2), normalize(rows, dim=2)
    count = int(rows.shape[1])
    asked = pad(queries, (0, 1), value=1.0)
    columns = torch.cat((rows * -2, (rows * rows).sum(2, keepdim=True)), 2).transpose(1, 2)
    block = max(BLOCK_VALUES // int(queries.shape[1]), LEAST_LOOSE_ROWS)
    lowest: list[Tensor] = []
    for start in range(0, count, block):
        nearest = asked @ columns[..., start : min(start + block, count)]
        lowest.append(nearest.amin(2, keepdim=True) if k == 1 else _lowest(nearest, k))
    joined = torch.cat(lowest, 2)
    partial = joined.amin(2, keepdim=True) if k == 1 else _lowest(joined, min(k, count))
    return _finished(partial + (queries * queries).sum(2, keepdim=True), metric)


def _finished(squares: Tensor, metric: Metric) -> Tensor:
    squares = squares.clamp(min=0)
    return squares.sqrt() if metric == "l2" else squares * 0.5


def _lowest(values: Tensor, k: int) -> Tensor:
    return values.topk(min(k, int(values.shape[-1])), dim=-1, largest=False).values
