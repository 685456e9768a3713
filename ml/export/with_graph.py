"""A model file with a graph for ONNX Runtime, from one that was made without: the same model, of the same hash."""

from pathlib import Path

from ml.artifact import Manifest, read_model, read_thumbnail, write_model
from ml.detector import Detector
from ml.errors import ModelFileError
from ml.export.standalone import refuse_to_overwrite
from ml.map_filter import MAP_FILTER, checked_filter
from ml.progress import Progress, silent
from ml.runtime.agreement import checked_graph
from ml.runtime.torch_runtime import TorchRuntime


def write_with_graph(
    model: Path, out: Path | None = None, *, force: bool = False, progress: Progress = silent
) -> tuple[Path, Manifest]:
    """Write `model` with the graph that training would give it, checked as there but without its pictures.

    out: the file to write, or a folder for it; `NAME-graph.loupe` beside `model` unless given. force: overwrite.
    Raises ModelFileError, and ExportError where the method has no graph or it differs from torch.
    """
    name = f"{model.stem}-graph.loupe"
    target = model.with_name(name) if out is None else out / name if out.is_dir() else out
    if target.exists() and model.exists() and model.samefile(target):
        raise ModelFileError(f"{target}: a model file is never changed; give the one with a graph a name of its own.")
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
    written = write_model(
        target,
        name=manifest.name,
        method=manifest.method,
        parameters=manifest.parameters,
        preprocessing=manifest.preprocessing,
        calibration=manifest.calibration,
        backbone=manifest.backbone,
        reference=manifest.reference,
        data=manifest.data,
        seed=manifest.seed,
        tensors=tensors,
        thumbnail=read_thumbnail(model),
        notes=manifest.notes,
        rules=manifest.rules,
        graph=graph,
    )
    return target, written
