"""How the parts lie in the pictures, and what follows from it; pictures in which none was found."""

from PySide6.QtCore import QCoreApplication, Qt, Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QProgressBar, QPushButton, QWidget

from ml.part_movement import Movement
from station.projects.project import SearchCheck
from station.projects.steps.area import missing_words
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.icon_label import IconLabel

ICON_PX = 20
LIST_PX = 96


class PlacementCard(Card):
    align_requested = Signal()
    """Have the part found on each picture, so that it always lies in the same place."""
    picture_requested = Signal(str)
    """Name of a picture to be shown."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._icon = IconLabel("ruler", ICON_PX, "secondary")
        self._words = theme.label("", "body")
        self._words.setWordWrap(True)
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._align = QPushButton(self.tr("Align parts"))
        self._align.setToolTip(self.tr("Have the part found on each picture, cut out and turned upright"))
        self._missing = QListWidget()
        self._missing.setFixedHeight(LIST_PX)
        self._missing.setAccessibleName(self.tr("Pictures without a part"))
        line = QHBoxLayout()
        line.setSpacing(tokens.S)
        line.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self._words, 1)
        self.add(line)
        for widget in (self._progress, self._align, self._missing):
            self.add(widget)
        self._align.clicked.connect(self.align_requested)
        self._missing.itemClicked.connect(self._on_item)
        self._missing.itemActivated.connect(self._on_item)
        self.hide()

    @Slot(int, int)
    def show_progress(self, done: int, total: int) -> None:
        """A check runs."""
        self.show()
        self._words.setText(self.tr("Checking how the parts lie: {} of {} pictures").format(done, total))
        theme.mark(self._words, "tone", "secondary")
        self._icon.show_glyph("ruler", "secondary")
        self._progress.setRange(0, max(total, 1))
        self._progress.setValue(done)
        self._progress.show()
        self._align.hide()
        self._missing.hide()

    def show_result(self, movement: Movement, search: SearchCheck | None, *, can_align: bool) -> None:
        """`can_align`: whether a search for the part may still be chosen."""
        self.show()
        self._progress.hide()
        missing = search.missing if search is not None else ()
        words = movement_words(movement, gives_advice=can_align)
        if search is not None:
            words = f"{words if _says_more(movement, search) else ''} {self._search_words(search)}".strip()
        is_moving = search is None and movement.placement == "moved"
        self._words.setText(words)
        theme.mark(self._words, "tone", "text")
        glyph = "warning-circle" if missing or is_moving else "check-circle"
        self._icon.show_glyph(glyph, "text" if missing or is_moving else "secondary")
        self._align.setVisible(is_moving and can_align)
        self._missing.clear()
        for name in missing:
            self._missing.addItem(QListWidgetItem(theme.icon("image", "secondary"), name))
        self._missing.setVisible(bool(missing))

    def _search_words(self, search: SearchCheck) -> str:
        if search.missing:
            return f"{missing_words(search)}:"
        return self.tr("Found in all {} pictures tried.").format(search.looked_at)

    @Slot(QListWidgetItem)
    def _on_item(self, item: QListWidgetItem) -> None:
        self.picture_requested.emit(item.text())


def _says_more(movement: Movement, search: SearchCheck) -> bool:
    """Whether found parts still move: a ring lies around its circle, wherever the part is."""
    return search.parts is not None and movement.placement in ("aligned", "moved")


def movement_words(movement: Movement, *, gives_advice: bool) -> str:
    """How the parts lie, and what that means; `gives_advice`: also what to do where they move."""
    if movement.placement == "texture":
        return _tr("The pictures have no common shape: there is nothing to align.")
    if movement.placement == "unknown":
        return _tr("Too few good pictures to tell how the parts lie.")
    shift = None if movement.shift_px is None else max(1, round(movement.shift_px))
    if movement.placement == "aligned":
        where = _tr("Parts lie in the same place")
        if shift is not None:
            where = _tr("Parts lie within {} px of their usual place").format(shift)
        return _tr("{}: every method works.").format(where)
    where = _tr("Parts lie in different places or turned")
    if shift is not None:
        where = _tr("Parts move by up to {} px").format(shift)
        if movement.turn_deg is not None and movement.turn_deg >= 1:
            where = _tr("{} and turn by up to {}°").format(where, round(movement.turn_deg))
    if not gives_advice:
        return f"{where}."
    return _tr("{}: align them, or take a method that needs no fixed place.").format(where)


def _tr(text: str) -> str:
    return QCoreApplication.translate("Placement", text)
