"""Distances to the nearest row of a bank against the bare matrix product of the same size, both in torch.

python -m tests.bench.nearest_neighbour [ROUNDS]

The product is written into a fresh and into a preallocated result, whichever is faster counts. Variants alternate, so
that a busy machine slows all alike. `extra MiB` is what the search takes beside the bank at its peak, measured in a
process of its own (Linux).
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from ml.memory_bank import MemoryBank

QUERIES = 1024
ROWS = (1_000, 10_000, 100_000)
DIMENSIONS = (152, 384)
CALLS = 4
"""Of one variant before it is the next one's turn; each is timed for itself."""


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    print(f"{QUERIES} queries, milliseconds, median / minimum of {rounds * CALLS} calls\n")
    print("threads   rows  dims   product           nearest           ratio         extra MiB")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for rows in ROWS:
            for dimensions in DIMENSIONS:
                print(f"{threads:7} {rows:6} {dimensions:5}   {_row(rows, dimensions, rounds)}", flush=True)


@torch.inference_mode()
def _row(rows: int, dimensions: int, rounds: int) -> str:
    random = torch.Generator().manual_seed(rows + dimensions)
    bank_rows = torch.randn(rows, dimensions, generator=random)
    queries = torch.randn(QUERIES, dimensions, generator=random)
    bank = MemoryBank(bank_rows)
    result = torch.empty(QUERIES, rows)
    variants: dict[str, Callable[[], object]] = {
        "fresh": lambda: queries @ bank_rows.T,
        "preallocated": lambda: torch.mm(queries, bank_rows.T, out=result),
        "nearest": lambda: bank.distances(queries),
    }
    for act in variants.values():
        act()
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, act in variants.items():
            times[name].extend(_ms(act) for _ in range(CALLS))
    medians = {name: statistics.median(values) for name, values in times.items()}
    minima = {name: min(values) for name, values in times.items()}
    product = min(medians["fresh"], medians["preallocated"]), min(minima["fresh"], minima["preallocated"])
    nearest = medians["nearest"], minima["nearest"]
    return (
        f"{product[0]:7.2f} / {product[1]:7.2f} {nearest[0]:7.2f} / {nearest[1]:7.2f} "
        f"{nearest[0] / product[0]:5.2f} / {nearest[1] / product[1]:4.2f} {_extra_mib(rows, dimensions):10.0f}"
    )


def _ms(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e3


def _extra_mib(rows: int, dimensions: int) -> float:
    command = [sys.executable, "-m", "tests.bench.nearest_neighbour", "--memory", str(rows), str(dimensions)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def _print_extra_mib(rows: int, dimensions: int) -> None:
    with torch.inference_mode():
        bank, queries = MemoryBank(torch.randn(rows, dimensions)), torch.randn(QUERIES, dimensions)
        bank.distances(queries[:1])
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: making the bank took more than it keeps
        before = _peak_kib()
        bank.distances(queries)
    print((_peak_kib() - before) / 1024)


def _peak_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


if __name__ == "__main__":
    if "--memory" in sys.argv:
        _print_extra_mib(int(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
