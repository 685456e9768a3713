"""The two formats: how a graph is put into files, and computed from these very files to check them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import onnx
import onnxruntime

from ml.errors import ExportError, first_line
from ml.export.agreement import Judged
from ml.export.graph import MAP, PICTURE, SCORE, VERDICT
from ml.pictures import Pixels
from ml.runtime.onnx_runtime import ERRORS, FATAL

FormatName = Literal["onnx", "openvino"]
SUFFIXES: Final[dict[FormatName, str]] = {"onnx": ".onnx", "openvino": ".xml"}
"""Of the file that a program opens."""

_OUTPUTS = [SCORE, VERDICT, MAP]
_MOST_BYTES = (1 << 31) - 1


class Format(ABC):
    @property
    @abstractmethod
    def versions(self) -> dict[str, str]:
        """Of what wrote and checked it."""

    @abstractmethod
    def computing(self, graph: onnx.ModelProto) -> Callable[[Pixels], Judged]:
        """What computes the graph as it will be written. Raises ExportError."""

    @abstractmethod
    def files(self, graph: onnx.ModelProto, metadata: Mapping[str, str], stem: str) -> dict[str, bytes]:
        """Name to content, what a program opens last: whoever finds it finds the others too."""


class Onnx(Format):
    """One file with its metadata in `metadata_props`."""

    @property
    def versions(self) -> dict[str, str]:
        return {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}

    def computing(self, graph: onnx.ModelProto) -> Callable[[Pixels], Judged]:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = FATAL
        try:
            session = onnxruntime.InferenceSession(_serialised(graph), options, providers=["CPUExecutionProvider"])
        except ERRORS as error:
            raise ExportError(f"ONNX Runtime cannot read the export: {first_line(error)}") from error

        def compute(pixels: Pixels) -> Judged:
            try:
                score, verdict, values = session.run(_OUTPUTS, {PICTURE: pixels})
            except ERRORS as error:
                raise ExportError(
                    f"ONNX Runtime cannot compute the export for a picture: {first_line(error)}"
                ) from error
            return Judged(float(score), int(verdict), values)

        return compute

    def files(self, graph: onnx.ModelProto, metadata: Mapping[str, str], stem: str) -> dict[str, bytes]:
        described = onnx.ModelProto()
        described.CopyFrom(graph)
        onnx.helper.set_model_props(described, dict(metadata))
        return {f"{stem}{SUFFIXES['onnx']}": _serialised(described)}


class OpenVino(Format):
    """Two files, the metadata in the first one's `rt_info`, in single precision as the graph."""

    def __init__(self) -> None:
        import openvino  # `ml` has seen to it that this reports nothing to anybody

        self._openvino: Any = openvino

    @property
    def versions(self) -> dict[str, str]:
        return {"openvino": str(self._openvino.__version__)}

    def computing(self, graph: onnx.ModelProto) -> Callable[[Pixels], Judged]:
        try:
            model = self._openvino.Core().read_model(_serialised(graph))
            # Left alone it computes in half precision where the processor can.
            compiled = self._openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        except RuntimeError as error:
            raise ExportError(f"OpenVINO cannot read the export: {first_line(error)}") from error

        def compute(pixels: Pixels) -> Judged:
            try:
                result = compiled(pixels)
            except RuntimeError as error:
                raise ExportError(f"OpenVINO cannot compute the export for a picture: {first_line(error)}") from error
            return Judged(float(result[SCORE]), int(result[VERDICT]), result[MAP])

        return compute

    def files(self, graph: onnx.ModelProto, metadata: Mapping[str, str], stem: str) -> dict[str, bytes]:
        model = self._openvino.Core().read_model(_serialised(graph))
        for key, value in metadata.items():
            model.set_rt_info(value, ["loupe", key])
        with TemporaryDirectory() as folder:
            written = Path(folder) / "model.xml"
            self._openvino.save_model(model, written, compress_to_fp16=False)
            weights, description = written.with_suffix(".bin").read_bytes(), written.read_bytes()
        return {f"{stem}.bin": weights, f"{stem}{SUFFIXES['openvino']}": description}


def format_named(name: FormatName) -> Format:
    return Onnx() if name == "onnx" else OpenVino()


def _serialised(graph: onnx.ModelProto) -> bytes:
    if graph.ByteSize() > _MOST_BYTES:
        raise ExportError(
            "The model is larger than the 2 GiB that an ONNX graph may have. Train it with a smaller coreset, fewer "
            "channels or a smaller network."
        )
    return bytes(graph.SerializeToString())
