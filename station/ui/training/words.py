"""Training's figures in words."""

from PySide6.QtCore import QCoreApplication

from ml.calibration import Calibration


def _tr(text: str) -> str:
    return QCoreApplication.translate("Training", text)


def duration(seconds: float) -> str:
    """`8 s`, `3 min 20 s`, `1 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return _tr("{} s").format(whole)
    if whole < 3600:
        return _tr("{} min {} s").format(*divmod(whole, 60))
    return _tr("{} h {} min").format(whole // 3600, whole % 3600 // 60)


def rule_words(calibration: Calibration) -> str:
    """How the threshold was found."""
    rule = {
        "conformal": _tr("exact bound from the held-out good parts"),
        "log_normal": _tr("estimated from the spread of the held-out good parts"),
    }[calibration.rule]
    source = {
        "5-fold": _tr("each part scored by a model that had not seen it, in five turns"),
        "leave-one-out": _tr("each part scored by a model trained on all others"),
        "hold-out": _tr("parts set aside before training"),
    }[calibration.source]
    return f"{rule} ({source})"


def percent(share: float) -> str:
    return f"{100 * share:.2g} %"
