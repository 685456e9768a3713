"""Values that the Inspect page shows, and the pure functions that turn records into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from station.core.verdict import Verdict
from station.ui.widgets.region_item import RegionMark

if TYPE_CHECKING:
    from datetime import datetime

    from station.core.inspection import Inspection, PartView

Phase = Literal["empty", "loading", "training", "ready", "stopped"]
Finding = Literal["confirmed", "false_call", "escape"]


@dataclass(frozen=True, slots=True)
class InspectState:
    """Where the station stands. `empty`: no recipe; `training`: the demo recipe is being learnt; `loading`: a model is
    being loaded; `ready`: parts can be judged; `stopped`: the line has stopped.

    `text` and `remedy` are plain words (loading: the model's name; stopped: what happened, what to do);
    `progress` 0 to 1, None where it is not known.
    """

    phase: Phase
    text: str = ""
    remedy: str = ""
    progress: float | None = None


@dataclass(frozen=True, slots=True)
class RecipeView:
    """The recipe in force and those to choose from. `model` is what the operator calls the model, e.g. `model 7`."""

    name: str
    model: str
    names: tuple[str, ...] = ()
    scan_triggers: bool = False
    serial_required: bool = False


def local_time(moment: datetime) -> str:
    """Time of day on this machine, with seconds."""
    return f"{moment.astimezone():%H:%M:%S}"


def region_marks(view: PartView) -> tuple[RegionMark, ...]:
    """Outlines of the defect regions with their normalised scores; none while the part is being scored."""
    if view.inspection is None:
        return ()
    pairs = zip(view.outlines, view.inspection.regions, strict=True)
    return tuple(RegionMark(outline, f"{region.peak:.2f}") for outline, region in pairs)


def unsure_from(inspection: Inspection) -> float | None:
    """Where the UNSURE band begins on the normalised scale, None without a band.

    The scale is linear: normalised = (score - median) / (threshold - median), which gives the median back.
    """
    score, normalised = inspection.score, inspection.normalised_score
    threshold, low = inspection.threshold, inspection.threshold_low
    if score is None or normalised is None or threshold is None or low is None or normalised == 1:
        return None
    median = (score - normalised * threshold) / (1 - normalised)
    return (low - median) / (threshold - median) if threshold != median else None


def findings_for(verdict: Verdict) -> tuple[Finding, ...]:
    """What a look back may find: a good verdict may have missed something, a bad one may have been false."""
    match verdict:
        case Verdict.OK:
            return ("confirmed", "escape")
        case Verdict.NG:
            return ("confirmed", "false_call")
        case Verdict.UNSURE:
            return ("confirmed", "false_call", "escape")
        case Verdict.FAULT:
            return ()
