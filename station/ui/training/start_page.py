"""Where the Training page begins: a new part, a recipe to fine-tune, a project to go on with; the recipes' models."""

from collections.abc import Mapping
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from station.core.people import Person
from station.core.recipe import Recipe
from station.projects.project import NAME_LENGTH
from station.projects.store import ProjectSummary
from station.ui import theme, tokens
from station.ui.training.project_row import ProjectRow
from station.ui.training.versions_card import VersionsCard
from station.ui.training.wizard_page import WizardPorts
from station.ui.widgets.card import Card
from station.ui.widgets.enter_key import press_by_enter
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.queries import Queries


@dataclass(frozen=True, slots=True)
class _Known:
    projects: tuple[ProjectSummary, ...]
    recipes: Mapping[str, Recipe]


class StartPage(QWidget):
    """Read anew whenever it is shown."""

    new_requested = Signal(str)
    """Name of a new part."""
    fine_tune_requested = Signal(object)
    """Recipe whose model is to learn new good parts."""
    open_requested = Signal(str)
    """Id of a project to go on with."""
    remove_requested = Signal(str)
    """Id of a project that the user wants gone, and has been asked about."""

    def __init__(self, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ports = ports
        self._recipes: Mapping[str, Recipe] = {}
        self._queries = Queries(self)
        self._name = QLineEdit()
        self._name.setMaxLength(NAME_LENGTH)
        self._name.setPlaceholderText(self.tr("Name, for example Valve seat A"))
        self._name.setAccessibleName(self.tr("Name of the new part"))
        self._begin = QPushButton(self.tr("New part"))
        theme.mark(self._begin, "kind", "primary")
        self._recipe = QComboBox()
        self._recipe.setAccessibleName(self.tr("Recipe"))
        self._fine_tune = QPushButton(self.tr("Fine-tune"))
        self._problem = ProblemLabel()
        self._rows = QVBoxLayout()
        self._rows.setContentsMargins(0, 0, tokens.S, 0)
        self._rows.setSpacing(tokens.S)
        self.versions = VersionsCard(ports.archive, ports.deploying, Person(ports.settings().operator))
        self._shown_recipe = QComboBox()
        self._shown_recipe.setAccessibleName(self.tr("Recipe whose models are shown"))
        self._arrange()
        self._connect()
        self._show_readiness()

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        self._name.setFocus()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.read_anew()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not press_by_enter(self, event):
            super().keyPressEvent(event)

    @Slot()
    def read_anew(self) -> None:
        self._queries.ask(self._read, then=self._show, otherwise=self.show_problem, withdraw_waiting=True)

    @Slot(str)
    def show_problem(self, reason: str) -> None:
        """Why something that was asked for here did not happen; empty: nothing is wrong."""
        self._problem.show_problem(reason)

    def close_down(self) -> None:
        self._queries.close()
        self.versions.close_down()

    def _read(self) -> _Known:
        latest = (self._ports.archive.recipes.latest(name) for name in self._ports.archive.recipes.names())
        recipes = {recipe.name: recipe for recipe in latest if recipe is not None}
        return _Known(self._ports.projects.list(), recipes)

    def _show(self, known: _Known) -> None:
        self._recipes = known.recipes
        for box in (self._recipe, self._shown_recipe):
            kept = box.currentText()
            box.blockSignals(True)
            box.clear()
            box.addItems(list(known.recipes))
            box.setCurrentText(kept or self._ports.settings().active_recipe or "")
            box.blockSignals(False)
        self.versions.show_recipe(self._shown_recipe.currentText())
        while (item := self._rows.takeAt(0)) is not None:
            if (row := item.widget()) is not None:
                row.deleteLater()
        for summary in known.projects:
            row = ProjectRow(summary)
            row.open_requested.connect(self.open_requested)
            row.remove_requested.connect(self._ask_to_remove)
            self._rows.addWidget(row)
        if not known.projects:
            self._rows.addWidget(theme.label(self.tr("No project yet."), "body", "secondary"))
        self._rows.addStretch(1)
        self._show_readiness()

    def _arrange(self) -> None:
        new = Card(self.tr("A new part"))
        new.add(self._told(self.tr("Pictures of good parts become a model that finds what is different.")))
        new.add(_beside(self._name, self._begin))
        tune = Card(self.tr("A recipe that calls good parts NG"))
        tune.add(self._told(self.tr("Its model learns new good parts, about twenty, and keeps what it knows.")))
        tune.add(_beside(self._recipe, self._fine_tune))
        rows = QWidget()
        rows.setLayout(self._rows)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(rows)
        projects = Card(self.tr("Go on with"))
        projects.add(self._problem)
        projects.add(scroll, 1)
        left = QVBoxLayout()
        left.setSpacing(tokens.M)
        for card in (new, tune):
            left.addWidget(card)
        left.addWidget(projects, 1)
        right = QVBoxLayout()
        right.setSpacing(tokens.M)
        right.addWidget(self._shown_recipe)
        right.addWidget(self.versions, 1)
        columns = QHBoxLayout()
        columns.setSpacing(tokens.L)
        columns.addLayout(left, 1)
        columns.addLayout(right, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(tokens.L, tokens.M, tokens.L, tokens.M)
        whole.setSpacing(tokens.M)
        whole.addWidget(theme.label(self.tr("What should the station learn?"), "title", bold=True))
        whole.addLayout(columns, 1)

    def _told(self, text: str) -> QWidget:
        words = theme.label(text, "body", "secondary")
        words.setWordWrap(True)
        return words

    def _connect(self) -> None:
        self._name.textChanged.connect(self._show_readiness)
        self._name.returnPressed.connect(self._begin.click)
        self._begin.clicked.connect(self._tell_new)
        self._fine_tune.clicked.connect(self._tell_fine_tune)
        self._shown_recipe.currentTextChanged.connect(self.versions.show_recipe)
        self._ports.deploying.deployed.connect(self.read_anew)

    @Slot()
    def _show_readiness(self) -> None:
        self._begin.setEnabled(bool(self._name.text().strip()))
        for widget in (self._recipe, self._fine_tune, self._shown_recipe):
            widget.setEnabled(bool(self._recipes))
        self._shown_recipe.setVisible(len(self._recipes) > 1)
        self._fine_tune.setToolTip("" if self._recipes else self.tr("There is no recipe yet"))

    @Slot()
    def _tell_new(self) -> None:
        self.show_problem("")
        self.new_requested.emit(self._name.text().strip())
        self._name.clear()

    @Slot()
    def _tell_fine_tune(self) -> None:
        self.show_problem("")
        recipe = self._recipes.get(self._recipe.currentText())
        if recipe is not None:
            self.fine_tune_requested.emit(recipe)

    @Slot(str)
    def _ask_to_remove(self, project_id: str) -> None:
        question = QMessageBox(
            QMessageBox.Icon.Question,
            "Loupe",
            self.tr("Remove this project with its labels, masks and candidates? Models that judge stay."),
            parent=self,
        )
        remove = question.addButton(self.tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
        question.addButton(self.tr("Keep"), QMessageBox.ButtonRole.RejectRole)
        question.exec()
        if question.clickedButton() is remove:
            self.remove_requested.emit(project_id)


def _beside(field: QWidget, button: QWidget) -> QHBoxLayout:
    line = QHBoxLayout()
    line.setSpacing(tokens.M)
    line.addWidget(field, 1)
    line.addWidget(button, 0, Qt.AlignmentFlag.AlignRight)
    return line
