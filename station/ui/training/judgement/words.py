"""Figures of the page Judgement in words."""

from PySide6.QtCore import QCoreApplication

from station.projects.judging import Rate
from station.projects.steps.judgement import rounded_percent


def percent(share: float | None) -> str:
    """`3.9 %`; a dash where nothing is known."""
    if share is None:
        return "–"
    value = 100 * share
    return f"{value:.0f} %" if value in (0, 100) else f"{value:.1f} %"


def interval_words(interval: tuple[float, float] | None) -> str:
    """`0.5 to 13 %`, both ends of a 95 % interval; nothing where there is none."""
    if interval is None:
        return ""
    low, high = (rounded_percent(end) for end in interval)
    return QCoreApplication.translate("Judgement", "{} to {} %").format(low, high)


def count_words(rate: Rate) -> str:
    """`2 of 51`."""
    return QCoreApplication.translate("Judgement", "{} of {}").format(rate.events, rate.trials)


def rate_words(rate: Rate) -> str:
    """`3.9 % (0.5 to 13 %)`."""
    if rate.share is None:
        return "–"
    return f"{percent(rate.share)} ({interval_words(rate.interval)})"
