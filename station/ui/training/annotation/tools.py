"""What is drawn with: brush, eraser, polygon, rectangle, smart fill, or nothing; and how wide the brush is."""

from enum import StrEnum

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QPushButton, QSpinBox, QWidget

from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.drawing_tools import Tool
from station.ui.widgets.form_fields import FormFields

LEAST_BRUSH_PX, MOST_BRUSH_PX = 1, 500
BRUSH_STEP = 1.25
BRUSH_FIELD_PX = 92


class Pen(StrEnum):
    """What a shape drawn on the canvas means."""

    BRUSH = "brush"
    ERASER = "eraser"
    POLYGON = "polygon"
    RECTANGLE = "rectangle"
    FILL = "fill"
    CHOOSE = "choose"

    @property
    def tool(self) -> Tool:
        return _TOOLS[self]


_TOOLS = {
    Pen.BRUSH: Tool.BRUSH,
    Pen.ERASER: Tool.BRUSH,
    Pen.POLYGON: Tool.POLYGON,
    Pen.RECTANGLE: Tool.RECTANGLE,
    Pen.FILL: Tool.RECTANGLE,
    Pen.CHOOSE: Tool.PICK,
}
_GLYPHS = {
    Pen.BRUSH: "paint-brush",
    Pen.ERASER: "eraser",
    Pen.POLYGON: "polygon",
    Pen.RECTANGLE: "rectangle",
    Pen.FILL: "magic-wand",
    Pen.CHOOSE: "cursor",
}
KEYS = {Pen.BRUSH: "B", Pen.ERASER: "E", Pen.POLYGON: "P", Pen.RECTANGLE: "R", Pen.FILL: "F", Pen.CHOOSE: "V"}


class AnnotationTools(Card):
    pen_chosen = Signal(object)
    """Pen."""
    brush_changed = Signal(int)
    """Width in px of the picture."""
    outlines_shown = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        names = {
            Pen.BRUSH: self.tr("Brush"),
            Pen.ERASER: self.tr("Eraser"),
            Pen.POLYGON: self.tr("Polygon"),
            Pen.RECTANGLE: self.tr("Rectangle"),
            Pen.FILL: self.tr("Smart fill"),
            Pen.CHOOSE: self.tr("Choose"),
        }
        self._hints = {
            Pen.BRUSH: self.tr("Paint over the defect; strokes that touch are one region."),
            Pen.ERASER: self.tr("Rub out what should not be marked."),
            Pen.POLYGON: self.tr("Click the corners; Enter closes, Backspace takes the last one back."),
            Pen.RECTANGLE: self.tr("Drag from corner to corner."),
            Pen.FILL: self.tr("Drag a loose box around the defect, or click it: what stands out is outlined."),
            Pen.CHOOSE: self.tr("Click a region, then choose its kind, or delete it with Del."),
        }
        self._group = QButtonGroup(self)
        self._buttons: dict[Pen, QPushButton] = {}
        grid = QGridLayout()
        grid.setSpacing(tokens.XS)
        for number, (pen, name) in enumerate(names.items()):
            button = QPushButton(name)
            button.setIcon(theme.icon(_GLYPHS[pen], "text", "accent"))
            button.setCheckable(True)
            button.setToolTip(f"{self._hints[pen]}  ({KEYS[pen]})")
            button.setAccessibleDescription(self._hints[pen])
            theme.mark(button, "kind", "chip")
            self._group.addButton(button)
            self._buttons[pen] = button
            grid.addWidget(button, number // 2, number % 2)
        self._brush = QSpinBox()
        self._brush.setRange(LEAST_BRUSH_PX, MOST_BRUSH_PX)
        self._brush.setSuffix(" px")
        self._brush.setFixedWidth(BRUSH_FIELD_PX)
        self._brush.setAccessibleName(self.tr("Width of brush and eraser"))
        self._brush.setToolTip(self.tr("Width of brush and eraser  ([ and ])"))
        line = QHBoxLayout()
        label = theme.label(self.tr("Brush width"), "body", "secondary")
        label.setBuddy(self._brush)
        line.addWidget(label, 1)
        line.addWidget(self._brush)
        self._shown = QPushButton()
        self._shown.setCheckable(True)
        self._shown.setChecked(True)
        self._shown.setIcon(theme.icon("eye", "secondary", "accent"))
        self._shown.setFixedWidth(tokens.CONTROL_PX + tokens.XS)
        self._shown.setAccessibleName(self.tr("Show outlines"))
        self._shown.setToolTip(self.tr("Show outlines, or hide them to see what lies below  (H)"))
        line.addWidget(self._shown)
        self.add(grid)
        self.add(line)
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._buttons[Pen.BRUSH].setChecked(True)
        self._group.buttonToggled.connect(self._on_toggle)
        self._brush.valueChanged.connect(self.brush_changed)
        self._shown.toggled.connect(self._on_shown)

    @property
    def pen(self) -> Pen:
        return next((pen for pen, button in self._buttons.items() if button.isChecked()), Pen.BRUSH)

    @property
    def has_outlines(self) -> bool:
        return self._shown.isChecked()

    def show_outlines(self) -> None:
        self._shown.setChecked(True)

    @Slot()
    def toggle_outlines(self) -> None:
        self._shown.toggle()

    @property
    def brush_px(self) -> int:
        return self._brush.value()

    def hint(self) -> str:
        """How the chosen one is used."""
        return self._hints[self.pen]

    @Slot(object)
    def choose(self, pen: Pen) -> None:
        """As if its button had been pressed."""
        self._buttons[pen].setChecked(True)

    def set_brush_px(self, brush_px: int) -> None:
        self._brush.setValue(brush_px)

    @Slot()
    def widen(self) -> None:
        self._brush.setValue(max(self._brush.value() + 1, round(self._brush.value() * BRUSH_STEP)))

    @Slot()
    def narrow(self) -> None:
        self._brush.setValue(min(self._brush.value() - 1, round(self._brush.value() / BRUSH_STEP)))

    @Slot(bool)
    def _on_shown(self, is_shown: bool) -> None:
        self._shown.setIcon(theme.icon("eye" if is_shown else "eye-slash", "secondary", "accent"))
        self.outlines_shown.emit(is_shown)

    @Slot()
    def _on_toggle(self) -> None:
        if self._group.checkedButton() is not None:
            self.pen_chosen.emit(self.pen)
