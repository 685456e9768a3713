"""Everything that most orders leave as it is: the threshold's rate, the seed, weights, the map filter, and all settings
of the method."""

from typing import Any

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QSpinBox, QVBoxLayout, QWidget

from ml.catalogue import METHODS
from ml.job import FILTER_SIDES, MOST_SEED, TrainingJob
from station.ui import tokens
from station.ui.training.method.parameter_form import ParameterForm
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.form_fields import FormFields
from station.ui.widgets.path_field import PathField

USUAL_ALPHA = TrainingJob.model_fields["alpha"].default


class AdvancedArea(QWidget):
    """Forms are built when their method is first shown."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._forms: dict[str, ParameterForm] = {}
        self._method = ""
        self._fields = FormFields(self)
        self._settings = Card(self.tr("Settings of the method"))
        self._alpha, self._seed, self._filters = QDoubleSpinBox(), QSpinBox(), QComboBox()
        self._weights = PathField(self.tr("Weights file"), self.tr("Weights (*.pth *.pt *.safetensors)"))
        self._fill()
        general = Card(self.tr("Threshold and repeatability"))
        form = FieldLayout()
        form.add_field(self.tr("False alarms"), self._alpha)
        form.add_field(self.tr("Seed"), self._seed)
        form.add_field(self.tr("Map filter"), self._filters)
        form.add_field(self.tr("Weights file"), self._weights)
        general.add(form)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        column.addWidget(general)
        column.addWidget(self._settings)
        self._connect()

    @property
    def form(self) -> ParameterForm:
        """Of the method that is shown."""
        return self._forms[self._method]

    def show_method(self, name: str) -> ParameterForm:
        if name not in self._forms:
            form = self._forms[name] = ParameterForm(METHODS[name])
            form.changed.connect(self.changed)
            self._fields.tend(form)
            self._settings.add(form)
        self._method = name
        for each, form in self._forms.items():
            form.setVisible(each == name)
        return self._forms[name]

    def fields(self) -> dict[str, Any]:
        """Those of a `TrainingJob` that differ from the usual ones."""
        fields: dict[str, Any] = {}
        if parameters := self.form.settings():
            fields["parameters"] = parameters
        if (alpha := self._alpha.value() / 100) != USUAL_ALPHA:
            fields["alpha"] = alpha
        if seed := self._seed.value():
            fields["seed"] = seed
        if (side := self._filters.currentData()) is not None:
            fields["conv_processing"] = side
        if (weights := self._weights.path()) is not None:
            fields["weights"] = str(weights)
        return fields

    def show_job(self, job: TrainingJob) -> None:
        """All but the method's settings, which its form shows."""
        self._alpha.setValue(100 * job.alpha)
        self._seed.setValue(job.seed)
        self._filters.setCurrentIndex(self._filters.findData(job.conv_processing))
        if job.weights is not None:
            self._weights.choose(job.weights)

    def _fill(self) -> None:
        self._alpha.setRange(0.1, 20)
        self._alpha.setDecimals(1)
        self._alpha.setSuffix(" %")
        self._alpha.setValue(100 * USUAL_ALPHA)
        self._alpha.setAccessibleName(self.tr("False alarms"))
        self._alpha.setToolTip(self.tr("Share of good parts that may be called NG; it can be changed in judging"))
        self._seed.setRange(0, MOST_SEED)
        self._seed.setAccessibleName(self.tr("Seed"))
        self._seed.setToolTip(self.tr("Same seed, same pictures, same machine: the same model"))
        self._filters.addItem(self.tr("None"), None)
        for side in FILTER_SIDES:
            self._filters.addItem(self.tr("Learned, {0} × {0} cells").format(side), side)
        self._filters.setAccessibleName(self.tr("Map filter"))
        self._filters.setToolTip(
            self.tr(
                "Makes defects stand out in the map. Learnt from bad pictures with masks that are to be learnt from; "
                "from painted defects where there are none."
            )
        )

    def _connect(self) -> None:
        self._alpha.valueChanged.connect(self.changed)
        self._seed.valueChanged.connect(self.changed)
        self._filters.currentIndexChanged.connect(self.changed)
        self._weights.path_chosen.connect(self._on_weights)

    @Slot(object)
    def _on_weights(self, _path: object) -> None:
        self.changed.emit()
