"""The model for other programs: a button, where to, and what came of it."""

from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from station.ui import theme, tokens
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.exporting import SUFFIX_OPENVINO, ExportedModel, Exporter

SUFFIX_ONNX = ".onnx"


class ExportRow(QWidget):
    """Offers the model that was shown last; writes it in the background."""

    def __init__(self, exporter: Exporter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._exporter = exporter
        self._model: Path | None = None
        self._name = ""
        self._button = QPushButton(" " + self.tr("Export..."))
        self._button.setIcon(theme.icon("export"))
        self._button.setToolTip(
            self.tr("Write the model for programs without Loupe: ONNX or OpenVINO, with an example")
        )
        self._button.setEnabled(False)
        self._told = theme.label("", "caption", "secondary")
        self._told.setWordWrap(True)
        self._problem = ProblemLabel()
        texts = QVBoxLayout()
        texts.setSpacing(tokens.XS)
        texts.addWidget(self._told)
        texts.addWidget(self._problem)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, tokens.XS, 0, 0)
        line.setSpacing(tokens.M)
        line.addWidget(self._button)
        line.addLayout(texts, 1)
        self._button.clicked.connect(self._ask_where)
        exporter.exported.connect(self._on_exported)
        exporter.failed.connect(self._on_failed)

    def show_model(self, model: Path | None, name: str = "") -> None:
        """Offer `model`, in a file called `name`; nothing without one."""
        self._model, self._name = model, name
        self._button.setEnabled(model is not None and not self._exporter.is_running)
        self._tell(self.tr("For programs without Loupe: ONNX or OpenVINO."))

    def export_to(self, out: Path) -> None:
        """Write the model to `out`; its ending says in which format, *.onnx unless it is *.xml."""
        if self._model is None:
            return
        target = out if out.suffix.lower() in (SUFFIX_ONNX, SUFFIX_OPENVINO) else out.with_name(out.name + SUFFIX_ONNX)
        self._button.setEnabled(False)
        self._tell(self.tr("Writing {} and holding it against the model...").format(target.name))
        self._exporter.start(self._model, target)

    @Slot()
    def _ask_where(self) -> None:
        formats = self.tr("ONNX (*.onnx)"), self.tr("OpenVINO (*.xml)")
        start = str(Path.home() / f"{self._name or 'model'}{SUFFIX_ONNX}")
        name, chosen = QFileDialog.getSaveFileName(self, self.tr("Export the model"), start, ";;".join(formats))
        if not name:
            return
        out = Path(name)
        self.export_to(out.with_suffix(SUFFIX_OPENVINO) if chosen == formats[1] else out)

    @Slot(object)
    def _on_exported(self, exported: ExportedModel) -> None:
        self._button.setEnabled(self._model is not None)
        found = exported.agreement
        same = (
            self.tr("the same verdict on all")
            if not found.flips
            else self.tr("{} judged otherwise").format(found.flips)
        )
        self._tell(
            self.tr("{} and an example are in {}. Held against the model on {} pictures: {}.").format(
                exported.files[0].name, exported.files[0].parent, found.pictures, same
            )
        )

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        self._button.setEnabled(self._model is not None)
        self._tell("")
        self._problem.show_problem(reason)

    def _tell(self, text: str) -> None:
        self._told.setText(text)
        self._told.setVisible(bool(text))
        self._problem.show_problem("")
