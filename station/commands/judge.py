"""`loupe judge`: scores pictures with a model file into a sheet, which thresholds and rules are then judged by."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from ml.artifact import read_manifest
from ml.dataset import read_judged
from ml.judging import judge
from ml.picture_list import ListedPicture
from ml.runtime.scores import RuntimeName
from ml.score_sheet import ScoredRow, ScoreSheet, refuse_other_files
from station.commands.ending import one_line
from station.commands.reporter import JsonReporter, PrintJson
from station.commands.terminal import plain_table, progress_bar, say
from station.core.verdict import Verdict

if TYPE_CHECKING:  # torch takes seconds to import: what is plainly wrong is told before that
    from ml.maps import Detection

Group = tuple[str, str]
"""Label and kind of defect, as people read them."""


class Tally:
    """How many pictures of each label and kind got which verdict, by the model's own threshold and rules."""

    def __init__(self, model: Path) -> None:
        """Raises ModelFileError."""
        self._manifest = read_manifest(model)
        self.counts: dict[Group, Counter[Verdict]] = {}

    def add(self, row: ScoredRow, detection: "Detection | None") -> Verdict:
        verdict = Verdict.FAULT
        if detection is not None:
            verdict = Verdict(judge(detection, self._manifest.calibration, self._manifest.rules).verdict)
        self.counts.setdefault((row.label, row.kind or ""), Counter())[verdict] += 1
        return verdict


def judge_for_a_program(
    model: Path, data: Path, out: Path, device: str, runtime: RuntimeName, print_json: PrintJson
) -> None:
    """JSON lines: `progress`, a `scored` per picture, and `sheet` at the end. Raises LoupeError."""
    reporter = JsonReporter(print_json)
    pictures, tally = _looked_up(model, data, out)

    def on_row(row: ScoredRow, detection: "Detection | None") -> None:
        verdict = tally.add(row, detection)
        facts = row.model_dump(include={"name", "label", "kind", "score", "map_maximum", "fault"})
        reporter.line(event="scored", **facts, verdict=verdict.value)

    from ml.scoring_run import score_list

    sheet = score_list(model, pictures, out, reporter.progress, device=device, runtime=runtime, on_row=on_row)
    reporter.line(**sheet_event(out, sheet))


def judge_for_a_person(model: Path, data: Path, out: Path, device: str, runtime: RuntimeName, console: Console) -> None:
    """A progress bar and the faults on `console`, then the table on stdout. Raises LoupeError."""
    pictures, tally = _looked_up(model, data, out)

    def on_row(row: ScoredRow, detection: "Detection | None") -> None:
        tally.add(row, detection)
        if row.fault:
            say(console, f"FAULT {row.name}: {row.fault}", "magenta")

    from ml.scoring_run import score_list

    with progress_bar(console) as progress:
        sheet = score_list(model, pictures, out, progress, device=device, runtime=runtime, on_row=on_row)
    print_tally(tally, Console(highlight=False))
    say(console, f"{out}: scores and maps of {len(sheet.rows)} pictures by model {sheet.model_hash[:12]}")


def sheet_event(folder: Path, sheet: ScoreSheet) -> dict[str, Any]:
    """What a program is told of a finished sheet."""
    return {
        "event": "sheet",
        "folder": str(folder),
        "model_hash": sheet.model_hash,
        "pictures": len(sheet.rows),
        "faults": sum(row.score is None for row in sheet.rows),
    }


def print_tally(tally: Tally, console: Console) -> None:
    """A line per label and kind of defect."""
    table = plain_table("pictures", "in all", *(verdict.value for verdict in Verdict))
    for (label, kind), counts in tally.counts.items():
        title = f"{label}, {kind}" if kind else label
        table.add_row(Text(one_line(title)), str(counts.total()), *(str(counts[verdict]) for verdict in Verdict))
    console.print(table)


def _looked_up(model: Path, data: Path, out: Path) -> tuple[tuple[ListedPicture, ...], Tally]:
    """Raises what judging would raise for the model, the pictures and the folder: before torch is imported."""
    tally = Tally(model)
    pictures = read_judged(data)
    refuse_other_files(out)
    return pictures, tally
