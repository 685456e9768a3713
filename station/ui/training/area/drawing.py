"""What is drawn on the picture of "Where to look", and what becomes of it: a shape of the area, a box around a part."""

from enum import StrEnum

from PySide6.QtCore import QObject, Qt, Signal, Slot

from ml.errors import ParameterError
from ml.inspection_area import Brush, Rectangle, Shape
from station.projects.flow import Flow
from station.projects.project import Looks
from station.projects.proposals import Proposal
from station.projects.steps import area as rules
from station.ui.training.area.column import AreaColumn, Topic
from station.ui.training.area.looks_editor import LooksEditor
from station.ui.training.area.outline_finder import OutlineFinder
from station.ui.training.area.panel import Purpose
from station.ui.training.area.stage import AreaStage
from station.ui.widgets.drawing_tools import Tool


class BoxFor(StrEnum):
    """What a box is drawn for, when it is no shape of the area."""

    TEMPLATE = "template"
    GRABCUT = "grabcut"


class AreaDrawing(QObject):
    """Gives the canvas its tool, and the editor what was drawn."""

    template_drawn = Signal(object)
    """Rectangle around one part."""

    def __init__(
        self, flow: Flow, editor: LooksEditor, stage: AreaStage, column: AreaColumn, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._flow, self._editor, self._stage, self._column = flow, editor, stage, column
        self._panel = column.area
        self._box_for: BoxFor | None = None
        self._is_reading = False
        self._outlines = OutlineFinder(self)
        stage.canvas.drawn.connect(self._on_drawn)
        stage.proposal_accepted.connect(self._accept_proposal)
        stage.proposal_discarded.connect(self.drop)
        panel = self._panel
        panel.tool_chosen.connect(self._on_tool)
        panel.purpose_chosen.connect(self.use_tool)
        panel.brush_chosen.connect(stage.canvas.set_brush_px)
        panel.proposal_requested.connect(self._on_proposal_wanted)
        panel.shape_selected.connect(self.show_shapes)
        panel.shape_deleted.connect(self._delete)
        panel.cleared.connect(self._clear)
        self._outlines.found.connect(self._on_outline)
        self._outlines.failed.connect(self._on_no_outline)

    @property
    def can_draw(self) -> bool:
        """Whether an area may be drawn on what is shown."""
        looks = self._looks
        is_whole_or_part = looks.ring is None and (looks.parts is None or self._stage.is_cut_out)
        return self._column.topic is Topic.AREA and is_whole_or_part and not self._flow.project.is_fine_tuning

    def close(self) -> None:
        self._outlines.close()

    def show_reading(self, is_reading: bool) -> None:
        """Whether what is shown is not yet all that will be."""
        self._is_reading = is_reading
        self.use_tool()

    def take_key(self, key: int) -> bool:
        """Act on what the canvas leaves over: Escape and Enter, where something is proposed or wanted."""
        if key == Qt.Key.Key_Escape and (self._box_for is not None or self._outlines.proposed is not None):
            self.drop()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._outlines.proposed is not None:
            self._accept_proposal(Purpose.LOOK)
        else:
            return False
        return True

    @Slot()
    def drop(self) -> None:
        """Neither a proposal nor a box that is to be drawn."""
        self._outlines.drop()
        self._box_for = None
        self.use_tool()
        self.show_shapes(self._panel.selected)

    @Slot()
    def want_template(self) -> None:
        """A box is to be drawn around one part."""
        self._want(BoxFor.TEMPLATE)

    @Slot()
    def use_tool(self) -> None:
        """The one that fits what is to be drawn now, and words on what to do with it."""
        if self._box_for is not None:
            tool, words = Tool.RECTANGLE, self.tr("Draw a box around one part. Esc: leave it.")
        elif self.can_draw:
            tool, words = self._panel.tool, self._panel.tool_words()
        else:
            tool, words = Tool.PAN, self._what_is_shown()
        self._stage.show_hint(words)
        if self._stage.canvas.tool is not tool:
            self._stage.canvas.set_tool(tool)
        self._stage.canvas.set_drawing_role("secondary" if self._panel.purpose is Purpose.IGNORE else "accent")

    @Slot(int)
    def show_shapes(self, selected: int) -> None:
        shapes = rules.listed(self._looks, self._stage.size_shown)
        self._panel.show_shapes(shapes, selected)
        self._stage.show_looks(self._looks, shapes, selected, self._outlines.proposed)

    @property
    def _looks(self) -> Looks:
        return self._editor.looks

    def _what_is_shown(self) -> str:
        """Where nothing can be drawn."""
        if self._is_reading:
            return self.tr("Looking at the picture")
        if self._flow.project.is_fine_tuning:
            return self.tr("What the model that is fine-tuned looks at")
        return {
            Topic.AREA: self._why_no_area(),
            Topic.PARTS: self.tr("Found parts are outlined, each with its likeness to the one in the box.")
            if self._looks.parts
            else self.tr("Parts are found by what one of them looks like."),
            Topic.ROUND: self.tr("The part is found by a circle on it, wherever it lies."),
            Topic.CONTRAST: self.tr("The picture as the model sees it"),
        }[self._column.topic]

    def _why_no_area(self) -> str:
        if self._looks.ring is not None:
            return self.tr("The ring around a circle is looked at. Switch it off under Round part to draw an area.")
        return self.tr("No part is found on this picture: choose another one to draw on a part.")

    @Slot()
    def _on_tool(self) -> None:
        self.drop()
        self._stage.canvas.setFocus()

    @Slot(object)
    def _on_drawn(self, shape: Shape) -> None:
        box_for, self._box_for = self._box_for, None
        if box_for is None or not isinstance(shape, Rectangle):
            self._add(shape, self._panel.purpose)
            return
        self.use_tool()
        if box_for is BoxFor.GRABCUT:
            self._propose("grabcut", shape)
        else:
            self.template_drawn.emit(shape)

    def _add(self, shape: Shape, purpose: Purpose) -> None:
        size = self._stage.size_shown
        if size is None:
            return
        role: rules.Role = "ignore" if purpose is Purpose.IGNORE else "look"
        try:
            if purpose is Purpose.RUB_OUT and isinstance(shape, Brush):
                changed = rules.without_stroke(self._looks, shape, size)
            else:
                changed = rules.with_shape(self._looks, shape, role, size)
        except ParameterError as error:
            self._stage.show_problem(str(error))
        else:
            self._editor.change(changed)
            listed = rules.listed(changed, size)
            self.show_shapes(max((place for place, (other, _) in enumerate(listed) if other == role), default=-1))

    @Slot(int)
    def _delete(self, number: int) -> None:
        size = self._stage.size_shown
        shapes = rules.listed(self._looks, size)
        if size is None or number >= len(shapes):
            return
        role = shapes[number][0]
        place = sum(other == role for other, _ in shapes[:number])
        try:
            changed = rules.without_shape(self._looks, role, place, size)
        except ParameterError as error:
            self._stage.show_problem(str(error))
        else:
            self._editor.change(changed)

    @Slot()
    def _clear(self) -> None:
        self._editor.change(rules.without_area(self._looks))

    @Slot(str)
    def _on_proposal_wanted(self, kind: Proposal) -> None:
        self.drop()
        self._stage.show_problem("")
        if not self.can_draw:
            return
        if kind == "grabcut":
            self._want(BoxFor.GRABCUT)
        else:
            self._propose(kind, None)

    def _want(self, box_for: BoxFor) -> None:
        self._box_for = box_for
        self.use_tool()
        self._stage.canvas.setFocus()

    def _propose(self, kind: Proposal, box: Rectangle | None) -> None:
        pixels = self._stage.pixels_shown
        if pixels is not None:
            self._stage.show_hint(self.tr("Looking for the outline"))
            self._outlines.look(kind, pixels, box)

    @Slot()
    def _on_outline(self) -> None:
        shape = self._outlines.proposed
        if shape is not None:
            self._stage.show_hint(self.tr("Found: {}").format(rules.shape_words(shape)), is_proposal=True)
            self.show_shapes(self._panel.selected)

    @Slot(str)
    def _on_no_outline(self, reason: str) -> None:
        self.drop()
        self._stage.show_problem(reason)

    @Slot(str)
    def _accept_proposal(self, role: str) -> None:
        shape = self._outlines.drop()
        self.drop()
        if shape is not None:
            self._add(shape, Purpose(role))
