"""Preparation, method and assembly as one ONNX graph."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ml.artifact import Manifest
from ml.errors import ExportError
from ml.export.assembly import Assembly
from ml.export.geometry import Place
from ml.export.preparation import Preparation
from ml.map_filter import Kernel
from ml.methods.base import Method
from ml.patches import PatchGrid
from ml.runtime.export import CELLS, OPSET, SCORES, export_graph

PICTURE, SCORE, VERDICT, MAP = "picture", "score", "verdict", "map"
_SIZE, _LAID_OUT = "size", "laid_out"
_METHOD = "method/"
_IR_VERSION = 8
"""Of ONNX 1.12, which introduced opset 17: whoever knows the operators can read the file."""


def standalone_graph(manifest: Manifest, method: Method, kernel: Kernel | None) -> onnx.ModelProto:
    """The whole chain of a fitted method on the CPU: `picture` -> `score`, `verdict`, `map`, see `Assembly`.

    Raises ExportError where the model or its method cannot be written so.
    """
    place = Place.of(manifest)
    core = onnx.load_from_string(export_graph(method)).graph
    before = _traced_preparation(Preparation(manifest.preprocessing, place), place)
    after = _traced_assembly(manifest, method, place, kernel)
    _rename(before, "prepare/", {PICTURE, _LAID_OUT, _SIZE})
    _rename(core, _METHOD, set())
    _rename(after, "judge/", {CELLS, SCORES, _SIZE, SCORE, VERDICT, MAP})
    scored = _of_whole(core) if place.grid is None else _of_each_patch(core, place.grid, place.inputs)
    weights = core.initializer if place.grid is None else ()
    whole = helper.make_graph(
        _needed([*before.node, *scored, *after.node], {SCORE, VERDICT, MAP}),
        "loupe",
        [_picture(place)],
        [
            helper.make_tensor_value_info(SCORE, TensorProto.FLOAT, []),
            helper.make_tensor_value_info(VERDICT, TensorProto.INT64, []),
            helper.make_tensor_value_info(MAP, TensorProto.FLOAT, _sides(place)),
        ],
        [*before.initializer, *weights, *after.initializer],
    )
    return helper.make_model(
        whole, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=_IR_VERSION, producer_name="loupe"
    )


def _picture(place: Place) -> onnx.ValueInfoProto:
    counts = TensorProto.UINT8 if place.bits == 8 else TensorProto.UINT16  # tracing knows the former only
    return helper.make_tensor_value_info(PICTURE, counts, [*_sides(place), *([3] if place.channels == 3 else [])])


def _sides(place: Place) -> list[int | str]:
    return ["height", "width"] if place.only_size is None else list(place.only_size)


def _traced_preparation(preparation: Preparation, place: Place) -> onnx.GraphProto:
    height, width = place.only_size or place.usual_size
    example = torch.zeros((height, width) if place.channels == 1 else (height, width, 3), dtype=torch.uint8)
    any_size = {} if place.only_size is not None else {PICTURE: {0: "height", 1: "width"}}
    return _traced(preparation, (example,), [PICTURE], [_LAID_OUT, _SIZE], any_size)


def _traced_assembly(manifest: Manifest, method: Method, place: Place, kernel: Kernel | None) -> onnx.GraphProto:
    with torch.no_grad():
        scored = method.scored_in_graph(torch.zeros(1, 3, *method.input_size))
    count = len(place.inputs)
    cells = torch.zeros(count, *scored.cells.shape[1:])
    examples: tuple[Tensor, ...] = (cells, torch.tensor(place.only_size or place.usual_size))
    names = [CELLS, _SIZE]
    if scored.scores is not None:
        examples, names = (*examples, torch.zeros(count)), [*names, SCORES]
    assembly = Assembly(manifest, place, method, (cells.shape[1], cells.shape[2]), kernel)
    return _traced(assembly, examples, names, [SCORE, VERDICT, MAP], {})


def _traced(
    module: nn.Module,
    examples: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    any_size: dict[str, dict[int, str]],
) -> onnx.GraphProto:
    written = BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # what tracing fixes is fixed on purpose, and held against the detector
            torch.onnx.export(
                module.eval(),
                examples,
                written,  # type: ignore[arg-type]  # takes an open file, as its documentation says
                dynamo=False,
                opset_version=OPSET,
                input_names=inputs,
                output_names=outputs,
                dynamic_axes=any_size,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ExportError(f"The way to and from the network cannot be written as an ONNX graph: {error}") from error
    return onnx.load_from_string(written.getvalue()).graph


def _rename(graph: onnx.GraphProto, prefix: str, kept: set[str]) -> None:
    """Put `prefix` before all names but the `kept` ones: exporters call their values alike."""
    for value in (*graph.input, *graph.output):
        value.name = _prefixed(value.name, prefix, kept)
    for initializer in graph.initializer:
        initializer.name = _prefixed(initializer.name, prefix, kept)
    for node in graph.node:
        node.name = prefix + node.name
        for names in (node.input, node.output):
            renamed = [_prefixed(name, prefix, kept) for name in names]
            del names[:]
            names.extend(renamed)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                _rename(attribute.g, prefix, kept)


def _needed(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Those that the outputs depend on, in their order: ONNX Runtime warns of the size of a picture that nobody asks.

    Nodes must come after those that they depend on.
    """
    asked = set(outputs)
    needed = []
    for node in reversed(nodes):
        if asked.intersection(node.output):
            asked.update(_read_by(node))
            needed.append(node)
    return needed[::-1]


