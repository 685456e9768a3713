"""The page "Where to look": what of each picture a model sees, and how its parts are found."""

import math
from enum import StrEnum
from functools import partial

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ml.errors import LoupeError, ParameterError
from ml.inspection_area import Brush, Rectangle, Shape
from ml.part_search import PartSearch
from ml.pictures import Pixels
from ml.preprocessing import Clahe, RingSearch
from station.projects.flow import Flow
from station.projects.project import Looks, ProjectPicture
from station.projects.proposals import Proposal, aligning_search, propose, search_for
from station.projects.sight import Sight, measured_radius, see
from station.projects.steps import area as rules
from station.projects.store import ProjectError
from station.ui import theme, tokens
from station.ui.training.area_panel import TOOL_KEYS, AreaPanel, Purpose
from station.ui.training.area_stage import AreaStage
from station.ui.training.contrast_panel import ContrastPanel
from station.ui.training.looks_editor import LooksEditor
from station.ui.training.parts_panel import PartsPanel
from station.ui.training.placement_card import PlacementCard
from station.ui.training.round_panel import RoundPanel
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.widgets.drawing_tools import Tool
from station.workers.part_check import CheckedParts, PartCheck
from station.workers.queries import Queries

COLUMN_PX = 352
SETTLING_MS = 400
"""So long nothing must change before the pictures are checked anew."""
MEASURED_PICTURES = 8
"""On so many of the sample a circle's radius is measured: enough to tell what they share, and soon done."""


