"""`loupe export`: a model for programs that have nothing of ours."""

from pathlib import Path
from typing import Any

from rich.console import Console

from ml.artifact import Manifest
from ml.export.formats import FormatName
from ml.export.standalone import Exported, export_standalone
from ml.export.with_graph import write_with_graph
from station.commands.terminal import progress_bar, say


def export(model: Path, form: FormatName, out: Path | None, force: bool, console: Console) -> Exported:
    """Raises LoupeError."""
    with progress_bar(console) as progress:
        return export_standalone(model, form, out, force=force, progress=progress)


def add_graph(model: Path, out: Path | None, force: bool, console: Console) -> tuple[Path, Manifest]:
    """Raises LoupeError."""
    with progress_bar(console) as progress:
        return write_with_graph(model, out, force=force, progress=progress)


def export_document(exported: Exported) -> dict[str, Any]:
    return {"files": [str(path) for path in exported.files], **exported.metadata}


def graph_document(path: Path, manifest: Manifest) -> dict[str, Any]:
    agreement = None if manifest.graph is None else manifest.graph.agreement.model_dump()
    return {"files": [str(path)], "model_hash": manifest.model_hash, "agreement": agreement}


def print_export(exported: Exported, console: Console) -> None:
    for path in exported.files:
        say(console, f"wrote   {path}")
    size = exported.metadata["input"]
    is_any = size["height"] == "any"
    taken = "of any size" if is_any else f"of {size['width']} x {size['height']} px"
    say(console, f"takes   pictures {taken}, {size['type']} ({size['layout']})")
    found = exported.difference
    flips = "the same verdict on all" if not found.flips else f"another verdict on {found.flips}"
    say(
        console,
        f"checked on {found.pictures} pictures: differs from the model by at most {found.score:.1g} of the score range "
        f"in the score and {found.map:.1g} in the map, {flips}",
    )


def print_graph(path: Path, manifest: Manifest, console: Console) -> None:
    say(console, f"wrote   {path}")
    if manifest.graph is not None:
        found = manifest.graph.agreement
        say(
            console,
            f"checked on {found.pictures} pictures: the graph differs from torch by at most "
            f"{found.largest_difference:.1g} of the score range; the model's hash stays {manifest.model_hash[:12]}",
        )
