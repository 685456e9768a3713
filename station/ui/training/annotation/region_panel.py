"""The regions of the picture at hand, and the kinds they can have."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLineEdit, QListView, QPushButton, QSizePolicy, QWidget

from ml.annotation.annotation import LONGEST_KIND, USUAL_KIND, AnnotatedRegion, Annotation, kind_of
from station.ui import theme, tokens
from station.ui.widgets.card import Card
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.form_fields import FormFields

MOST_KEYS = 9
SWATCH_PX = 16


class RegionModel(QAbstractListModel):
    """One row per region, in the order of the annotation."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._regions: tuple[AnnotatedRegion, ...] = ()
        self._colours: Mapping[str, QColor] = {}

    def show_regions(self, regions: Sequence[AnnotatedRegion], colours: Mapping[str, QColor]) -> None:
        self.beginResetModel()
        self._regions, self._colours = tuple(regions), dict(colours)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | QPersistentModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._regions)

    def data(self, index: QModelIndex | QPersistentModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        region = self._regions[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole | Qt.ItemDataRole.AccessibleTextRole:
                return self.tr("{}  ·  {} px").format(region.kind, f"{region.area_px:,}")
            case Qt.ItemDataRole.DecorationRole:
                return _swatch(self._colours.get(region.kind, theme.colour("accent")))
        return None


def _swatch(colour: QColor) -> QIcon:
    pixmap = QPixmap(SWATCH_PX, SWATCH_PX)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    painter.drawRoundedRect(pixmap.rect().adjusted(1, 1, -1, -1), tokens.XS, tokens.XS)
    painter.end()
    return QIcon(pixmap)


class RegionPanel(Card):
    """Kind of what is drawn next, or of the chosen region; the regions with their areas."""

    kind_chosen = Signal(str)
    region_chosen = Signal(object)
    """Its number, or None."""
    deletion_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._kinds: tuple[str, ...] = ()
        self._is_showing = False
        self._title = theme.label(self.tr("Kind of defect"), "body", "secondary")
        self._kind = QComboBox()
        self._kind.setEditable(True)
        self._kind.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        self._kind.setAccessibleName(self.tr("Kind of defect"))
        text = self._kind.lineEdit()
        if isinstance(text, QLineEdit):
            text.setMaxLength(LONGEST_KIND)
            text.setPlaceholderText(USUAL_KIND)
            text.editingFinished.connect(self._on_kind)
        self._keys = ElidedLabel()
        theme.tag(self._keys, "caption", "secondary")
        self._model = RegionModel(self)
        self._list = QListView()
        self._list.setModel(self._model)
        self._list.setUniformItemSizes(True)
        self._list.setIconSize(QSize(SWATCH_PX, SWATCH_PX))
        self._list.setAccessibleName(self.tr("Regions of this picture"))
        self._list.setMinimumHeight(2 * tokens.CONTROL_PX)
        self._list.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)
        self._count = ElidedLabel()
        theme.tag(self._count, "caption", "secondary")
        self._delete = QPushButton(self.tr("Delete"))
        self._delete.setIcon(theme.icon("trash"))
        self._delete.setToolTip(self.tr("Delete the chosen region  (Del)"))
        theme.mark(self._delete, "kind", "quiet")
        foot = QHBoxLayout()
        foot.addWidget(self._count, 1)
        foot.addWidget(self._delete)
        for widget in (self._title, self._kind, self._keys):
            self.add(widget)
        self.add(self._list, 1)
        self.add(foot)
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._kind.activated.connect(self._on_kind)
        self._list.selectionModel().selectionChanged.connect(self._on_selection)
        self._delete.clicked.connect(self.request_deletion)

    @property
    def kind(self) -> str:
        """Of what is drawn next."""
        return kind_of(self._kind.currentText())

    def chosen(self) -> int | None:
        rows = self._list.selectionModel().selectedRows()
        return rows[0].row() if rows else None

    def show_annotation(self, annotation: Annotation, colours: Mapping[str, QColor], chosen: int | None) -> None:
        self._is_showing = True
        self._model.show_regions(annotation.regions, colours)
        if chosen is not None and chosen < len(annotation.regions):
            self._list.setCurrentIndex(self._model.index(chosen))
        self._is_showing = False
        whole = sum(region.area_px for region in annotation.regions)
        count = len(annotation.regions)
        regions = self.tr("1 region") if count == 1 else self.tr("{} regions").format(count)
        self._count.setText(f"{regions}, {whole:,} px" if count else self.tr("Nothing outlined yet"))
        self._tell_target()

    def show_kinds(self, kinds: Sequence[str], kind: str) -> None:
        """What can be chosen, and the one that is."""
        if tuple(kinds) != self._kinds:
            self._kinds = tuple(kinds)
            self._kind.clear()
            self._kind.addItems(list(kinds))
            keys = (f"{number} {name}" for number, name in enumerate(self._kinds[:MOST_KEYS], start=1))
            self._keys.setText(self.tr("Keys: {}").format(", ".join(keys)))
            self._keys.setVisible(bool(kinds))
        self._kind.setCurrentText(kind)

    @Slot(object)
    def choose_kind(self, number: int) -> None:
        """By its key, from 1; a key without kind does nothing."""
        if number <= len(self._kinds):
            self._kind.setCurrentText(self._kinds[number - 1])
            self._on_kind()

    def choose_region(self, number: int | None) -> None:
        """As if it had been clicked; None for none."""
        if number is None:
            self._list.clearSelection()
            self._list.setCurrentIndex(QModelIndex())
        else:
            self._list.setCurrentIndex(self._model.index(number))

    @Slot()
    def request_deletion(self) -> None:
        if (number := self.chosen()) is not None:
            self.deletion_requested.emit(number)

    @Slot()
    def _on_kind(self) -> None:
        self.kind_chosen.emit(self.kind)

    @Slot()
    def _on_selection(self) -> None:
        if not self._is_showing:
            self._tell_target()
            self.region_chosen.emit(self.chosen())

    def _tell_target(self) -> None:
        is_chosen = self.chosen() is not None
        self._delete.setEnabled(is_chosen)
        self._title.setText(self.tr("Kind of the chosen region") if is_chosen else self.tr("Kind of defect"))
