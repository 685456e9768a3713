"""The trained model goes to a recipe, a new one or the next revision of one that exists."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QPushButton, QWidget

from station.core.recipe import Recipe
from station.ui import theme
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.problem_label import ProblemLabel
from station.ui.widgets.source_field import SourceField

NAME_LENGTH = 80


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """Put the model of `model_file` on the shelf and save it as the next revision of `recipe`."""

    model_file: Path
    recipe: str
    source: str
    acknowledge_ng: bool
    serial_required: bool


class DeployPanel(QWidget):
    """A form of its own below the result."""

    deploy_requested = Signal(object)
    """DeployRequest."""

    def __init__(self, source: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._model_file = Path()
        self._recipes: Mapping[str, Recipe] = {}
        self._recipe = QComboBox()
        self._recipe.setEditable(True)
        self._recipe.setAccessibleName(self.tr("Recipe"))
        edit = self._recipe.lineEdit()
        if edit is not None:
            edit.setMaxLength(NAME_LENGTH)
            edit.setPlaceholderText(self.tr("Name of a new or existing recipe"))
        self._consequence = theme.label("", "caption", "secondary")
        self._consequence.setWordWrap(True)
        self._source = SourceField()
        self._source.set_spec(source)
        self._acknowledge = QCheckBox(self.tr("An NG must be acknowledged before the next part"))
        self._serial = QCheckBox(self.tr("Every part needs a serial"))
        self._problem = ProblemLabel()
        self._deploy = QPushButton(self.tr("Deploy"))
        theme.mark(self._deploy, "kind", "primary")
        form = FieldLayout(self)
        form.add_field(self.tr("Recipe"), self._recipe)
        form.addRow("", self._consequence)
        form.add_field(self.tr("Pictures from"), self._source)
        form.addRow(self._acknowledge)
        form.addRow(self._serial)
        form.addRow(self._problem)
        foot = QHBoxLayout()
        foot.addStretch(1)
        foot.addWidget(self._deploy)
        form.addRow(foot)
        self._recipe.currentTextChanged.connect(self._show_consequence)
        self._recipe.activated.connect(self._take_over)
        self._source.spec_changed.connect(self._show_consequence)
        self._deploy.clicked.connect(self._request)

    def show_model(self, model_file: Path, name: str, recipes: Mapping[str, Recipe]) -> None:
        """Offer `recipes` by name; `name` is proposed."""
        self._model_file, self._recipes = model_file, recipes
        self._recipe.clear()
        self._recipe.addItems(list(recipes))
        self._recipe.setCurrentText(name)
        self._take_over()
        self.show_problem("")
        self._deploy.setText(self.tr("Deploy"))
        self._show_consequence()

    def show_deployed(self, recipe: Recipe) -> None:
        """The request was carried out."""
        self._recipes = {**self._recipes, recipe.name: recipe}
        self.show_problem("")
        self._deploy.setEnabled(False)
        self._deploy.setText(self.tr("Deployed"))
        self._consequence.setText(
            self.tr("'{}', revision {}, uses this model now.").format(recipe.name, recipe.revision)
        )

    def show_problem(self, reason: str) -> None:
        """The request could not be carried out."""
        self._problem.show_problem(reason)
        self._deploy.setEnabled(True)

    @Slot()
    def _take_over(self) -> None:
        """An existing recipe keeps what it says, unless it is changed here."""
        known = self._recipes.get(self._name())
        if known is not None:
            self._source.set_spec(known.source)
            self._acknowledge.setChecked(known.acknowledge_ng)
            self._serial.setChecked(known.serial_required)

    @Slot()
    def _show_consequence(self) -> None:
        known = self._recipes.get(self._name())
        self._deploy.setText(self.tr("Deploy"))
        self._deploy.setEnabled(bool(self._name()) and not self._source.problem())
        if not self._name():
            self._consequence.setText(self.tr("Give the recipe a name."))
        elif known is None:
            self._consequence.setText(self.tr("A new recipe will be made."))
        else:
            self._consequence.setText(
                self.tr("Revision {} will follow revision {}; old parts keep theirs.").format(
                    known.revision + 1, known.revision
                )
            )

    @Slot()
    def _request(self) -> None:
        self._deploy.setEnabled(False)
        self.deploy_requested.emit(
            DeployRequest(
                model_file=self._model_file,
                recipe=self._name(),
                source=self._source.spec(),
                acknowledge_ng=self._acknowledge.isChecked(),
                serial_required=self._serial.isChecked(),
            )
        )

    def _name(self) -> str:
        return self._recipe.currentText().strip()
