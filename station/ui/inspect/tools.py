"""Beside the picture: overlay on or off, its opacity, whole picture or one to one."""

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QPushButton, QSlider, QStyle, QVBoxLayout, QWidget

from station.ui import theme, tokens


class OpacitySlider(QSlider):
    """Goes where it is touched, over its whole width: a finger needs no handle."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Vertical, parent)
        self.setRange(0, 100)
        self.setPageStep(10)
        self.setToolTip(self.tr("Opacity of the heat map"))
        self.setAccessibleName(self.tr("Opacity of the heat map"))

    def minimumSizeHint(self) -> QSize:
        return QSize(tokens.CONTROL_PX, 48)

    def sizeHint(self) -> QSize:
        return QSize(theme.sizes().operator_px, 160)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._go_to(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._go_to(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def _go_to(self, event: QMouseEvent) -> None:
        from_top = round(event.position().y())
        self.setValue(QStyle.sliderValueFromPosition(self.minimum(), self.maximum(), from_top, self.height(), True))


class PictureTools(QWidget):
    """A column of operator's controls."""

    overlay_changed = Signal(float, bool)  # opacity 0 to 1, whether the overlay is shown
    zoom_requested = Signal()  # whole picture to one to one, or back

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shown = QPushButton()
        self._shown.setCheckable(True)
        self._shown.setChecked(True)
        self._shown.setIcon(theme.icon("eye", "secondary", "accent"))
        self._shown.setToolTip(self.tr("Heat map on or off  (Ctrl+H)"))
        self._shown.setAccessibleName(self.tr("Heat map"))
        self._opacity = OpacitySlider()
        self._opacity.setValue(60)
        self._zoom = QPushButton("1:1")
        self._zoom.setAccessibleName(self.tr("One to one"))
        self._zoom.setToolTip(self.tr("One picture pixel on one screen pixel  (Ctrl+0)"))
        for button in (self._shown, self._zoom):
            button.setIconSize(QSize(tokens.XL, tokens.XL))
            theme.mark(button, "operator", True)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addWidget(self._shown)
        column.addWidget(self._opacity, 1, Qt.AlignmentFlag.AlignHCenter)
        column.addWidget(self._zoom)
        self._shown.toggled.connect(self._tell)
        self._opacity.valueChanged.connect(self._tell)
        self._zoom.clicked.connect(self.zoom_requested)

    def show_overlay(self, opacity: float, is_shown: bool) -> None:
        self._opacity.setValue(round(100 * opacity))
        self._shown.setChecked(is_shown)

    def opacity(self) -> float:
        return self._opacity.value() / 100

    def is_shown(self) -> bool:
        return self._shown.isChecked()

    @Slot()
    def toggle(self) -> None:
        self._shown.toggle()

    @Slot(bool)
    def show_fitted(self, is_fitted: bool) -> None:
        self._zoom.setText("1:1" if is_fitted else "")
        self._zoom.setIcon(theme.icon("corners-in", "text") if not is_fitted else type(self._zoom.icon())())
        self._zoom.setAccessibleName(self.tr("One to one") if is_fitted else self.tr("Whole picture"))
        self._zoom.setToolTip(
            self.tr("One picture pixel on one screen pixel  (Ctrl+0)")
            if is_fitted
            else self.tr("The whole picture  (Ctrl+0)")
        )

    @Slot()
    def _tell(self) -> None:
        self._shown.setIcon(theme.icon("eye" if self.is_shown() else "eye-slash", "secondary", "accent"))
        self._opacity.setEnabled(self.is_shown())
        self.overlay_changed.emit(self.opacity(), self.is_shown())
