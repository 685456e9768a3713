"""The main window. It knows pages by their entries, builds each at its first visit, and decides nothing else."""

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QCloseEvent, QKeySequence, QPaintEvent, QResizeEvent, QShortcut
from PySide6.QtWidgets import QApplication, QHBoxLayout, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from station.ui import theme
from station.ui.shell.help_panel import HelpPanel
from station.ui.shell.page_entry import HelpKey, PageEntry
from station.ui.shell.rail import Rail
from station.ui.shell.status_bar import StatusBar
from station.ui.widgets.message_banner import Message, MessageBanner
from station.ui.widgets.status_item import StatusView

MINIMUM_SIZE = QSize(1280, 768)
FIRST_SIZE = QSize(1280, 800)


class MainWindow(QMainWindow):
    """Rail, pages, status bar, message banner, help panel."""

    first_painted = Signal()  # the window stands: do now what the first paint did not need
    page_shown = Signal(str)  # name of the page that is open now
    action_requested = Signal(str)  # Message.action of the message whose button was pressed
    closing = Signal()  # the user closes the window; it disappears when the receivers return

    def __init__(self, entries: tuple[PageEntry, ...], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._entries = {entry.name: entry for entry in entries}
        self._pages: dict[str, QWidget] = {}
        self._current = ""
        self._is_painted = False
        self._rail = Rail(entries)
        self._stack = QStackedWidget()
        self._banner = MessageBanner()
        self._status = StatusBar()
        self._arrange()
        self._help = HelpPanel(self)
        self._shortcuts = self._make_shortcuts()
        self._connect()
        self.setWindowTitle("Loupe")
        self.setMinimumSize(MINIMUM_SIZE)
        self.resize(FIRST_SIZE)
        self.open_page(entries[0].name)

    @Slot(str)
    def open_page(self, name: str) -> None:
        """Show page `name`, building it at its first visit. Raises KeyError for a name without entry."""
        entry = self._entries[name]
        if name not in self._pages:
            page = entry.build()
            theme.mark(page, "page", True)
            self._pages[name] = page
            self._stack.addWidget(page)
        self._help.hide()
        self._stack.setCurrentWidget(self._pages[name])
        self._rail.show_page(name)
        self._pages[name].setFocus()
        if name != self._current:
            self._current = name
            self.page_shown.emit(name)

    def rebuild_page(self, name: str) -> None:
        """Drop page `name`, if it was built, and build it anew where it is shown or at its next visit."""
        page = self._pages.pop(name, None)
        if page is None:
            return
        if name == self._current:
            self.open_page(name)
        self._stack.removeWidget(page)
        page.deleteLater()

    def current_page(self) -> str:
        return self._current

    def page(self, name: str) -> QWidget | None:
        """The page's widget, None before its first visit."""
        return self._pages.get(name)

    def show_status(self, key: str, view: StatusView) -> None:
        """Set the status bar's item `key`: camera, model, device, disk or user."""
        self._status.show_status(key, view)

    def show_message(self, message: Message) -> None:
        self._banner.show_message(message)

    def clear_message(self, key: str) -> None:
        self._banner.clear_message(key)

    @Slot()
    def toggle_full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    @Slot()
    def toggle_help(self) -> None:
        if self._help.isVisible():
            self._leave_help()
        else:
            self._help.open_for(self._entries[self._current], self._general_keys())

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self._after_first_paint)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._help.isVisible():
            self._help.place()

    def event(self, event: QEvent) -> bool:
        # Another screen may have other physical sizes: operators' controls are measured in millimetres.
        if event.type() == QEvent.Type.ScreenChangeInternal and self._is_painted:
            theme.apply(QApplication.instance(), theme.name(), self.screen())  # type: ignore[arg-type]
        return super().event(event)

    def closeEvent(self, event: QCloseEvent) -> None:
        self.closing.emit()
        event.accept()

    def _arrange(self) -> None:
        beside = QVBoxLayout()
        beside.setContentsMargins(0, 0, 0, 0)
        beside.setSpacing(0)
        beside.addWidget(self._banner)
        beside.addWidget(self._stack, 1)
        upper = QHBoxLayout()
        upper.setContentsMargins(0, 0, 0, 0)
        upper.setSpacing(0)
        upper.addWidget(self._rail)
        upper.addLayout(beside, 1)
        body = QWidget()
        whole = QVBoxLayout(body)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(0)
        whole.addLayout(upper, 1)
        whole.addWidget(self._status)
        self.setCentralWidget(body)

    def _make_shortcuts(self) -> list[QShortcut]:
        made = [QShortcut(QKeySequence(Qt.Key.Key_F1), self), QShortcut(QKeySequence(Qt.Key.Key_F11), self)]
        made[0].activated.connect(self.toggle_help)
        made[1].activated.connect(self.toggle_full_screen)
        for number, name in enumerate(self._entries, start=1):
            shortcut = QShortcut(QKeySequence(f"Ctrl+{number}"), self)
            shortcut.setObjectName(name)
            shortcut.activated.connect(self._open_by_key)
            made.append(shortcut)
        return made

    def _connect(self) -> None:
        self._rail.page_requested.connect(self.open_page)
        self._status.page_requested.connect(self.open_page)
        self._banner.action_requested.connect(self.action_requested)
        self._help.closed.connect(self._leave_help)

    def _general_keys(self) -> tuple[HelpKey, ...]:
        titles = ", ".join(entry.title for entry in self._entries.values())
        return (
            HelpKey(f"Ctrl+1 … {len(self._entries)}", titles),
            HelpKey("F11", self.tr("Full screen")),
            HelpKey("F1", self.tr("This help")),
        )

    @Slot()
    def _open_by_key(self) -> None:
        self.open_page(self.sender().objectName())

    @Slot()
    def _leave_help(self) -> None:
        self._help.hide()
        self._pages[self._current].setFocus()

    @Slot()
    def _after_first_paint(self) -> None:
        self.activateWindow()  # a kiosk without window manager gives no window the keys by itself
        self.first_painted.emit()
