"""What the shell knows of a page before the page exists."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtWidgets import QWidget


@dataclass(frozen=True, slots=True)
class HelpKey:
    """One line of the page's help: keys as printed on them, and what they do."""

    keys: str
    meaning: str


@dataclass(frozen=True, slots=True)
class PageEntry:
    """`name` is used in code (`inspect`, `history`, `training`, `settings`), `title` and `help_text` are shown.

    `build` is called once, at the first visit, in the GUI thread.
    """

    name: str
    title: str
    glyph: str
    build: Callable[[], QWidget]
    help_text: str = ""
    help_keys: tuple[HelpKey, ...] = ()
