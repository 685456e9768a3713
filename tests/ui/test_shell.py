"""The window around the pages."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QToolButton, QWidget
from pytestqt.qtbot import QtBot

from station.ui import theme
from station.ui.shell import HelpKey, MainWindow, PageEntry
from station.ui.shell.help_panel import HelpPanel
from station.ui.widgets.message_banner import Message, MessageBanner
from station.ui.widgets.status_item import StatusItem, StatusView

# Qt's offscreen plugin, used where there is no display, says so of any window with a smallest size.
pytestmark = pytest.mark.qt_log_ignore("does not support propagateSizeHints")

NAMES = ("inspect", "history", "training", "settings")


class Pages:
    """Counts what was built."""

    def __init__(self) -> None:
        self.built: list[str] = []

    def entry(self, name: str) -> PageEntry:
        def build() -> QWidget:
            self.built.append(name)
            return QLineEdit(name)

        return PageEntry(name, name.title(), "camera", build, "About it.", (HelpKey("Space", "Does it"),))


@pytest.fixture
def pages() -> Pages:
    return Pages()


@pytest.fixture
def window(qapp: QApplication, qtbot: QtBot, pages: Pages) -> MainWindow:
    theme.apply(qapp, "dark")
    made = MainWindow(tuple(pages.entry(name) for name in NAMES))
    qtbot.addWidget(made)
    with qtbot.waitActive(made), qtbot.waitSignal(made.first_painted):
        made.show()
    return made


def test_that_a_page_is_built_at_its_first_visit_and_once(window: MainWindow, pages: Pages) -> None:
    assert pages.built == ["inspect"]
    window.open_page("training")
    window.open_page("inspect")
    window.open_page("training")
    assert pages.built == ["inspect", "training"]


def test_that_ctrl_and_a_number_open_a_page(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.page_shown) as shown:
        qtbot.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert shown.args == ["history"]
    rail_button = window.findChild(QToolButton, "history")
    assert rail_button is not None and rail_button.isChecked()


def test_that_an_opened_page_has_the_focus(window: MainWindow, qtbot: QtBot) -> None:
    window.open_page("history")
    assert QApplication.focusWidget() is window.page("history")


def test_that_the_rail_opens_a_page(window: MainWindow, qtbot: QtBot) -> None:
    button = window.findChild(QToolButton, "settings")
    assert button is not None
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert window.current_page() == "settings"


def test_that_a_status_item_says_its_state_and_opens_its_page(window: MainWindow, qtbot: QtBot) -> None:
    window.show_status("camera", StatusView("Camera lost", "fault", "No picture for 3 s"))
    item = window.findChild(StatusItem, "camera")
    assert item is not None
    assert item.accessibleName() == "Camera lost (fault)"
    assert item.toolTip() == "No picture for 3 s"
    qtbot.mouseClick(item, Qt.MouseButton.LeftButton)
    assert window.current_page() == "settings"


def test_that_a_long_status_is_shortened_and_its_tip_is_whole(window: MainWindow, qtbot: QtBot) -> None:
    name = "Model " + "very long recipe name " * 20
    window.show_status("model", StatusView(name))
    item = window.findChild(StatusItem, "model")
    assert item is not None
    qtbot.waitUntil(lambda: item.text().endswith("…"))
    assert item.toolTip() == name
    assert window.width() == 1280


def test_that_a_message_says_what_happened_and_offers_the_remedy(window: MainWindow, qtbot: QtBot) -> None:
    banner = window.findChild(MessageBanner)
    assert banner is not None and not banner.isVisible()
    window.show_message(Message("camera", "Camera lost.", "Check the cable.", "reconnect", "Reconnect", "timeout"))
    assert banner.isVisible()
    with qtbot.waitSignal(window.action_requested) as asked:
        qtbot.mouseClick(banner._action, Qt.MouseButton.LeftButton)
    assert asked.args == ["reconnect"]
    window.clear_message("camera")
    assert not banner.isVisible()


def test_that_an_older_message_comes_back_when_the_newer_is_settled(window: MainWindow) -> None:
    window.show_message(Message("disk", "The disk is nearly full."))
    window.show_message(Message("camera", "Camera lost."))
    window.clear_message("camera")
    banner = window.findChild(MessageBanner)
    assert banner is not None
    shown = banner.shown()
    assert shown is not None and shown.key == "disk"


def test_that_f1_shows_the_pages_keys_and_esc_hides_them(window: MainWindow, qtbot: QtBot) -> None:
    panel = window.findChild(HelpPanel)
    assert panel is not None
    qtbot.keyClick(window, Qt.Key.Key_F1)
    assert panel.isVisible()
    assert "Does it" in {label.text() for label in panel.findChildren(QLabel)}
    qtbot.keyClick(panel, Qt.Key.Key_Escape)
    assert not panel.isVisible()


def test_that_f11_is_full_screen_and_back(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.keyClick(window, Qt.Key.Key_F11)
    assert window.isFullScreen()
    qtbot.keyClick(window, Qt.Key.Key_F11)
    assert not window.isFullScreen()


def test_that_closing_is_told_before_the_window_goes(window: MainWindow, qtbot: QtBot) -> None:
    with qtbot.waitSignal(window.closing):
        window.close()


def test_that_the_window_fits_a_small_screen(window: MainWindow) -> None:
    assert window.minimumSizeHint().width() <= 1280
    assert window.minimumSizeHint().height() <= 768


def test_that_no_screen_names_a_colour_of_its_own() -> None:
    """Colours live in tokens.py alone."""
    folder = Path(theme.__file__).parent
    sources = [path for path in folder.rglob("*.py") if path.name != "tokens.py"]
    offenders = [path.name for path in sources if "QColor(" in path.read_text("utf-8") and path.name != "theme.py"]
    assert sources
    assert offenders == []
