"""The banner under the top edge: what happened, what to do, a button that does it, and the details."""

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.widgets.icon_label import IconLabel

DETAILS_PX = 112


@dataclass(frozen=True, slots=True)
class Message:
    """One thing to tell. `key` names the matter (a newer message on it replaces the older one); `action` is the
    request that the button emits, `action_text` its word."""

    key: str
    what: str
    remedy: str = ""
    action: str = ""
    action_text: str = ""
    details: str = ""
    severity: Literal["fault", "notice"] = "fault"


class MessageBanner(QFrame):
    """Shows the newest message; older ones come back when it is dismissed or its matter is settled."""

    action_requested = Signal(str)  # Message.action of the message shown

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messageBanner")
        self._messages: dict[str, Message] = {}
        self._icon = IconLabel("warning", tokens.XXL, "fault")
        self._what = theme.label("", "emphasised", bold=True)
        self._remedy = theme.label("", "body")
        for text in (self._what, self._remedy):
            text.setWordWrap(True)
        self._action = QPushButton()
        theme.mark(self._action, "operator", True)
        theme.mark(self._action, "kind", "primary")
        self._expand = QPushButton(self.tr("Details"))
        self._expand.setCheckable(True)
        self._dismiss = QPushButton(self.tr("Dismiss"))
        for button in (self._expand, self._dismiss):
            theme.mark(button, "kind", "quiet")
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setFixedHeight(DETAILS_PX)
        self._details.hide()  # else the window grows to make room for it when the first message comes
        self._arrange()
        self._action.clicked.connect(self._request_action)
        self._expand.toggled.connect(self._details.setVisible)
        self._dismiss.clicked.connect(self._dismiss_shown)
        self._show_newest()

    def show_message(self, message: Message) -> None:
        self._messages.pop(message.key, None)
        self._messages[message.key] = message
        self._show_newest()

    def clear_message(self, key: str) -> None:
        """The matter is settled; unknown keys are fine."""
        if self._messages.pop(key, None) is not None:
            self._show_newest()

    def shown(self) -> Message | None:
        return next(reversed(self._messages.values()), None)

    def _arrange(self) -> None:
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addStretch(1)
        words.addWidget(self._what)
        words.addWidget(self._remedy)
        words.addStretch(1)
        line = QHBoxLayout()
        line.setSpacing(tokens.S)
        line.addWidget(self._icon)
        line.addSpacing(tokens.S)
        line.addLayout(words, 1)
        for button in (self._expand, self._dismiss, self._action):
            line.addWidget(button)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(tokens.L, tokens.S, tokens.L, tokens.S)
        whole.addLayout(line)
        whole.addWidget(self._details)

    def _show_newest(self) -> None:
        message = self.shown()
        self.setVisible(message is not None)
        if message is None:
            return
        theme.mark(self, "severity", message.severity)
        if message.severity == "fault":
            self._icon.show_glyph("warning", "fault")
        else:
            self._icon.show_glyph("info", "accent")
        self._what.setText(message.what)
        self._remedy.setText(message.remedy)
        self._remedy.setVisible(bool(message.remedy))
        self._action.setText(message.action_text)
        self._action.setVisible(bool(message.action))
        self._details.setPlainText(message.details)
        self._expand.setVisible(bool(message.details))
        self._expand.setChecked(False)
        self._details.setVisible(False)

    @Slot()
    def _request_action(self) -> None:
        if message := self.shown():
            self.action_requested.emit(message.action)

    @Slot()
    def _dismiss_shown(self) -> None:
        if message := self.shown():
            self.clear_message(message.key)
