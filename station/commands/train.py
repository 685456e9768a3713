"""`loupe train`: carries out a training job and tells how it goes, to a person or to the Training page."""

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ml.calibration import assign_groups
from ml.catalogue import method, parse_settings
from ml.errors import CancelledError
from ml.job import TrainingJob
from ml.training.augmentation import check_augmentation
from ml.training.monitor import Monitor, Reconstructions
from ml.training.sources import good_pictures
from station.commands.sample_sheet import sample_sheet
from station.commands.terminal import progress_bar, say

if TYPE_CHECKING:  # torch takes seconds to import: what is plainly wrong is told before that
    from ml.training.pipeline import TrainingResult
    from ml.training.plan import Plan
    from ml.training.survey import Survey

REPORT_INTERVAL_S = 0.2
CONTINUES = "`loupe train` with the same order and --resume continues it"
SCORED = {
    "5-fold": "held-out parts, in five turns",
    "leave-one-out": "parts held out one by one",
    "hold-out": "parts set aside",
    "perturbations": "changed copies of the same pictures",
}
PrintJson = Callable[..., None]


class JsonReporter(Monitor):
    """JSON lines: progress, a few per second, with the seconds left in the current stage; losses; samples."""

    def __init__(self, print_json: PrintJson) -> None:
        self._print = print_json
        self._stage: tuple[str, int] | None = None
        self._stage_began = self._reported = 0.0

    def line(self, **document: Any) -> None:
        self._print(document, is_line=True)

    def progress(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if (stage, total) != self._stage:
            self._stage, self._stage_began = (stage, total), now
        elif now - self._reported < REPORT_INTERVAL_S and done < total:
            return
        self._reported = now
        eta_s = (now - self._stage_began) / done * (total - done) if done else None
        self.line(event="progress", stage=stage, done=done, total=total, eta_s=eta_s)

    def losses(self, step: int, steps: int, losses: Mapping[str, float], validation: float | None) -> None:
        self.line(event="losses", step=step, steps=steps, losses=dict(losses), validation=validation)

    def samples(self, step: int, pictures: Reconstructions) -> None:
        self.line(event="samples", step=step, png=b64encode(sample_sheet(pictures)).decode())


def train_for_a_program(
    job: TrainingJob, print_json: PrintJson, *, only_estimate: bool = False, resume: bool = False
) -> None:
    """JSON lines from `started` by `plan` to `result`; the first two alone with `only_estimate`. Raises LoupeError."""
    _refuse_early(job)
    from ml.training.pipeline import estimate, run

    reporter = JsonReporter(print_json)

    def on_survey(survey: "Survey") -> None:
        skipped = [{"file": item.file, "reason": item.reason} for item in survey.skipped]
        reporter.line(event="started", pictures=len(survey.names), skipped=skipped)

    def on_plan(plan: "Plan") -> None:
        reporter.line(event="plan", **_plan_document(plan))

    if only_estimate:
        survey, plan = estimate(job, reporter.progress)
        on_survey(survey)
        on_plan(plan)
        return
    result = run(job, reporter.progress, on_survey=on_survey, on_plan=on_plan, monitor=reporter, resume=resume)
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
        plan=_plan_document(result.plan),
        seconds=round(result.seconds, 2),
    )


def train_for_a_person(
    job: TrainingJob, console: Console, *, only_estimate: bool = False, resume: bool = False
) -> None:
    """The plan, a progress bar, then what came out, on `console`. Raises LoupeError."""
    _refuse_early(job)
    from ml.training.order import waits
    from ml.training.pipeline import estimate, run

    if only_estimate:
        with progress_bar(console) as progress:
            _say_plan(estimate(job, progress)[1], console)
        return
    if resume and not job.resume_file.exists():
        say(console, f"{job.resume_file}: no interrupted training is there; this one begins anew")
    elif not resume and waits(job):
        say(console, f"{job.resume_file}: an interrupted training of this order is there; --resume would continue it")
    try:
        with progress_bar(console) as progress:
            result = run(job, progress, on_plan=lambda plan: _say_plan(plan, console), resume=resume)
    except (CancelledError, KeyboardInterrupt):
        if waits(job):
            say(console, f"{job.resume_file}: what was learnt is kept; {CONTINUES}")
        raise
    _report(result, console)


def _plan_document(plan: "Plan") -> dict[str, Any]:
    return {
        "seconds": round(plan.seconds, 1),
        "done": plan.done,
        "published": plan.published,
        "parameters": plan.parameters.model_dump(mode="json"),
    }


def _say_plan(plan: "Plan", console: Console) -> None:
    say(console, f"about {in_words(plan.seconds)} on this machine" + (f": {plan.done}" if plan.done else ""))
    if plan.done and plan.published:
        say(console, f"published: {plan.published}", "dim")


def in_words(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _refuse_early(job: TrainingJob) -> None:
    """Raises what training would raise for settings, pattern and folder, seconds earlier: before torch is imported."""
    parse_settings(job.method, {**method(job.method).presets[job.preset].settings, **job.parameters})
    assign_groups([], job.group_by)
    check_augmentation(job.augment)
    good_pictures(job)


def _report(result: "TrainingResult", console: Console) -> None:
    """What was trained, on what, and how its threshold was found."""
    for item in result.survey.skipped:
        say(console, f"left out: {item.reason}", "yellow")
    calibration = result.manifest.calibration
    say(
        console,
        f"{result.path}: {result.manifest.method} trained on {len(result.survey.names)} pictures"
        f" ({len(result.survey.skipped)} left out) in {result.seconds:.0f} s, model {result.manifest.model_hash[:12]}",
    )
    if generated := result.manifest.data.generated:
        say(console, f"learnt from {len(generated)} generated pictures too; none of them gave the threshold")
    say(
        console,
        f"threshold {calibration.threshold:.4g} by {calibration.rule.replace('_', '-')} from {calibration.n} "
        f"scores of {SCORED[calibration.source]}; {_false_alarms(result)}",
    )


def _false_alarms(result: "TrainingResult") -> str:
    calibration = result.manifest.calibration
    if calibration.source == "perturbations":
        return "how other good parts score is not known"
    low, high = calibration.false_alarm_interval
    return f"real false-alarm rate {low:.1%} to {high:.1%} (95 %)"
