"""Deployment: the chosen model goes to a recipe, is approved where that is asked for, and can be taken back."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from ml.artifact import Manifest, read_manifest
from ml.catalogue import METHODS
from station.core.people import IdentityError, Person
from station.core.recipe import Recipe
from station.history.deployment import Deployment
from station.projects.flow import Flow
from station.projects.judging import final_model
from station.projects.project import Candidate
from station.projects.steps.deployment import proposed_source
from station.projects.store import ProjectError
from station.ui import theme, tokens
from station.ui.training.deployment.export_row import ExportRow
from station.ui.training.deployment.form import DeployForm
from station.ui.training.versions_card import VersionsCard
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.training.words import computing_words, false_alarm_words, pictures_of_good_parts, rule_words
from station.ui.widgets.card import Card
from station.workers.exporting import Exporter
from station.workers.queries import Queries

FORM_PX = 560


@dataclass(frozen=True, slots=True)
class _Choice:
    """The model as it will be deployed, with threshold, band and rules as they were chosen in judging it."""

    file: Path
    manifest: Manifest
    recipes: Mapping[str, Recipe]


class DeploymentPage(WizardPage):
    """Deploys nothing by itself: `Deploying` does, and whoever runs the line loads the recipe between two parts."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self._choice: _Choice | None = None
        self._shown_candidate: Candidate | None = None
        self._is_asked = False  # whether the deployment that is told of is this page's
        self._deployed: Recipe | None = None
        self._queries = Queries(self)
        self._user = Person(ports.settings().operator)
        self._figures = QGridLayout()
        self._figures.setHorizontalSpacing(tokens.L)
        self._figures.setVerticalSpacing(tokens.XS)
        self._figures.setColumnStretch(1, 1)
        self._values: dict[str, QLabel] = {}
        self._exporter = Exporter(parent=self)
        self.export_row = ExportRow(self._exporter)
        self.form = DeployForm()
        self.versions = VersionsCard(ports.archive, ports.deploying, self._user)
        self._arrange()
        self.form.deploy_requested.connect(self._deploy)
        self.form.inspect_requested.connect(self._inspect)
        self.form.recipe_changed.connect(self.versions.show_recipe)
        self.form.notes_changed.connect(self._keep_notes)
        ports.deploying.deployed.connect(self._on_deployed)
        ports.deploying.failed.connect(self._on_failed)

    def question(self) -> str:
        return self.tr("Shall this model judge?")

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        self.form.setFocus()

    def enter(self) -> None:
        self._choice = None
        self.form.show_waiting()
        self.export_row.show_model(None)
        self.form.ask_for_approval(self._ports.settings().approval_required)
        flow, archive = self._flow, self._ports.archive
        candidate = self._shown_candidate = flow.project.candidate(flow.project.chosen)
        if candidate is None:
            return

        def read() -> _Choice:
            latest = (archive.recipes.latest(name) for name in archive.recipes.names())
            recipes = {recipe.name: recipe for recipe in latest if recipe is not None}
            file = final_model(flow, candidate)
            return _Choice(file, read_manifest(file), recipes)

        self._queries.ask(
            read,
            then=partial(self._show, candidate),
            otherwise=partial(self._on_unread, candidate),
            withdraw_waiting=True,
        )

    def close_down(self) -> None:
        self._queries.close()
        self._exporter.close()
        self.versions.close_down()

    def _arrange(self) -> None:
        model = Card(self.tr("The model"))
        for row, (key, title) in enumerate(
            {
                "candidate": self.tr("Candidate"),
                "method": self.tr("Method"),
                "pictures": self.tr("Learnt from"),
                "threshold": self.tr("Threshold"),
                "false_alarms": self.tr("False alarms"),
                "computing": self.tr("Computed by"),
                "hash": self.tr("Model"),
            }.items()
        ):
            value = self._values[key] = theme.label("")
            value.setWordWrap(True)
            self._figures.addWidget(theme.label(title, "body", "secondary"), row, 0, Qt.AlignmentFlag.AlignTop)
            self._figures.addWidget(value, row, 1)
        model.add(self._figures)
        model.add(self.export_row)
        recipe = Card(self.tr("Where it judges"))
        recipe.add(self.form)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, tokens.S, 0)
        column.setSpacing(tokens.M)
        column.addWidget(model)
        column.addWidget(recipe)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(content)
        left = QWidget()
        left.setFixedWidth(FORM_PX)
        rows = QVBoxLayout(left)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(tokens.M)
        rows.addWidget(scroll, 1)
        rows.addWidget(self.form.foot())
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.L)
        line.addWidget(left)
        line.addWidget(self.versions, 1)

    def _on_unread(self, candidate: Candidate, reason: str) -> None:
        if candidate is self._shown_candidate:
            self.form.show_problem(reason)

    def _show(self, candidate: Candidate, choice: _Choice) -> None:
        if candidate is not self._shown_candidate:  # the page was left, and another model or threshold was chosen
            return
        self._choice = choice
        project, manifest = self._flow.project, choice.manifest
        words = {
            "candidate": candidate.title,
            "method": METHODS[manifest.method].title if manifest.method in METHODS else manifest.method,
            "pictures": pictures_of_good_parts(len(manifest.data.files)),
            "threshold": self.tr("{}; raw score {}").format(
                rule_words(manifest.calibration), f"{manifest.calibration.threshold:.4g}"
            ),
            "false_alarms": false_alarm_words(manifest.calibration),
            "computing": computing_words(manifest),
            "hash": manifest.model_hash[:12],
        }
        for key, text in words.items():
            self._values[key].setText(text)
        self.export_row.show_model(choice.file, project.recipe or project.name)
        source = proposed_source(project, self._ports.settings().source)
        self.form.show_choice(project.recipe or project.name, choice.recipes, source, project.notes)
        if self.hasFocus():  # it came before there was anything to fill in
            self.form.setFocus()
        self.changed.emit()

    @Slot(str)
    def _keep_notes(self, notes: str) -> None:
        try:
            self._flow.change(notes=notes)
        except ProjectError as error:
            self.form.show_problem(str(error))

    @Slot()
    def _deploy(self) -> None:
        if self._choice is None or self._is_asked:
            return
        needs_approval = self._ports.settings().approval_required
        if needs_approval and not self.form.deployer:  # asked for since the page was opened
            self.form.ask_for_approval(True)
            self.form.show_problem(self.tr("The station asks for two people now: type both names."))
            return
        by, approver = self._user, None
        try:
            if self.form.deployer:
                by = self._ports.identifier.identify(self.form.deployer)
            if self.form.approver:
                approver = self._ports.identifier.identify(self.form.approver)
        except IdentityError as error:
            self.form.show_problem(str(error))
            return
        self._is_asked = True
        self._ports.deploying.deploy(
            Deployment(
                model_file=self._choice.file,
                recipe=self.form.recipe,
                source=self.form.source,
                acknowledge_ng=self.form.acknowledge_ng,
                serial_required=self.form.serial_required,
                by=by,
                notes=self.form.notes,
                approver=approver,
                needs_approval=needs_approval,
            )
        )

    @Slot(object)
    def _on_deployed(self, recipe: Recipe) -> None:
        if not self._is_asked:
            return
        self._is_asked, self._deployed = False, recipe
        try:
            self._flow.change(recipe=recipe.name, deployed_revision=recipe.revision)
        except ProjectError as error:
            self.form.show_problem(str(error))
            return
        self.form.show_deployed(recipe)
        self.changed.emit()

    @Slot()
    def _inspect(self) -> None:
        if self._deployed is not None:
            self._ports.deploying.bring_to_line(self._deployed)

    @Slot(str)
    def _on_failed(self, reason: str) -> None:
        if self._is_asked:
            self._is_asked = False
            self.form.show_problem(reason)
