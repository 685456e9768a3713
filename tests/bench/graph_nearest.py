"""Distances to the nearest row of a bank as part of an ONNX graph, against the bare matrix product of the same size.

python -m tests.bench.graph_nearest [ROUNDS]

Both in ONNX Runtime, queries (1024, 152) as PatchCore has them at 256 px, the product's right side laid out beforehand
for both. Variants alternate, so that a busy machine slows all alike. `held MiB` is what the graph's largest distances
take; the product holds queries x rows.
"""

import statistics
import sys
import time
import warnings
from io import BytesIO

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.runtime.nearest import BLOCK_VALUES, GraphBank

QUERIES, DIMENSIONS = 1024, 152
ROWS = (1_000, 10_000, 100_000)


class _Product(nn.Module):
    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self._columns = rows.t().contiguous()

    def forward(self, queries: Tensor) -> Tensor:
        return queries @ self._columns


class _Nearest(nn.Module):
    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self._bank = GraphBank(rows, "l2", QUERIES)

    def forward(self, queries: Tensor) -> Tensor:
        return self._bank.distances(queries)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"{QUERIES} queries of {DIMENSIONS}, milliseconds, median / minimum of {rounds} rounds\n")
    print("threads    rows   product           nearest           ratio         held MiB")
    for rows in ROWS:
        bank = torch.randn(rows, DIMENSIONS, generator=torch.Generator().manual_seed(rows))
        queries = torch.randn(QUERIES, DIMENSIONS, generator=torch.Generator().manual_seed(0))
        graphs = [_exported(module(bank), queries) for module in (_Product, _Nearest)]
        for threads in (1, 2):
            product, nearest = _times([_session(graph, threads) for graph in graphs], queries.numpy(), rounds)
            (median, least), (own_median, own_least) = _told(product), _told(nearest)
            print(
                f"{threads:7} {rows:7}   {median:7.2f} /{least:7.2f}  {own_median:7.2f} /{own_least:7.2f}  "
                f"{own_median / median:5.2f} /{own_least / least:5.2f}  {BLOCK_VALUES * 4 / 2**20:8.1f}",
                flush=True,
            )


def _exported(module: nn.Module, queries: Tensor) -> bytes:
    written = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (queries,),
            written,  # type: ignore[arg-type]  # takes an open file, as its documentation says
            dynamo=False,
            opset_version=17,
            input_names=["queries"],
        )
    return written.getvalue()


def _session(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _times(
    sessions: list[onnxruntime.InferenceSession], queries: NDArray[np.float32], rounds: int
) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in sessions]
    for turn in range(rounds + 1):
        for session, taken in zip(sessions, times, strict=True):
            began = time.perf_counter()
            session.run(None, {"queries": queries})
            if turn:  # the first one fills the arena
                taken.append((time.perf_counter() - began) * 1000)
    return times


def _told(times: list[float]) -> tuple[float, float]:
    return statistics.median(times), min(times)


if __name__ == "__main__":
    main()
