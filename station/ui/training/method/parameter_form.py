"""A method's settings as fields, built from its parameter model: a new setting in `ml` needs nothing here."""

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ml.catalogue import MethodInfo, allowed_values, parse_settings
from ml.errors import ParameterError
from station.ui import theme, tokens
from station.ui.training.method.setting_groups import grouped
from station.ui.widgets.problem_label import ProblemLabel

DECIMALS = 3
FIELD_PX = 200
Schema = Mapping[str, Any]


class ChipRow(QWidget):
    """Any number out of a few values."""

    changed = Signal()
    """The user chose or left one."""

    def __init__(self, values: list[int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.XS)
        self._chips: dict[int, QPushButton] = {}
        for value in values:
            chip = self._chips[value] = QPushButton(str(value))
            chip.setCheckable(True)
            theme.mark(chip, "kind", "chip")
            chip.clicked.connect(self.changed)
            line.addWidget(chip)
        line.addStretch(1)

    def values(self) -> list[int]:
        """Those chosen, in the order shown."""
        return [value for value, chip in self._chips.items() if chip.isChecked()]

    def set_values(self, values: list[int]) -> None:
        for value, chip in self._chips.items():
            chip.setChecked(value in values)


class ParameterForm(QWidget):
    """One row per setting, in groups: what it is called, what it does, its field; what is wrong stands below."""

    changed = Signal()
    """A setting was changed by the user."""

    def __init__(self, info: MethodInfo, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._info = info
        self._base: dict[str, Any] = {}
        self._fields: dict[str, QWidget] = {}
        self._problem = ProblemLabel()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        schemas: dict[str, Schema] = info.parameters.model_json_schema()["properties"]
        for title, names in grouped(schemas).items():
            column.addWidget(theme.label(title, "body", bold=True))
            for name in names:
                column.addLayout(self._row(name, schemas[name]))
        column.addWidget(self._problem)
        self.show_base({})

    def _row(self, name: str, schema: Schema) -> QHBoxLayout:
        field = self._fields[name] = self._make_field(schema, " px" if name.endswith("_px") else "")
        field.setObjectName(name)
        words = name.removesuffix("_px").replace("_", " ").capitalize()
        told = f"{name}: {allowed_values(self._info.parameters, name)}"
        title, description = theme.label(words), theme.label(schema.get("description", ""), "caption", "secondary")
        description.setWordWrap(True)
        for widget in (title, description, field):
            widget.setToolTip(told)
        field.setAccessibleName(words)
        field.setAccessibleDescription(schema.get("description", ""))
        text = QVBoxLayout()
        text.setSpacing(0)
        text.addWidget(title)
        text.addWidget(description)
        row = QHBoxLayout()
        row.setSpacing(tokens.L)
        row.addLayout(text, 1)
        field.setFixedWidth(max(FIELD_PX, field.sizeHint().width() if isinstance(field, ChipRow) else 0))
        row.addWidget(field, 0, Qt.AlignmentFlag.AlignTop)
        return row

    def show_base(self, settings: Mapping[str, Any]) -> None:
        """Start from the method's defaults overruled by `settings`, a preset's."""
        self._base = parse_settings(self._info.name, settings).model_dump(mode="json")
        for name, field in self._fields.items():
            field.blockSignals(True)
            _set_value(field, self._base[name])
            field.blockSignals(False)
        self._check()

    def values(self) -> dict[str, Any]:
        """Every setting as it stands."""
        return {name: _value(field) for name, field in self._fields.items()}

    def settings(self) -> dict[str, Any]:
        """What differs from the base."""
        return {name: value for name, value in self.values().items() if value != self._base[name]}

    def set_settings(self, settings: Mapping[str, Any]) -> None:
        """As if the user had set them."""
        for name, value in settings.items():
            _set_value(self._fields[name], value)
        self._on_change()

    def problem(self) -> str:
        """Why the settings cannot be used together; empty when they can."""
        return self._problem.text()

    def _make_field(self, schema: Schema, suffix: str) -> QWidget:
        field: QWidget
        if schema["type"] == "boolean":
            field = QCheckBox()
            field.toggled.connect(self._on_change)
        elif schema["type"] == "array":
            field = ChipRow(list(schema["choices"]))
            field.changed.connect(self._on_change)
        elif "enum" in schema or "choices" in schema:
            field = QComboBox()
            field.setEditable("enum" not in schema)
            for value in schema.get("enum", schema.get("choices", ())):
                field.addItem(str(value), value)
            field.currentTextChanged.connect(self._on_change)
        elif schema["type"] == "integer":
            field = QSpinBox()
            field.setSuffix(suffix)
            field.setRange(schema.get("minimum", 0), min(schema.get("maximum", 2**31 - 1), 2**31 - 1))
            if "zero" in schema:
                field.setSpecialValueText(schema["zero"])
            field.setGroupSeparatorShown(True)
            field.valueChanged.connect(self._on_change)
        else:
            field = QDoubleSpinBox()
            field.setSuffix(suffix)
            field.setDecimals(_decimals(schema))
            step = 10 ** -field.decimals()
            lowest = schema["exclusiveMinimum"] + step if "exclusiveMinimum" in schema else 0
            highest = schema["exclusiveMaximum"] - step if "exclusiveMaximum" in schema else 1e9
            field.setRange(schema.get("minimum", lowest), schema.get("maximum", highest))
            field.setSingleStep(0.05 if field.maximum() <= 1 else 0.5)
            field.valueChanged.connect(self._on_change)
        return field

    @Slot()
    def _on_change(self) -> None:
        self._check()
        self.changed.emit()

    def _check(self) -> None:
        try:
            parse_settings(self._info.name, {**self._base, **self.settings()})
        except ParameterError as error:
            self._problem.show_problem(str(error))
        else:
            self._problem.show_problem("")


def _decimals(schema: Schema) -> int:
    """Enough for the default to stand there as it is: a learning rate has more than a share."""
    digits = f"{schema.get('default', 0):.12f}".rstrip("0").partition(".")[2]
    return max(DECIMALS, len(digits))


def _value(field: QWidget) -> Any:
    match field:
        case QCheckBox():
            return field.isChecked()
        case ChipRow():
            return field.values()
        case QComboBox():
            known = field.findText(field.currentText())
            return field.itemData(known) if known >= 0 else field.currentText().strip()
        case QSpinBox():
            return field.value()
        case QDoubleSpinBox():
            return round(field.value(), field.decimals())


def _set_value(field: QWidget, value: Any) -> None:
    match field:
        case QCheckBox():
            field.setChecked(value)
        case ChipRow():
            field.set_values(value)
        case QComboBox():
            field.setCurrentText(str(value))
        case QSpinBox() | QDoubleSpinBox():
            field.setValue(value)
