"""Scores by ONNX Runtime on a CPU, one part at a time. No torch.

The session is set for the lowest latency of one input: all graph optimisations (the layout of convolutions for the
processor's vectors among them), operators one after the other, each shared out over the threads. Threads spin for
a moment within a call, where they are woken a hundred times, and not between calls: the cores belong to others then.
"""

from collections.abc import Callable

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as bindings

from ml.errors import DetectorError, ModelFileError, OutOfMemoryError, first_line
from ml.runtime.scores import CellScores
from ml.threads import default_threads, settle, threads_of_environment

ERRORS: tuple[type[Exception], ...] = (
    ValueError,
    *(kind for kind in vars(bindings).values() if isinstance(kind, type) and issubclass(kind, Exception)),
)
"""What the library raises: a dozen classes without one above them."""

_SPIN_US = 20
"""How long a thread waits awake for the next of a graph's hundred steps. Without an end to it, two threads took twice
the processor's time on a machine with anything else to do, and were slower than one."""

FATAL = 3  # what ONNX Runtime would print itself: only what ends the process


class OnnxRuntime:
    """The graph of `ml.runtime.export` in a session."""

    name = "onnx"
    device = "cpu"
    first_batch = 1

    def __init__(self, graph: bytes, threads: int | None = None) -> None:
        """`threads`: None for OMP_NUM_THREADS, or else `ml.threads.default_threads`.

        Raises ModelFileError for no such graph.
        """
        self._graph = graph
        self.threads = threads or threads_of_environment() or default_threads()
        self._session = open_session(self._graph, self.threads)
        self._outputs = [output.name for output in self._session.get_outputs()]

    @property
    def title(self) -> str:
        words = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"ONNX Runtime {onnxruntime.__version__}, {words}"

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width that the graph takes, in pixels."""
        _, _, height, width = self._session.get_inputs()[0].shape
        return height, width

    def score(self, inputs: NDArray[np.float32]) -> CellScores:
        try:
            return CellScores(*self._session.run(self._outputs, {"inputs": inputs}))
        except ERRORS as error:
            if "llocat" in str(error):  # allocate, allocation, bad_alloc
                raise OutOfMemoryError("Not enough memory to score a picture. Close other programs.") from error
            raise DetectorError(f"ONNX Runtime cannot compute the model: {first_line(error)}") from error

    def release(self) -> None:
        """A new session has a new arena."""
        self._session = open_session(self._graph, self.threads)

    def settle(self, work: Callable[[], object]) -> None:
        sessions = {self.threads: self._session}

        def use(threads: int) -> None:
            self.threads = threads
            if threads not in sessions:
                sessions[threads] = open_session(self._graph, threads)
            self._session = sessions[threads]

        settle(use, work)


def open_session(graph: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session set as the module says. Raises ModelFileError for a graph that the library does not take."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = FATAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_US))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except ERRORS as error:
        raise ModelFileError(
            f"its graph does not suit ONNX Runtime {onnxruntime.__version__}: {first_line(error)}"
        ) from error
