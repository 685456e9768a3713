"""Scores by torch: the reference, and the way to a GPU."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.errors import OutOfMemoryError
from ml.methods.base import Method, Scored
from ml.runtime.devices import device_title
from ml.runtime.scores import CellScores
from ml.threads import settle

CPU_BATCH = 1  # eager batches are slower per picture on a CPU (measured: docs/performance.md)
GPU_BATCH = 32
BYTES_PER_INPUT_PX = 512  # what a network holds at once for one input: the widest ones need half of it


class TorchRuntime:
    """A method on its device. On CUDA the network computes in half precision; what it gives is float32 again."""

    name = "torch"

    def __init__(self, method: Method, device: str) -> None:
        """Moves `method` to `device`: `cpu`, `cuda` or `mps`."""
        self.device = device
        self.method = method.to(torch.device(device))
        self.first_batch = _first_batch(device, method.input_size)

    @property
    def threads(self) -> int:
        return torch.get_num_threads()

    @property
    def title(self) -> str:
        where = device_title(self.device)
        if self.device == "cpu":
            where = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"PyTorch {torch.__version__}, {where}"

    def score(self, inputs: NDArray[np.float32]) -> CellScores:
        with torch.inference_mode(), told_of_memory():
            return as_cells(self.scored(self._on_device(inputs)))

    def scored(self, inputs: Tensor) -> Scored:
        """Inputs on the device -> their scores there."""
        return self.method.score(self._embedded(inputs))

    def fit(self, parts: Sequence[Tensor], seed: int) -> None:
        """Fit the method anew, see `ml.methods.base.Method.fit`; from now on it is scored as it is then."""
        self.method.fit(parts, seed)

    def embed(self, inputs: NDArray[np.float32]) -> Tensor:
        """What the method makes of inputs (n, 3, height, width): float32 (n, C, rows, columns) on the CPU.

        Raises OutOfMemoryError as `score` does.
        """
        with torch.inference_mode(), told_of_memory():
            return self._embedded(self._on_device(inputs)).cpu()

    def release(self) -> None:
        if self.device == "cuda":
            torch.cuda.empty_cache()

    def settle(self, work: Callable[[], object]) -> None:
        if self.device == "cpu":
            settle(torch.set_num_threads, work)

    def _on_device(self, inputs: NDArray[np.float32]) -> Tensor:
        return torch.from_numpy(inputs).to(self.device, memory_format=torch.channels_last)

    def _embedded(self, inputs: Tensor) -> Tensor:
        # Weights in half precision are not kept: a pass needs each once, and a graph must not find what another made.
        with torch.autocast("cuda", dtype=torch.float16, enabled=self.device == "cuda", cache_enabled=False):
            return self.method.embed(inputs).float()


def as_cells(scored: Scored) -> CellScores:
    """The same scores in the main memory."""
    own = None if scored.scores is None else scored.scores.float().cpu().numpy()
    return CellScores(scored.cells.float().cpu().numpy(), own)


def is_out_of_memory(error: RuntimeError | MemoryError) -> bool:
    """torch has a class for a full GPU only; the allocators of the main memory and of MPS raise a RuntimeError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory"))


@contextmanager
def told_of_memory() -> Iterator[None]:
    """Raises OutOfMemoryError for what `is_out_of_memory`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError("Not enough memory to score a picture. Close other programs.") from error


def _first_batch(device: str, input_size: tuple[int, int]) -> int:
    if device == "cpu":
        return CPU_BATCH
    free_bytes = (
        torch.cuda.mem_get_info()[0]
        if device == "cuda"
        else torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    )
    fitting = free_bytes // 2 // (BYTES_PER_INPUT_PX * math.prod(input_size))
    return int(min(max(fitting, 1), GPU_BATCH))
