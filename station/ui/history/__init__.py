"""History: find any part, look at it as it was judged, review it."""

from station.ui.history.page import HistoryPage, HistoryPorts, Reviewer

__all__ = ["HistoryPage", "HistoryPorts", "Reviewer"]
