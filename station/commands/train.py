"""`loupe train`: carries out a training job and tells how it goes, to a person or to the Training page."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ml.artifact import read_manifest
from ml.base_model import with_base
from ml.calibration import assign_groups
from ml.catalogue import method, parse_settings
from ml.errors import CancelledError, LoupeError, TrainingError
from ml.job import TrainingJob
from ml.progress import Progress
from ml.score_sheet import ScoreSheet, refuse_other_files
from ml.training.augmentation import check_augmentation
from ml.training.resources import look_for_shortage
from ml.training.sources import good_pictures, set_aside
from station.commands.graphs import graph_document, graph_line
from station.commands.judge import sheet_event
from station.commands.reporter import JsonReporter, PrintJson
from station.commands.terminal import progress_bar, say

if TYPE_CHECKING:  # torch takes seconds to import: what is plainly wrong is told before that
    from ml.training.pipeline import TrainingResult
    from ml.training.plan import Plan
    from ml.training.survey import Survey

CONTINUES = "`loupe train` with the same order and --resume continues it"
SCORED = {
    "5-fold": "held-out parts, in five turns",
    "leave-one-out": "parts held out one by one",
    "hold-out": "parts set aside",
    "perturbations": "changed copies of the same pictures",
    "fine-tuning": "old parts that it has not learnt from and of new ones held out in turn",
}


def train_for_a_program(
    job: TrainingJob, print_json: PrintJson, *, only_estimate: bool = False, resume: bool = False
) -> None:
    """JSON lines from `started` by `plan` to `result`; the first two alone with `only_estimate`. Raises LoupeError.

    `result` comes as soon as the model is written, whatever becomes of the judging after it; where test pictures were
    judged, `sheet` is the last.
    """
    _refuse_early(job)
    reporter = JsonReporter(print_json)
    if not only_estimate:
        _refuse_shortage(job, reporter.warn)
    from ml.training.pipeline import estimate, run

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
    reporter.line(**_result_event(result))
    sheet = _judge_tests(job, result, reporter.progress, reporter.warn)
    if sheet is not None:
        reporter.line(**sheet_event(job.scores_folder, sheet))


def train_for_a_person(
    job: TrainingJob, console: Console, *, only_estimate: bool = False, resume: bool = False
) -> None:
    """The plan, a progress bar, then what came out, on `console`. Raises LoupeError."""
    _refuse_early(job)
    _refuse_shortage(job, lambda text: say(console, text, "yellow"))
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
    with progress_bar(console) as progress:
        sheet = _judge_tests(job, result, progress, lambda text: say(console, text, "yellow"))
    if sheet is not None:
        say(console, f"{job.scores_folder}: scores and maps of {len(sheet.rows)} test pictures")


def _judge_tests(
    job: TrainingJob, result: "TrainingResult", progress: Progress, warn: Callable[[str], None]
) -> ScoreSheet | None:
    """The sheet of the list's test pictures; None where it has none, and where they cannot be judged.

    The model is finished by now and stays, whatever happens here: what keeps the sheet from being written is a warning.
    """
    tests = set_aside(job)
    if not tests:
        return None
    from ml.scoring_run import score_list

    left = f"{result.path}: the model is finished, but its test pictures are not judged (`loupe judge` does it)."
    try:
        return score_list(result.path, tests, job.scores_folder, progress)
    except (CancelledError, KeyboardInterrupt):
        warn(left)
        raise
    except LoupeError as error:
        warn(f"{left} {error}")
        return None


def _result_event(result: "TrainingResult") -> dict[str, Any]:
    calibration = result.manifest.calibration
    return {
        "event": "result",
        "file": str(result.path),
        "model_hash": result.manifest.model_hash,
        "threshold": calibration.threshold,
        "rule": calibration.rule,
        "source": calibration.source,
        "interval": list(calibration.false_alarm_interval),
        "n": calibration.n,
        "skipped": len(result.survey.skipped),
        "held_out_scores": list(calibration.scores),
        "plan": _plan_document(result.plan),
        "seconds": round(result.seconds, 2),
        "graph": graph_document(result.manifest),
    }


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
    if job.base is not None:
        with_base(job, read_manifest(job.base))
    else:
        parse_settings(job.method, {**method(job.method).presets[job.preset].settings, **job.parameters})
    assign_groups([], job.group_by)
    check_augmentation(job.augment)
    good_pictures(job)
    if set_aside(job):
        refuse_other_files(job.scores_folder)


def _refuse_shortage(job: TrainingJob, warn: Callable[[str], None]) -> None:
    """Raises TrainingError where this machine has not the memory or disk space for the job."""
    found = look_for_shortage(job)
    if found.obstacle:
        raise TrainingError(found.obstacle)
    if found.warning:
        warn(found.warning)


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
    if base := result.manifest.data.base_hash:
        say(console, f"it goes on from the model {base[:12]} and knows what that one had learnt")
    if generated := result.manifest.data.generated:
        say(console, f"learnt from {len(generated)} generated pictures too; none of them gave the threshold")
    say(
        console,
        f"threshold {calibration.threshold:.4g} by {calibration.rule.replace('_', '-')} from {calibration.n} "
        f"scores of {SCORED[calibration.source]}; {_false_alarms(result)}",
    )
    say(console, f"graph for ONNX Runtime: {graph_line(graph_document(result.manifest))}")


def _false_alarms(result: "TrainingResult") -> str:
    calibration = result.manifest.calibration
    if calibration.source == "perturbations":
        return "how other good parts score is not known"
    low, high = calibration.false_alarm_interval
    return f"real false-alarm rate {low:.1%} to {high:.1%} (95 %)"
