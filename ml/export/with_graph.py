"""A model file with a graph for ONNX Runtime, from one that was made without: the same model, of the same hash."""

from pathlib import Path

from ml.artifact import Manifest, read_model, refuse_to_change, with_graph
from ml.detector import Detector
from ml.export.standalone import refuse_to_overwrite, target_of
from ml.map_filter import MAP_FILTER, checked_filter
from ml.progress import Progress, silent
from ml.runtime.agreement import checked_graph
from ml.runtime.torch_runtime import TorchRuntime


def write_with_graph(
    model: Path, out: Path | None = None, *, force: bool = False, progress: Progress = silent
) -> tuple[Path, Manifest]:
    """Write `model` with the graph that training would give it, checked as there but without its pictures.

    out: the file to write, or a folder for it; `NAME-graph.loupe` beside `model` unless given. force: overwrite.
    Raises ModelFileError, ParameterError for an `out` that is called otherwise, and ExportError where the method has no
    graph or it differs from torch.
    """
    target = target_of(model.with_name(f"{model.stem}-graph.loupe"), "loupe", out)
    refuse_to_change(model, target)
    refuse_to_overwrite(target, force=force)
    runtime = Detector.load(model, "cpu", "torch").runtime
    assert isinstance(runtime, TorchRuntime)
    manifest, tensors = read_model(model)
    kernel = checked_filter(tensors[MAP_FILTER]) if MAP_FILTER in tensors else None
    graph = checked_graph(
        runtime.method,
        manifest.preprocessing,
        manifest.calibration,
        manifest.reference,
        map_filter=kernel,
        progress=progress,
    )
    return target, with_graph(model, target, graph)
