"""What every command prints with: one-line texts, JSON, tables and progress bars."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.table import Table

from ml.progress import Progress
from station.commands.ending import one_line
from station.core.verdict import Verdict

STDERR = 2  # the descriptor
VERDICT_STYLE = {Verdict.OK: "green", Verdict.NG: "red", Verdict.UNSURE: "yellow", Verdict.FAULT: "magenta"}


def print_json(document: Any, *, is_line: bool = False) -> None:
    """One JSON document on stdout; with `is_line` one line of many, flushed at once. NaN and infinity never occur."""
    print(json.dumps(document, allow_nan=False, indent=None if is_line else 2, default=str), flush=True)


@contextmanager
def native_words_dropped() -> Iterator[None]:
    """Inside, only Python reaches stderr. libpng and libjpeg write there by themselves ("Corrupt JPEG data: ...");
    what is wrong with a file we say ourselves, and their words would tear progress bars apart.
    """
    sys.stderr.flush()
    before = sys.stderr
    with (
        os.fdopen(os.dup(STDERR), "w", encoding=before.encoding, errors="backslashreplace", buffering=1) as own,
        Path(os.devnull).open("w") as nowhere,
    ):
        sys.stderr = own
        os.dup2(nowhere.fileno(), STDERR)
        try:
            yield
        finally:
            own.flush()
            os.dup2(own.fileno(), STDERR)
            sys.stderr = before


def say(console: Console, text: str, style: str | None = None) -> None:
    """Print one line as it is, however long: terminals wrap it, files and `grep` get it whole."""
    console.print(one_line(text), style=style, markup=False, highlight=False, soft_wrap=True)


def plain_table(*headings: str) -> Table:
    """A table without frame, for figures: every column but the first is to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    return table


@contextmanager
def progress_bar(console: Console) -> Iterator[Progress]:
    """A bar per stage, with the time left; nothing at all where the console is no terminal."""
    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("ETA"),
        bars.TimeRemainingColumn(compact=True),
    )
    with bars.Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task("Starting", total=None)
        before: tuple[str, int] | None = None

        def update(stage: str, done: int, total: int) -> None:
            nonlocal before
            if (stage, total) != before:
                before = (stage, total)
                shown.reset(task, description=stage, total=total)
            shown.update(task, completed=done)

        yield update
