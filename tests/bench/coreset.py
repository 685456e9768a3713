"""Greedy k-centre: how long choosing 10,000 of 100,000 rows takes, with and without the random projection.

python -m tests.bench.coreset [ROWS] [COUNT] [THREADS]

The rows are drawn around 40 centres in a space of 20 dimensions, with noise in all 152: feature vectors lie about so.
`a read per step` is what reading all rows once for each choice would take, from 50 such products: the plain algorithm.
"""

import sys
import time

import torch
from torch import Tensor

from ml.memory_bank import greedy_coreset

DIMENSIONS = 152
READS = 50


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:]]
    rows, count, threads = (*numbers, *(100_000, 10_000, 2)[len(numbers) :])
    torch.set_num_threads(threads)
    points = _features(rows)
    print(f"{count} of {rows} rows, {DIMENSIONS} dimensions, {threads} thread(s)\n")
    print("projection   wall s    CPU s   a read per step, s")
    for projection in (128, DIMENSIONS):
        began, began_cpu = time.perf_counter(), time.process_time()
        greedy_coreset(points, count, 0, projection)
        wall, cpu = time.perf_counter() - began, time.process_time() - began_cpu
        print(f"{projection:10} {wall:8.1f} {cpu:8.1f} {_read_s(points[:, :projection].contiguous()) * count:20.1f}")


def _features(rows: int) -> Tensor:
    random = torch.Generator().manual_seed(0)
    latent = torch.randn(rows, 20, generator=random) @ torch.randn(20, DIMENSIONS, generator=random)
    centres = torch.randn(40, DIMENSIONS, generator=random)[torch.randint(40, (rows,), generator=random)]
    return latent + 2 * centres + 0.3 * torch.randn(rows, DIMENSIONS, generator=random)


def _read_s(points: Tensor) -> float:
    """Of one product of all points with one of them."""
    products = points.new_empty(len(points))
    torch.mv(points, points[0], out=products)
    began = time.perf_counter()
    for index in range(READS):
        torch.mv(points, points[index], out=products)
    return (time.perf_counter() - began) / READS


if __name__ == "__main__":
    main()
