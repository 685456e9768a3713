"""One part, as it was judged: the picture with heat map and regions, all stored values, the reviews."""

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QStackedLayout, QVBoxLayout, QWidget

from station.core.inspection import Inspection
from station.ui import theme, tokens
from station.ui.history.part_pictures import StoredPart
from station.ui.history.review_panel import ReviewPanel
from station.ui.history.values import ValueGrid, value_pairs
from station.ui.history.words import breakable, score_words
from station.ui.inspect.view import region_marks, unsure_from
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.heat_legend import HeatLegend
from station.ui.widgets.picture_view import PictureView
from station.ui.widgets.score_bar import ScoreBar
from station.ui.widgets.verdict_badge import VerdictBadge

MINIMUM_WIDTH_PX = 380
WIDE_PX = 520  # from here on the score's scale and the words on the tools have room
VALUES_PX = 132


class DetailPanel(QFrame):
    """Verdict, picture and values are always of the same part: the part before stays until the next one is read."""

    overlay_toggled = Signal(bool)
    """Heat map and regions on or off, by the user."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        theme.mark(self, "card", True)
        self.setMinimumWidth(MINIMUM_WIDTH_PX)
        self._part: StoredPart | None = None
        self._tool_words: dict[QPushButton, str] = {}
        self._badge = VerdictBadge()
        self._serial = ElidedLabel()
        theme.tag(self._serial, "emphasised", bold=True)
        self._score = theme.label("", "emphasised", bold=True)
        self._bar = ScoreBar()
        self._picture = PictureView()
        self._picture.setAccessibleName(self.tr("Picture of the part"))
        self._no_picture = theme.label("", "body", "secondary")
        self._no_picture.setWordWrap(True)
        self._no_picture.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._no_picture.setContentsMargins(tokens.L, tokens.L, tokens.L, tokens.L)
        self._problem = theme.label("", "body", "fault")
        self._problem.setWordWrap(True)
        self._heat = self._tool(self.tr("Heat map"), "thermometer-hot", self.tr("Heat map and regions  (Ctrl+H)"))
        self._heat.setCheckable(True)
        self._heat.setChecked(True)
        self._fit = self._tool(self.tr("Fit"), "corners-out", self.tr("The whole picture  (double click)"))
        self._actual = self._tool(self.tr("1:1"), "magnifying-glass-plus", self.tr("One pixel on one of the screen"))
        self._legend = HeatLegend()
        self._values = ValueGrid()
        self.reviews = ReviewPanel()
        self._opacity = 0.6
        self._arrange()
        self._heat.clicked.connect(self.overlay_toggled)
        self._heat.clicked.connect(self._apply_overlay)
        self._fit.clicked.connect(self._picture.fit)
        self._actual.clicked.connect(self._picture.show_actual_size)
        self.show_nothing()

    def show_nothing(self) -> None:
        """No part is chosen."""
        self._part = None
        self._badge.show_verdict(None)
        for label in (self._serial, self._score):
            label.setText("")
        self._bar.show_score(None)
        self._stack.setCurrentWidget(self._no_picture)
        self._no_picture.setText(self.tr("Choose a part in the table."))
        self._problem.hide()
        self._content.hide()
        self.reviews.show_part(None)

    def show_part(self, part: StoredPart) -> None:
        self._part = part
        self._show_head(part.inspection)
        self._content.show()
        told = "\n".join(filter(None, (part.inspection.fault or "", part.problem if part.view else "")))
        self._problem.setText(breakable(told))
        self._problem.setVisible(bool(told))
        self._values.show_values(value_pairs(part))
        self.reviews.show_part(part)
        if part.view is None:
            self._stack.setCurrentWidget(self._no_picture)
            self._no_picture.setText(breakable(part.problem) or self.tr("No picture was had of this part."))
        else:
            self._stack.setCurrentWidget(self._picture)
            self._picture.show_picture(part.view.picture, part.view.scale)
            self._picture.show_heat(part.view.heat)
            self._picture.show_regions(region_marks(part.view))
            self._apply_overlay()

    def part(self) -> StoredPart | None:
        """The part whose picture and values are shown."""
        return self._part

    def set_overlay(self, opacity: float, is_shown: bool) -> None:
        """Heat map's opacity 0 to 1, and whether it is shown."""
        self._opacity = opacity
        self._heat.setChecked(is_shown)
        self._apply_overlay()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        is_wide = event.size().width() >= WIDE_PX
        self._bar.setVisible(is_wide)
        for button, text in self._tool_words.items():
            button.setText(text if is_wide else "")

    @Slot()
    def toggle_overlay(self) -> None:
        self._heat.click()

    @Slot()
    def _apply_overlay(self) -> None:
        self._picture.set_overlay(self._opacity, self._heat.isChecked())
        self._legend.setVisible(self._heat.isChecked())

    def _show_head(self, seen: Inspection) -> None:
        self._badge.show_verdict(seen.verdict)
        self._serial.setText(seen.serial or "–")
        self._score.setText(score_words(seen.normalised_score))
        self._bar.show_score(seen.normalised_score, unsure_from(seen))

    def _tool(self, text: str, glyph: str, tool_tip: str) -> QPushButton:
        button = QPushButton()
        self._tool_words[button] = f" {text}"
        button.setIcon(theme.icon(glyph))
        button.setToolTip(tool_tip)
        button.setAccessibleName(text)
        theme.mark(button, "kind", "quiet")
        return button

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(tokens.M)
        head.addWidget(self._badge)
        head.addWidget(self._serial, 1)
        head.addWidget(self._score)
        head.addWidget(self._bar)
        self._bar.setMaximumWidth(200)
        frame = QFrame()
        frame.setObjectName("pictureFrame")
        self._stack = QStackedLayout(frame)
        self._stack.addWidget(self._picture)
        self._stack.addWidget(self._no_picture)
        tools = QHBoxLayout()
        tools.setSpacing(tokens.XS)
        for button in (self._heat, self._fit, self._actual):
            tools.addWidget(button)
        tools.addStretch(1)
        tools.addWidget(self._legend)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self._values)
        scroll.setFixedHeight(VALUES_PX)
        self._content = QWidget()
        lower = QVBoxLayout(self._content)
        lower.setContentsMargins(0, 0, 0, 0)
        lower.setSpacing(tokens.S)
        lower.addLayout(tools)
        lower.addWidget(scroll)
        lower.addWidget(self.reviews)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.M, tokens.M, tokens.M, tokens.M)
        column.setSpacing(tokens.S)
        column.addLayout(head)
        column.addWidget(self._problem)
        column.addWidget(frame, 1)
        column.addWidget(self._content)
