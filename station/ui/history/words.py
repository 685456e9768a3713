"""What records are called on this page."""

import re
from datetime import datetime

from PySide6.QtCore import QCoreApplication, QDateTime

from station.history.filters import ReviewState
from station.history.records import TruthSource

LONGEST_WORD = 16


def _tr(text: str) -> str:
    return QCoreApplication.translate("History", text)


def finding_word(finding: ReviewState) -> str:
    match finding:
        case "confirmed":
            return _tr("confirmed")
        case "false_call":
            return _tr("false call")
        case "escape":
            return _tr("escape")
        case "unreviewed":
            return _tr("to review")


def truth_word(truth: TruthSource) -> str:
    return _tr("given truth") if truth == "given" else _tr("confirmed truth")


def score_words(score: float | None) -> str:
    """A normalised score; a dash where the part has none."""
    if score is None:
        return "–"
    return f"{score:.2f}".replace("-0.00", "0.00")


def breakable(text: str) -> str:
    """The same to the eye; long paths and hashes may now break across lines."""
    return re.sub(rf"(\S{{{LONGEST_WORD}}})", "\\1\u200b", text)


def local_time(moment: datetime) -> str:
    """Time of day in the station's time zone."""
    return _local(moment).toString("HH:mm:ss")


def local_date(moment: datetime) -> str:
    """The day in the station's time zone."""
    return _local(moment).toString("yyyy-MM-dd")


def _local(moment: datetime) -> QDateTime:
    return QDateTime.fromMSecsSinceEpoch(int(moment.timestamp() * 1000))
