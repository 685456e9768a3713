"""`loupe train`: carries out a training job and tells how it goes, to a person or to the Training page."""

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ml.errors import CancelledError, LoupeError
from ml.job import TrainingJob
from ml.training import Survey, TrainingResult, run

REPORT_INTERVAL_S = 0.2
PrintJson = Callable[..., None]


class JsonReporter:
    """Progress as JSON lines, a few per second, with the seconds left in the current stage."""

    def __init__(self, print_json: PrintJson) -> None:
        self._print = print_json
        self._stage = ""
        self._stage_began = self._reported = 0.0

    def line(self, **document: Any) -> None:
        self._print(document, is_line=True)

    def progress(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._stage_began = stage, now
        elif now - self._reported < REPORT_INTERVAL_S and done < total:
            return
        self._reported = now
        eta_s = (now - self._stage_began) / done * (total - done) if done else None
        self.line(event="progress", stage=stage, done=done, total=total, eta_s=eta_s)


def train_and_report(job: TrainingJob, console: Console, print_json: PrintJson | None) -> None:
    """Raises LoupeError; with `print_json` the error is a JSON line as well."""
    if print_json is None:
        _train_for_a_person(job, console)
        return
    reporter = JsonReporter(print_json)

    def on_survey(survey: Survey) -> None:
        skipped = [{"file": item.file, "reason": item.reason} for item in survey.skipped]
        reporter.line(event="started", pictures=len(survey.names), skipped=skipped)

    try:
        result = run(job, reporter.progress, on_survey=on_survey)
    except CancelledError:
        raise
    except LoupeError as error:
        reporter.line(event="error", message=str(error))
        raise
    calibration = result.manifest.calibration
    reporter.line(
        event="result",
        file=str(result.path),
        model_hash=result.manifest.model_hash,
        threshold=calibration.threshold,
        rule=calibration.rule,
        source=calibration.source,
        interval=list(calibration.false_alarm_interval),
        n=calibration.n,
        skipped=len(result.survey.skipped),
        held_out_scores=list(calibration.scores),
        seconds=round(result.seconds, 2),
    )


def _train_for_a_person(job: TrainingJob, console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("Starting", total=None)
        stage_shown = ""

        def progress(stage: str, done: int, total: int) -> None:
            nonlocal stage_shown
            if stage != stage_shown:
                stage_shown = stage
                bars.reset(task, description=stage, total=total)
            bars.update(task, completed=done, total=total)

        result = run(job, progress)
    report_result(result, console)


def report_result(result: TrainingResult, console: Console) -> None:
    """What was trained, on what, and how its threshold was found."""
    for item in result.survey.skipped:
        console.print(f"left out: {item.reason}", style="yellow", markup=False)
    calibration = result.manifest.calibration
    low, high = calibration.false_alarm_interval
    console.print(
        f"{result.path}: {result.manifest.method} trained on {len(result.survey.names)} pictures"
        f" ({len(result.survey.skipped)} left out) in {result.seconds:.0f} s, model {result.manifest.model_hash[:12]}",
        markup=False,
    )
    console.print(
        f"threshold {calibration.threshold:.4g} by {calibration.rule.replace('_', '-')} from {calibration.n} held-out "
        f"scores ({calibration.source}); real false-alarm rate {low:.1%} to {high:.1%} (95 %)",
        markup=False,
    )
