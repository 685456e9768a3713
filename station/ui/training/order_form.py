"""What is to be trained: pictures, name, method, how it looks at a picture; the rest under Advanced."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QSpinBox,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from ml.calibration import assign_groups
from ml.catalogue import METHODS, USUAL_MIN_PICTURES, min_pictures, needs_defects, needs_masks, parse_settings
from ml.catalogue.pipelines import Pipeline
from ml.errors import ParameterError
from ml.job import TrainingJob
from ml.recommendation import Recommendation
from station.ui import theme, tokens
from station.ui.training.advice_card import AdviceCard
from station.ui.training.extras_card import ExtrasCard
from station.ui.training.method_card import MethodCard
from station.ui.training.parameter_form import ParameterForm
from station.ui.training.picture_list import PictureReport
from station.ui.training.start_card import StartCard
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.form_fields import FormFields
from station.ui.widgets.path_field import PathField
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.picture_survey import Findings

MODEL_FILE = Path("model.loupe")

SHOWN_FIELDS = frozenset(
    {
        "data", "out", "name", "method", "preset", "parameters", "size", "patch", "stride", "group_by", "weights",
        "defects", "defect_masks", "augment", "conv_processing", "alpha", "seed",
    }
)  # fmt: skip
"""Fields of a training job that have a place in the form."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether training can start: `obstacle` says what is missing, else `consequence` what will happen."""

    obstacle: str = ""
    consequence: str = ""


