"""Scores on an NVIDIA GPU: while it computes one batch, the next is prepared in pinned memory and copied over.

**Order.** Batches are computed one after the other on the thread's current stream. Inputs are copied on a stream of
their own, for which the computing stream waits; scores are copied back on the computing stream, behind what made them.
The processor waits once per batch, for an event behind those copies.

**Memory.** The allocator knows a tensor's own stream only. What is used on another one (inputs in pinned memory and on
the device, scores in pinned memory) is held until that event has come. Where nobody waits any more, its place may be
taken before it was read, which spoils only scores that nobody waits for.

**CUDA graphs** take the place of some hundred launches per batch (`ml.runtime.replay` says when). A capture that fails
leaves torch's allocator as though it went on, so work that waits for the GPU in between is told by a trial beforehand
and never captured.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.errors import first_line
from ml.methods.base import Method, Scored
from ml.runtime.replay import NotReplayableError, Replayed, Work
from ml.runtime.scores import CellScores
from ml.runtime.torch_runtime import TorchRuntime, as_cells, told_of_memory


class CudaRuntime(TorchRuntime):
    """A method on the device `cuda`; an `ml.runtime.batches.Overlapping` runtime."""

    def __init__(self, method: Method, device: str = "cuda") -> None:
        super().__init__(method, device)
        self._copying = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._replayed = Replayed(self._scored_in_layout, method.name, CudaGraphs)

    def room(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        with told_of_memory():
            return _pinned(shape).numpy()

    def score(self, inputs: NDArray[np.float32]) -> CellScores:
        return self.submit(inputs)()

    def submit(self, inputs: NDArray[np.float32]) -> Callable[[], CellScores]:
        host = torch.from_numpy(inputs)
        with torch.inference_mode(), told_of_memory():
            with torch.cuda.stream(self._copying):
                on_device = host.to(self.device, non_blocking=True)
            torch.cuda.current_stream().wait_stream(self._copying)
            scored = _on_the_way_home(self._replayed(on_device))
            computed = torch.cuda.Event()  # type: ignore[no-untyped-call]
            computed.record()
        held = [host, on_device]

        def wait() -> CellScores:
            with told_of_memory():
                computed.synchronize()
                held.clear()
                return _copied(as_cells(scored))

        return wait

    def fit(self, parts: Sequence[Tensor], seed: int) -> None:
        torch.cuda.synchronize()
        self._replayed.forget()
        super().fit(parts, seed)

    def release(self) -> None:
        torch.cuda.synchronize()  # nothing may be under way in what is given back
        self._replayed.give_up()
        super().release()

    def _scored_in_layout(self, inputs: Tensor) -> Scored:
        return self.scored(inputs.contiguous(memory_format=torch.channels_last))


class CudaGraphs:
    """Records CUDA graphs. They share one pool of memory, since none is replayed before what another gave is copied."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()
        self._failed: list[torch.cuda.CUDAGraph] = []

    def record(self, work: Work, inputs: Tensor) -> Work:
        """See `ml.runtime.replay.Recorder`."""
        static = inputs.clone()
        graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream())
        try:
            # torch's own context leaves its stream in place where ending the capture fails; this one puts it right.
            with torch.cuda.stream(self._stream):
                _refuse_waiting(work, static)
                # Other threads may go on using the GPU: only what this one does can break the capture.
                capture = torch.cuda.graph(
                    graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
                )
                with capture:
                    scored = work(static)
        except RuntimeError as error:  # also a full memory: the work itself fits
            self._failed.append(graph)  # the allocator may go on asking it
            raise NotReplayableError(first_line(error)) from error
        torch.cuda.current_stream().wait_stream(self._stream)

        def replay(others: Tensor) -> Scored:
            static.copy_(others)
            graph.replay()
            own = None if scored.scores is None else scored.scores.clone()
            return Scored(scored.cells.clone(), own)

        return replay


def _refuse_waiting(work: Work, inputs: Tensor) -> None:
    """Do `work` once; raises NotReplayableError where torch warns that the processor waits for the GPU meanwhile.

    Any other warning counts as that one: no capture is the safe choice.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work(inputs)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    for warning in caught:
        if "prototype feature" not in str(warning.message):  # what the mode says of itself
            raise NotReplayableError(f"tried out, it gives the warning: {warning.message}")


def _pinned(shape: Sequence[int]) -> Tensor:
    """Memory of the processor that the device reads and writes itself; torch keeps it for reuse."""
    return torch.empty(shape, pin_memory=True)


def _on_the_way_home(scored: Scored) -> Scored:
    """The scores in pinned memory, once the current stream has come so far."""
    cells = _pinned(scored.cells.shape).copy_(scored.cells, non_blocking=True)
    if scored.scores is None:
        return Scored(cells)
    return Scored(cells, _pinned(scored.scores.shape).copy_(scored.scores, non_blocking=True))


def _copied(scores: CellScores) -> CellScores:
    """In memory of its own: a map may be kept for long, and pinned memory is scarce."""
    return CellScores(scores.cells.copy(), None if scores.scores is None else scores.scores.copy())
