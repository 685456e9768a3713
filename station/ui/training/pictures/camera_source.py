"""Left of the pictures, on demand: a number of them from a camera, with a look at what it sees."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QDoubleSpinBox, QFrame, QHBoxLayout, QProgressBar, QPushButton, QSpinBox, QVBoxLayout

from station.capture import CameraDevice, list_cameras
from station.core.ports import Camera
from station.ui import theme, tokens
from station.ui.widgets.form_fields import FormFields
from station.ui.widgets.picture_view import PictureView
from station.ui.widgets.problem_label import ProblemLabel
from station.ui.widgets.source_field import SourceField
from station.workers.capturing import LIVE_KINDS, CaptureEnd, CaptureOrder, Capturing
from station.workers.queries import Queries

WIDTH_PX = 264
PREVIEW_PX = 148
USUAL_COUNT, MOST_COUNT = 30, 5000
TOLD_AT_ONCE = 10
"""Pictures: so many come into the project together, and no more can miss it when the window is closed."""
MOST_PAUSE_S = 600.0


class CameraSource(QFrame):
    """Captured pictures lie in `folder`. `close_down` before it goes."""

    captured = Signal(object)
    """Tuple of Path: pictures that are stored now."""
    closed = Signal()
    """The user has done with it."""

    def __init__(self, open_camera: Callable[[str], Camera], folder: Path) -> None:
        super().__init__()
        theme.mark(self, "card", True)
        self.setFixedWidth(WIDTH_PX)
        self._folder = folder
        self._capturing = Capturing(open_camera, self)
        self._cameras = Queries(self)
        self._view = PictureView()
        self._view.setFixedHeight(PREVIEW_PX)
        self._view.setAccessibleName(self.tr("What the camera sees"))
        self._source = SourceField()
        self._count, self._pause = QSpinBox(), QDoubleSpinBox()
        self._count.setRange(1, MOST_COUNT)
        self._count.setValue(USUAL_COUNT)
        self._count.setSuffix(self.tr(" pictures"))
        self._count.setAccessibleName(self.tr("Pictures to capture"))
        self._pause.setRange(0.0, MOST_PAUSE_S)
        self._pause.setDecimals(1)
        self._pause.setSuffix(self.tr(" s apart"))
        self._pause.setAccessibleName(self.tr("Pause between two pictures"))
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._words = theme.label("", "caption", "secondary")
        self._words.setWordWrap(True)
        self._problem = ProblemLabel()
        self._start, self._stop = QPushButton(self.tr("Capture")), QPushButton(self.tr("Stop"))
        theme.mark(self._start, "kind", "primary")
        self._look, self._close = QPushButton(self.tr("Preview")), QPushButton(self.tr("Close"))
        self._has_order = False
        self._new: list[Path] = []
        self._arrange()
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._connect()
        self._show_state()

    def open(self, spec: str) -> None:
        """Show it with a source proposed; what was chosen before stays."""
        if self._source.property("opened") is None:
            self._source.setProperty("opened", True)
            self._source.set_spec(spec)
            self._cameras.ask(list_cameras, then=self._show_cameras)
        self._problem.show_problem("")
        self._show_state()
        self._source.setFocus()

    @Slot()
    def stop(self) -> None:
        """End preview and capture; what was captured is told."""
        self._capturing.stop()

    def close_down(self) -> None:
        self._cameras.close()
        self._capturing.close()

    def _arrange(self) -> None:
        numbers = QHBoxLayout()
        numbers.setSpacing(tokens.XS)
        numbers.addWidget(self._count)
        numbers.addWidget(self._pause)
        acts = QHBoxLayout()
        acts.setSpacing(tokens.XS)
        for button in (self._start, self._stop, self._look):
            acts.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.M, tokens.M, tokens.M, tokens.M)
        column.setSpacing(tokens.S)
        column.addWidget(theme.label(self.tr("From a camera"), "emphasised", bold=True))
        column.addWidget(self._view)
        column.addWidget(self._source)
        column.addLayout(numbers)
        column.addLayout(acts)
        for part in (self._progress, self._words, self._problem):
            column.addWidget(part)
        column.addStretch(1)
        column.addWidget(self._close)

    def _connect(self) -> None:
        self._start.clicked.connect(self._capture)
        self._look.clicked.connect(self._preview)
        self._stop.clicked.connect(self.stop)
        self._close.clicked.connect(self._close_panel)
        self._source.spec_changed.connect(self._show_state)
        self._capturing.previewed.connect(self._show_preview)
        self._capturing.captured.connect(self._on_captured)
        self._capturing.ended.connect(self._on_end)

    def _show_cameras(self, cameras: tuple[CameraDevice, ...]) -> None:
        self._source.show_cameras(cameras)

    def _begin(self, count: int) -> None:
        if self._source.tell_problem():
            return
        self._has_order = count > 0
        self._problem.show_problem("")
        self._progress.setRange(0, max(count, 1))
        self._progress.setValue(0)
        self._words.setText(self.tr("0 of {} captured").format(count) if count else "")
        self._capturing.begin(CaptureOrder(self._source.spec(), self._folder, count, self._pause.value()))
        self._show_state()

    def _show_state(self) -> None:
        is_running = self._capturing.is_running
        self._start.setVisible(not (is_running and self._has_order))
        self._stop.setVisible(is_running)
        is_live = self._source.spec().startswith(LIVE_KINDS)
        self._look.setVisible(is_live and not is_running)
        self._progress.setVisible(is_running and self._has_order)
        for field in (self._source, self._count, self._pause):
            field.setEnabled(not (is_running and self._has_order))

    @Slot()
    def _capture(self) -> None:
        self._begin(self._count.value())

    @Slot()
    def _preview(self) -> None:
        self._begin(0)

    @Slot()
    def _close_panel(self) -> None:
        self.stop()
        self.closed.emit()

    @Slot(object)
    def _show_preview(self, pixels: object) -> None:
        self._view.show_picture(pixels, 1.0)  # type: ignore[arg-type]

    @Slot(object)
    def _on_captured(self, file: Path) -> None:
        self._new.append(file)
        done = self._progress.value() + 1
        self._progress.setValue(done)
        self._words.setText(self.tr("{} of {} captured").format(done, self._progress.maximum()))
        if len(self._new) == TOLD_AT_ONCE:
            self._tell_new()

    @Slot(object)
    def _on_end(self, end: CaptureEnd) -> None:
        self._problem.show_problem(end.problem)
        self._show_state()
        self._tell_new()

    def _tell_new(self) -> None:
        if self._new:
            files, self._new = tuple(self._new), []
            self.captured.emit(files)
