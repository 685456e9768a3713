"""The Training page: the order at the left, the run or its result at the right."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QFocusEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from ml.artifact import Manifest, read_manifest
from ml.errors import ParameterError
from ml.job import TrainingJob
from ml.recommendation import Recommendation, recommend
from station.core.recipe import Recipe
from station.history.recipes import RecipeBook
from station.ui import theme, tokens
from station.ui.training.order_form import OrderForm
from station.ui.training.result_panel import ResultPanel
from station.ui.training.run_panel import NoticePanel, RunPanel
from station.ui.widgets.path_field import dropped_path
from station.workers.estimate import Estimator
from station.workers.picture_survey import PictureSurvey
from station.workers.queries import Queries
from station.workers.training import TrainingOutcome, TrainingPlan, TrainingProcess, TrainingProgress, TrainingStarted

FORM_PX = 520


@dataclass(frozen=True, slots=True)
class _Result:
    outcome: TrainingOutcome
    manifest: Manifest
    recipes: Mapping[str, Recipe]


class TrainingPage(QWidget):
    """May be left while training runs. The process belongs to the application, which stops it at its end."""

    deploy_requested = Signal(object)
    """DeployRequest; answer by `show_deployed` or `show_deploy_problem`."""
    model_trained = Signal(object)
    """TrainingOutcome: a run ended with a model, whatever page is shown."""
    training_failed = Signal(str)
    """A run ended without one; the page tells it too."""

    def __init__(
        self,
        process: TrainingProcess,
        estimator: Estimator,
        recipes: RecipeBook,
        source: str = "demo",
        parent: QWidget | None = None,
    ) -> None:
        """`source` is what a new recipe is offered for its pictures."""
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._process, self._estimator, self._recipes = process, estimator, recipes
        self._is_own_run = False  # the process may also be at work for others
        self._is_shown_order = False  # whether the run is of the order in the form, or an older one that is continued
        self._asked: TrainingJob | None = None  # the order whose time is known or being measured
        self._survey = PictureSurvey(self)
        self._adviser = Queries(self)
        self._queries = Queries(self)
        self._order = OrderForm()
        self._scroll = QScrollArea()
        self._consequence = theme.label("", "body", "secondary")
        self._consequence.setWordWrap(True)
        self._train = QPushButton(" " + self.tr("Train"))
        self._train.setIcon(theme.icon("play", "on_accent"))
        theme.mark(self._train, "kind", "primary")
        self._notice, self._run, self._result = NoticePanel(), RunPanel(), ResultPanel(source)
        self._side = QStackedWidget()
        self._arrange()
        self._connect()
        self._show_readiness()
        if process.interrupted is not None and not process.is_running:
            self._notice.show_interrupted(process.interrupted.model_name)

    def focusInEvent(self, event: QFocusEvent) -> None:
        # Not a focus proxy: Tab would go from the status bar straight to it and never reach what stands before it.
        self._order.folder.setFocus()

    @Slot(object)
    def show_deployed(self, recipe: Recipe) -> None:
        """The last request was carried out; `recipe` as it is stored."""
        self._result.deploy.show_deployed(recipe)

    @Slot(str)
    def show_deploy_problem(self, reason: str) -> None:
        """The last request could not be carried out."""
        self._result.deploy.show_problem(reason)

    def close_down(self) -> None:
        """Wait for what is being read; the process is stopped by its owner."""
        self._estimator.close()
        self._survey.close()
        self._adviser.close()
        self._queries.close()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if dropped_path(event) is not None:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        path = dropped_path(event)
        if path is not None:
            event.acceptProposedAction()
            self._order.folder.choose(path if path.is_dir() else path.parent)

    def _arrange(self) -> None:
        self._scroll.setWidgetResizable(True)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(self._order)
        foot = QHBoxLayout()
        foot.setSpacing(tokens.M)
        foot.addWidget(self._consequence, 1)
        foot.addWidget(self._train)
        form = QVBoxLayout()
        form.setSpacing(tokens.M)
        form.addWidget(self._scroll, 1)
        form.addLayout(foot)
        left = QWidget()
        left.setLayout(form)
        form.setContentsMargins(0, 0, 0, 0)
        left.setFixedWidth(FORM_PX)
        for panel in (self._notice, self._run, self._result):
            self._side.addWidget(panel)
        line = QHBoxLayout(self)
        line.setContentsMargins(tokens.L, tokens.M, tokens.L, tokens.M)
        line.setSpacing(tokens.L)
        line.addWidget(left)
        line.addWidget(self._side, 1)

    def _connect(self) -> None:
        self._order.folder_chosen.connect(self._on_folder)
        self._order.changed.connect(self._show_readiness)
        self._survey.found.connect(self._order.show_findings)
        self._survey.failed.connect(self._order.show_folder_problem)
        self._adviser.answered.connect(self._on_advice)
        self._estimator.began.connect(self._order.method.show_estimating)
        self._estimator.estimated.connect(self._order.method.show_plan)
        self._estimator.failed.connect(self._order.method.show_no_estimate)
        self._train.clicked.connect(self._start)
        self._run.cancel_requested.connect(self._process.cancel)
        self._notice.continue_requested.connect(self._continue)
        self._process.started.connect(self._on_started)
        self._process.planned.connect(self._on_plan)
        self._process.progressed.connect(self._on_progress)
        self._process.measured.connect(self._run.show_losses)
        self._process.sampled.connect(self._run.show_samples)
        self._process.logged.connect(self._on_line)
        self._process.succeeded.connect(self._on_success)
        self._process.failed.connect(self._on_failure)
        self._process.cancelled.connect(self._on_cancelled)
        self._queries.answered.connect(self._on_result)
        self._queries.failed.connect(self._on_unreadable_result)
        self._result.deploy_requested.connect(self.deploy_requested)

    @Slot(object)
    def _on_folder(self, folder: Path | None) -> None:
        if folder is not None:
            self._survey.look_into(folder)
            self._adviser.ask(lambda: recommend(folder), withdraw_waiting=True)

    @Slot(int, object)
    def _on_advice(self, number: int, advice: Recommendation) -> None:
        if self._adviser.is_latest(number) and self._order.folder.path() is not None:
            self._order.show_advice(advice)

    @Slot()
    def _show_readiness(self) -> None:
        readiness = self._order.readiness()
        is_running = self._process.is_running
        self._order.setEnabled(not (is_running and self._is_own_run))
        self._train.setEnabled(not readiness.obstacle and not is_running)
        words = readiness.obstacle or readiness.consequence
        if is_running:
            words = self.tr("Training is running") if self._is_own_run else self.tr("Another recipe is being learnt")
        self._consequence.setText(words)
        if readiness.obstacle or (is_running and self._estimator.is_pending):
            self._asked = None
            self._estimator.withdraw()
            self._order.method.show_no_estimate()
        elif not is_running:
            self._ask_for_estimate()

    def _ask_for_estimate(self) -> None:
        """Once per order: a name or a seed does not change how long it takes."""
        try:
            job = _what_takes_time(self._order.job())
        except ParameterError:
            return
        if job != self._asked:
            self._asked = job
            self._order.method.show_no_estimate()
            self._estimator.ask(job)

    @Slot()
    def _start(self) -> None:
        try:
            job = self._order.job()
        except ParameterError as error:
            self._consequence.setText(str(error))
            return
        self._asked = _what_takes_time(job)  # the run itself will say
        self._begin()
        self._is_shown_order = True
        self._process.start(job)
        self._show_readiness()

    @Slot()
    def _continue(self) -> None:
        if self._process.interrupted is None:  # a run of others has taken its place
            self._notice.show_nothing_yet()
        elif not self._process.is_running:
            self._begin()
            self._is_shown_order = False
            self._process.resume()
            self._show_readiness()

    def _begin(self) -> None:
        self._is_own_run = True
        self._estimator.withdraw()
        self._run.begin()
        self._side.setCurrentWidget(self._run)

    @Slot(object)
    def _on_started(self, found: TrainingStarted) -> None:
        self._show_readiness()
        self._run.show_started(found)

    @Slot(object)
    def _on_plan(self, plan: TrainingPlan) -> None:
        self._run.show_plan(plan)
        if self._is_own_run and self._is_shown_order:
            self._order.method.show_plan(plan)

    @Slot(object)
    def _on_progress(self, progress: TrainingProgress) -> None:
        self._run.show_progress(progress)

    @Slot(str)
    def _on_line(self, line: str) -> None:
        self._run.add_line(line)

    @Slot(object)
    def _on_success(self, outcome: TrainingOutcome) -> None:
        if self._ends_own_run():
            self._queries.ask(lambda: self._read_result(outcome))
            self.model_trained.emit(outcome)

    def _ends_own_run(self) -> bool:
        """Whether the run that has just ended was this page's."""
        was_own, self._is_own_run = self._is_own_run, False
        self._show_readiness()
        return was_own

    def _read_result(self, outcome: TrainingOutcome) -> _Result:
        latest = (self._recipes.latest(name) for name in self._recipes.names())
        recipes = {recipe.name: recipe for recipe in latest if recipe is not None}
        return _Result(outcome, read_manifest(outcome.file), recipes)

    @Slot(int, object)
    def _on_result(self, number: int, result: _Result) -> None:
        self._result.show_result(result.outcome, result.manifest, result.recipes)
        self._side.setCurrentWidget(self._result)

    @Slot(int, str)
    def _on_unreadable_result(self, number: int, reason: str) -> None:
        self._show_failure(reason)

    @Slot(str)
    def _on_failure(self, reason: str) -> None:
        if self._ends_own_run():
            self._show_failure(reason)

    def _show_failure(self, reason: str) -> None:
        can_continue = self._process.interrupted is not None
        self._notice.show_failure(reason, self._run.log_text(), can_continue=can_continue)
        self._side.setCurrentWidget(self._notice)
        self.training_failed.emit(reason)

    @Slot()
    def _on_cancelled(self) -> None:
        if self._ends_own_run():
            self._notice.show_cancelled(can_continue=self._process.interrupted is not None)
            self._side.setCurrentWidget(self._notice)


def _what_takes_time(job: TrainingJob) -> TrainingJob:
    """The order without what does not change how long it takes."""
    return job.model_copy(update={"name": "", "seed": 0, "alpha": 0.01})
