"""The window around the pages: rail, status bar, message banner, help."""

from station.ui.shell.page_entry import HelpKey, PageEntry
from station.ui.shell.window import MainWindow

__all__ = ["HelpKey", "MainWindow", "PageEntry"]
