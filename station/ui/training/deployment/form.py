"""Which recipe the chosen model goes to, with notes, and who approves it where the station asks for that."""

from collections.abc import Mapping

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QLineEdit, QPlainTextEdit, QPushButton, QWidget

from station.core.people import NAME_LENGTH as PERSON_LENGTH
from station.core.recipe import Recipe
from station.projects.project import NAME_LENGTH
from station.ui import theme, tokens
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.problem_label import ProblemLabel
from station.ui.widgets.source_field import SourceField

NOTES_PX = 72


class DeployForm(QWidget):
    """What is asked is told by the properties once `deploy_requested` was emitted."""

    deploy_requested = Signal()
    inspect_requested = Signal()
    """The line is to change over to the recipe that was deployed last."""
    recipe_changed = Signal(str)
    """Name of the recipe that is meant now; perhaps of none."""
    notes_changed = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._needs_approval = False
        self._recipes: Mapping[str, Recipe] = {}
        self._is_busy = False
        self._is_pressed = False  # whether the keyboard was at the button that asked
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
        self._acknowledge = QCheckBox(self.tr("An NG must be acknowledged before the next part"))
        self._serial = QCheckBox(self.tr("Every part needs a serial"))
        self._notes = QPlainTextEdit()
        self._notes.setFixedHeight(NOTES_PX)
        self._notes.setTabChangesFocus(True)
        self._notes.setPlaceholderText(self.tr("What is new, and why"))
        self._notes.setAccessibleName(self.tr("Notes"))
        self._deployer = _name_field(self.tr("Deployed by"), self.tr("Your name"))
        self._approver = _name_field(self.tr("Approved by"), self.tr("Name of a second person"))
        self._problem = ProblemLabel()
        self._deploy = QPushButton(self.tr("Deploy"))
        theme.mark(self._deploy, "kind", "primary")
        self._inspect = QPushButton(self.tr("Inspect with it now"))
        theme.mark(self._inspect, "kind", "primary")
        self._inspect.hide()
        self._arrange()
        self._recipe.currentTextChanged.connect(self._on_recipe)
        self._recipe.activated.connect(self._take_over)
        self._source.spec_changed.connect(self._show_readiness)
        for person in (self._deployer, self._approver):
            person.textChanged.connect(self._show_readiness)
        self._notes.textChanged.connect(self._tell_notes)
        self._deploy.clicked.connect(self._request)
        self._inspect.clicked.connect(self.inspect_requested)

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._recipe.setFocus()

    def show_waiting(self) -> None:
        """The model is still being read."""
        self.setEnabled(False)
        self._inspect.hide()
        self.show_problem("")

    def ask_for_approval(self, is_needed: bool) -> None:
        """Two people type their names, or nobody: a station without accounts knows no name but its own."""
        self._needs_approval = is_needed
        self._two_people.setVisible(is_needed)
        self._show_readiness()

    def show_choice(self, name: str, recipes: Mapping[str, Recipe], source: str, notes: str) -> None:
        """Offer `recipes` by name; `name` is proposed, and `source` for a new one."""
        self.setEnabled(True)
        self._recipes = recipes
        self._recipe.blockSignals(True)
        self._recipe.clear()
        self._recipe.addItems(list(recipes))
        self._recipe.setCurrentText(name)
        self._recipe.blockSignals(False)
        self._source.set_spec(source)
        if self._notes.toPlainText() != notes:
            self._notes.setPlainText(notes)
        self._take_over()
        self.show_problem("")
        self._on_recipe()

    def show_deployed(self, recipe: Recipe) -> None:
        """The request was carried out."""
        self._recipes = {**self._recipes, recipe.name: recipe}
        self._is_busy = False
        self.show_problem("")
        self._deploy.setEnabled(False)
        self._deploy.setText(self.tr("Deployed"))
        self._inspect.show()
        if self._is_pressed:
            self._inspect.setFocus()
        self._consequence.setText(
            self.tr("'{}', revision {}, uses this model from its next part on.").format(recipe.name, recipe.revision)
        )

    def show_problem(self, reason: str) -> None:
        """The request could not be carried out; an empty reason settles it."""
        self._is_busy = False
        self._problem.show_problem(reason)
        self._show_readiness()

    @property
    def recipe(self) -> str:
        return self._recipe.currentText().strip()

    @property
    def source(self) -> str:
        return self._source.spec()

    @property
    def acknowledge_ng(self) -> bool:
        return self._acknowledge.isChecked()

    @property
    def serial_required(self) -> bool:
        return self._serial.isChecked()

    @property
    def notes(self) -> str:
        return self._notes.toPlainText().strip()

    @property
    def deployer(self) -> str:
        """Empty where it is not asked for."""
        return self._deployer.text().strip() if self._needs_approval else ""

    @property
    def approver(self) -> str:
        """Empty where none is asked for, or none was typed."""
        return self._approver.text().strip() if self._needs_approval else ""

    def _arrange(self) -> None:
        form = FieldLayout(self)
        form.add_field(self.tr("Recipe"), self._recipe)
        form.addRow("", self._consequence)
        form.add_field(self.tr("Pictures from"), self._source)
        form.addRow(self._acknowledge)
        form.addRow(self._serial)
        form.add_field(self.tr("Notes"), self._notes)
        words = self.tr("Two people; until there are accounts their names are stored as typed, not authenticated.")
        told = theme.label(words, "caption", "secondary")
        told.setWordWrap(True)
        self._two_people = QWidget()
        people = FieldLayout(self._two_people)
        people.add_field(self.tr("Deployed by"), self._deployer)
        people.add_field(self.tr("Approved by"), self._approver)
        people.addRow(told)
        self._two_people.hide()
        form.insertRow(2, self._two_people)  # in sight: Deploy waits for it

    def foot(self) -> QWidget:
        """The button and what is wrong: stands below the form, in sight however far that is scrolled."""
        foot = QWidget()
        line = QHBoxLayout(foot)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.M)
        line.addWidget(self._problem, 1)
        line.addWidget(self._inspect)
        line.addWidget(self._deploy)
        return foot

    @Slot()
    def _take_over(self) -> None:
        """An existing recipe keeps what it says, unless it is changed here."""
        known = self._recipes.get(self.recipe)
        if known is not None:
            self._source.set_spec(known.source)
            self._acknowledge.setChecked(known.acknowledge_ng)
            self._serial.setChecked(known.serial_required)

    @Slot()
    def _on_recipe(self) -> None:
        self._show_readiness()
        self.recipe_changed.emit(self.recipe)

    @Slot()
    def _show_readiness(self) -> None:
        known = self._recipes.get(self.recipe)
        lacks_approval = self._needs_approval and not self.approver
        self._deploy.setText(self.tr("Deploy"))
        is_known = not self._needs_approval or bool(self.deployer)
        is_complete = bool(self.recipe) and not self._source.problem() and is_known
        self._deploy.setEnabled(self.isEnabled() and is_complete and not self._is_busy)
        words = "" if is_known else self.tr("Type who deploys")
        if lacks_approval and is_known:
            words = self.tr("Works where this model was approved before")
        self._deploy.setToolTip(words)
        if not self.recipe:
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
    def _tell_notes(self) -> None:
        self.notes_changed.emit(self._notes.toPlainText())

    @Slot()
    def _request(self) -> None:
        self._is_busy = True
        self._is_pressed = self._deploy.hasFocus()
        self._problem.show_problem("")
        self._deploy.setEnabled(False)
        self.deploy_requested.emit()


def _name_field(title: str, placeholder: str) -> QLineEdit:
    field = QLineEdit()
    field.setMaxLength(PERSON_LENGTH)
    field.setPlaceholderText(placeholder)
    field.setAccessibleName(title)
    return field
