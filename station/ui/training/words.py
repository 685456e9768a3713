"""Training's figures in words."""

from PySide6.QtCore import QCoreApplication

from ml.alignment import Alignment
from ml.artifact import Manifest
from ml.calibration import Calibration
from ml.catalogue import MethodInfo
from ml.threshold_choice import ThresholdChoice
from station.projects.project import Candidate


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


def short_duration(seconds: float) -> str:
    """`8 s`, `4 min`, `1.5 h`: for what is not known exactly."""
    if seconds < 90:
        return _tr("{} s").format(max(1, round(seconds)))
    if seconds < 90 * 60:
        return _tr("{} min").format(round(seconds / 60))
    return _tr("{} h").format(f"{seconds / 3600:.1f}")


def candidate_words(candidate: Candidate) -> str:
    """How it stands with a candidate."""
    takes, took = candidate.estimated_s, candidate.seconds
    return {
        "waiting": _tr("Waits") if takes is None else _tr("Waits; about {}").format(short_duration(takes)),
        "running": _tr("Being trained"),
        "trained": _tr("Trained") if took is None else _tr("Trained in {}").format(duration(took)),
        "failed": _tr("Failed"),
        "cancelled": _tr("Stopped"),
    }[candidate.state]


def needs_words(info: MethodInfo) -> str:
    """What a method asks for."""
    words = [_tr("Uses a pretrained network") if info.needs_weights else _tr("Needs no pretrained network")]
    if info.positions == "aligned":
        words.append(_tr("parts must lie in the same place"))
    return "; ".join(words)


def placement_words(alignment: Alignment) -> str:
    """How the parts lie in the pictures."""
    return {
        "aligned": _tr("The parts lie in the same place in these pictures."),
        "moved": _tr("The parts lie in different places or turned in these pictures."),
        "texture": _tr("These pictures have no common shape."),
        "unknown": _tr("These are too few pictures to tell how the parts lie."),
    }[alignment.placement]


def pictures_of_good_parts(number: int) -> str:
    """`1 picture of a good part`, `34 pictures of good parts`."""
    return _tr("1 picture of a good part") if number == 1 else _tr("{} pictures of good parts").format(number)


def false_alarm_words(calibration: Calibration) -> str:
    """The rate that was asked for, where one was, and what is known of the real one."""
    alpha = calibration.alpha if calibration.choice is None else calibration.choice.alpha
    wanted = "" if alpha is None else _tr("{} wanted; ").format(percent(alpha))
    if calibration.source == "perturbations":
        return wanted + _tr("not known, as there were no other good parts to measure")
    low, high = calibration.false_alarm_interval
    return wanted + _tr("between {} and {} with 95 % certainty").format(percent(low), percent(high))


def computing_words(manifest: Manifest) -> str:
    """What computes the model on a processor, and how sure that is or why it is not the faster one."""
    if manifest.graph is None:
        reason = manifest.graph_refused or _tr("made before models had a graph for ONNX Runtime.")
        return _tr("PyTorch: {}").format(reason)
    agreement = manifest.graph.agreement
    flips = _tr("another verdict on {}").format(agreement.flips) if agreement.flips else _tr("the same verdict on all")
    return _tr("ONNX Runtime; held against PyTorch on {} pictures: {}").format(agreement.pictures, flips)


def rule_words(calibration: Calibration) -> str:
    """How the threshold was found, or who chose it by what."""
    if calibration.choice is not None:
        return _choice_words(calibration.choice)
    rule = {
        "conformal": _tr("exact bound from the held-out good parts"),
        "log_normal": _tr("estimated from the spread of the held-out good parts"),
    }[calibration.rule]
    source = {
        "5-fold": _tr("each part scored by a model that had not seen it, in five turns"),
        "leave-one-out": _tr("each part scored by a model trained on all others"),
        "hold-out": _tr("parts set aside before training"),
        "perturbations": _tr("slightly moved and changed copies of the same pictures"),
        "fine-tuning": _tr("old parts, and the new ones each scored by a model that had not seen it"),
    }[calibration.source]
    return f"{rule} ({source})"


def _choice_words(choice: ThresholdChoice) -> str:
    return {
        "false_alarms": _tr("chosen in judging, by the rate of false alarms"),
        "cost": _tr("chosen in judging, by the cost of misses and false alarms"),
        "recall": _tr("chosen in judging, to find {} of the defects").format(percent(choice.recall or 0.0)),
        "f1": _tr("chosen in judging, by the best F1"),
        "youden": _tr("chosen in judging, by the best balance of found defects and false alarms"),
        "manual": _tr("set by hand"),
    }[choice.rule]


def percent(share: float) -> str:
    """Two digits: `0.5 %`, `12 %`."""
    value = 100 * share
    return f"{value:.0f} %" if value >= 10 else f"{value:.2g} %"
