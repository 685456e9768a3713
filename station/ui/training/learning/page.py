"""The candidates are trained: the queue at the left, the one whose turn it is at the right."""

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from station.projects.flow import Flow
from station.projects.needs import Needs
from station.projects.project import Candidate
from station.projects.queue import is_queued, next_waiting, settled, trained, with_shown
from station.projects.store import ProjectError
from station.ui import theme, tokens
from station.ui.training.learning.candidate_row import CandidateRow
from station.ui.training.learning.notice_panel import NoticePanel
from station.ui.training.learning.run_panel import RunPanel
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.training.words import duration
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.candidates import CandidateTraining
from station.workers.training import TrainingLosses, TrainingPlan, TrainingProgress, TrainingSamples, TrainingStarted

QUEUE_PX = 340


class LearningPage(WizardPage):
    """May be left while training runs, and so may the window's page: the process belongs to the station."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self._candidates = CandidateTraining(flow, ports.archive, ports.training, self)
        self._queue = QueueCard()
        self._run, self._notice = RunPanel(), NoticePanel()
        self._has_news = False  # whether the right side tells of a run
        self._is_watched = False  # whether a run ended under the keyboard
        self._side = QStackedWidget()
        for panel in (self._notice, self._run):
            self._side.addWidget(panel)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(tokens.L)
        line.addWidget(self._queue)
        line.addWidget(self._side, 1)
        self._connect()
        if self._candidates.current is not None:  # began when the project was open before
            self._show_run(self._candidates.current, is_new=False)
        self._on_change()

    def question(self) -> str:
        return self.tr("Train the candidates")

    def enter(self) -> None:
        """What the page Method shows is what the engineer wants trained: it joins the queue."""
        self._candidates.catch_up()
        project = settled(self._flow.project)
        try:
            self._flow.replace(project if is_queued(project) else with_shown(project))
        except ProjectError as error:
            self._queue.show_problem(str(error))
        self._on_change()
        self._candidates.check()

    def close_down(self) -> None:
        self._candidates.close()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._queue.start.setFocus()

    def _connect(self) -> None:
        self._queue.start_requested.connect(self._candidates.start)
        self._queue.continue_requested.connect(self._continue)
        self._queue.retry_requested.connect(self._retry)
        self._queue.repeat_requested.connect(self._repeat)
        self._queue.remove_requested.connect(self._remove)
        self._candidates.changed.connect(self._on_change)
        self._candidates.begun.connect(self._on_begun)
        self._candidates.ended.connect(self._on_ended)
        self._candidates.problem_found.connect(self._queue.show_problem)
        self._candidates.checked.connect(self._on_checked)
        self._candidates.compared.connect(self._queue.show_outdated)
        self._run.cancel_requested.connect(self._candidates.cancel)
        training = self._ports.training
        training.started.connect(self._on_started)
        training.planned.connect(self._on_plan)
        training.progressed.connect(self._on_progress)
        training.measured.connect(self._on_losses)
        training.sampled.connect(self._on_samples)
        training.logged.connect(self._on_line)

    @Slot()
    def _on_change(self) -> None:
        self._show_queue()
        if not self._has_news:
            self._show_rest()
        self.changed.emit()
        if self._is_watched and next_waiting(self._flow.project) is None:
            self._is_watched = False
            self.finished.emit()

    def _show_queue(self) -> None:
        self._queue.show_queue(self._flow.project.candidates, self._candidates)
        self._queue.show_start(
            can_start=next_waiting(self._flow.project) is not None and self._candidates.current is None,
            waits=self._candidates.is_waiting_for_others,
            taken_by=self._candidates.taken_by,
        )

    def _show_rest(self) -> None:
        """Nothing is being trained, and nothing has been since the page was opened."""
        beside = self.tr("Training runs beside the line and does not stop it. You may leave this page meanwhile.")
        stopped = [one for one in self._flow.project.candidates if self._candidates.can_continue(one)]
        if stopped:
            kept = self.tr("What it had learnt is kept: Continue ends with the same model as without a break.")
            self._notice.tell(self.tr("{} was interrupted").format(stopped[0].title), f"{kept}\n\n{beside}")
        elif done := trained(self._flow.project):
            words = self.tr("Next: judge what came out, or queue another candidate on the page Method to compare with.")
            title = self.tr("{} is trained").format(done[0].title)
            if len(done) > 1:
                title = self.tr("{} candidates are trained").format(len(done))
            self._notice.tell(title, words, glyph="check-circle", role="ok")
        else:
            self._notice.tell(self.tr("Ready to train"), beside)

    @Slot(object)
    def _on_checked(self, needs: Needs) -> None:
        self._queue.show_needs(needs)
        if needs.warning and self._is_ours:
            self._run.add_line(needs.warning)
        if needs.obstacle and self._candidates.current is None:
            self._notice.tell(self.tr("Too little room to train"), needs.obstacle, glyph="warning", role="fault")
            self._side.setCurrentWidget(self._notice)
            self._has_news = True

    @Slot(object)
    def _on_begun(self, candidate: Candidate) -> None:
        self._show_run(candidate)

    def _show_run(self, candidate: Candidate, *, is_new: bool = True) -> None:
        self._has_news = True
        self._run.begin(candidate.title, is_new=is_new)
        self._side.setCurrentWidget(self._run)

    @Slot(object)
    def _on_ended(self, candidate: Candidate) -> None:
        if candidate.state == "trained":
            self._is_watched = self._run.has_focus()
            self._run.show_done(self.tr("{} is trained").format(candidate.title), duration(candidate.seconds or 0))
            return
        can_continue = self._candidates.can_continue(candidate)
        kept = self.tr("What it had learnt is kept: Continue ends with the same model as without a break.")
        if candidate.state == "failed":
            words = "\n\n".join([candidate.problem, *([kept] if can_continue else [])])
            title = self.tr("{} failed").format(candidate.title)
            self._notice.tell(title, words, self._run.log_text(), glyph="warning", role="fault")
        else:
            words = kept if can_continue else self.tr("Nothing was kept of this run.")
            self._notice.tell(self.tr("{} was stopped").format(candidate.title), words)
        self._side.setCurrentWidget(self._notice)

    @property
    def _is_ours(self) -> bool:
        return self._candidates.current is not None

    @Slot(object)
    def _on_started(self, found: TrainingStarted) -> None:
        if self._is_ours:
            self._run.show_started(found)

    @Slot(object)
    def _on_plan(self, plan: TrainingPlan) -> None:
        if self._is_ours:
            self._run.show_plan(plan)

    @Slot(object)
    def _on_progress(self, progress: TrainingProgress) -> None:
        if self._is_ours:
            self._run.show_progress(progress)

    @Slot(object)
    def _on_losses(self, losses: TrainingLosses) -> None:
        if self._is_ours:
            self._run.show_losses(losses)

    @Slot(object)
    def _on_samples(self, samples: TrainingSamples) -> None:
        if self._is_ours:
            self._run.show_samples(samples)

    @Slot(str)
    def _on_line(self, line: str) -> None:
        if self._is_ours:
            self._run.add_line(line)

    @Slot(str)
    def _continue(self, candidate_id: str) -> None:
        if (candidate := self._flow.project.candidate(candidate_id)) is not None:
            self._candidates.start_again(candidate, resume=True)

    @Slot(str)
    def _retry(self, candidate_id: str) -> None:
        if (candidate := self._flow.project.candidate(candidate_id)) is not None:
            self._candidates.start_again(candidate)

    @Slot(str)
    def _repeat(self, candidate_id: str) -> None:
        if (candidate := self._flow.project.candidate(candidate_id)) is not None:
            self._candidates.queue_again(candidate)

    @Slot(str)
    def _remove(self, candidate_id: str) -> None:
        if (candidate := self._flow.project.candidate(candidate_id)) is not None:
            self._candidates.remove(candidate)


class QueueCard(QWidget):
    """The candidates from the first to the last, and the button that begins."""

    start_requested = Signal()
    continue_requested = Signal(str)
    retry_requested = Signal(str)
    repeat_requested = Signal(str)
    remove_requested = Signal(str)
    """Of a candidate by its id, see `CandidateRow`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(QUEUE_PX)
        self.rows: dict[str, CandidateRow] = {}
        self._inner = QWidget()
        self._column = QVBoxLayout(self._inner)
        self._column.setContentsMargins(0, 0, tokens.XS, 0)
        self._column.setSpacing(tokens.S)
        self._column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(self._inner)
        self._needs = theme.label("", "caption", "secondary")
        self._needs.setWordWrap(True)
        self._turn = theme.label("", "caption", "secondary")
        self._turn.setWordWrap(True)
        self._problem = ProblemLabel()
        self.start = QPushButton(" " + self.tr("Start"))
        self.start.setIcon(theme.icon("play", "on_accent"))
        theme.mark(self.start, "kind", "primary")
        self.start.clicked.connect(self.start_requested)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.S)
        column.addWidget(scroll, 1)
        for widget in (self._needs, self._problem, self._turn, self.start):
            column.addWidget(widget)
        self._turn.hide()
        self._needs.hide()

    def show_queue(self, candidates: tuple[Candidate, ...], training: CandidateTraining) -> None:
        if list(self.rows) != [one.id for one in candidates]:
            self._build(candidates)
        current = training.current
        for one in candidates:
            self.rows[one.id].show_candidate(
                one,
                is_current=current is not None and one.id == current.id,
                is_busy=current is not None or training.is_taken,
                can_continue=training.can_continue(one),
            )

    def show_start(self, *, can_start: bool, waits: bool, taken_by: str) -> None:
        """`taken_by`: what the station is training for another project; `waits`: this queue follows."""
        self.start.setEnabled(can_start and not waits)
        words = self.tr("The station trains one model at a time, now for {}.").format(taken_by) if taken_by else ""
        follows = self.tr("This queue begins when that is done.") if waits else self.tr("Start lets this queue follow.")
        self._turn.setText(f"{words} {follows}" if words and (waits or can_start) else words)
        self._turn.setVisible(bool(words))

    def show_needs(self, needs: Needs) -> None:
        """Memory and disk, before the start."""
        self._needs.setText(needs.told)
        self._needs.show()
        self._problem.show_problem(needs.obstacle or needs.warning)

    @Slot(object)
    def show_outdated(self, ids: frozenset[str]) -> None:
        """Candidates that were trained on other pictures than the project has now."""
        for one, row in self.rows.items():
            row.show_outdated(is_outdated=one in ids)

    @Slot(str)
    def show_problem(self, text: str) -> None:
        self._problem.show_problem(text)

    def _build(self, candidates: tuple[Candidate, ...]) -> None:
        for row in self.rows.values():
            self._column.removeWidget(row)
            row.deleteLater()
        self.rows = {one.id: CandidateRow(one) for one in candidates}
        for number, row in enumerate(self.rows.values()):
            self._column.insertWidget(number, row)
            row.continue_requested.connect(self.continue_requested)
            row.retry_requested.connect(self.retry_requested)
            row.repeat_requested.connect(self.repeat_requested)
            row.remove_requested.connect(self.remove_requested)
