"""The status bar: camera, model, device, disk, user, time; each item opens its page."""

from PySide6.QtCore import QLocale, QTime, QTimer, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from station.ui import tokens
from station.ui.widgets.status_item import StatusItem, StatusView

ITEM_PAGES = {
    "camera": "settings",
    "model": "training",
    "device": "settings",
    "disk": "settings",
    "user": "settings",
    "time": "history",
}


class StatusBar(QFrame):
    """Items are addressed by the keys of ITEM_PAGES."""

    page_requested = Signal(str)  # name of the page that belongs to the item clicked

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("statusBar")
        self.setFixedHeight(tokens.STATUS_BAR_PX)
        line = QHBoxLayout(self)
        line.setContentsMargins(tokens.S, 0, tokens.S, 0)
        line.setSpacing(tokens.XS)
        self._items: dict[str, StatusItem] = {}
        for key in ITEM_PAGES:
            item = StatusItem()
            item.setObjectName(key)
            item.clicked.connect(self._request)
            if key == "user":
                line.addStretch(1)
            line.addWidget(item)
            self._items[key] = item
        self._clock = QTimer(self)
        self._clock.setInterval(1000)
        self._clock.timeout.connect(self._show_time)
        self._clock.start()
        self._show_time()

    def show_status(self, key: str, view: StatusView) -> None:
        self._items[key].show_status(view)

    def item(self, key: str) -> StatusItem:
        return self._items[key]

    @Slot()
    def _request(self) -> None:
        self.page_requested.emit(ITEM_PAGES[self.sender().objectName()])

    @Slot()
    def _show_time(self) -> None:
        text = QLocale().toString(QTime.currentTime(), QLocale.FormatType.ShortFormat)
        if text != self._items["time"].view().text:
            self._items["time"].show_status(StatusView(text, "ok", self.tr("Local time. Opens the history.")))
