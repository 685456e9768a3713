"""Outlining the defects of bad pictures: what is drawn is stored at once."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QScrollArea, QSizePolicy, QStackedLayout, QVBoxLayout, QWidget

from ml.annotation.annotation import (
    USUAL_KIND,
    Annotation,
    drawn,
    erased,
    region_at,
    shape_region,
    with_kind,
    without,
)
from ml.errors import LoupeError
from ml.inspection_area import Brush, Rectangle, Shape
from station.projects.annotating import AnnotatingDesk
from station.projects.flow import Flow
from station.projects.steps.annotation import bad_pictures, is_outlined
from station.ui import theme, tokens
from station.ui.training.annotation import work
from station.ui.training.annotation.bad_picture_list import BadPictureList
from station.ui.training.annotation.exchange_bar import ExchangeBar
from station.ui.training.annotation.no_bad_pictures import NoBadPictures
from station.ui.training.annotation.overlay import overlay_of
from station.ui.training.annotation.region_panel import MOST_KEYS, RegionPanel
from station.ui.training.annotation.tools import KEYS, AnnotationTools, Pen
from station.ui.training.annotation.value_key import ValueKey
from station.ui.training.annotation.work import Filled, Opened
from station.ui.training.picture_bar import PictureBar
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.widgets.drawing_canvas import DrawingCanvas
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.message_banner import Message, MessageBanner
from station.workers.queries import Queries

SIDE_PX = 284
TAP_PX = 5
"""On the screen: a smaller box is a click."""
USUAL_BRUSH_SHARE = 0.025
"""Of the picture's shorter side."""


