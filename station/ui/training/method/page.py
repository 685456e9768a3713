"""How the model is learnt: what is recommended and why, what is chosen, how long it takes, what else joins in."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from ml.artifact import Manifest
from ml.job import TrainingJob
from ml.picture_list import PictureList
from ml.recommendation import Recommendation, recommend_for
from station.projects.flow import Flow
from station.projects.order import described_job, learnt_pictures, shown_order
from station.projects.project import Project, SampleApproval
from station.projects.queue import FINE_TUNED, is_queued, title_of, with_shown, without
from station.projects.steps.annotation import mask_files
from station.projects.store import ProjectError
from station.ui import tokens
from station.ui.training.method.base_card import BaseCard
from station.ui.training.method.method_form import MethodForm
from station.ui.training.method.queued_list import QueuedList
from station.ui.training.method.samples_card import SamplesCard
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.training.words import short_duration
from station.ui.widgets.form_fields import FormFields
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.queries import Queries
from station.workers.samples import GENERATE_COMMAND, SampleMaker, SamplePreview
from station.workers.training import TrainingPlan, TrainingProgress

ESTIMATE_LIST = "estimate.json"
LOOKED_AT_MOST = 100
"""Pictures that a preview of generated ones is made from."""


@dataclass(frozen=True, slots=True)
class _Question:
    """How long `order` takes, as a job whose pictures are listed."""

    key: str
    job: TrainingJob


class MethodPage(WizardPage):
    """What is recommended is chosen until the engineer chooses otherwise, so that Next works at once."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self._advised_for: tuple[str, ...] = ()
        self._plans: dict[str, TrainingPlan] = {}  # by what was asked
        self._asked = ""
        self._is_shown = False
        self._previewed: SampleApproval | None = None  # what a preview was asked of, until it is stopped
        self._queries, self._advisers = Queries(self), Queries(self)
        self._samples_of = SampleMaker(GENERATE_COMMAND, self)
        self.samples, self.base = SamplesCard(), BaseCard()
        self.form = MethodForm(self.samples)
        self.queue = QueuedList()
        self._problem = ProblemLabel()
        self._arrange()
        self._fields = FormFields(self)
        self._fields.tend(self)
        is_tuning = flow.project.is_fine_tuning
        self.base.setVisible(is_tuning)
        self.form.setVisible(not is_tuning)
        self.queue.add_another.setVisible(not is_tuning)  # there is nothing to choose
        self.estimate = self.base.estimate if is_tuning else self.form.method.estimate
        self.form.show_order(flow.project.order)
        self.samples.show_approved(flow.project.approved)
        self._connect()
        if is_tuning:
            self._ask_for_base()

    def question(self) -> str:
        if self._flow.project.is_fine_tuning:
            return self.tr("How the model goes on learning")
        return self.tr("How is it learnt?")

    def enter(self) -> None:
        self._is_shown = True
        self._ask_for_advice()
        self._show_project()

    def leave(self) -> None:
        self._is_shown = False
        self._ports.estimator.withdraw()
        self._asked = ""

    def close_down(self) -> None:
        self.leave()
        self._samples_of.close()
        self._queries.close()
        self._advisers.close()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.form.setFocus()

    def _arrange(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, tokens.S, 0)
        column.setSpacing(tokens.M)
        for part in (self._problem, self.base, self.form):
            column.addWidget(part)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.L)
        line.addWidget(scroll, 3)
        line.addWidget(self.queue, 1)

    def _connect(self) -> None:
        self.form.changed.connect(self._on_order)
        self.samples.preview_requested.connect(self._preview)
        self.samples.cancel_requested.connect(self._stop_preview)
        self.samples.approval_changed.connect(self._on_approval)
        self._samples_of.made.connect(self._on_samples)
        self._samples_of.failed.connect(self.samples.show_problem)
        self.queue.add_requested.connect(self._add)
        self.queue.remove_requested.connect(self._remove)
        estimator = self._ports.estimator
        estimator.began.connect(self._on_measuring)
        estimator.progressed.connect(self._on_measured)
        estimator.estimated.connect(self._on_estimate)
        estimator.failed.connect(self._on_no_estimate)

    @Slot()
    def _on_order(self) -> None:
        self._change(order=self.form.order())

    @Slot(object)
    def _on_approval(self, approved: SampleApproval | None) -> None:
        self._change(approved=approved)

    def _change(self, **fields: Any) -> None:
        try:
            self._flow.change(**fields)
        except ProjectError as error:
            self._problem.show_problem(str(error))
            return
        self._problem.show_problem("")
        self._show_project()

    @Slot()
    def _add(self) -> None:
        plan = self._plans.get(self._key())
        self._replace(with_shown(self._flow.project, None if plan is None else plan.seconds))
        self.form.setFocus()  # the button that was pressed is of no use now

    @Slot(str)
    def _remove(self, candidate_id: str) -> None:
        self._replace(without(self._flow.project, candidate_id))

    def _replace(self, project: Project) -> None:
        self._change(candidates=project.candidates, chosen=project.chosen)

    def _show_project(self) -> None:
        project = self._flow.project
        self.queue.show_candidates(project.candidates)
        self._ask_for_estimate()
        self._show_choice()
        self.changed.emit()

    def _show_choice(self) -> None:
        project = self._flow.project
        order = shown_order(project)
        plan = self._plans.get(self._key())
        takes = "" if plan is None else self.tr("About {} on this machine").format(short_duration(plan.seconds))
        title = FINE_TUNED if project.is_fine_tuning else title_of(order)
        can_add = not self._flow.readiness(project.step).obstacle
        self.queue.show_choice(title, takes, is_queued=is_queued(project), can_add=can_add)

    def _ask_for_base(self) -> None:
        base, models = self._flow.project.base_model, self._ports.archive.models
        if base is not None:
            self._advisers.ask(lambda: models.manifest(base), then=self._on_base, otherwise=self.base.show_problem)

    def _on_base(self, manifest: Manifest) -> None:
        self.base.show_manifest(manifest)

    def _ask_for_advice(self) -> None:
        """Once for the same pictures."""
        project = self._flow.project
        good = project.used("good", "learn")
        key = tuple(one.sha256 for one in good)
        if project.is_fine_tuning or not good or key == self._advised_for:
            return
        self._advised_for = key
        files, bad = [one.file for one in good], len(project.used("bad", "learn"))
        self._advisers.ask(lambda: recommend_for(files, bad), then=partial(self._on_advice, key))

    def _on_advice(self, key: tuple[str, ...], advice: Recommendation) -> None:
        if key != self._advised_for:  # other pictures have been asked for since
            return
        self.form.show_advice(advice)
        if not self._flow.project.order:  # the engineer has chosen nothing yet
            self.form.follow(advice)

    def _key(self) -> str:
        """What the time depends on: the order but for its seed and rate, and the pictures."""
        project = self._flow.project
        order = {name: value for name, value in shown_order(project).items() if name not in ("seed", "alpha")}
        pictures = hash(tuple(one.sha256 for one in project.pictures if one.is_used and one.use == "learn"))
        return f"{sorted(order.items())}|{project.looks}|{pictures}"

    def _ask_for_estimate(self) -> None:
        key = self._key()
        if (plan := self._plans.get(key)) is not None:
            self._asked = ""
            self._ports.estimator.withdraw()
            self.estimate.show_plan(plan)
        elif not self._is_shown or self._flow.readiness(self._flow.project.step).obstacle:
            self._asked = ""
            self._ports.estimator.withdraw()
            self.estimate.show_nothing()
        elif self._ports.training.is_running:  # both would be measured too slow
            self.estimate.show_nothing(self.tr("The time is measured once nothing is being trained"))
        elif key != self._asked:
            self._asked = key
            self._ports.estimator.withdraw()
            self.estimate.show_nothing()
            flow, archive = self._flow, self._ports.archive
            project, folder, annotations = flow.project, flow.folder, flow.annotations_folder
            self._queries.ask(
                lambda: _question(key, project, folder, annotations, archive.models.path),
                then=self._on_question,
                otherwise=self.estimate.show_nothing,
                withdraw_waiting=True,
            )

    def _on_question(self, question: _Question) -> None:
        if self._is_shown and question.key == self._asked:
            self._ports.estimator.ask(question.job)

    @Slot()
    def _on_measuring(self) -> None:
        if self._asked:
            self.estimate.show_measuring()

    @Slot(object)
    def _on_measured(self, progress: TrainingProgress) -> None:
        if self._asked:
            self.estimate.show_measured(progress)

    @Slot(object)
    def _on_estimate(self, plan: TrainingPlan) -> None:
        if self._asked:
            self._plans[self._asked] = plan
            self._asked = ""
            self.estimate.show_plan(plan)
            self._show_choice()

    @Slot(str)
    def _on_no_estimate(self, reason: str) -> None:
        if self._asked:
            self.estimate.show_nothing(reason)

    @Slot(object)
    def _preview(self, wanted: SampleApproval | None) -> None:
        if wanted is None:
            return
        project, self._previewed = self._flow.project, wanted
        self.samples.show_busy()
        self._advisers.ask(
            lambda: learnt_pictures(project, LOOKED_AT_MOST),
            then=partial(self._make_samples, wanted),
            otherwise=self.samples.show_problem,
        )

    def _make_samples(self, wanted: SampleApproval, listed: PictureList) -> None:
        if wanted is self._previewed:
            self._samples_of.make(wanted, listed)

    @Slot()
    def _stop_preview(self) -> None:
        self._previewed = None
        self._samples_of.cancel()

    @Slot(object)
    def _on_samples(self, preview: SamplePreview) -> None:
        self.samples.show_preview(preview)


def _question(
    key: str, project: Project, folder: Path, annotations: Path, model_file: Callable[[str], Path]
) -> _Question:
    """Lists the pictures that are learnt from. Raises LoupeError."""
    base = None if project.base_model is None else model_file(project.base_model)
    job = described_job(project, shown_order(project), folder, base)
    listed = learnt_pictures(project, masks=mask_files(project, annotations))
    try:
        listed.save(folder / ESTIMATE_LIST)
    except OSError as error:
        raise ProjectError(f"{folder / ESTIMATE_LIST}: cannot be written ({error.strerror}).") from error
    return _Question(key, job.model_copy(update={"data": folder / ESTIMATE_LIST}))