class OrderForm(QWidget):
    """Emits what the user wants; whether it is enough is told by `readiness`."""

    folder_chosen = Signal(object)
    """Path of the folder whose pictures are to be looked at, None for no folder."""
    changed = Signal()
    """The order, or its readiness, is another now."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._findings: Findings | None = None
        self._is_checked = False
        self.folder = PathField(self.tr("Folder of good pictures"))
        self._report = PictureReport()
        self._name = QLineEdit()
        self._name.setMaxLength(80)
        self._name.setPlaceholderText(self.tr("Name of the model, for example Valve seat A"))
        self._name.setAccessibleName(self.tr("Name of the model"))
        self.start = StartCard()
        self._beyond: dict[str, Any] = {}  # what a pipeline sets of a job that has no field here
        self.advice = AdviceCard()
        self.method = MethodCard()
        self._geometries, self._geometry_buttons = self._radio_group(
            {"whole": self.tr("Whole picture"), "patches": self.tr("Patch by patch")}
        )
        self._size, self._patch, self._stride = _pixels(32, 4096), _pixels(32, 4096), _pixels(8, 4096)
        self._patch.setValue(256)
        self._stride.setValue(192)
        self._size_row, self._patch_row = QWidget(), QWidget()
        self._advanced = QPushButton(" " + self.tr("Advanced"))
        self._advanced.setCheckable(True)
        theme.mark(self._advanced, "kind", "quiet")
        self._parameters = {name: ParameterForm(info) for name, info in METHODS.items()}
        self._parameter_stack = QStackedWidget()
        for form in self._parameters.values():
            self._parameter_stack.addWidget(form)
        self._group_by = QLineEdit()
        self._group_by.setAccessibleName(self.tr("Group by"))
        self._group_by.setPlaceholderText(self.tr(r"for example  part(\d+)_"))
        self._group_problem = ProblemLabel()
        self._groups = theme.label("", "caption", "secondary")
        self._alpha = QDoubleSpinBox()
        self._seed = QSpinBox()
        self.extras = ExtrasCard()
        self._weights = PathField(self.tr("Weights file"), self.tr("Weights (*.pth *.pt *.safetensors)"))
        self._advanced_area = QWidget()
        self._arrange()
        self._connect()
        self._geometry_buttons["whole"].setChecked(True)
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._start_from_preset()

    def show_findings(self, findings: Findings) -> None:
        """What is known of the chosen folder so far."""
        self._findings, self._is_checked = findings, findings.is_complete
        self._report.show_findings(findings)
        if not self._name.text():
            self._name.setText(_suggested_name(findings.folder))
        self._check_groups()
        self.changed.emit()

    def show_folder_problem(self, reason: str) -> None:
        self._findings, self._is_checked = None, False
        self._report.show_problem(reason)
        self.changed.emit()

    def job(self) -> TrainingJob:
        """The order as it stands; its file lands in the run's own folder. Raises ParameterError."""
        is_whole = self._geometry_buttons["whole"].isChecked()
        return TrainingJob.checked(
            {
                **self._beyond,
                "data": self.folder.path() or Path(),
                "out": MODEL_FILE,
                "name": self._name.text().strip(),
                "method": self.method.method,
                "preset": self.method.preset,
                "parameters": self._form().settings(),
                "size": self._size.value() if is_whole else None,
                "patch": None if is_whole else self._patch.value(),
                "stride": None if is_whole else self._stride.value(),
                "group_by": self._group_by.text() or None,
                "weights": self._weights.path(),
                "alpha": self._alpha.value() / 100,
                "seed": self._seed.value(),
                **self.extras.fields(learns_from_defects=needs_defects(self._resolved())),
            }
        )

    def readiness(self) -> Readiness:
        obstacle = self._obstacle()
        if obstacle or self._findings is None:
            return Readiness(obstacle)
        left_out = len(self._findings.unreadable)
        words = self.tr("{} good pictures; the threshold comes from held-out ones").format(self._findings.usable)
        return Readiness("", words + (self.tr("; {} left out").format(left_out) if left_out else ""))

    def _obstacle(self) -> str:
        if self._findings is None:
            return self.tr("Choose a folder of good pictures")
        if not self._is_checked:
            return self.tr("The pictures are being checked")
        if self._form().problem() or self._group_problem.text():
            return self.tr("Correct the settings under Advanced")
        if not self._name.text().strip():
            return self.tr("Give the model a name")
        settings = self._resolved()
        return (
            self.extras.obstacle(needs_defects=needs_defects(settings), needs_masks=needs_masks(settings))
            or self._lack_of_pictures(self._findings.usable)
            or self._contradiction()
        )

    def _contradiction(self) -> str:
        """Why the choices do not go together; most fields cannot hold what does not."""
        try:
            self.job()
        except ParameterError as error:
            return str(error)
        return ""

    def _resolved(self) -> BaseModel:
        preset = METHODS[self.method.method].presets[self.method.preset]
        return parse_settings(self.method.method, {**preset.settings, **self._form().settings()})

    def _lack_of_pictures(self, usable: int) -> str:
        least = min_pictures(self._resolved())
        if usable >= least:
            return ""
        if least < USUAL_MIN_PICTURES:
            return self.tr("At least {} usable picture is needed").format(least)
        return self.tr("At least {} usable pictures are needed, 30 or more are better").format(least)

    @Slot(object)
    def _start_from(self, pipeline: Pipeline | None) -> None:
        """Take over all that the pipeline says; without one, only what has no field here is given up."""
        self._beyond = {}
        if pipeline is not None:
            job = _order_of(pipeline)
            self.method.choose(job.method, job.preset)
            self._start_from_preset()
            self._geometry_buttons["whole" if job.patch is None else "patches"].setChecked(True)
            self._patch.setValue(job.patch or self._patch.value())
            self._stride.setValue(job.stride or self._stride.value())
            self._alpha.setValue(100 * job.alpha)
            self.extras.show_fields(job)
            self._beyond = {name: value for name, value in pipeline.fields.items() if name not in SHOWN_FIELDS}
        self.changed.emit()

    def follow(self, advice: Recommendation) -> None:
        """Take over the method, its settings and how it looks at a picture."""
        self.method.choose(advice.method)
        self._form().set_settings(advice.settings)
        self._geometry_buttons["whole" if advice.patch is None else "patches"].setChecked(True)
        if advice.patch is not None:
            self._patch.setValue(advice.patch)
        self.changed.emit()

    def follows(self, advice: Recommendation) -> bool:
        """Whether the order is as advised."""
        settings = self._form().values()
        is_whole = self._geometry_buttons["whole"].isChecked()
        return (
            self.method.method == advice.method
            and all(settings[key] == value for key, value in advice.settings.items())
            and (is_whole if advice.patch is None else not is_whole and self._patch.value() == advice.patch)
        )

    def _form(self) -> ParameterForm:
        return self._parameters[self.method.method]

    def _radio_group(self, words: dict[str, str]) -> tuple[QButtonGroup, dict[str, QRadioButton]]:
        group = QButtonGroup(self)
        buttons = {name: QRadioButton(text) for name, text in words.items()}
        for button in buttons.values():
            group.addButton(button)
        return group, buttons

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, tokens.S, 0)
        column.setSpacing(tokens.M)
        pictures = Card(self.tr("Pictures of good parts"))
        pictures.add(self.folder)
        pictures.add(self._report)
        pictures.add(theme.label(self.tr("Name"), "caption", "secondary"))
        pictures.add(self._name)
        looks = Card(self.tr("How it looks at a picture"))
        _fill_row(self._size_row, [(self.tr("Resized to"), self._size)])
        _fill_row(self._patch_row, [(self.tr("Patch"), self._patch), (self.tr("every"), self._stride)])
        told = {
            "whole": self.tr("Resized as a whole. Fast; for parts that fill the picture and are not finely detailed."),
            "patches": self.tr("At native resolution, in overlapping patches. Finds small defects in large pictures."),
        }
        for name, row in (("whole", self._size_row), ("patches", self._patch_row)):
            self._geometry_buttons[name].setFont(theme.font("body", bold=True))
            looks.add(self._geometry_buttons[name])
            looks.add(_indented(told[name]))
            looks.add(row)
        self._arrange_advanced()
        for area in (pictures, self.start, self.advice, self.method, looks):
            column.addWidget(area)
        column.addWidget(self._advanced, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self._advanced_area)
        column.addStretch(1)

    def _arrange_advanced(self) -> None:
        self._alpha.setRange(0.1, 20)
        self._alpha.setDecimals(1)
        self._alpha.setSuffix(" %")
        self._alpha.setValue(1)
        self._alpha.setToolTip(self.tr("Share of good parts that may be called NG"))
        self._seed.setRange(0, 2**31 - 1)
        self._seed.setToolTip(self.tr("Same seed, same pictures, same machine: the same model"))
        self._group_by.setToolTip(
            self.tr("Regular expression: where several pictures show one part, what it finds in the name is the part")
        )
        general = Card(self.tr("Data and threshold"))
        form = FieldLayout()
        grouping = QVBoxLayout()
        grouping.setSpacing(tokens.XS)
        for part in (self._group_by, self._groups, self._group_problem):
            grouping.addWidget(part)
        form.add_field(self.tr("Group by"), grouping)
        form.add_field(self.tr("False alarms"), self._alpha)
        form.add_field(self.tr("Seed"), self._seed)
        form.add_field(self.tr("Weights file"), self._weights)
        general.add(form)
        method = Card(self.tr("Settings of the method"))
        method.add(self._parameter_stack)
        column = QVBoxLayout(self._advanced_area)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        for card in (general, self.extras, method):
            column.addWidget(card)

    def _connect(self) -> None:
        self.folder.path_chosen.connect(self._on_folder)
        self._name.textChanged.connect(self.changed)
        self.method.changed.connect(self._start_from_preset)
        self._geometries.buttonToggled.connect(self._show_choices)
        self.start.chosen.connect(self._start_from)
        self.advice.followed.connect(self.follow)
        self.changed.connect(self._compare_with_advice)
        self._advanced.toggled.connect(self._show_advanced)
        self._group_by.textChanged.connect(self._check_groups)
        self.extras.changed.connect(self.changed)
        for pixels in (self._size, self._patch, self._stride):
            pixels.valueChanged.connect(self.changed)
        self._group_by.textChanged.connect(self.changed)
        for form in self._parameters.values():
            form.changed.connect(self.changed)

    @Slot()
    def _compare_with_advice(self) -> None:
        if self.advice.advice is not None:
            self.advice.show_followed(self.follows(self.advice.advice))

    @Slot(object)
    def show_advice(self, advice: Recommendation) -> None:
        """What suits the pictures of the chosen folder."""
        self.advice.show_advice(advice)
        self._compare_with_advice()

    @Slot(object)
    def _on_folder(self, folder: Path | None) -> None:
        self._findings, self._is_checked = None, False
        self.advice.clear()
        self._report.show_waiting(folder)
        self.folder_chosen.emit(folder)
        self.changed.emit()

    @Slot()
    def _start_from_preset(self) -> None:
        preset = METHODS[self.method.method].presets[self.method.preset]
        self._size.setValue(preset.size_px)
        self._form().show_base(preset.settings)
        pipeline = self.start.pipeline
        if pipeline is not None and _order_of(pipeline).method == self.method.method:
            job = _order_of(pipeline)
            self._size.setValue(job.size or preset.size_px)
            self._form().set_settings(job.parameters)
        self._parameter_stack.setCurrentWidget(self._form())
        self._show_choices()

    @Slot()
    def _show_choices(self) -> None:
        if self._geometries.checkedButton() is None:
            return  # between the toggling of two buttons of one group
        is_whole = self._geometry_buttons["whole"].isChecked()
        self._size_row.setVisible(is_whole)
        self._patch_row.setVisible(not is_whole)
        self._show_advanced()
        self.changed.emit()

    @Slot()
    def _show_advanced(self) -> None:
        is_open = self._advanced.isChecked()
        self._advanced.setIcon(theme.icon("caret-down" if is_open else "caret-right", "secondary"))
        self._advanced_area.setVisible(is_open)

    @Slot()
    def _check_groups(self) -> None:
        pattern = self._group_by.text() or None
        names = self._findings.usable_names if self._findings else ()
        problem, parts = "", 0
        try:
            parts = len(set(assign_groups(list(names), pattern)))
        except ParameterError as error:
            problem = str(error)
        self._group_problem.show_problem(problem, self._group_by)
        told = self.tr("{} pictures show {} parts").format(len(names), parts) if pattern and parts else ""
        self._groups.setText(told)
        self._groups.setVisible(bool(told))


