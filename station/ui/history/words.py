"""What records are called on this page."""

from datetime import datetime

from PySide6.QtCore import QCoreApplication, QDateTime

from station.history.filters import ReviewState
from station.history.records import TruthSource


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


def local_time(moment: datetime) -> str:
    """Time of day in the station's time zone."""
    return _local(moment).toString("HH:mm:ss")


def local_date(moment: datetime) -> str:
    """The day in the station's time zone."""
    return _local(moment).toString("yyyy-MM-dd")


def _local(moment: datetime) -> QDateTime:
    return QDateTime.fromMSecsSinceEpoch(int(moment.timestamp() * 1000))
