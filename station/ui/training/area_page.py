"""The page "Where to look": what of each picture a model sees, and how its parts are found."""

from enum import StrEnum
from functools import partial

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QWidget

from ml.errors import ParameterError
from ml.inspection_area import Brush, Rectangle, Shape
from station.projects.flow import Flow
from station.projects.project import Looks, ProjectPicture
from station.projects.proposals import Proposal
from station.projects.sight import Sight, see
from station.projects.steps import area as rules
from station.ui import tokens
from station.ui.training.area_column import AreaColumn, Topic
from station.ui.training.area_panel import TOOL_KEYS, Purpose
from station.ui.training.area_stage import AreaStage
from station.ui.training.looks_editor import LooksEditor
from station.ui.training.outline_finder import OutlineFinder
from station.ui.training.placement_watch import PlacementWatch, without_area
from station.ui.training.search_choices import SearchChoices
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.widgets.drawing_tools import Tool
from station.workers.queries import Queries


class BoxFor(StrEnum):
    """What a box is drawn for, when it is no shape of the area."""

    TEMPLATE = "template"
    GRABCUT = "grabcut"


class AreaPage(WizardPage):
    """May be skipped: the whole picture is looked at unless something is drawn or searched."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self._editor = LooksEditor(flow, self)
        self._pictures: tuple[ProjectPicture, ...] = ()
        self._number = 0
        self._box_for: BoxFor | None = None
        self._seeing, self._outlines = Queries(self), OutlineFinder(self)
        self._stage, self._column = AreaStage(), AreaColumn()
        self._area = self._column.area
        self._watch = PlacementWatch(flow, self._column.placement, self)
        self._searches = SearchChoices(flow, self._editor, self._column, self)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.M)
        line.addWidget(self._column)
        line.addWidget(self._stage, 1)
        self._connect()
        self._bind_keys()

    def question(self) -> str:
        return self.tr("Where should the model look?")

    def enter(self) -> None:
        self._editor.start_anew()
        project = self._flow.project
        self._pictures = (*project.used("good"), *project.used("bad"))
        self._number = min(self._number, max(0, len(self._pictures) - 1))
        self._stage.bar.show_pictures([one.name for one in self._pictures], self._number)
        self._column.set_fixed(project.is_fine_tuning)
        self._show_looks()
        self._watch.look()

    def leave(self) -> None:
        self._watch.stop()
        self._drop()

    def close_down(self) -> None:
        for one in (self._watch, self._searches, self._seeing, self._outlines):
            one.close()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._stage.canvas.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the canvas leaves over."""
        if event.key() == Qt.Key.Key_Escape and (self._box_for is not None or self._outlines.proposed is not None):
            self._drop()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._outlines.proposed is not None:
            self._accept_proposal("look")
        else:
            super().keyPressEvent(event)

    @property
    def _looks(self) -> Looks:
        return self._editor.looks

    @property
    def _can_draw(self) -> bool:
        """Whether an area may be drawn on what is shown."""
        looks = self._looks
        is_whole_or_part = looks.ring is None and (looks.parts is None or self._stage.is_cut_out)
        return self._column.topic is Topic.AREA and is_whole_or_part and not self._flow.project.is_fine_tuning

    def _connect(self) -> None:
        self._editor.changed.connect(self._on_looks)
        self._editor.failed.connect(self._stage.show_problem)
        self._watch.changed.connect(self.changed)
        self._watch.failed.connect(self._stage.show_problem)
        self._column.topic_changed.connect(self._on_topic)
        self._column.placement.align_requested.connect(self._align)
        self._column.placement.picture_requested.connect(self._show_named)
        self._stage.bar.picture_chosen.connect(self._on_picture)
        self._stage.bar.undo_requested.connect(self._editor.undo)
        self._stage.bar.redo_requested.connect(self._editor.redo)
        self._stage.part_chosen.connect(self._show_sight)
        self._stage.canvas.drawn.connect(self._on_drawn)
        self._area.tool_chosen.connect(self._on_tool)
        self._area.purpose_chosen.connect(self._on_purpose)
        self._area.brush_chosen.connect(self._stage.canvas.set_brush_px)
        self._area.proposal_requested.connect(self._on_proposal_wanted)
        self._stage.proposal_accepted.connect(self._accept_proposal)
        self._stage.proposal_discarded.connect(self._drop)
        self._area.shape_selected.connect(self._show_shapes)
        self._area.shape_deleted.connect(self._delete)
        self._area.cleared.connect(self._clear)
        self._column.parts.box_requested.connect(self._want_template)
        self._searches.box_wanted.connect(self._want_template)
        self._searches.failed.connect(self._stage.show_problem)
        self._outlines.found.connect(self._on_outline)
        self._outlines.failed.connect(self._on_no_outline)

    def _bind_keys(self) -> None:
        bound = {
            "PgUp": self._stage.bar.step_back, "PgDown": self._stage.bar.step_on, "Delete": self._area.delete_selected,
            "Ctrl+Z": self._editor.undo, "Ctrl+Shift+Z": self._editor.redo, "Ctrl+0": self._stage.canvas.fit,
            "[": self._area.thinner, "]": self._area.thicker,
        }  # fmt: skip
        for keys, slot in bound.items():
            self._shortcut(keys).activated.connect(slot)
        for tool, keys in TOOL_KEYS.items():
            shortcut = self._shortcut(keys)
            shortcut.setObjectName(tool.value)
            shortcut.activated.connect(self._on_tool_key)

    def _shortcut(self, keys: str) -> QShortcut:
        made = QShortcut(QKeySequence(keys), self)
        made.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        return made

    # What is shown

    @Slot()
    def _on_looks(self) -> None:
        """Something else is looked at: the picture is seen anew, and the sample checked once nothing changes."""
        self._stage.show_problem("")
        self._drop()
        self._show_looks()
        self._watch.look()
        self.changed.emit()

    @Slot()
    def _on_topic(self) -> None:
        self._drop()
        self._show_sight()

    @Slot(int)
    def _on_picture(self, number: int) -> None:
        self._number = number
        self._drop()
        self._look()

    @Slot(str)
    def _show_named(self, name: str) -> None:
        number = next((place for place, one in enumerate(self._pictures) if one.name == name), self._number)
        self._stage.bar.show_pictures([one.name for one in self._pictures], number)
        self._on_picture(number)

    def _show_looks(self) -> None:
        self._column.show_looks(self._looks)
        self._stage.bar.show_steps(can_undo=self._editor.can_undo, can_redo=self._editor.can_redo)
        self._show_sight()
        self._look()

    def _look(self) -> None:
        """See the picture anew, if it is another one or looked at in another way than what is shown."""
        if not self._pictures:
            return
        (picture, looks), seen = self._wanted(), self._stage.sight
        if seen is not None and (seen.picture, seen.looks) == (picture, looks):
            return
        ask = partial(self._seeing.ask, then=self._on_sight, otherwise=self._on_no_sight)
        if seen is None or seen.picture != picture:  # it stands there before its parts are found
            self._stage.canvas.set_stale(True)
            ask(partial(see, picture, _unsearched(looks)), withdraw_waiting=True)
            ask(partial(see, picture, looks))
        else:
            ask(partial(see, picture, looks), withdraw_waiting=True)
        self._use_tool()

    def _wanted(self) -> tuple[ProjectPicture, Looks]:
        return self._pictures[self._number], without_area(self._looks)

    def _on_sight(self, sight: Sight) -> None:
        picture, looks = self._wanted()
        if sight.picture == picture and sight.looks in (looks, _unsearched(looks)):
            self._stage.show_problem("")
            self._stage.take(sight)
            self._show_sight()

    def _on_no_sight(self, reason: str) -> None:
        self._stage.show_problem(reason)
        self._stage.show_hint(self.tr("This picture cannot be shown."))

    @Slot()
    def _show_sight(self) -> None:
        """The sight at hand, as the topic wants it."""
        self._stage.show_as(is_cut_out=self._column.topic is Topic.AREA)
        sight = self._stage.sight
        if sight is not None:
            self._column.show_sight(sight)
        self._use_tool()
        self._show_shapes(self._area.selected)

    @Slot(int)
    def _show_shapes(self, selected: int) -> None:
        shapes = rules.listed(self._looks, self._stage.size_shown)
        self._area.show_shapes(shapes, selected)
        self._stage.show_looks(self._looks, shapes, selected, self._outlines.proposed)

    # Drawing

    def _use_tool(self) -> None:
        """On the canvas, and what to do with it."""
        if self._box_for is not None:
            tool, words = Tool.RECTANGLE, self.tr("Draw a box around one part. Esc: leave it.")
        elif self._can_draw:
            tool, words = self._area.tool, self._area.tool_words()
        else:
            tool, words = Tool.PAN, self._what_is_shown()
        self._stage.show_hint(words)
        if self._stage.canvas.tool is not tool:
            self._stage.canvas.set_tool(tool)
        self._stage.canvas.set_drawing_role("secondary" if self._area.purpose is Purpose.IGNORE else "accent")

    def _what_is_shown(self) -> str:
        """Where nothing can be drawn."""
        looks, sight = self._looks, self._stage.sight
        if sight is not None and self._pictures and (sight.picture, sight.looks) != self._wanted():
            return self.tr("Looking at the picture")
        if self._flow.project.is_fine_tuning:
            return self.tr("What the model that is fine-tuned looks at")
        return {
            Topic.AREA: self._why_no_area(),
            Topic.PARTS: self.tr("Found parts are outlined, each with its likeness to the one in the box.")
            if looks.parts
            else self.tr("Parts are found by what one of them looks like."),
            Topic.ROUND: self.tr("The part is found by a circle on it, wherever it lies."),
            Topic.CONTRAST: self.tr("The picture as the model sees it"),
        }[self._column.topic]

    def _why_no_area(self) -> str:
        if self._looks.ring is not None:
            return self.tr("The ring around a circle is looked at. Switch it off under Round part to draw an area.")
        return self.tr("No part is found on this picture: choose another one to draw on a part.")

    @Slot()
    def _on_tool_key(self) -> None:
        if self._can_draw:
            self._area.choose_tool(Tool(self.sender().objectName()))

    @Slot()
    def _on_tool(self) -> None:
        self._drop()
        self._stage.canvas.setFocus()

    @Slot()
    def _on_purpose(self) -> None:
        self._use_tool()

    @Slot(object)
    def _on_drawn(self, shape: Shape) -> None:
        box_for, self._box_for = self._box_for, None
        sight = self._stage.sight
        if box_for is None or not isinstance(shape, Rectangle):
            self._add(shape, self._area.purpose)
            return
        self._use_tool()
        if box_for is BoxFor.GRABCUT:
            self._propose("grabcut", shape)
        elif sight is not None:
            self._searches.take_template(shape, sight)

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
            self._show_shapes(max((place for place, (other, _) in enumerate(listed) if other == role), default=-1))

    @Slot(int)
    def _delete(self, number: int) -> None:
        shapes = rules.listed(self._looks, self._stage.size_shown)
        role = shapes[number][0]
        place = sum(other == role for other, _ in shapes[:number])
        try:
            changed = rules.without_shape(self._looks, role, place)
        except ParameterError as error:
            self._stage.show_problem(str(error))
        else:
            self._editor.change(changed)

    @Slot()
    def _clear(self) -> None:
        self._editor.change(without_area(self._looks))

    # Outlines of the part

    @Slot(str)
    def _on_proposal_wanted(self, kind: Proposal) -> None:
        self._drop()
        if kind == "grabcut":
            self._box_for = BoxFor.GRABCUT
            self._use_tool()
            self._stage.canvas.setFocus()
        else:
            self._propose(kind, None)

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
            self._show_shapes(self._area.selected)

    @Slot(str)
    def _on_no_outline(self, reason: str) -> None:
        self._drop()
        self._stage.show_problem(reason)

    @Slot(str)
    def _accept_proposal(self, role: str) -> None:
        shape = self._outlines.proposed
        self._drop()
        if shape is not None:
            self._add(shape, Purpose(role))

    @Slot()
    def _drop(self) -> None:
        """Neither a proposal nor a box that is to be drawn."""
        self._outlines.drop()
        self._box_for = None
        self._use_tool()
        self._show_shapes(self._area.selected)

    @Slot()
    def _want_template(self) -> None:
        self._box_for = BoxFor.TEMPLATE
        self._use_tool()
        self._stage.canvas.setFocus()

    @Slot()
    def _align(self) -> None:
        sight, checked = self._stage.sight, self._watch.checked
        if sight is not None and checked is not None:
            self._column.choose(Topic.PARTS)
            self._searches.align(sight, checked)


def _unsearched(looks: Looks) -> Looks:
    """Without what takes long to be found."""
    return looks.model_copy(update={"parts": None, "ring": None})
