"""The tools that an area is drawn with, what the part's own outline proposes, and the list of what was drawn."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from PySide6.QtCore import QSignalBlocker, QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ml.inspection_area import Shape
from station.projects.steps.area import Role, shape_words
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.drawing_tools import Tool
from station.ui.widgets.form_fields import FormFields

LIST_PX = 104
TOOL_PX = 46
MOST_BRUSH_PX = 400
USUAL_BRUSH_PX = 30
BRUSH_STEP = 1.25

TOOL_KEYS: Mapping[Tool, str] = {
    Tool.PAN: "V", Tool.RECTANGLE: "R", Tool.ELLIPSE: "E", Tool.ANNULUS: "O", Tool.POLYGON: "P", Tool.BRUSH: "B",
}  # fmt: skip
_TOOL_GLYPHS = {
    Tool.PAN: "hand", Tool.RECTANGLE: "rectangle", Tool.ELLIPSE: "circle", Tool.ANNULUS: "circle-dashed",
    Tool.POLYGON: "polygon", Tool.BRUSH: "paint-brush",
}  # fmt: skip


class Purpose(StrEnum):
    """What a drawn shape does."""

    LOOK = "look"
    IGNORE = "ignore"
    RUB_OUT = "rub out"


class AreaPanel(QWidget):
    tool_chosen = Signal(object)
    """Tool."""
    purpose_chosen = Signal(object)
    """Purpose."""
    brush_chosen = Signal(int)
    """Width in pixels of the picture."""
    proposal_requested = Signal(str)
    """`threshold`, `grabcut` or `circle`: an outline of the part is wanted."""
    shape_selected = Signal(int)
    """Number in the list, -1 for none."""
    shape_deleted = Signal(int)
    cleared = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tools, self._purposes = QButtonGroup(self), QButtonGroup(self)
        self._tool_buttons = {tool: self._tool_button(tool) for tool in TOOL_KEYS}
        self._purpose_buttons = self._made_purposes()
        self._brush_row = QWidget()
        self._brush, self._brush_px = QSlider(Qt.Orientation.Horizontal), QSpinBox()
        self._proposals = {
            "threshold": self._proposal(self.tr("Brightness"), self.tr("What is brighter or darker than the rest")),
            "grabcut": self._proposal(self.tr("In a box"), self.tr("Draw a box around the part; its outline is found")),
            "circle": self._proposal(self.tr("Circle"), self.tr("The most striking circle")),
        }
        self._list = QListWidget()
        self._list.setAccessibleName(self.tr("Shapes"))
        self._delete = QPushButton(" " + self.tr("Delete"))
        self._clear = QPushButton(self.tr("Clear all"))
        self._arrange()
        self._connect()
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._tool_buttons[Tool.PAN].setChecked(True)
        self._purpose_buttons[Purpose.LOOK].setChecked(True)
        self._brush_row.hide()
        self.show_shapes(())

    @property
    def purpose(self) -> Purpose:
        return next(purpose for purpose, button in self._purpose_buttons.items() if button.isChecked())

    @property
    def tool(self) -> Tool:
        return next(tool for tool, button in self._tool_buttons.items() if button.isChecked())

    @property
    def selected(self) -> int:
        return self._list.currentRow()

    @Slot()
    def thinner(self) -> None:
        self._brush_px.setValue(round(self._brush_px.value() / BRUSH_STEP))

    @Slot()
    def thicker(self) -> None:
        self._brush_px.setValue(max(self._brush_px.value() + 1, round(self._brush_px.value() * BRUSH_STEP)))

    def choose_tool(self, tool: Tool) -> None:
        """As if it had been pressed."""
        self._tool_buttons[tool].click()

    def tool_words(self) -> str:
        """How the tool in use is used."""
        return self._words_of(self.tool)

    def show_shapes(self, shapes: Sequence[tuple[Role, Shape]], selected: int = -1) -> None:
        with QSignalBlocker(self._list):
            self._list.clear()
            for role, shape in shapes:
                glyph, words = ("eye", self.tr("Look")) if role == "look" else ("eye-slash", self.tr("Ignore"))
                icon = theme.icon(glyph, "accent" if role == "look" else "secondary")
                self._list.addItem(QListWidgetItem(icon, f"{words}: {shape_words(shape)}"))
            self._list.setCurrentRow(selected)
        self._list.setFixedHeight(min(LIST_PX, self._list.sizeHintForRow(0) * len(shapes) + tokens.S) if shapes else 0)
        self._list.setVisible(bool(shapes))
        self._clear.setVisible(bool(shapes))
        self._delete.setVisible(bool(shapes))
        self._delete.setEnabled(self._list.currentRow() >= 0)

    def _made_purposes(self) -> dict[Purpose, QPushButton]:
        words = {
            Purpose.LOOK: (self.tr("Look"), "eye", self.tr("Only what such shapes cover is looked at")),
            Purpose.IGNORE: (self.tr("Ignore"), "eye-slash", self.tr("What such shapes cover is never looked at")),
            Purpose.RUB_OUT: (self.tr("Rub out"), "eraser", self.tr("Take away what was painted with the brush")),
        }
        made = {}
        for purpose, (text, glyph, tip) in words.items():
            button = QPushButton(" " + text)
            button.setIcon(theme.icon(glyph, "secondary", "accent"))
            button.setCheckable(True)
            button.setToolTip(tip)
            theme.mark(button, "kind", "chip")
            self._purposes.addButton(button)
            made[purpose] = button
        return made

    def _tool_button(self, tool: Tool) -> QPushButton:
        words = {
            Tool.PAN: self.tr("Move the picture"), Tool.RECTANGLE: self.tr("Rectangle"),
            Tool.ELLIPSE: self.tr("Ellipse"), Tool.ANNULUS: self.tr("Ring"), Tool.POLYGON: self.tr("Polygon"),
            Tool.BRUSH: self.tr("Brush"),
        }[tool]  # fmt: skip
        button = QPushButton()
        button.setCheckable(True)
        button.setIcon(theme.icon(_TOOL_GLYPHS[tool], "text", "accent"))
        button.setIconSize(QSize(tokens.L + tokens.XS, tokens.L + tokens.XS))
        button.setToolTip(f"{words}  ({TOOL_KEYS[tool]})")
        button.setAccessibleName(words)
        button.setFixedWidth(TOOL_PX)
        self._tools.addButton(button)
        return button

    def _proposal(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        return button

    def _words_of(self, tool: Tool) -> str:
        return {
            Tool.PAN: self.tr("Choose a shape and draw it on the picture. Wheel: zoom."),
            Tool.RECTANGLE: self.tr("Drag from corner to corner. Shift: a square."),
            Tool.ELLIPSE: self.tr("Drag from corner to corner. Shift: a circle."),
            Tool.ANNULUS: self.tr("Drag from the middle outwards, then click where the hole ends."),
            Tool.POLYGON: self.tr("Click the corners. Enter closes it, Backspace takes one back."),
            Tool.BRUSH: self.tr("Paint. Keys [ and ] make the brush smaller and larger."),
            Tool.PICK: "",
        }[tool]

    def _arrange(self) -> None:
        draw = Card(self.tr("Draw"))
        purposes = QHBoxLayout()
        purposes.setSpacing(tokens.XS)
        for button in self._purpose_buttons.values():
            purposes.addWidget(button)
        purposes.addStretch(1)
        tools = QHBoxLayout()
        tools.setSpacing(tokens.XS)
        for button in self._tool_buttons.values():
            tools.addWidget(button)
        tools.addStretch(1)
        self._arrange_brush()
        draw.add(purposes)
        draw.add(tools)
        for part in (self._brush_row, self._list):
            draw.add(part)
        ends = QHBoxLayout()
        ends.setSpacing(tokens.S)
        ends.addWidget(self._delete)
        ends.addWidget(self._clear)
        ends.addStretch(1)
        draw.add(ends)
        find = Card(self.tr("Or take the part's outline"))
        grid = QGridLayout()
        grid.setSpacing(tokens.XS)
        for place, button in enumerate(self._proposals.values()):
            grid.addWidget(button, 0, place)
        find.add(grid)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        column.addWidget(draw)
        column.addWidget(find)
        column.addStretch(1)

    def _arrange_brush(self) -> None:
        self._delete.setIcon(theme.icon("trash"))
        for field in (self._brush, self._brush_px):
            field.setRange(1, MOST_BRUSH_PX)
            field.setValue(USUAL_BRUSH_PX)
            field.setAccessibleName(self.tr("Width of the brush"))
        self._brush_px.setSuffix(self.tr(" px"))
        row = QHBoxLayout(self._brush_row)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(tokens.S)
        row.addWidget(self._brush, 1)
        row.addWidget(self._brush_px)

    def _connect(self) -> None:
        self._tools.buttonClicked.connect(self._on_tool)
        self._purposes.buttonClicked.connect(self._on_purpose)
        self._brush.valueChanged.connect(self._brush_px.setValue)
        self._brush_px.valueChanged.connect(self._brush.setValue)
        self._brush_px.valueChanged.connect(self.brush_chosen)
        for kind, button in self._proposals.items():
            button.setProperty("proposal", kind)
            button.clicked.connect(self._on_proposal)
        self._list.currentRowChanged.connect(self._on_row)
        self._delete.clicked.connect(self.delete_selected)
        self._clear.clicked.connect(self.cleared)

    @Slot()
    def delete_selected(self) -> None:
        if self._list.currentRow() >= 0:
            self.shape_deleted.emit(self._list.currentRow())

    @Slot()
    def _on_tool(self) -> None:
        if self.purpose is Purpose.RUB_OUT and self.tool is not Tool.BRUSH:
            self._purpose_buttons[Purpose.LOOK].setChecked(True)
        self._brush_row.setVisible(self.tool is Tool.BRUSH)
        self.tool_chosen.emit(self.tool)

    @Slot()
    def _on_purpose(self) -> None:
        if self.purpose is Purpose.RUB_OUT:  # only what was painted can be rubbed out
            self._tool_buttons[Tool.BRUSH].setChecked(True)
            self._brush_row.show()
        self.purpose_chosen.emit(self.purpose)

    @Slot()
    def _on_proposal(self) -> None:
        self.proposal_requested.emit(self.sender().property("proposal"))

    @Slot(int)
    def _on_row(self, row: int) -> None:
        self._delete.setEnabled(row >= 0)
        self.shape_selected.emit(row)
