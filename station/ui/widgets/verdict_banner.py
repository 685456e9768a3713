"""The verdict across the width: shape, word and colour, readable at five metres. Without a verdict it is calm."""

from PySide6.QtCore import QEvent, QRectF, Qt, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QPainter, QPainterPath, QPaintEvent, QResizeEvent, QTransform
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from station.core.verdict import Verdict
from station.ui import theme, tokens
from station.ui.tokens import Role
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.verdict_shapes import draw_verdict_shape

NARROWEST = 0.82
"""A long word may be set this narrow before the notes beside it give way."""
NOTES_PX = 176


class VerdictBanner(QWidget):
    """Keeps what it shows until told otherwise. The word's capitals have the height that `theme.sizes()` asks for."""

    acknowledge_requested = Signal()  # the operator pressed the button that says the NG part was seen

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedHeight(self.capitals_px() + 2 * tokens.M)
        self._verdict: Verdict | None = None
        self._title = ElidedLabel()
        self._title.setFont(theme.font("figure"))
        self._notes = QLabel()
        self._notes.setTextFormat(Qt.TextFormat.PlainText)
        self._notes.setWordWrap(True)
        self._acknowledge = QPushButton(self.tr("Acknowledge NG\nF8"))
        self._acknowledge.setFont(theme.font("title", bold=True))
        theme.mark(self._acknowledge, "operator", True)
        theme.mark(self._acknowledge, "kind", "on_verdict")
        self._acknowledge.clicked.connect(self.acknowledge_requested)
        words = QVBoxLayout()
        words.setSpacing(tokens.XS)
        words.addStretch(1)
        words.addWidget(self._title)
        words.addWidget(self._notes)
        words.addStretch(1)
        self._line = QHBoxLayout(self)
        self._line.setSpacing(tokens.L)
        self._line.addLayout(words, 1)
        self._line.addWidget(self._acknowledge)
        self.show_waiting(False)
        self.show_state("", "")

    def show_state(self, title: str, notes: str) -> None:
        """No verdict: what goes on, in plain words."""
        self._show(None, title, notes)

    def show_verdict(self, verdict: Verdict, title: str, notes: str) -> None:
        """`title` is the part, `notes` what else there is to say: for a FAULT the reason and the next step."""
        self._show(verdict, title, notes)

    def show_waiting(self, waits: bool) -> None:
        """Whether the operator's acknowledgement is awaited."""
        self._acknowledge.setVisible(waits)
        self._lay_out()

    def verdict(self) -> Verdict | None:
        return self._verdict

    def capitals_px(self) -> int:
        return theme.sizes().verdict_capitals_px

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.StyleChange:
            self.setFixedHeight(self.capitals_px() + 2 * tokens.M)
            self._lay_out()
        super().changeEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._lay_out()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._verdict is None:
            painter.fillRect(self.rect(), theme.colour("surface"))
            painter.fillRect(0, self.height() - 1, self.width(), 1, theme.colour("border"))
            return
        ground, ink = theme.verdict_colour(self._verdict), theme.colour("on_verdict")
        painter.fillRect(self.rect(), ground)
        side = self.capitals_px()
        top = (self.height() - side) / 2
        draw_verdict_shape(painter, QRectF(tokens.XL, top, side, side), self._verdict, ink, ground)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(self._word_left(), top + side)
        painter.fillPath(self._word(), ink)

    def _show(self, verdict: Verdict | None, title: str, notes: str) -> None:
        self._verdict = verdict
        role: Role = "on_verdict" if verdict else "text"
        theme.mark(self._title, "tone", role)
        theme.tag(self._notes, "emphasised" if verdict else "body", role if verdict else "secondary")
        self._title.setFont(theme.font("title" if verdict else "figure", bold=verdict is not None))
        self._title.setText(title)
        self._title.setVisible(bool(title))
        self._notes.setText(notes)
        self._notes.setVisible(bool(notes))
        spoken = ". ".join(part for part in (verdict.value if verdict else "", title, notes) if part)
        self.setAccessibleName(spoken)
        self._lay_out()
        self.update()

    def _lay_out(self) -> None:
        left = tokens.XL
        if self._verdict is not None:
            left = round(self._word_left() + self._word().boundingRect().right()) + tokens.XL
        self._line.setContentsMargins(left, tokens.S, tokens.XL, tokens.S)

    def _word_left(self) -> float:
        return tokens.XL + self.capitals_px() + tokens.XL

    def _word(self) -> QPainterPath:
        """The word on its base line, its capitals exactly `capitals_px` high, narrowed where the notes need room."""
        if self._verdict is None:
            return QPainterPath()
        font = theme.font("figure", bold=True)
        font.setWeight(QFont.Weight.Bold)
        font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
        font.setPixelSize(200)
        path = QPainterPath()
        path.addText(0, 0, font, self._verdict.value)
        flat_letter = QPainterPath()
        flat_letter.addText(0, 0, font, "N")
        scale = self.capitals_px() / (flat_letter.boundingRect().height() or QFontMetricsF(font).capHeight())
        width = path.boundingRect().width() * scale
        room = self.width() - self._word_left() - NOTES_PX - 2 * tokens.XL
        narrow = min(1.0, max(NARROWEST, room / width)) if width else 1.0
        return QTransform.fromScale(scale * narrow, scale).map(path)
