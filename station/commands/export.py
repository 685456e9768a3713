"""`loupe export`: a model for programs that have nothing of ours, or the same model with a graph."""

from pathlib import Path
from typing import Any, Literal, NamedTuple

from rich.console import Console

from ml.artifact import Manifest
from ml.export.standalone import Exported, export_standalone
from ml.export.with_graph import write_with_graph
from ml.progress import Progress
from station.commands.reporter import JsonReporter, PrintJson
from station.commands.terminal import progress_bar, say

Form = Literal["onnx", "openvino", "loupe"]


class Told(NamedTuple):
    """What was written: for programs, and in sentences."""

    document: dict[str, Any]
    lines: list[str]


def export_for_a_program(model: Path, form: Form, out: Path | None, force: bool, print_json: PrintJson) -> None:
    """JSON lines: `progress`, and `exported` at the end. Raises LoupeError."""
    reporter = JsonReporter(print_json)
    reporter.line(event="exported", **_exported(model, form, out, force, reporter.progress).document)


def export_for_a_person(model: Path, form: Form, out: Path | None, force: bool, console: Console) -> None:
    """A progress bar on `console`, then what was written on stdout. Raises LoupeError."""
    with progress_bar(console) as progress:
        told = _exported(model, form, out, force, progress)
    for line in told.lines:
        say(Console(), line)


def _exported(model: Path, form: Form, out: Path | None, force: bool, progress: Progress) -> Told:
    if form == "loupe":
        return _with_graph(*write_with_graph(model, out, force=force, progress=progress))
    return _standalone(export_standalone(model, form, out, force=force, progress=progress))


def _standalone(exported: Exported) -> Told:
    taken, found = exported.metadata["input"], exported.difference
    size = "any size" if taken["height"] == "any" else f"{taken['width']} x {taken['height']} px"
    flips = f"another verdict on {found.flips}" if found.flips else "the same verdict on all"
    return Told(
        {"files": [str(path) for path in exported.files], **exported.metadata},
        [
            *(f"wrote   {path}" for path in exported.files),
            f"takes   pictures of {size}, {taken['type']} ({taken['layout']})",
            f"checked on {found.pictures} pictures: differs from the model by at most {found.score:.1g} of the score "
            f"range in the score and {found.map:.1g} in the map, {flips}",
        ],
    )


def _with_graph(path: Path, manifest: Manifest) -> Told:
    assert manifest.graph is not None
    found = manifest.graph.agreement
    return Told(
        {"files": [str(path)], "model_hash": manifest.model_hash, "agreement": found.model_dump()},
        [
            f"wrote   {path}",
            f"checked on {found.pictures} pictures: the graph differs from torch by at most "
            f"{found.largest_difference:.1g} of the score range; the model's hash stays {manifest.model_hash[:12]}",
        ],
    )
