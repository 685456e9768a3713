"""What `ml.runtime.cuda_runtime` asks of `torch.cuda`, done in the processor's own memory: its logic without a device.

Streams do everything at once. A graph records torch's operations with the tensors that they read and wrote, and does
them again in the same places: what was not written into the graph's own inputs does not reach its outputs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten


class _Stream:
    def wait_stream(self, _: object) -> None:
        pass


class PlainCuda:
    """Counts what was done; `warns` as torch does where the processor waits, `refuses` to capture."""

    def __init__(self) -> None:
        self.captures = 0
        self.replays = 0
        self.waits = 0
        self.warns = ""
        self.refuses = ""
        self.mode = "default"

    def set_sync_debug_mode(self, mode: str) -> None:
        import warnings

        if mode == "warn":
            warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)
            if self.warns:
                warnings.warn(self.warns, stacklevel=1)
        self.mode = mode


class _Graph(TorchDispatchMode):
    def __init__(self, device: PlainCuda) -> None:
        super().__init__()
        self.device = device
        self.done: list[tuple[Callable[..., Any], Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        self.done.append((func, args, kwargs or {}, given))
        return given

    @torch.inference_mode()
    def replay(self) -> None:
        self.device.replays += 1
        for func, args, kwargs, given in self.done:
            again = func(*args, **kwargs)
            for place, value in zip(tree_flatten(given)[0], tree_flatten(again)[0], strict=True):
                if isinstance(place, Tensor) and place.data_ptr() != value.data_ptr():
                    place.copy_(value)


@contextmanager
def _capture(graph: _Graph, **_: Any) -> Iterator[None]:
    with graph:
        yield
    graph.device.captures += 1
    if graph.device.refuses:
        raise RuntimeError(graph.device.refuses)


def install(monkeypatch: pytest.MonkeyPatch) -> PlainCuda:
    """Until the test ends, `torch.cuda` is this."""
    device = PlainCuda()

    class Event:
        def record(self) -> None:
            pass

        def synchronize(self) -> None:
            device.waits += 1

    stand_ins: dict[str, Any] = {
        "Stream": _Stream,
        "Event": Event,
        "stream": lambda _: nullcontext(),
        "current_stream": _Stream,
        "synchronize": lambda: None,
        "graph_pool_handle": lambda: (0, 1),
        "CUDAGraph": lambda: _Graph(device),
        "graph": _capture,
        "set_sync_debug_mode": device.set_sync_debug_mode,
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr("ml.runtime.cuda_runtime._pinned", torch.empty)
    return device
