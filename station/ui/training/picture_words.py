"""What the pictures of a project are called on the screen: labels, uses, findings, filters."""

from collections.abc import Callable
from enum import StrEnum

from PySide6.QtCore import QCoreApplication

from ml.picture_list import Label
from station.core.verdict import Verdict
from station.projects.picture_choices import is_proposed
from station.projects.project import FindingKind, ProjectPicture

LABEL_SHAPES: dict[Label, Verdict] = {"good": Verdict.OK, "bad": Verdict.NG, "unsure": Verdict.UNSURE}
"""The shapes and colours that people know from the verdicts."""


class PictureFilter(StrEnum):
    """Which pictures the grid shows."""

    ALL = "all"
    GOOD = "good"
    BAD = "bad"
    UNSURE = "unsure"
    HELD_OUT = "held out"
    ASIDE = "set aside"
    MARKED = "marked"
    BASE = "base"
    NEW = "new"

    def lets_through(self, picture: ProjectPicture) -> bool:
        return _LETS_THROUGH[self](picture)


_LETS_THROUGH: dict[PictureFilter, Callable[[ProjectPicture], bool]] = {
    PictureFilter.ALL: lambda one: True,
    PictureFilter.GOOD: lambda one: one.label == "good" and not one.set_aside,
    PictureFilter.BAD: lambda one: one.label == "bad" and not one.set_aside,
    PictureFilter.UNSURE: lambda one: one.label == "unsure" and not one.set_aside,
    PictureFilter.HELD_OUT: lambda one: one.use == "test" and one.is_used,
    PictureFilter.ASIDE: lambda one: bool(one.set_aside),
    PictureFilter.MARKED: is_proposed,
    PictureFilter.BASE: lambda one: one.origin == "base" and one.use == "learn",
    PictureFilter.NEW: lambda one: one.origin != "base",
}


def _tr(text: str) -> str:
    return QCoreApplication.translate("pictures", text)


def label_word(label: Label) -> str:
    return {"good": _tr("Good"), "bad": _tr("Bad"), "unsure": _tr("Unsure")}[label]


def finding_word(kind: FindingKind) -> str:
    """Short enough for a tile."""
    return {
        "duplicate": _tr("Duplicate"),
        "near_duplicate": _tr("Same scene"),
        "blurred": _tr("Blurred"),
        "dark": _tr("Dark"),
        "bright": _tr("Bright"),
        "likely_defect": _tr("Defect?"),
        "unreadable": _tr("Unreadable"),
    }[kind]


def findings_word(kind: FindingKind, number: int) -> str:
    """How many of a kind."""
    return {
        "duplicate": _tr("duplicates {}"),
        "near_duplicate": _tr("same scene again {}"),
        "blurred": _tr("blurred {}"),
        "dark": _tr("too dark {}"),
        "bright": _tr("too bright {}"),
        "likely_defect": _tr("likely defects {}"),
        "unreadable": _tr("unreadable {}"),
    }[kind].format(number)


def filter_word(which: PictureFilter) -> str:
    return {
        PictureFilter.ALL: _tr("All"),
        PictureFilter.GOOD: _tr("Good"),
        PictureFilter.BAD: _tr("Bad"),
        PictureFilter.UNSURE: _tr("Unsure"),
        PictureFilter.HELD_OUT: _tr("Held out"),
        PictureFilter.ASIDE: _tr("Set aside"),
        PictureFilter.MARKED: _tr("Marked"),
        PictureFilter.BASE: _tr("Learnt before"),
        PictureFilter.NEW: _tr("New"),
    }[which]


def aside_word() -> str:
    return _tr("Set aside")


def held_out_word() -> str:
    """On a tile."""
    return _tr("Test")


def use_words(picture: ProjectPicture) -> str:
    """What becomes of the picture, in a line."""
    if picture.set_aside:
        return _tr("Set aside {}: not used").format(picture.set_aside)
    if picture.label == "unsure":
        return _tr("Not used until it is labelled good or bad")
    if picture.use == "test":
        return _tr("Held out: only tests, is never learnt from")
    if picture.label == "bad":
        return _tr("For methods that learn from defects")
    return _tr("The model has learnt from it before") if picture.origin == "base" else _tr("The model learns from it")


def tile_words(picture: ProjectPicture) -> str:
    """All that a tile shows, for a tool tip and to be spoken."""
    words = [picture.name, label_word(picture.label)]
    words += [picture.kind] if picture.kind else []
    words += [use_words(picture)]
    words += [finding.words for finding in picture.findings]
    words += [_tr("kept all the same")] if picture.kept else []
    return ", ".join(words)
