"""`loupe models`: the models of a station, who approved them, where they judge, and the way back.

Only `add_graph` imports torch.
"""

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml.artifact import read_manifest
from ml.errors import LoupeError
from station.commands.graphs import graph_document, graph_line, is_from_before
from station.commands.terminal import plain_table, progress_bar
from station.core.errors import StorageError
from station.core.people import TypedNames
from station.core.recipe import Recipe
from station.history.archive import Archive
from station.history.versions import Approval, in_use
from station.home import FileLock, Home

SHORT_HASH = 12


def opened(home: Path | None) -> Archive:
    """The archive of a home that is there already. Raises StorageError."""
    place = Home.locate(home)
    if not place.database.is_file():
        raise StorageError(f"{place.folder}: no station has worked here yet. Choose another home with --home.")
    return Archive.open(place)


def models_document(archive: Archive) -> list[dict[str, Any]]:
    """All models, the last added first: where they judge now, and who approved them."""
    used = in_use(archive.recipes)
    return [
        {
            "hash": model.hash,
            "name": model.name,
            "method": model.method,
            "added_at": model.added_at.isoformat(),
            "in_use": list(used.get(model.hash, ())),
            "approvals": [_approval(one) for one in archive.versions.approvals(model.hash)],
        }
        for model in archive.models.list()
    ]


def print_models(archive: Archive, console: Console) -> None:
    models = models_document(archive)
    if not models:
        console.print("No models yet. `loupe train` makes one; Training in the window puts it to a recipe.")
        return
    table = plain_table("model", "name", "method", "added", "judges in", "approved by")
    for model in models:
        table.add_row(
            model["hash"][:SHORT_HASH],
            Text(model["name"]),
            model["method"],
            model["added_at"][:16].replace("T", " "),
            Text(", ".join(model["in_use"]) or "-"),
            Text(", ".join(one["approver"] for one in model["approvals"]) or "-"),
        )
    console.print(table)


def model_document(archive: Archive, start: str) -> dict[str, Any]:
    """One model whole, found by the beginning of its hash. Raises StorageError, ModelFileError."""
    model_hash = archive.models.find(start)
    manifest = archive.models.manifest(model_hash)
    calibration = manifest.calibration
    low, high = calibration.false_alarm_interval
    return {
        "hash": model_hash,
        "name": manifest.name,
        "method": manifest.method,
        "parameters": manifest.parameters,
        "created_at": manifest.created_utc.isoformat(),
        "notes": manifest.notes,
        "seed": manifest.seed,
        "pictures": len(manifest.data.files),
        "pictures_kept": sum(archive.pictures.has(digest) for _, digest in manifest.data.files),
        "threshold": calibration.threshold,
        "rule": calibration.rule if calibration.choice is None else calibration.choice.rule,
        "choice": None if calibration.choice is None else calibration.choice.model_dump(exclude_none=True),
        "source": calibration.source,
        "false_alarms": [low, high],
        "graph": graph_document(manifest),
        "approvals": [_approval(one) for one in archive.versions.approvals(model_hash)],
        "deployments": [
            {**asdict(one), "deployed_at": one.deployed_at.isoformat()} for one in archive.versions.of_model(model_hash)
        ],
        "file": str(archive.models.path(model_hash)),
    }


def print_model(document: dict[str, Any], console: Console) -> None:
    low, high = document["false_alarms"]
    table = Table.grid(padding=(0, 2, 0, 0))
    rows = {
        "model": document["hash"],
        "name": document["name"],
        "method": document["method"],
        "trained": document["created_at"][:16].replace("T", " "),
        "pictures": f"{document['pictures']}, of which {document['pictures_kept']} are kept on this station",
        "threshold": f"{document['threshold']:.4g} ({document['rule'].replace('_', '-')}, {document['source']})",
        "false alarms": f"{low:.1%} to {high:.1%} of good parts (95 %)",
        "graph": _graph(document),
        "notes": document["notes"] or "-",
        "file": document["file"],
    }
    for title, value in rows.items():
        table.add_row(Text(title, "dim"), Text(str(value)))
    console.print(table)
    for one in document["approvals"]:
        checked = "" if one["is_authenticated"] else " (typed name, not authenticated)"
        note = f": {one['note']}" if one["note"] else ""
        console.print(Text(f"approved {one['approved_at'][:16].replace('T', ' ')} by {one['approver']}{checked}{note}"))
    for one in document["deployments"]:
        back = f", back to revision {one['rolled_back_to']}" if one["rolled_back_to"] else ""
        by = f" by {one['deployed_by']}" if one["deployed_by"] else ""
        note = f": {one['notes']}" if one["notes"] else ""
        when = one["deployed_at"][:16].replace("T", " ")
        console.print(Text(f"{one['recipe']}, revision {one['revision']}, {when}{by}{back}{note}"))


def _graph(document: dict[str, Any]) -> str:
    line = graph_line(document["graph"])
    if not is_from_before(document["graph"]):
        return line
    return f"{line}. `loupe models graph {document['hash'][:SHORT_HASH]}` adds one: faster on a processor"


def approve(archive: Archive, start: str, name: str, note: str) -> Approval:
    """Raises StorageError, IdentityError."""
    return archive.versions.approve(archive.models.find(start), TypedNames().identify(name), note)


def models_without_graph(archive: Archive) -> dict[str, str]:
    """The hashes of models in use that are from before there were graphs, with their recipes in words.

    Raises StorageError, ModelFileError.
    """
    return {
        model: ", ".join(recipes)
        for model, recipes in in_use(archive.recipes).items()
        if is_from_before(graph_document(archive.models.manifest(model)))
    }


def add_graph(archive: Archive, start: str, console: Console) -> dict[str, Any]:
    """Give a model its graph, and say what it is worth (`graph_document`); one that has one already keeps it.

    The model and its hash stay; a station that runs takes the graph at the next load. Imports torch. Raises
    StorageError, ModelFileError, and ExportError where the method has no graph or it differs from torch.
    """
    model = archive.models.path(archive.models.find(start))
    manifest = read_manifest(model)
    if manifest.graph is None:
        from ml.export.with_graph import write_with_graph

        with TemporaryDirectory(prefix="loupe-graph-") as folder, progress_bar(console) as progress:
            written, _ = write_with_graph(model, Path(folder) / model.name, progress=progress)
            manifest = archive.models.add(written)
    return graph_document(manifest)


def roll_back(home: Path | None, recipe: str, name: str, to_revision: int | None, notes: str) -> Recipe:
    """Only while no station runs on this home: it would go on judging with the model that it has loaded.

    Raises LoupeError.
    """
    by = TypedNames().identify(name)
    with opened(home) as archive, _closed_station(home):
        return archive.versions.roll_back(recipe, by, to_revision, notes)


def _closed_station(home: Path | None) -> FileLock:
    try:
        return Home.locate(home).lock()
    except LoupeError as error:
        raise StorageError(f"{error} In its window, Training rolls back without a stop.") from error


def _approval(approval: Approval) -> dict[str, Any]:
    return {**asdict(approval), "approved_at": approval.approved_at.isoformat()}
