"""What an inspection is held against: the bare forward pass of its backbone, and one product of its memory's size.

Each in eager torch and in ONNX Runtime, whose sessions are set as the inspection's own.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.backbones import FeatureExtractor
from ml.benchmark.turns import Laps, Work
from ml.detector import Detector
from ml.errors import ExportError
from ml.methods.base import Method
from ml.methods.padim import Padim
from ml.methods.patchcore import Patchcore
from ml.methods.spade import Spade
from ml.runtime.export import INPUTS, write_graph
from ml.runtime.onnx_runtime import open_session
from ml.runtime.torch_runtime import TorchRuntime

Inputs = NDArray[np.float32]
Factors = tuple[tuple[int, ...], tuple[int, ...]]
"""Shapes of the left and the right side of a matrix product."""


@dataclass(frozen=True, slots=True)
class Bare:
    """What is computed with nothing around it, by which library on how many threads."""

    what: Literal["forward", "product"]
    library: Literal["torch", "onnx"]
    threads: int

    @property
    def stage(self) -> str:
        return f"bare {self.what}, {self.library}, {self.threads}"


class Products(nn.Module):
    """Matrix products (a @ b, c @ d, ...) whose right sides are constants, as a memory is."""

    def __init__(self, factors: Sequence[Factors]) -> None:
        super().__init__()
        self._right = [torch.rand(right) for _, right in factors]

    def forward(self, *left: Tensor) -> tuple[Tensor, ...]:
        return tuple(queries @ columns for queries, columns in zip(left, self._right, strict=True))


class Floor:
    """The bare works of a model; none where its method has no backbone that it could be held against.

    `figures` lists them, those of ONNX Runtime only where it takes the backbone, the product only for a memory.
    """

    def __init__(self, model: Path, threads: Sequence[int], own_threads: int) -> None:
        """threads: each that is tried. own_threads: torch is left at, between the works. Raises ModelFileError."""
        runtime = Detector.load(model, "cpu", "torch").runtime
        assert isinstance(runtime, TorchRuntime)
        self._own_threads = own_threads
        torch.set_num_threads(own_threads)
        self._computing: dict[Bare, Callable[[Inputs], object]] = {}
        extractor = getattr(runtime.method, "extractor", None)
        if not isinstance(extractor, FeatureExtractor):
            return
        example = torch.zeros(1, 3, *runtime.method.input_size)
        maps = [f"map{stride}" for stride in extractor.strides]
        self._add_torch("forward", threads, lambda inputs: extractor(torch.from_numpy(inputs)))
        with suppress(ExportError):
            graph = write_graph(extractor, [example], [INPUTS], maps, "the backbone")
            self._add_onnx("forward", graph, threads, lambda inputs: {INPUTS: inputs})
        factors = products_of(runtime.method)
        if factors:
            self._add_products(factors, threads)

    @property
    def figures(self) -> tuple[Bare, ...]:
        return tuple(self._computing)

    def works(self, inputs_of: Callable[[int], tuple[Inputs, int]]) -> list[Work]:
        """One per figure. `inputs_of` gives one input of the round's picture and how many it makes: so many times one
        input's time is that of the picture."""
        return [self._work(bare, compute, inputs_of) for bare, compute in self._computing.items()]

    def _work(
        self, bare: Bare, compute: Callable[[Inputs], object], inputs_of: Callable[[int], tuple[Inputs, int]]
    ) -> Work:
        def once(number: int) -> Laps:
            inputs, count = inputs_of(number)
            if bare.library == "torch":
                torch.set_num_threads(bare.threads)
            began = time.perf_counter()
            with torch.inference_mode():
                compute(inputs)
            seconds = time.perf_counter() - began
            torch.set_num_threads(self._own_threads)
            return {bare.stage: seconds * count}

        return once

    def _add_torch(
        self, what: Literal["forward", "product"], threads: Sequence[int], compute: Callable[[Inputs], object]
    ) -> None:
        for count in threads:
            self._computing[Bare(what, "torch", count)] = compute

    def _add_onnx(
        self,
        what: Literal["forward", "product"],
        graph: bytes,
        threads: Sequence[int],
        feed: Callable[[Inputs], dict[str, Inputs]],
    ) -> None:
        for count in threads:
            run = open_session(graph, count).run
            self._computing[Bare(what, "onnx", count)] = lambda inputs, run=run: run(None, feed(inputs))  # type: ignore[misc]

    def _add_products(self, factors: Sequence[Factors], threads: Sequence[int]) -> None:
        products = Products(factors)
        left = [torch.rand(shape) for shape, _ in factors]
        names = [f"queries{number}" for number in range(len(left))]
        self._add_torch("product", threads, lambda _: products(*left))
        graph = write_graph(products, left, names, [f"product{number}" for number in range(len(left))], "the product")
        fed = {name: queries.numpy() for name, queries in zip(names, left, strict=True)}
        self._add_onnx("product", graph, threads, lambda _: fed)


def products_of(method: Method) -> list[Factors]:
    """The matrix products that a memory costs for one input: of every query with all that is remembered.

    PatchCore: its cells with the bank. PaDiM: each cell with its place's whitening matrix. SPADE: its cells with those
    of the nearest pictures, by depth where it compares by depth. None of the other methods has such a memory.
    """
    if isinstance(method, Patchcore):
        count, channels = method.tensors()["bank"].shape
        return [((_cells(method), channels), (channels, count))]
    if isinstance(method, Padim):
        places, channels = method.tensors()["mean"].shape
        left = (1, _cells(method), channels) if places == 1 else (places, 1, channels)
        return [(left, (places, channels, channels))]
    if isinstance(method, Spade):
        pictures = min(method.parameters.nearest_pictures, len(method.tensors()["gallery"]))
        if method.parameters.map == "concatenated":
            channels = sum(method.extractor.channels)
            return [((_cells(method), channels), (channels, pictures * _cells(method)))]
        height, width = method.input_size
        levels = zip(method.extractor.strides, method.extractor.channels, strict=True)
        by_depth = [(height // stride * (width // stride), channels) for stride, channels in levels]
        return [((cells, channels), (channels, pictures * cells)) for cells, channels in by_depth]
    return []


def _cells(method: Patchcore | Padim | Spade) -> int:
    return method.pyramid.rows * method.pyramid.columns
