"""Above the picture: recipe and model, serial number, source."""

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QAction, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QMenu, QPushButton, QSizePolicy, QWidget

from station.ui import theme, tokens
from station.ui.inspect.source_menu import SourceMenu
from station.ui.inspect.view import RecipeView
from station.ui.widgets.elided_label import ElidedLabel

LONGEST_SERIAL = 80


class RecipeButton(QPushButton):
    """Name of the recipe over name of the model; a click offers the other recipes."""

    recipe_requested = Signal(str)  # name of the recipe to load

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = RecipeView("", "")
        self._choices = QMenu(self)
        theme.mark(self._choices, "operator", True)
        self._choices.triggered.connect(self._choose)
        self.setMenu(self._choices)
        theme.mark(self, "operator", True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_recipe(self, view: RecipeView) -> None:
        self._view = view
        self._choices.clear()
        for name in view.names:
            action = self._choices.addAction(name)
            action.setData(name)
            action.setCheckable(True)
            action.setChecked(name == view.name)
        self.setToolTip(f"{view.name}\n{view.model}")
        self.setAccessibleName(self.tr("Recipe {name}, {model}").format(name=view.name, model=view.model))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(360, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        return QSize(160, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        area = self.rect().adjusted(tokens.L, 0, -tokens.L, 0)
        arrow = QRect(area.right() - tokens.L, 0, tokens.L, self.height())
        theme.icon("caret-down", "secondary").paint(painter, arrow)
        words = area.adjusted(0, 0, -tokens.XL, 0)
        middle = words.center().y()
        self._draw(painter, words.adjusted(0, 0, 0, middle - words.bottom() + 3), "upper")
        self._draw(painter, words.adjusted(0, middle - words.top() + 5, 0, 0), "lower")

    def _draw(self, painter: QPainter, box: QRect, line: str) -> None:
        upper = line == "upper"
        text = self._view.name if upper else self._view.model
        painter.setFont(theme.font("emphasised", bold=True) if upper else theme.font("caption"))
        painter.setPen(theme.colour("text" if upper else "secondary"))
        side = Qt.AlignmentFlag.AlignBottom if upper else Qt.AlignmentFlag.AlignTop
        shown = painter.fontMetrics().elidedText(text or self.tr("No recipe"), Qt.TextElideMode.ElideRight, box.width())
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | side, shown)

    @Slot(QAction)
    def _choose(self, action: QAction) -> None:
        if action.data() != self._view.name:
            self.recipe_requested.emit(action.data())
        action.setChecked(action.data() == self._view.name)


class SerialField(QLineEdit):
    """Space is no part of a serial: it inspects, here as everywhere on the page."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMaxLength(LONGEST_SERIAL)
        self.setFont(theme.font("emphasised"))
        self.setPlaceholderText(self.tr("Serial: scan or type"))
        self.setAccessibleName(self.tr("Serial number"))
        self.setTextMargins(tokens.XXL, 0, 0, 0)
        theme.mark(self, "operator", True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def event(self, event: QEvent) -> bool:
        is_override = event.type() == QEvent.Type.ShortcutOverride
        if is_override and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Space:
            event.ignore()
            return False
        return super().event(event)

    def sizeHint(self) -> QSize:
        return QSize(260, super().sizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        place = QRect(tokens.L, (self.height() - tokens.XL) // 2, tokens.XL, tokens.XL)
        theme.icon("barcode", "secondary").paint(QPainter(self), place)


class InspectHeader(QWidget):
    """One row; names that are too long are shortened, their tool tips are whole."""

    recipe_requested = Signal(str)  # name of the recipe to load
    source_requested = Signal(str)  # specification of the picture source: demo, folder:PATH, camera:0, ...
    reconnect_requested = Signal()  # open the present source again

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.recipe = RecipeButton()
        self.serial = SerialField()
        self._note = ElidedLabel()
        theme.tag(self._note, "body", "text")
        self._note.hide()
        self._source = QPushButton()
        self._source.setIcon(theme.icon("video-camera", "text"))
        self._source.setIconSize(QSize(tokens.XL, tokens.XL))
        self._source.setToolTip(self.tr("Where pictures come from"))
        self._source.setAccessibleName(self.tr("Picture source"))
        theme.mark(self._source, "operator", True)
        self._menu = SourceMenu(self)
        self._source.setMenu(self._menu)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.S)
        line.addWidget(self.recipe, 3)
        line.addWidget(self.serial, 2)
        line.addWidget(self._note, 2)
        line.addWidget(self._source)
        self.recipe.recipe_requested.connect(self.recipe_requested)
        self._menu.source_requested.connect(self.source_requested)
        self._menu.reconnect_requested.connect(self.reconnect_requested)

    def show_recipe(self, view: RecipeView) -> None:
        self.recipe.show_recipe(view)
        self.serial.setPlaceholderText(
            self.tr("Serial needed: scan or type") if view.serial_required else self.tr("Serial: scan or type")
        )

    def show_serial_note(self, text: str) -> None:
        """A word on the serial in the field, e.g. that it was seen before; empty takes it away."""
        self._note.setText(text)
        self._note.setVisible(bool(text))
