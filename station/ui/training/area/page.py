"""The page "Where to look": what of each picture a model sees, and how its parts are found."""

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QWidget

from ml.inspection_area import Rectangle
from station.projects.flow import Flow
from station.projects.project import ProjectPicture
from station.projects.sight import Sight
from station.ui import tokens
from station.ui.training.area.column import AreaColumn, Topic
from station.ui.training.area.drawing import AreaDrawing
from station.ui.training.area.looks_editor import LooksEditor
from station.ui.training.area.panel import TOOL_KEYS
from station.ui.training.area.placement_watch import PlacementWatch
from station.ui.training.area.search_choices import SearchChoices
from station.ui.training.area.sight_reader import SightReader
from station.ui.training.area.stage import AreaStage
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.widgets.drawing_tools import Tool


class AreaPage(WizardPage):
    """May be skipped: the whole picture is looked at unless something is drawn or searched."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self._pictures: tuple[ProjectPicture, ...] = ()
        self._number = 0
        self._stage, self._column = AreaStage(), AreaColumn()
        self._editor, self._reader = LooksEditor(flow, self), SightReader(self)
        self._drawing = AreaDrawing(flow, self._editor, self._stage, self._column, self)
        self._searches = SearchChoices(flow, self._editor, self._column, self)
        self._watch = PlacementWatch(flow, self._column.placement, self)
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
        self._drawing.drop()

    def close_down(self) -> None:
        for one in (self._watch, self._searches, self._reader, self._drawing):
            one.close()

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        self._stage.canvas.setFocus()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._drawing.take_key(event.key()):
            super().keyPressEvent(event)

    def _connect(self) -> None:
        self._editor.changed.connect(self._on_looks)
        self._reader.seen.connect(self._on_sight)
        self._reader.failed.connect(self._on_no_sight)
        self._watch.changed.connect(self.changed)
        for part in (self._editor, self._watch, self._searches):
            part.failed.connect(self._stage.show_problem)
        self._stage.bar.picture_chosen.connect(self._on_picture)
        self._stage.bar.undo_requested.connect(self._editor.undo)
        self._stage.bar.redo_requested.connect(self._editor.redo)
        self._stage.part_chosen.connect(self._show_sight)
        self._column.topic_changed.connect(self._on_topic)
        self._column.placement.align_requested.connect(self._align)
        self._column.placement.picture_requested.connect(self._show_named)
        self._column.parts.box_requested.connect(self._drawing.want_template)
        self._searches.box_wanted.connect(self._drawing.want_template)
        self._drawing.template_drawn.connect(self._on_template)

    def _bind_keys(self) -> None:
        bar, panel = self._stage.bar, self._column.area
        bound = {
            "PgUp": bar.step_back, "PgDown": bar.step_on, "Delete": panel.delete_selected,
            "Ctrl+Z": self._editor.undo, "Ctrl+Shift+Z": self._editor.redo, "Ctrl+0": self._stage.canvas.fit,
            "[": panel.thinner, "]": panel.thicker,
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

    @Slot()
    def _on_tool_key(self) -> None:
        if self._drawing.can_draw:
            self._column.area.choose_tool(Tool(self.sender().objectName()))

    @Slot()
    def _on_looks(self) -> None:
        """Something else is looked at: the picture is seen anew, and the sample checked once nothing changes."""
        self._stage.show_problem("")
        self._drawing.drop()
        self._show_looks()
        self._watch.look()
        self.changed.emit()

    @Slot()
    def _on_topic(self) -> None:
        self._drawing.drop()
        self._show_sight()

    @Slot(int)
    def _on_picture(self, number: int) -> None:
        self._number = number
        self._stage.show_problem("")
        self._drawing.drop()
        self._look()

    @Slot(str)
    def _show_named(self, name: str) -> None:
        number = next((place for place, one in enumerate(self._pictures) if one.name == name), self._number)
        self._stage.bar.show_pictures([one.name for one in self._pictures], number)
        self._on_picture(number)

    def _show_looks(self) -> None:
        self._column.show_looks(self._editor.looks)
        self._stage.bar.show_steps(can_undo=self._editor.can_undo, can_redo=self._editor.can_redo)
        self._show_sight()
        self._look()

    def _look(self) -> None:
        """See the picture anew, if it is another one or looked at in another way than what is shown."""
        if self._pictures:
            picture, shown = self._pictures[self._number], self._stage.sight
            self._stage.canvas.set_stale(shown is not None and shown.picture != picture)
            self._reader.read(picture, self._editor.looks)
            self._drawing.show_reading(self._reader.is_reading)

    @Slot(object)
    def _on_sight(self, sight: Sight) -> None:
        self._stage.take(sight)
        self._drawing.show_reading(self._reader.is_reading)
        self._show_sight()

    @Slot(str)
    def _on_no_sight(self, reason: str) -> None:
        self._stage.show_problem(reason)
        self._stage.show_hint(self.tr("This picture cannot be shown."))

    @Slot()
    def _show_sight(self) -> None:
        """The sight at hand, as the topic wants it."""
        self._stage.show_as(is_cut_out=self._column.topic is Topic.AREA)
        if self._stage.sight is not None:
            self._column.show_sight(self._stage.sight)
        self._drawing.use_tool()
        self._drawing.show_shapes(self._column.area.selected)

    @Slot(object)
    def _on_template(self, box: Rectangle) -> None:
        if self._stage.sight is not None:
            self._searches.take_template(box, self._stage.sight)

    @Slot()
    def _align(self) -> None:
        sight, checked = self._stage.sight, self._watch.checked
        if sight is not None and checked is not None:
            self._column.choose(Topic.PARTS)
            self._searches.align(sight, checked)
