"""What the history hands out beside inspections: reviews, rows of the list, counters, the matrix."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ml.confusion import ConfusionMatrix
from station.core.inspection import Inspection

Finding = Literal["confirmed", "false_call", "escape"]
Role = Literal["operator", "supervisor", "engineer", "administrator"]
TruthSource = Literal["given", "confirmed"]


@dataclass(frozen=True, slots=True)
class Review:
    """One look back at a part; a later one supersedes it, none is ever changed. The verdict itself stays.

    `confirmed`: the verdict was right; `false_call`: the part is good; `escape`: the part is bad. Reviews in the role
    of an operator are kept, but do not count as reviewed truth.
    """

    inspection_id: str
    reviewed_at: datetime
    reviewer: str
    role: Role
    finding: Finding
    defect_kind: str | None
    note: str


@dataclass(frozen=True, slots=True)
class InspectionRow:
    """One line of the history's list. `key` is its place in paging order; `review` the latest that counts as truth."""

    key: int
    inspection: Inspection
    review: Review | None


@dataclass(frozen=True, slots=True)
class Counters:
    """How many parts got which verdict."""

    ok: int = 0
    ng: int = 0
    unsure: int = 0
    fault: int = 0

    @property
    def judged(self) -> int:
        """Parts with a verdict about the part: a FAULT is not one."""
        return self.ok + self.ng + self.unsure

    @property
    def yield_rate(self) -> float | None:
        """OK over judged, 0 to 1; None before the first judged part."""
        return self.ok / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class TruthMatrix:
    """Verdicts against the truth of `source`.

    `binary` is cut at the threshold, so UNSURE counts as normal; `line` is what the line did, so UNSURE counts as
    anomaly. `unsure` is how many of the matrix were UNSURE. `without_truth` were judged but their truth is not known,
    `fault` were not judged: neither is in a matrix.
    """

    source: TruthSource
    binary: ConfusionMatrix
    line: ConfusionMatrix
    unsure: int
    fault: int
    without_truth: int
