"""`loupe compare`: methods side by side on labelled pictures. What it makes: a table, and a report in a folder."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from ml.comparison.measures import COST, QUALITY, Measure
from ml.comparison.order import Comparison
from ml.comparison.records import CellJob, CellOutcome, DoneCell, FailedCell
from ml.comparison.run import Cell, Watcher, compare
from ml.comparison.store import CellStore, make_folder
from ml.comparison.table import Row, markdown, table_of
from ml.errors import ComparisonError
from ml.files import write_atomically
from ml.progress import Progress
from station.commands.ending import one_line
from station.commands.terminal import plain_table, progress_bar, say

LOG_INTERVAL_S = 30.0
REPORT, TABLE, RESULTS, CELLS = "report.html", "table.md", "results.json", "cells"


def run_comparison(
    comparison: Comparison, report: Path, cells_folder: Path | None, retry: bool, console: Console
) -> list[Cell]:
    """Carry out what is missing, and write page, table and results into `report`; progress goes to `console`.

    Finished cells are kept in `cells_folder`, in the report's own folder unless given. Raises LoupeError where nothing
    can be compared or written; a cell's own failure is told and kept with it.
    """
    jobs = comparison.jobs()
    comparison.check()
    make_folder(report)
    store = CellStore(cells_folder or report / CELLS)
    with progress_bar(console) as progress:
        cells = compare(jobs, store, retry=retry, watcher=_Teller(console, progress))
    _write(report, cells)
    for what, name in (("report", REPORT), ("table", TABLE), ("results", RESULTS)):
        say(console, f"{what:8}{report / name}")
    return cells


def print_table(cells: Sequence[Cell], console: Console) -> None:
    """Per data set how well each method tells and what it costs; the best figures are bold."""
    rows = table_of(cells)
    for name in dict.fromkeys(row.data_set for row in rows):
        of_data_set = [row for row in rows if row.data_set == name]
        console.print(Text(f"\n{one_line(name)}", "bold"))
        for measures in (QUALITY, COST):
            table = plain_table("method", *(measure.short for measure in measures))
            for row in of_data_set:
                if row.done:
                    table.add_row(row.method.replace("+", "\n+"), *(_figure(row, measure) for measure in measures))
            if table.row_count:
                console.print(table)
        for row in of_data_set:
            if row.note:
                say(console, f"{row.method}: {row.note}", "red")
    console.print(
        "\nBold: the best of the data set. F1 is taken at the model's own threshold, F1-max at the best one "
        "for these very labels: an oracle. Times and memory are those of this machine.",
        style="dim",
        highlight=False,
    )


class _Teller(Watcher):
    """A line where a cell begins and ends; between them a bar or, in a log, a line now and then."""

    def __init__(self, console: Console, bar: Progress) -> None:
        self._console = console
        self._bar = bar
        self._said = 0.0

    def began(self, number: int, total: int, job: CellJob, left_s: float | None) -> None:
        left = "" if left_s is None else f"; about {_duration(left_s)} left in all"
        say(self._console, f"cell {number} of {total}: {job.title}{left}", "dim")
        self._said = time.monotonic()

    def progressed(self, number: int, total: int, job: CellJob, stage: str, done: int, of: int) -> None:
        self._bar(one_line(f"{number}/{total} {stage}"), done, of)
        if not self._console.is_terminal and time.monotonic() - self._said >= LOG_INTERVAL_S:
            say(self._console, f"cell {number} of {total}: {job.title}: {stage}, {done} of {of}", "dim")
            self._said = time.monotonic()

    def ended(self, number: int, total: int, job: CellJob, outcome: CellOutcome, is_stored: bool) -> None:
        before = ", computed before" if is_stored else ""
        where = f"cell {number} of {total}: {job.title}"
        if isinstance(outcome, FailedCell):
            hint = " (--retry tries it again)" if is_stored else ""
            say(self._console, f"{where}: failed{before}{hint}: {outcome.message}", "red")
            return
        auroc = outcome.report["image_auroc"]
        shown = "image AUROC -" if auroc is None else f"image AUROC {auroc:.3f}"
        say(self._console, f"{where}: {shown} in {_duration(outcome.seconds)}{before}")


def has_failures(cells: Sequence[Cell]) -> bool:
    return any(not isinstance(cell.outcome, DoneCell) for cell in cells)


def _write(folder: Path, cells: Sequence[Cell]) -> None:
    from ml.comparison.report import page, results

    document: dict[str, Any] = results(cells)
    files: dict[str, Callable[[], str]] = {
        RESULTS: lambda: json.dumps(document, allow_nan=False, indent=1) + "\n",
        TABLE: lambda: markdown(table_of(cells)),
        REPORT: lambda: page(cells),
    }
    for name, text in files.items():
        try:
            write_atomically(folder / name, text().encode())
        except OSError as error:
            raise ComparisonError(
                f"{folder / name}: cannot be written ({error.strerror}). Free some space or choose another --report; "
                "the finished cells are kept."
            ) from error


def _figure(row: Row, measure: Measure) -> Text:
    figure = row.figures[measure.key]
    if figure is None:
        return Text("-")
    text = Text(figure.shown, "bold" if measure.key in row.best else "")
    return text.append(f"\n{figure.shown_spread}", "dim") if figure.spread is not None else text


def _duration(seconds: float) -> str:
    """In the unit that a person would say it in."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
