"""`loupe generate`: new pictures from good ones, marked as such, with a contact sheet. Torch only where a generator
needs it."""

from typing import Any

from rich.console import Console

from ml.generation.catalogue import generator
from ml.generation.production import LIST, SHEET, GenerationOrder, Production, produce
from station.commands.terminal import progress_bar, say


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
    title = generator(order.generator).title
    say(
        console, f"{len(made.pictures)} pictures made from {made.sources} good ones by {title}, each marked in its file"
    )
    say(console, f"pictures  {made.pictures[0].parent}")
    say(console, f"sheet     {made.folder / SHEET}")
    say(console, f"list      {made.folder / LIST}")
    say(console, "Look at the sheet before you use them: what no good part shows must not be learnt from.", "dim")


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
