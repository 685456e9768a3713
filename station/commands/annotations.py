"""`loupe annotations`: masks and kinds of defects from one program's files to another's."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from ml.annotation.exchange import AnnotatedSet, LeftOut
from ml.annotation.formats import Export, Format, read_annotations, recognised, write_annotations
from station.commands.terminal import plain_table, progress_bar, say

MOST_TOLD: Final = 20


def read(source: Path, form: Format | None, pictures: Path | None, console: Console) -> tuple[Format, AnnotatedSet]:
    """What lies at `source` and in which format. Raises AnnotationError."""
    found: Format = form or recognised(source)[0]
    with progress_bar(console) as progress:
        return found, read_annotations(source, form, pictures, progress)


def write(found: AnnotatedSet, form: Format, out: Path, console: Console) -> Export:
    """Into the new or empty folder `out`. Raises AnnotationError."""
    with progress_bar(console) as progress:
        return write_annotations(found.pictures, form, out, progress)


def print_content(source: Path, form: Format, found: AnnotatedSet, console: Console) -> None:
    """What was read: pictures, regions by kind, and what was left out."""
    _print_reasons("left out", found.left_out, console)
    say(console, f"{source}: {form}, {_pictures(found)}")
    table = plain_table("kind", "regions", "pictures", "px")
    for kind, counts in _kinds(found).items():
        table.add_row(kind, *(f"{count:,}" for count in counts))
    if table.row_count:
        console.print(table)


def print_export(export: Export, form: Format, console: Console) -> None:
    """What was written, and what the format cannot hold."""
    _print_reasons("not kept", export.left_out, console)
    say(console, f"{export.pictures} pictures with {export.regions} regions written to {export.folder} ({form})")


def content_document(form: Format, found: AnnotatedSet) -> dict[str, Any]:
    """For a script."""
    kinds = {
        kind: dict(zip(("regions", "pictures", "px"), counts, strict=True)) for kind, counts in _kinds(found).items()
    }
    return {
        "format": form,
        "pictures": len(found.pictures),
        "labels": dict(Counter(one.label for one in found.pictures)),
        "annotated": sum(one.annotation is not None for one in found.pictures),
        "kinds": kinds,
        "left_out": [one._asdict() for one in found.left_out],
    }


def export_document(export: Export, form: Format) -> dict[str, Any]:
    """For a script."""
    return {
        "format": form,
        "folder": export.folder,
        "pictures": export.pictures,
        "regions": export.regions,
        "not_kept": [one._asdict() for one in export.left_out],
    }


def _print_reasons(head: str, left_out: Sequence[LeftOut], console: Console) -> None:
    for one in left_out[:MOST_TOLD]:
        say(console, f"{head}: {one.what}: {one.why}", "yellow")
    if len(left_out) > MOST_TOLD:
        say(console, f"{head}: {len(left_out) - MOST_TOLD} more; --json tells all", "yellow")


def _pictures(found: AnnotatedSet) -> str:
    labels = Counter(one.label for one in found.pictures)
    parts = ", ".join(f"{labels[label]} {label}" for label in ("good", "bad", "unsure") if labels[label])
    return f"{len(found.pictures)} pictures ({parts})" if parts else "no pictures"


def _kinds(found: AnnotatedSet) -> dict[str, tuple[int, int, int]]:
    """Regions, pictures and pixels of each kind, sorted."""
    regions, pictures, pixels = Counter[str](), Counter[str](), Counter[str]()
    for one in found.pictures:
        if one.annotation is not None:
            pictures.update(one.annotation.kinds)
            for region in one.annotation.regions:
                regions[region.kind] += 1
                pixels[region.kind] += region.area_px
    return {kind: (regions[kind], pictures[kind], pixels[kind]) for kind in sorted(regions)}