class Topic(StrEnum):
    """What the column is about."""

    AREA = "area"
    PARTS = "parts"
    ROUND = "round"
    CONTRAST = "contrast"


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
        self._proposed: Shape | None = None
        self._checked: CheckedParts | None = None
        self._seeing, self._proposing = Queries(self), Queries(self)
        self._check = PartCheck(self)
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLING_MS)
        self._stage = AreaStage()
        self._placement = PlacementCard()
        self._fixed = theme.label(self.tr("A model is fine-tuned here: it looks where it has looked before."))
        self._area, self._parts = AreaPanel(), PartsPanel()
        self._round, self._contrast = RoundPanel(), ContrastPanel()
        self._panels: dict[Topic, QWidget] = {
            Topic.AREA: self._area, Topic.PARTS: self._parts, Topic.ROUND: self._round, Topic.CONTRAST: self._contrast,
        }  # fmt: skip
        self._topics = QButtonGroup(self)
        self._topic_buttons = {topic: self._topic_button(topic) for topic in Topic}
        self._arrange()
        self._connect()
        self._bind_keys()
        self._topic_buttons[Topic.AREA].setChecked(True)

    def question(self) -> str:
        return self.tr("Where should the model look?")

    def enter(self) -> None:
        self._editor.start_anew()
        project = self._flow.project
        self._pictures = (*project.used("good"), *project.used("bad"))
        self._number = min(self._number, max(0, len(self._pictures) - 1))
        self._stage.bar.show_pictures([one.name for one in self._pictures], self._number)
        self._fixed.setVisible(project.is_fine_tuning)
        for panel in self._panels.values():
            panel.setEnabled(not project.is_fine_tuning)
        self._show_looks()
        self._settle()

    def leave(self) -> None:
        self._settling.stop()
        self._check.stop()
        self._drop()

    def close_down(self) -> None:
        self._settling.stop()
        for one in (self._check, self._seeing, self._proposing):
            one.close()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._stage.canvas.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """What the canvas leaves over."""
        if event.key() == Qt.Key.Key_Escape and (self._box_for is not None or self._proposed is not None):
            self._drop()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._proposed is not None:
            self._accept_proposal("look")
        else:
            super().keyPressEvent(event)

    @property
    def _looks(self) -> Looks:
        return self._editor.looks

    @property
    def _topic(self) -> Topic:
        return next(topic for topic, button in self._topic_buttons.items() if button.isChecked())

    @property
    def _can_draw(self) -> bool:
        """Whether an area may be drawn on what is shown."""
        looks = self._looks
        is_whole_or_part = looks.ring is None and (looks.parts is None or self._stage.is_cut_out)
        return self._topic is Topic.AREA and is_whole_or_part and not self._flow.project.is_fine_tuning

    # Building

    def _topic_button(self, topic: Topic) -> QPushButton:
        words = {
            Topic.AREA: self.tr("Area"), Topic.PARTS: self.tr("Parts"), Topic.ROUND: self.tr("Round part"),
            Topic.CONTRAST: self.tr("Contrast"),
        }  # fmt: skip
        button = QPushButton(words[topic])
        button.setCheckable(True)
        theme.mark(button, "kind", "chip")
        self._topics.addButton(button)
        return button

    def _arrange(self) -> None:
        theme.tag(self._fixed, "body", "secondary")
        self._fixed.setWordWrap(True)
        topics = QHBoxLayout()
        topics.setSpacing(tokens.XS)
        for button in self._topic_buttons.values():
            topics.addWidget(button)
        topics.addStretch(1)
        inner = QWidget()
        inside = QVBoxLayout(inner)
        inside.setContentsMargins(0, 0, tokens.M, 0)  # beside the scroll bar
        inside.setSpacing(tokens.M)
        inside.addWidget(self._fixed)
        inside.addWidget(self._placement)
        inside.addLayout(topics)
        for topic, panel in self._panels.items():
            panel.setVisible(topic is Topic.AREA)
            inside.addWidget(panel)
        inside.addStretch(1)
        column = QScrollArea()
        column.setWidgetResizable(True)
        column.setFrameShape(QFrame.Shape.NoFrame)
        column.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        column.setWidget(inner)
        column.setFixedWidth(COLUMN_PX)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.M)
        line.addWidget(column)
        line.addWidget(self._stage, 1)

    def _connect(self) -> None:
        self._editor.changed.connect(self._on_looks)
        self._editor.failed.connect(self._stage.show_problem)
        self._topics.buttonClicked.connect(self._on_topic)
        self._settling.timeout.connect(self._begin_check)
        self._check.progressed.connect(self._placement.show_progress)
        self._check.finished.connect(self._on_checked)
        self._placement.align_requested.connect(self._align)
        self._placement.picture_requested.connect(self._show_named)
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
        self._parts.box_requested.connect(self._want_template)
        self._parts.search_changed.connect(self._on_search)
        self._parts.search_ended.connect(self._end_search)
        self._round.ring_changed.connect(self._on_ring)
        self._round.measure_requested.connect(self._measure)
        self._contrast.clahe_changed.connect(self._on_clahe)

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
        self._settle()
        self.changed.emit()

    @Slot()
    def _on_topic(self) -> None:
        for topic, panel in self._panels.items():
            panel.setVisible(topic is self._topic)
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
        looks = self._looks
        self._parts.show_search(looks.parts)
        self._round.show_ring(looks.ring)
        self._contrast.show_clahe(looks.clahe)
        self._stage.bar.show_steps(can_undo=self._editor.can_undo, can_redo=self._editor.can_redo)
        self._show_sight()
        self._look()

    def _look(self) -> None:
        """See the picture anew, if it is another one or looked at in another way than what is shown."""
        if not self._pictures:
            return
        wanted, seen = self._wanted(), self._stage.sight
        if seen is None or (seen.picture, seen.looks) != wanted:
            self._seeing.ask(
                partial(see, *wanted), then=self._on_sight, otherwise=self._stage.show_problem, withdraw_waiting=True
            )

    def _wanted(self) -> tuple[ProjectPicture, Looks]:
        return self._pictures[self._number], _without_area(self._looks)

    def _on_sight(self, sight: Sight) -> None:
        if (sight.picture, sight.looks) == self._wanted():
            self._stage.show_problem("")
            self._stage.take(sight)
            self._show_sight()

    @Slot()
    def _show_sight(self) -> None:
        """The sight at hand, as the topic wants it."""
        self._stage.show_as(is_cut_out=self._topic is Topic.AREA)
        sight = self._stage.sight
        if sight is not None:
            self._parts.show_sight(sight)
            self._round.show_sight(sight)
        self._use_tool()
        self._show_shapes(self._area.selected)

    @Slot(int)
    def _show_shapes(self, selected: int) -> None:
        shapes = rules.listed(self._looks, self._stage.size_shown)
        self._area.show_shapes(shapes, selected)
        self._stage.show_looks(self._looks, shapes, selected, self._proposed)

    # Drawing

    def _use_tool(self) -> None:
        """On the canvas, and what to do with it."""
        if self._box_for is not None:
            tool, words = Tool.RECTANGLE, self.tr("Draw a box around one part. Esc: leave it.")
        elif self._can_draw:
            tool, words = self._area.tool, self._area.tool_words()
        else:
            tool, words = Tool.PAN, self._why_not() if self._topic is Topic.AREA else ""
        self._stage.show_hint(words)
        if self._stage.canvas.tool is not tool:
            self._stage.canvas.set_tool(tool)
        self._stage.canvas.set_drawing_role("secondary" if self._area.purpose is Purpose.IGNORE else "accent")

    def _why_not(self) -> str:
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
        if box_for is not None and isinstance(shape, Rectangle):
            if box_for is BoxFor.TEMPLATE:
                self._take_template(shape)
            else:
                self._propose("grabcut", shape)
            self._use_tool()
        else:
            self._add(shape, self._area.purpose)

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
        self._editor.change(_without_area(self._looks))

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
        seen = self._stage.pixels_shown
        if seen is not None:
            self._stage.show_hint(self.tr("Looking for the outline"))
            self._proposing.ask(
                partial(propose, kind, seen, box),
                then=partial(self._on_proposed, seen),
                otherwise=partial(self._on_not_proposed, seen),
                withdraw_waiting=True,
            )

    def _on_proposed(self, seen: Pixels, shape: Shape) -> None:
        if seen is self._stage.pixels_shown:
            self._proposed = shape
            self._stage.show_hint(self.tr("Found: {}").format(rules.shape_words(shape)), is_proposal=True)
            self._show_shapes(self._area.selected)

    def _on_not_proposed(self, seen: Pixels, reason: str) -> None:
        if seen is self._stage.pixels_shown:
            self._drop()
            self._stage.show_problem(reason)

    @Slot(str)
    def _accept_proposal(self, role: str) -> None:
        shape = self._proposed
        self._drop()
        if shape is not None:
            self._add(shape, Purpose(role))

    @Slot()
    def _drop(self) -> None:
        """Neither a proposal nor a box that is to be drawn."""
        self._proposed, self._box_for = None, None
        self._use_tool()
        self._show_shapes(self._area.selected)

    # Parts, ring, contrast

    @Slot()
    def _want_template(self) -> None:
        self._box_for = BoxFor.TEMPLATE
        self._use_tool()
        self._stage.canvas.setFocus()

    def _take_template(self, box: Rectangle) -> None:
        sight = self._stage.sight
        if sight is None:
            return
        try:
            search = search_for(sight.pixels, box, self._looks.parts)
        except LoupeError as error:
            self._stage.show_problem(str(error))
        else:
            self._on_search(search)

    @Slot()
    def _align(self) -> None:
        sight = self._stage.sight
        if sight is not None and self._checked is not None:
            self._choose_topic(Topic.PARTS)
            question = partial(aligning_search, sight.pixels, self._checked.movement)
            self._proposing.ask(question, then=self._on_search, otherwise=self._on_no_search, withdraw_waiting=True)

    def _on_no_search(self, reason: str) -> None:
        """The part's outline is not found by itself: a box is drawn around it."""
        self._stage.show_problem(reason)
        self._want_template()

    def _choose_topic(self, topic: Topic) -> None:
        self._topic_buttons[topic].setChecked(True)
        self._on_topic()

    @Slot(object)
    def _on_search(self, search: PartSearch) -> None:
        self._editor.change(rules.with_parts(self._looks, search))

    @Slot()
    def _end_search(self) -> None:
        self._editor.change(rules.with_parts(self._looks, None))

    @Slot(object)
    def _on_ring(self, ring: RingSearch | None) -> None:
        self._editor.change(rules.with_ring(self._looks, ring))
        if ring is not None and ring.radius_px is None:
            self._measure()

    @Slot()
    def _measure(self) -> None:
        looks, pictures = self._looks, rules.sample(self._flow.project)
        if looks.ring is not None:
            self._round.show_found(self.tr("Measuring the circle"))
            self._proposing.ask(
                partial(measured_radius, pictures[:: -(-len(pictures) // MEASURED_PICTURES) or 1], looks, looks.ring),
                then=self._on_measured,
                otherwise=partial(self._round.show_found, is_problem=True),
                withdraw_waiting=True,
            )

    def _on_measured(self, radius_px: tuple[float, float]) -> None:
        ring = self._looks.ring
        if ring is not None:
            whole = float(math.floor(radius_px[0])), float(math.ceil(radius_px[1]))
            self._editor.change(rules.with_ring(self._looks, ring.model_copy(update={"radius_px": whole})))

    @Slot(object)
    def _on_clahe(self, clahe: Clahe | None) -> None:
        self._editor.change(self._looks.model_copy(update={"clahe": clahe}))

    # How the parts lie

    def _settle(self) -> None:
        """Check the sample once nothing changes any more, if it is not known how its parts lie."""
        looks = self._looks
        if self._checked is not None and self._checked.is_of(rules.sample(self._flow.project), looks):
            self._show_checked(self._checked)
        elif looks.ring is None or looks.ring.radius_px is not None:
            self._settling.start()
        else:  # nothing is found before the radius is measured
            self._settling.stop()
            self._check.stop()
            self._placement.hide()

    @Slot()
    def _begin_check(self) -> None:
        pictures = rules.sample(self._flow.project)
        self._placement.show_progress(0, len(pictures))
        self._check.begin(pictures, _without_area(self._looks))

    @Slot(object)
    def _on_checked(self, found: CheckedParts) -> None:
        self._checked = found
        self._show_checked(found)
        if found.search != self._flow.project.search_check:
            try:
                self._flow.change(search_check=found.search)
            except ProjectError as error:
                self._stage.show_problem(str(error))
            self.changed.emit()

    def _show_checked(self, found: CheckedParts) -> None:
        can_align = not self._flow.project.is_fine_tuning and found.search is None
        self._placement.show_result(found.movement, found.search, can_align=can_align)


def _without_area(looks: Looks) -> Looks:
    return looks.model_copy(update={"area": None})
