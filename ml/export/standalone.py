"""Write a model file as a stand-alone ONNX or OpenVINO model, checked, with its metadata and an example."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml.artifact import Manifest, library_versions, read_model, read_thumbnail
from ml.detector import Detector
from ml.errors import ExportError, ParameterError
from ml.export.agreement import Difference, checked_difference, trial_pictures
from ml.export.example import EXAMPLE_SUFFIX, example
from ml.export.formats import SUFFIXES, Format, FormatName, format_named
from ml.export.geometry import Place
from ml.export.graph import standalone_graph
from ml.files import write_together
from ml.map_filter import MAP_FILTER, checked_filter
from ml.progress import Progress, silent
from ml.runtime.torch_runtime import TorchRuntime

_VERSIONS = ("loupe", "torch", "timm")


@dataclass(frozen=True, slots=True)
class Exported:
    """files: those written, the one to be opened first. metadata: what they say about themselves."""

    files: tuple[Path, ...]
    metadata: Mapping[str, Any]
    difference: Difference


def export_standalone(
    model: Path, form: FormatName, out: Path | None = None, *, force: bool = False, progress: Progress = silent
) -> Exported:
    """Write `model`, a `.loupe` file, in another format, with an example beside it; all of it or nothing.

    out: the file to write, or a folder for it; beside `model` and called like it unless given. force: overwrite.
    Raises ModelFileError for a model that cannot be read, ParameterError for an `out` of another format, and
    ExportError where it cannot be exported or written, or the export would differ from the model.
    """
    target = target_of(model.with_suffix(SUFFIXES[form]), form, out)
    example_file = target.with_name(target.stem + EXAMPLE_SUFFIX)
    refuse_to_overwrite(target, example_file, force=force)
    progress("Loading the model", 0, 3)
    detector = Detector.load(model, "cpu", "torch")
    manifest, runtime = detector.manifest, detector.runtime
    assert isinstance(runtime, TorchRuntime)
    place = Place.of(manifest)
    progress("Writing the graph", 1, 3)
    tensors = read_model(model)[1]
    kernel = checked_filter(tensors[MAP_FILTER]) if MAP_FILTER in tensors else None
    graph = standalone_graph(manifest, runtime.method, kernel)
    chosen = format_named(form)
    progress("Holding it against the model", 2, 3)
    pictures = trial_pictures(manifest, place, read_thumbnail(model))
    difference = checked_difference(detector, chosen.computing(graph), pictures)
    metadata = described(manifest, place, chosen, difference)
    as_text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata.items()}
    program = example(manifest.name, target.stem, form, place, manifest.reference.bit_depth)
    contents = {example_file.name: program.encode()}
    contents |= chosen.files(graph, as_text, target.stem)
    refuse_to_overwrite(*(target.with_name(name) for name in contents), force=force)
    _write(target.parent, contents)
    progress("Holding it against the model", 3, 3)
    return Exported(tuple(target.with_name(name) for name in reversed(contents)), metadata, difference)


def described(manifest: Manifest, place: Place, form: Format, difference: Difference) -> dict[str, Any]:
    """What an export says about itself: nothing of the machine and its folders."""
    calibration = manifest.calibration
    low = calibration.threshold_low
    versions = library_versions()
    height, width = place.only_size or ("any", "any")
    return {
        "name": manifest.name,
        "model_hash": manifest.model_hash,
        "method": manifest.method,
        "backbone": manifest.backbone or "",
        "notes": manifest.notes,
        "input": {
            "name": "picture",
            "type": "uint8" if place.bits == 8 else "uint16",
            "layout": "height, width" if place.channels == 1 else "height, width, RGB",
            "height": height,
            "width": width,
            "bit_depth": manifest.reference.bit_depth,
            "region": None if place.crop is None else dict(zip(("x", "y", "width", "height"), place.crop, strict=True)),
            "has_inspection_area": manifest.preprocessing.area is not None,
        },
        "outputs": {
            "score": "float32: 0 the typical good part, 1 the threshold",
            "verdict": "int64: 0 OK, 1 UNSURE, 2 NG",
            "map": "float32 (height, width) of the picture: 0 a typical good part's highest, 1 the regions' threshold",
        },
        "scale": {
            "threshold": calibration.threshold,
            "median": calibration.median,
            "unsure_from": None if low is None else calibration.normalise(low),
            "pixel_threshold": calibration.pixel_threshold,
            "pixel_median": calibration.pixel_median,
        },
        "agreement": difference._asdict(),
        "versions": {name: versions[name] for name in _VERSIONS if name in versions} | form.versions,
    }


def target_of(default: Path, form: str, out: Path | None) -> Path:
    """The file to write: `default`, the same in the folder `out`, or `out` itself.

    Raises ParameterError where `out` does not end as `default` does, so that nothing would know it for a `form`.
    """
    if out is None:
        return default
    if out.is_dir():
        return out / default.name
    if out.suffix.lower() != default.suffix:
        raise ParameterError(
            f"--out {out}: the format {form} is written to a file *{default.suffix}, or into a folder."
        )
    return out


def refuse_to_overwrite(*files: Path, force: bool) -> None:
    """Raises ExportError that names the first one that is there; a folder is never overwritten."""
    folders = [path for path in files if path.is_dir()]
    if folders:
        raise ExportError(f"{folders[0]} is a folder. Choose another --out, or rename the folder.")
    there = [path for path in files if path.exists()]
    if there and not force:
        raise ExportError(f"{there[0]} is there already. Choose another --out, or give --force to overwrite it.")


def _write(folder: Path, contents: Mapping[str, bytes]) -> None:
    try:
        write_together(folder, contents)
    except OSError as error:
        raise ExportError(
            f"{folder}: the export cannot be written: {error.strerror or error}. Check that the folder exists, may be "
            "written to and has room, or choose another --out."
        ) from error
