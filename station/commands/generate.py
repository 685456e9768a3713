"""`loupe generate`: new pictures from good ones, marked as such, with a contact sheet. Torch only where a generator
needs it."""

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console

from ml.generation.catalogue import Makes, generator
from ml.generation.production import LIST, MASKS, SHEET, GenerationOrder, Production, produce
from station.commands.terminal import progress_bar, say

MUST_NOT: Final[Mapping[Makes, str]] = {
    "good": "what no good part shows must not be learnt from",
    "defects": "what could pass for a good part is no defect to learn from",
}


def generate(order: GenerationOrder, console: Console) -> Production:
    """Carry it out with a progress bar on `console`. Raises LoupeError."""
    with progress_bar(console) as progress:
        return produce(order, progress)


def print_production(order: GenerationOrder, made: Production, console: Console) -> None:
    """What was made, where it lies and what to do with it."""
    for reason in made.skipped:
        say(console, f"left out: {reason}", "yellow")
    if made.note:
        say(console, made.note, "yellow")
    info = generator(order.generator)
    say(
        console,
        f"{len(made.pictures)} pictures made from {made.sources} good ones by {info.title}, each marked in its file",
    )
    say(console, f"pictures  {made.pictures[0].parent}")
    if (made.folder / MASKS).is_dir():
        say(console, f"masks     {made.folder / MASKS}")
    say(console, f"sheet     {made.folder / SHEET}")
    say(console, f"list      {made.folder / LIST}")
    say(console, f"Look at the sheet before you use them: {MUST_NOT[info.makes]}.", "dim")


def production_document(order: GenerationOrder, made: Production) -> dict[str, Any]:
    """For a script."""
    return {
        "generator": order.generator,
        "folder": made.folder,
        "pictures": [path.relative_to(made.folder).as_posix() for path in made.pictures],
        "contact_sheet": SHEET,
        "list": LIST,
        "sources": made.sources,
        "skipped": list(made.skipped),
        "note": made.note,
    }