def _read_by(node: onnx.NodeProto) -> Iterator[str]:
    """The names of the node's inputs, and of all that graphs in it may take from around them."""
    yield from node.input
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            yield from (output.name for output in attribute.g.output)
            for inner in attribute.g.node:
                yield from _read_by(inner)


def _prefixed(name: str, prefix: str, kept: set[str]) -> str:
    return name if not name or name in kept else prefix + name  # an empty name stands for an input left out


def _of_whole(core: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The method's graph, whose one input is the whole picture."""
    outputs = [helper.make_node("Identity", [output.name], [_plain(output.name)]) for output in core.output]
    return [helper.make_node("Identity", [_LAID_OUT], [core.input[0].name]), *core.node, *outputs]


def _of_each_patch(core: onnx.GraphProto, grid: PatchGrid, inputs: list[int]) -> list[onnx.NodeProto]:
    """The method's graph in a loop over the patches: all at once would not fit into the memory."""
    corners = np.array([grid.corner(index) for index in inputs], np.int64)
    size = np.array([grid.patch_height, grid.patch_width], np.int64)
    cut = [
        helper.make_node("Gather", ["patch/corners", "patch/index"], ["patch/corner"], axis=0),
        helper.make_node("Add", ["patch/corner", "patch/size"], ["patch/end"]),
        helper.make_node("Slice", [_LAID_OUT, "patch/corner", "patch/end", "patch/axes"], [core.input[0].name]),
    ]
    body = helper.make_graph(
        [*cut, *core.node, helper.make_node("Identity", ["patch/goes_on"], ["patch/still_goes_on"])],
        "patch",
        [
            helper.make_tensor_value_info("patch/index", TensorProto.INT64, []),
            helper.make_tensor_value_info("patch/goes_on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("patch/still_goes_on", TensorProto.BOOL, []), *core.output],
        [
            *core.initializer,
            numpy_helper.from_array(corners, "patch/corners"),
            numpy_helper.from_array(size, "patch/size"),
            numpy_helper.from_array(np.array([2, 3], np.int64), "patch/axes"),
        ],
    )
    constants = {
        "patch/count": np.array(len(inputs), np.int64),
        "patch/always": np.array(True),
        "patch/axis": np.array([1], np.int64),  # each patch gives the scores of a batch of one
    }
    return [
        *(
            helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value))
            for name, value in constants.items()
        ),
        helper.make_node(
            "Loop", ["patch/count", "patch/always"], [f"patch/{one.name}" for one in core.output], body=body
        ),
        *(helper.make_node("Squeeze", [f"patch/{one.name}", "patch/axis"], [_plain(one.name)]) for one in core.output),
    ]


def _plain(name: str) -> str:
    return name.removeprefix(_METHOD)
