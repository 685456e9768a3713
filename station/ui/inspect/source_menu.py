"""Where pictures come from, as a menu: the demo line, a folder, a camera, a video, a network camera."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QFileDialog, QInputDialog, QLineEdit, QMenu, QWidget

from station.ui import theme

CAMERAS = 4
VIDEO_FILES = "*.mp4 *.avi *.mkv *.mov *.m4v"


class SourceMenu(QMenu):
    """Asks for the path or address where one is needed."""

    source_requested = Signal(str)  # specification: demo, folder:PATH, watch:PATH, camera:N, video:PATH, rtsp://...
    reconnect_requested = Signal()  # open the present source again

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        theme.mark(self, "operator", True)
        self._add("demo", "factory", self.tr("Demo line"))
        self._add("folder", "folder-open", self.tr("Folder of pictures…"))
        self._add("watch", "folder-notch-plus", self.tr("Folder, new pictures only…"))
        cameras = self.addMenu(theme.icon("camera", "text"), self.tr("USB camera"))
        theme.mark(cameras, "operator", True)
        for number in range(CAMERAS):
            cameras.addAction(self.tr("Camera {number}").format(number=number)).setData(f"camera:{number}")
        self._add("video", "film-strip", self.tr("Video file…"))
        self._add("rtsp", "wifi-high", self.tr("Network camera…"))
        self.addSeparator()
        self._add("reconnect", "arrows-clockwise", self.tr("Reconnect"))
        self.triggered.connect(self._choose)

    def _add(self, data: str, glyph: str, text: str) -> None:
        self.addAction(theme.icon(glyph, "text"), text).setData(data)

    @Slot(QAction)
    def _choose(self, action: QAction) -> None:
        match action.data():
            case None:
                return
            case "reconnect":
                self.reconnect_requested.emit()
            case "folder" | "watch" as kind:
                self._offer(kind, QFileDialog.getExistingDirectory(self, self.tr("Folder of pictures")))
            case "video":
                chosen, _ = QFileDialog.getOpenFileName(
                    self, self.tr("Video file"), filter=self.tr("Videos ({files})").format(files=VIDEO_FILES)
                )
                self._offer("video", chosen)
            case "rtsp":
                self._offer_address()
            case spec:
                self.source_requested.emit(spec)

    def _offer(self, kind: str, path: str) -> None:
        if path:
            self.source_requested.emit(f"{kind}:{path}")

    def _offer_address(self) -> None:
        address, accepted = QInputDialog.getText(
            self,
            self.tr("Network camera"),
            self.tr("Address of the camera's stream"),
            QLineEdit.EchoMode.Normal,
            "rtsp://",
        )
        if accepted and address.strip() not in ("", "rtsp://"):
            self.source_requested.emit(address.strip())