class AnnotationPage(WizardPage):
    """The bad pictures at the left, the chosen one in the middle, tools and regions at the right."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self._desk = AnnotatingDesk(flow)
        self._reads = Queries(self)
        """Pictures: of those passed over quickly only the last is read."""
        self._queries = Queries(self)
        self._opened: Opened | None = None
        self._wanted = ""
        self._kind = USUAL_KIND
        self._chosen: int | None = None
        self._banner = MessageBanner()
        self._list = BadPictureList(flow.folder)
        self._canvas = DrawingCanvas()
        self._canvas.setAccessibleName(self.tr("The picture to draw on"))
        self._canvas.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)  # not that of the picture
        self._bar = PictureBar()
        self._hint = ElidedLabel()
        theme.tag(self._hint, "caption", "secondary")
        self._tools = AnnotationTools()
        self._regions = RegionPanel()
        self._exchange = ExchangeBar(flow, self._desk, self._queries)
        self._arrange()
        self._connect()
        self._bind_keys()
        self.setFocusProxy(self._list)

    def question(self) -> str:
        return self.tr("Where are the defects?")

    def enter(self) -> None:
        pictures = bad_pictures(self._flow.project)
        self._pages.setCurrentIndex(1 if pictures else 0)
        self._list.show_pictures(pictures)
        if not pictures:
            self._opened, self._wanted = None, ""
            return
        names = [picture.name for picture in pictures]
        if self._wanted not in names:
            self._kind = next((picture.kind for picture in pictures if picture.kind), USUAL_KIND)
            self._wanted = next((one.name for one in pictures if not is_outlined(one)), names[0])
            ask = partial(work.known_kinds, self._flow.project, self._desk.store)
            self._queries.ask(ask, then=self._learn_kinds)
        self._list.choose(self._wanted)
        self._tell_place()

    def leave(self) -> None:
        self._canvas.drop()

    def close_down(self) -> None:
        self._reads.close()
        self._queries.close()
        self._list.close_down()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self._regions.chosen() is not None:
            self._regions.choose_region(None)
        else:
            super().keyPressEvent(event)

    def _arrange(self) -> None:
        middle = QVBoxLayout()
        middle.setSpacing(tokens.XS)
        middle.addWidget(self._bar)
        middle.addWidget(self._canvas, 1)
        middle.addWidget(self._hint)
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addWidget(self._tools)
        column.addWidget(self._regions, 1)
        column.addWidget(self._exchange)
        scrolled = QScrollArea()  # a message above takes room that a small screen does not have
        scrolled.setWidget(side)
        scrolled.setWidgetResizable(True)
        scrolled.setFixedWidth(SIDE_PX)
        scrolled.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Ignored)
        scrolled.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scrolled.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        line = QHBoxLayout()
        line.setSpacing(tokens.M)
        line.addWidget(self._list)
        line.addLayout(middle, 1)
        line.addWidget(scrolled)
        content = QWidget()
        whole = QVBoxLayout(content)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(tokens.S)
        whole.addWidget(self._banner)
        whole.addLayout(line, 1)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(NoBadPictures())
        self._pages.addWidget(content)

    def _connect(self) -> None:
        self._list.picture_chosen.connect(self._open)
        self._bar.picture_chosen.connect(self._open_number)
        self._bar.undo_requested.connect(self._undo)
        self._bar.redo_requested.connect(self._redo)
        self._bar.zoom_in_requested.connect(self._canvas.zoom_in)
        self._bar.zoom_out_requested.connect(self._canvas.zoom_out)
        self._bar.fit_requested.connect(self._canvas.fit)
        self._canvas.drawn.connect(self._on_drawn)
        self._canvas.picked.connect(self._on_picked)
        self._canvas.tapped.connect(self._on_tapped)
        self._tools.pen_chosen.connect(self._take_pen)
        self._tools.outlines_shown.connect(self._show_outlines)
        self._tools.brush_changed.connect(self._canvas.set_brush_px)
        self._regions.kind_chosen.connect(self._on_kind)
        self._regions.region_chosen.connect(self._on_region)
        self._regions.deletion_requested.connect(self._delete)
        self._exchange.begun.connect(self._on_exchange_begun)
        self._exchange.imported.connect(self._on_imported)
        self._exchange.told.connect(self._tell)

    def _bind_keys(self) -> None:
        for pen, key in KEYS.items():
            ValueKey(key, pen, self).pressed.connect(self._tools.choose)
        for number in range(1, MOST_KEYS + 1):
            ValueKey(str(number), number, self).pressed.connect(self._regions.choose_kind)
        for key, rows in (("PgUp", -1), ("PgDown", 1)):
            ValueKey(key, rows, self).pressed.connect(self._list.step)
        plain = {
            "[": self._tools.narrow,
            "]": self._tools.widen,
            "Ctrl+Z": self._undo,
            "Ctrl+Shift+Z": self._redo,
            "Del": self._regions.request_deletion,
            "Ctrl+0": self._canvas.fit,
            "H": self._tools.toggle_outlines,
        }
        for keys, slot in plain.items():
            shortcut = QShortcut(QKeySequence(keys), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            shortcut.activated.connect(slot)

    # Which picture

    @Slot(int)
    def _open_number(self, number: int) -> None:
        self._list.choose(bad_pictures(self._flow.project)[number].name)

    @Slot(str)
    def _open(self, name: str) -> None:
        self._wanted, self._opened = name, None
        self._canvas.drop()
        self._tell_place()
        picture = next(one for one in bad_pictures(self._flow.project) if one.name == name)
        ask = partial(work.opened, picture, self._desk.store)
        self._reads.ask(ask, then=self._show_opened, otherwise=self._on_unreadable, withdraw_waiting=True)

    def _show_opened(self, opened: Opened) -> None:
        if opened.picture.name != self._wanted:
            return
        is_first = not self._canvas.has_picture()
        self._opened, self._chosen = opened, None
        if opened.problem:
            self._tell_problem(opened.problem)
        else:
            self._banner.clear_message("problem")
        self._desk.begin(opened.picture.name, opened.annotation)
        self._canvas.set_stale(False)
        self._canvas.show_picture(opened.shown, opened.shown.shape[1] / opened.picture.width_px)
        if is_first:
            side = min(opened.picture.width_px, opened.picture.height_px)
            self._tools.set_brush_px(max(2, round(USUAL_BRUSH_SHARE * side)))
            self._take_pen()
        self._show_annotation()

    def _on_unreadable(self, reason: str) -> None:
        """The picture before stays, pale, and nothing can be drawn on it."""
        if self._opened is None:
            self._canvas.set_stale(True)
            self._canvas.show_overlay(None)
            self._regions.show_annotation(Annotation(height_px=1, width_px=1), {}, None)
            self._tell_problem(reason)

    # What is drawn

    @Slot()
    def _take_pen(self) -> None:
        pen = self._tools.pen
        self._canvas.set_tool(pen.tool)
        self._canvas.set_brush_px(self._tools.brush_px)
        self._canvas.set_drawing_role("fault" if pen is Pen.ERASER else "accent")
        self._hint.setText(f"{self._tools.hint()}  {self.tr('Space and drag moves, the wheel zooms.')}")

    @Slot(object)
    def _on_drawn(self, shape: Shape) -> None:
        opened = self._opened
        if opened is None or self._exchange.is_busy:
            return
        annotation, pen = self._annotation(), self._tools.pen
        if pen is Pen.FILL and isinstance(shape, Rectangle):
            if max(shape.width, shape.height) <= TAP_PX / self._canvas.zoom():
                self._on_tapped(shape.x + shape.width / 2, shape.y + shape.height / 2)
            else:
                self._fill(partial(work.filled, opened, shape, self._kind))
        elif pen is Pen.ERASER:
            if isinstance(shape, Brush):
                self._put(erased(annotation, shape))
        elif (region := shape_region(annotation, shape, self._kind)) is not None:
            self._put(drawn(annotation, region))

    @Slot(float, float)
    def _on_tapped(self, x: float, y: float) -> None:
        if self._opened is not None and not self._exchange.is_busy and self._tools.pen is Pen.FILL:
            self._fill(partial(work.filled_around, self._opened, x, y, self._kind))

    def _fill(self, ask: Callable[[], Filled]) -> None:
        self._canvas.viewport().setCursor(Qt.CursorShape.BusyCursor)
        self._queries.ask(ask, then=self._on_filled, otherwise=self._tell_problem)

    def _on_filled(self, filled: Filled) -> None:
        self._take_pen()
        if self._opened is None or filled.name != self._opened.picture.name:
            return
        if filled.region is None:
            words = self.tr("Nothing here stands out from what surrounds it.")
            remedy = self.tr("Draw the box a little larger than the defect, or use brush or polygon.")
            self._banner.show_message(Message("problem", words, remedy, severity="notice"))
        else:
            self._put(drawn(self._annotation(), filled.region))

    @Slot(float, float)
    def _on_picked(self, x: float, y: float) -> None:
        if self._opened is not None:
            self._regions.choose_region(region_at(self._annotation(), x, y))

    # Regions and kinds

    @Slot(object)
    def _on_region(self, number: int | None) -> None:
        self._chosen = number
        self._show_annotation()

    @Slot(str)
    def _on_kind(self, kind: str) -> None:
        """Of the chosen region, else of what is drawn next."""
        if self._opened is None or self._chosen is None:
            self._kind = kind
            self._show_annotation()
        elif self._annotation().regions[self._chosen].kind != kind:
            self._put(with_kind(self._annotation(), self._chosen, kind), keep_chosen=True)

    @Slot()
    def _show_outlines(self) -> None:
        self._show_annotation()

    def _learn_kinds(self, kinds: tuple[str, ...]) -> None:
        self._desk.kinds(*kinds)
        self._show_annotation()

    @Slot(int)
    def _delete(self, number: int) -> None:
        if self._opened is not None:
            self._put(without(self._annotation(), number))

    @Slot()
    def _undo(self) -> None:
        self._step(is_back=True)

    @Slot()
    def _redo(self) -> None:
        self._step(is_back=False)

    def _step(self, *, is_back: bool) -> None:
        if self._opened is None or self._exchange.is_busy:
            return
        name = self._opened.picture.name
        try:
            has_changed = self._desk.undo(name) if is_back else self._desk.redo(name)
        except LoupeError as error:
            self._tell_problem(str(error))
            return
        if has_changed:
            self._chosen = None
            self._show_stored()

    def _annotation(self) -> Annotation:
        return self._desk.open(self._wanted)

    def _put(self, annotation: Annotation, *, keep_chosen: bool = False) -> None:
        if self._exchange.is_busy:
            self._show_annotation()
            return
        try:
            self._desk.put(self._wanted, annotation)
        except LoupeError as error:
            self._tell_problem(str(error))
            return
        self._chosen = self._chosen if keep_chosen else None
        self._tools.show_outlines()
        self._banner.clear_message("problem")
        self._show_stored()

    def _show_stored(self) -> None:
        self._show_annotation()
        self._list.show_pictures(bad_pictures(self._flow.project))
        self.changed.emit()

    def _show_annotation(self) -> None:
        if self._opened is None:
            return
        annotation, name = self._annotation(), self._opened.picture.name
        kinds = self._desk.kinds(*([] if self._kind == USUAL_KIND else [self._kind]))
        colours = {kind: theme.series_colour_on_picture(number) for number, kind in enumerate(kinds)}
        shown = self._kind if self._chosen is None else annotation.regions[self._chosen].kind
        self._regions.show_kinds(kinds, shown)
        self._regions.show_annotation(annotation, colours, self._chosen)
        if self._tools.has_outlines:
            rgb = {kind: (colour.red(), colour.green(), colour.blue()) for kind, colour in colours.items()}
            shrink = self._opened.shown.shape[1] / annotation.width_px
            self._canvas.show_overlay(overlay_of(annotation, rgb, self._chosen, shrink))
        else:
            self._canvas.show_overlay(None)
        self._bar.show_steps(can_undo=self._desk.can_undo(name), can_redo=self._desk.can_redo(name))

    def _tell_place(self) -> None:
        names = [picture.name for picture in bad_pictures(self._flow.project)]
        if self._wanted in names:
            self._bar.show_pictures([name.rsplit("/", 1)[-1] for name in names], names.index(self._wanted))

    def _tell_problem(self, reason: str) -> None:
        self._take_pen()
        self._banner.show_message(Message("problem", reason))

    # Other programs

    @Slot()
    def _on_exchange_begun(self) -> None:
        self._canvas.drop()
        self._list.setFocus()  # what is disabled gives the focus away, to who knows where

    @Slot()
    def _on_imported(self) -> None:
        self._chosen = None
        self._show_stored()

    @Slot(object)
    def _tell(self, message: Message) -> None:
        self._banner.show_message(message)
