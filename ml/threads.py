"""How many threads compute, and how torch's wait. No torch before `configure` is called.

torch's OpenMP threads spin while they wait: on a machine where anything else runs, one call can take eight times as
long. Waiting passively cures that and costs up to twice the time on an idle machine, through waking for each of a
network's hundred small steps; one thread has nobody to wait for. So a few threads that leave a core to the window and
the camera are the default, and `probe` tells what this machine is best at.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Literal

import psutil

from ml.progress import Progress, silent

_PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
_SPINNING = {"OMP_WAIT_POLICY": "ACTIVE", "KMP_BLOCKTIME": "200"}
MOST_BY_DEFAULT = 4  # one picture at a time gives more threads too little to do
PROBE_TIMEOUT_S = 120.0
SETTLE_REPEATS = 7
FEWEST_SETTLE_REPEATS = 3
SETTLE_S = 0.5  # a slow model must not keep the first part waiting for many more than the fewest repeats


def default_threads() -> int:
    """All physical cores but one, at most four, at least one."""
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    return min(max(cores - 1, 1), MOST_BY_DEFAULT)


def threads_of_environment() -> int | None:
    """OMP_NUM_THREADS, the user's own choice; None where it is not set or no number."""
    words = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return max(int(words), 1) if words.isdigit() else None


def configure(threads: int | None = None) -> int:
    """Set the number of torch's threads (None: `default_threads`) and give it. Imports torch.

    Where torch was not imported before, its threads also wait passively, unless the environment says otherwise: the
    OpenMP runtime reads that once, when it is loaded.
    """
    if "torch" not in sys.modules:
        for name, value in _PASSIVE.items():
            os.environ.setdefault(name, value)
    import torch

    chosen = default_threads() if threads is None else max(threads, 1)
    torch.set_num_threads(chosen)
    return chosen


def settle(use: Callable[[int], object], work: Callable[[], object]) -> int | None:
    """Let `use` set the number of threads that does `work` fastest now, and give it; None where there is no choice.

    One thread against all physical cores, alternating, so that a busy machine slows both alike: an idle one is faster
    with all, a busy one with one. An OMP_NUM_THREADS in the environment is the user's own choice and stays.
    """
    cores = min(psutil.cpu_count(logical=False) or 1, MOST_BY_DEFAULT)
    if threads_of_environment() is not None or cores == 1:
        return None
    times: dict[int, list[float]] = {1: [], cores: []}
    started = time.perf_counter()
    for number in range(SETTLE_REPEATS):
        if number >= FEWEST_SETTLE_REPEATS and time.perf_counter() - started > SETTLE_S:
            break
        for count, seconds in times.items():
            use(count)
            begun = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - begun)
    best = min(times, key=lambda count: median(times[count]))
    use(best)
    return best


@dataclass(frozen=True, slots=True)
class ThreadSetting:
    """How something is computed. `is_spinning`: how torch's threads wait; those of ONNX Runtime spin for a moment."""

    library: Literal["onnx", "torch"]
    threads: int
    is_spinning: bool = False

    @property
    def words(self) -> str:
        words = ["ONNX Runtime" if self.library == "onnx" else "torch"]
        words.append("1 thread" if self.threads == 1 else f"{self.threads} threads")
        if self.library == "torch" and self.threads > 1:
            words.append("spinning" if self.is_spinning else "waiting passively")
        return ", ".join(words)


def probe(progress: Progress = silent) -> dict[ThreadSetting, float]:
    """Median milliseconds of one forward pass of EfficientNet-Lite0 at 256 px, by setting.

    ONNX Runtime in one process, each of torch's settings in one of its own; each takes some seconds, most of them for
    importing torch. Settings that cannot be measured are left out.
    """
    cores = psutil.cpu_count(logical=False) or os.cpu_count() or 1
    counts = sorted({1, default_threads(), cores})
    groups = [[ThreadSetting("onnx", count) for count in counts], [ThreadSetting("torch", 1)]]
    for count in counts[1:]:
        groups += [[ThreadSetting("torch", count)], [ThreadSetting("torch", count, is_spinning=True)]]
    found: dict[ThreadSetting, float] = {}
    for number, group in enumerate(groups):
        progress(f"Measuring {group[0].words}", number, len(groups))
        found |= zip(group, _measure_in_child(group), strict=False)
    return found


def _measure_in_child(settings: Sequence[ThreadSetting]) -> list[float]:
    """Of settings that differ in nothing but their threads; none where it fails."""
    first = settings[0]
    command = [sys.executable, "-m", "ml.threads", first.library, *(str(setting.threads) for setting in settings)]
    waiting = _SPINNING if first.is_spinning else _PASSIVE
    try:
        done = subprocess.run(
            command, env={**os.environ, **waiting}, capture_output=True, text=True, timeout=PROBE_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [float(milliseconds) for milliseconds in json.loads(done.stdout.splitlines()[-1])]


def _forward_ms(library: str, counts: Sequence[int]) -> list[float]:
    """By number of threads; torch, whose threads' waiting is set for a whole process, takes one number."""
    import torch

    from ml.backbones import build_backbone

    network = build_backbone("efficientnet_lite0", (8, 16), pretrained=False)
    picture = torch.zeros(1, 3, 256, 256)
    if library == "torch":
        with torch.inference_mode():
            torch.set_num_threads(counts[0])
            return [_median_ms(partial(network, picture))]
    from ml.runtime.export import INPUTS, write_graph
    from ml.runtime.onnx_runtime import open_session

    graph = write_graph(network, [picture], [INPUTS], ["map8", "map16"], "the backbone")
    fed = {INPUTS: picture.numpy()}
    return [_median_ms(partial(open_session(graph, count).run, None, fed)) for count in counts]


def _median_ms(forward: Callable[[], object]) -> float:
    times = []
    for _ in range(25):
        begun = time.perf_counter()
        forward()
        times.append(time.perf_counter() - begun)
    return median(times[5:]) * 1000


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_forward_ms(sys.argv[1], [int(count) for count in sys.argv[2:]])) + "\n")
