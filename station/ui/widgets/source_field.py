"""Where pictures come from, as a field: the kind, and the path, number or address that goes with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QLineEdit, QStackedWidget, QVBoxLayout, QWidget

from station.capture.devices import CameraDevice
from station.ui import tokens
from station.ui.widgets.path_field import PathField
from station.ui.widgets.problem_label import ProblemLabel

SourceKind = Literal["demo", "folder", "watch", "camera", "video", "rtsp"]
VIDEO_FILES = "*.mp4 *.avi *.mkv *.mov *.m4v"
ADDRESS_STARTS = ("rtsp://", "rtsps://")


@dataclass(frozen=True, slots=True)
class SourceParts:
    """A specification taken apart: `rtsp` keeps its whole address in `detail`."""

    kind: SourceKind
    detail: str = ""

    @classmethod
    def of(cls, spec: str) -> "SourceParts":
        """What `spec` says; an unknown kind is shown as the demo line."""
        if spec.startswith(ADDRESS_STARTS):
            return cls("rtsp", spec)
        kind, _, detail = spec.partition(":")
        return cls(kind, detail) if kind in get_args(SourceKind) else cls("demo")  # type: ignore[arg-type]

    @property
    def spec(self) -> str:
        if self.kind == "rtsp":
            return self.detail
        return f"{self.kind}:{self.detail}" if self.detail else self.kind


class SourceField(QWidget):
    """Tells every complete specification; what is missing stands below."""

    spec_changed = Signal(str)
    """Specification such as `folder:/parts`; only complete ones are told."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._kind = QComboBox()
        self._kind.setAccessibleName(self.tr("Kind of source"))
        words: dict[SourceKind, str] = {
            "demo": self.tr("Demo line"),
            "folder": self.tr("Folder of pictures"),
            "watch": self.tr("Folder, new pictures only"),
            "camera": self.tr("USB camera"),
            "video": self.tr("Video file"),
            "rtsp": self.tr("Network camera"),
        }
        for kind, word in words.items():
            self._kind.addItem(word, kind)
        self._seed = ""
        self._folder = PathField(self.tr("Folder"))
        self._camera = QComboBox()
        self._camera.setAccessibleName(self.tr("Camera"))
        self._video = PathField(self.tr("Video file"), self.tr("Videos ({})").format(VIDEO_FILES))
        self._address = QLineEdit()
        self._address.setPlaceholderText("rtsp://192.168.0.20/stream")
        self._address.setAccessibleName(self.tr("Address of the camera"))
        self._problem = ProblemLabel()
        self._details = QStackedWidget()
        self._nothing = QWidget()
        for detail in (self._nothing, self._folder, self._camera, self._video, self._address):
            self._details.addWidget(detail)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        for part in (self._kind, self._details, self._problem):
            column.addWidget(part)
        self.setFocusProxy(self._kind)
        self.show_cameras(())
        self._connect()
        self._show_detail()

    def show_cameras(self, cameras: tuple[CameraDevice, ...]) -> None:
        """The USB cameras to choose from; the one chosen stays, also where it is not connected now."""
        chosen = self._camera.currentData()
        self._camera.blockSignals(True)
        self._camera.clear()
        for camera in cameras:
            self._add_camera(camera.index, camera.name)
        if chosen is not None:
            self._choose_camera(int(chosen))
        elif not cameras:
            self._add_camera(0, self.tr("none connected"))
        self._camera.blockSignals(False)

    def set_spec(self, spec: str) -> None:
        """Show `spec` without telling it."""
        parts = SourceParts.of(spec)
        self.blockSignals(True)
        self._kind.setCurrentIndex(self._kind.findData(parts.kind))
        match parts.kind:
            case "demo":
                self._seed = parts.detail
            case "folder" | "watch":
                self._folder.set_path(Path(parts.detail) if parts.detail else None)
            case "camera":
                self._choose_camera(int(parts.detail) if parts.detail.isdecimal() else 0)
            case "video":
                self._video.set_path(Path(parts.detail) if parts.detail else None)
            case "rtsp":
                self._address.setText(parts.detail)
        self._show_detail()
        self.blockSignals(False)

    def spec(self) -> str:
        """What the fields say; look at `problem` first."""
        kind: SourceKind = self._kind.currentData()
        details = {
            "demo": self._seed,
            "folder": str(self._folder.path() or ""),
            "watch": str(self._folder.path() or ""),
            "camera": str(self._camera.currentData() or 0),
            "video": str(self._video.path() or ""),
            "rtsp": self._address.text().strip(),
        }
        return SourceParts(kind, details[kind]).spec

    def problem(self) -> str:
        """What is missing or wrong, as far as it can be told without opening the source; empty when complete."""
        match self._kind.currentData():
            case "folder" | "watch":
                folder = self._folder.path()
                if folder is None:
                    return self.tr("Choose the folder.")
                return "" if folder.is_dir() else self.tr("There is no folder {}.").format(folder)
            case "video":
                video = self._video.path()
                if video is None:
                    return self.tr("Choose the video file.")
                return "" if video.is_file() else self.tr("There is no file {}.").format(video)
            case "rtsp" if not self._address.text().strip().startswith(ADDRESS_STARTS):
                return self.tr("The address begins with rtsp:// or rtsps://")
        return ""

    def _connect(self) -> None:
        self._kind.activated.connect(self._show_detail)
        self._kind.activated.connect(self._tell)
        self._camera.activated.connect(self._tell)
        self._address.editingFinished.connect(self._tell)
        for field in (self._folder, self._video):
            field.path_chosen.connect(self._tell)

    def _add_camera(self, index: int, name: str) -> None:
        self._camera.addItem(self.tr("Camera {}").format(index) + (f"  ({name})" if name else ""), index)

    def _choose_camera(self, index: int) -> None:
        if self._camera.findData(index) < 0:
            self._add_camera(index, self.tr("not connected"))
        self._camera.setCurrentIndex(self._camera.findData(index))

    @Slot()
    def _show_detail(self) -> None:
        kind: SourceKind = self._kind.currentData()
        shown = {"folder": self._folder, "watch": self._folder, "camera": self._camera, "video": self._video}
        detail: QWidget = self._address if kind == "rtsp" else shown.get(kind, self._nothing)
        self._details.setCurrentWidget(detail)
        self._details.setVisible(detail is not self._nothing)
        self._problem.show_problem("")

    def tell_problem(self) -> bool:
        """Show below the field what `problem` says; True when there is one."""
        problem = self.problem()
        self._problem.show_problem(problem)
        return bool(problem)

    @Slot()
    def _tell(self) -> None:
        if not self.tell_problem():
            self.spec_changed.emit(self.spec())