def _order_of(pipeline: Pipeline) -> TrainingJob:
    """The pipeline as an order, for pictures that are yet to be chosen."""
    return TrainingJob.checked({"data": Path(), "out": MODEL_FILE, **pipeline.fields})


def _pixels(low: int, high: int) -> QSpinBox:
    field = QSpinBox()
    field.setRange(low, high)
    field.setSingleStep(32)
    field.setSuffix(" px")
    return field


def _fill_row(row: QWidget, fields: list[tuple[str, QSpinBox]]) -> None:
    line = QHBoxLayout(row)
    line.setContentsMargins(tokens.XXL, 0, 0, 0)
    line.setSpacing(tokens.S)
    for word, field in fields:
        label = theme.label(word, "body", "secondary")
        field.setAccessibleName(word)
        line.addWidget(label)
        line.addWidget(field)
    line.addStretch(1)


def _indented(text: str) -> QWidget:
    label = theme.label(text, "caption", "secondary")
    label.setWordWrap(True)
    label.setContentsMargins(tokens.XXL, 0, 0, tokens.XS)
    return label


def _suggested_name(folder: Path) -> str:
    """The folder's name; in the MVTec layout that of the product."""
    return folder.parent.parent.name if folder.parts[-2:] == ("train", "good") else folder.name
