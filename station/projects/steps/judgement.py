"""The step Judgement: a trained candidate is chosen to go on with, at a threshold that the engineer has seen."""

from ml.calibration import clopper_pearson
from station.projects.flow import Readiness
from station.projects.project import Candidate, JudgedCounts, Project


def readiness(project: Project) -> Readiness:
    """What is missing before deployment, and what the chosen candidate would do at its threshold."""
    trained = trained_candidates(project)
    if not trained:
        return Readiness("Nothing is trained yet. Go back to Training.")
    chosen = project.candidate(project.chosen)
    if chosen is None or chosen.state != "trained":
        return Readiness("Choose the model to go on with.")
    return Readiness(consequence=_consequence(chosen))


def trained_candidates(project: Project) -> tuple[Candidate, ...]:
    return tuple(one for one in project.candidates if one.state == "trained")


def _consequence(chosen: Candidate) -> str:
    counts = chosen.judged
    if counts is None:
        return f"'{chosen.title}' goes on to deployment."
    return f"At this threshold {_false_alarms(counts)}, {_found(counts)}."


def _false_alarms(counts: JudgedCounts) -> str:
    if not counts.good:
        return "nothing is known of false alarms"
    low, high = (rounded_percent(end) for end in clopper_pearson(counts.false_alarms, counts.good))
    interval = f"{low} to {high} %"
    parts = "held-out good parts" if counts.goods_held_out else "good parts"
    return f"{counts.false_alarms} of {counts.good} {parts} would be called NG ({interval})"


def _found(counts: JudgedCounts) -> str:
    if not counts.bad:
        return "and nothing can be said of defects: no defective part was tested with"
    return f"{counts.found} of {counts.bad} defects found"


def rounded_percent(share: float) -> str:
    """The end of an interval in % without its sign, in no more digits than it deserves: `13`, `0.5`, `0.05`."""
    value = 100 * share
    if not 0 < value < 10:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 0.1 else f"{value:.2f}"
