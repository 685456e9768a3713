"""The pages of the station: their names, icons and help."""

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QWidget

from station.ui.shell.page_entry import HelpKey, PageEntry

Build = Callable[[], QWidget]


def _tr(text: str) -> str:
    return QCoreApplication.translate("Pages", text)


def page_entries(inspect: Build, history: Build, training: Build, settings: Build) -> tuple[PageEntry, ...]:
    """In the order of the rail; each builder is called at the page's first visit."""
    return (
        PageEntry(
            "inspect",
            _tr("Inspect"),
            "magnifying-glass",
            inspect,
            _tr("Put a part in place and press Space. The verdict is stored before you see it."),
            (
                HelpKey("Space, F5", _tr("Inspect the part in place")),
                HelpKey("Ctrl+Shift+C", _tr("Inspect part after part, or stop")),
                HelpKey("F8", _tr("Acknowledge an NG part")),
                HelpKey("Ctrl+H", _tr("Heat map on or off")),
                HelpKey("Ctrl+0", _tr("Fit the picture, or one to one")),
                HelpKey("Esc", _tr("Back from an old part to the live one")),
                HelpKey("1, 2, 3, 4", _tr("Looking back: confirm, false call, escape, next")),
            ),
        ),
        PageEntry(
            "history",
            _tr("History"),
            "clock-counter-clockwise",
            history,
            _tr("Every part with its picture, map and verdict as they were. Reviews are added, nothing is changed."),
            (
                HelpKey("Up, Down", _tr("Move through the parts")),
                HelpKey("1, 2, 3", _tr("Confirm, false call, escape")),
                HelpKey("4", _tr("Next part")),
                HelpKey("/", _tr("Search a serial")),
            ),
        ),
        PageEntry(
            "training",
            _tr("Training"),
            "graduation-cap",
            training,
            _tr("Learn from pictures of good parts, see how sure the threshold is, deploy to a recipe."),
            (
                HelpKey("Alt+Right, Alt+Left", _tr("Next step, step before")),
                HelpKey("Ctrl+O", _tr("Pictures: add a folder; or drop it on the page")),
                HelpKey("G, B, U", _tr("Pictures: good, bad, unsure")),
                HelpKey("X, K, Del", _tr("Pictures: set aside, keep what is marked, remove")),
                HelpKey("Ctrl+Z, Ctrl+Shift+Z", _tr("Undo, redo")),
                HelpKey("PgUp, PgDn", _tr("Where to look, Defects: picture before, next")),
                HelpKey("[, ], Ctrl+0", _tr("Drawing: thinner, wider brush; fit the picture")),
                HelpKey("1 ... 9, H", _tr("Defects: kind of defect; outlines on or off")),
                HelpKey("Ctrl+H", _tr("Judgement: heat map on or off")),
            ),
        ),
        PageEntry(
            "settings",
            _tr("Settings"),
            "gear",
            settings,
            _tr("Picture source, folders, look and computing."),
        ),
    )
