"""A fitted method as one ONNX graph: network and scoring together.

torch's tracing exporter is used (`dynamo=False`): it needs no further package, takes half a second, and ONNX Runtime's
fusions of convolution and activation are made for the graphs that it writes.
"""

import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import BytesIO, StringIO

import torch
from torch import Tensor, nn

from ml.errors import ExportError, first_line
from ml.methods.base import Method

OPSET = 17
INPUTS, CELLS, SCORES = "inputs", "cells", "scores"


class _Graph(nn.Module):
    def __init__(self, method: Method) -> None:
        super().__init__()
        self._method = method
        for name, value in vars(method).items():
            if isinstance(value, nn.Module):  # its weights are then in the graph once, however often it is called
                self.add_module(name, value)

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        scored = self._method.scored_in_graph(inputs)
        return (scored.cells,) if scored.scores is None else (scored.cells, scored.scores)


def export_graph(method: Method) -> bytes:
    """The ONNX graph of a fitted method on the CPU: `inputs` float32 (n, 3, height, width) of the method's input size
    -> `cells` (n, rows, columns) and, where the method gives scores of its own, `scores` (n,); n is free.

    Raises ExportError where the method cannot be written as a graph, saying why.
    """
    example = torch.zeros(1, 3, *method.input_size)
    with torch.no_grad():
        has_scores = method.scored_in_graph(example).scores is not None
    outputs = [CELLS, SCORES] if has_scores else [CELLS]
    return write_graph(_Graph(method), [example], [INPUTS], outputs, method.name)


def write_graph(
    module: nn.Module, examples: Sequence[Tensor], inputs: Sequence[str], outputs: Sequence[str], title: str
) -> bytes:
    """`module` as an ONNX graph, traced with `examples`; the first axis of all inputs and outputs is free.

    Raises ExportError, which names it by its `title`, where it cannot be written as one.
    """
    written = BytesIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")  # what tracing fixes is fixed on purpose, and held against torch afterwards
            torch.onnx.export(
                module.eval(),
                tuple(examples),
                written,  # type: ignore[arg-type]  # takes an open file, as its documentation says
                dynamo=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: {0: "n"} for name in (*inputs, *outputs)},
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ExportError(f"{title} cannot be written as an ONNX graph: {first_line(error)}") from error
    return written.getvalue()
