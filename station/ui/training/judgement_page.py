"""Judgement: how the trained candidates do on pictures that they have not seen, and at which threshold one goes on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from ml.calibration import Calibration
from ml.errors import CalibrationError
from ml.region_rules import RegionRules
from ml.threshold_choice import ThresholdChoice, ThresholdRule
from ml.threshold_rules import LabelledParts, choose, honest_estimate
from station.projects.defect_areas import DefectAreas, defect_areas
from station.projects.evidence import Evidence, has_tests, model_file, rules_of, scores_folder
from station.projects.flow import Flow
from station.projects.judging import Judging, Ranking, calibration_of
from station.projects.order import PICTURES_FILE
from station.projects.project import Candidate
from station.projects.steps.judgement import trained_candidates
from station.ui import theme, tokens
from station.ui.training.candidate_table import CandidateLine, CandidateTable
from station.ui.training.curve_chart import CurveChart
from station.ui.training.flips_panel import FlipsPanel
from station.ui.training.judgement_words import count_words
from station.ui.training.kinds_chart import KindsChart
from station.ui.training.outcome_card import OutcomeCard
from station.ui.training.rules_card import RulesCard
from station.ui.training.score_chart import ScoreChart, raw_score
from station.ui.training.threshold_card import ThresholdCard, ThresholdShown
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.training.worst_pictures import WorstPictures
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.queries import Queries
from station.workers.scoring import ScoredSheet, ScoringProcess, ScoringProgress

CONTROLS_PX: Final = 320
OUTCOME_PX: Final = 352
WIDE_PX: Final = 1250
"""From this width on both curves and the kinds stand beside each other."""

SETTLE_MS: Final = 250
LEAST_THRESHOLD: Final = 0.001
"""On the trained model's scale: half of all good parts lie above 0."""


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What has been read of one candidate."""

    evidence: Evidence
    ranking: Ranking
    parts: LabelledParts


class JudgementPage(WizardPage):
    """The chosen candidate is the one that is shown; each keeps its own threshold and rules."""

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self._queries = Queries(self)
        self._known: dict[str, _Known] = {}
        self._problems: dict[str, str] = {}
        self._asked: set[str] = set()
        self._draft: Candidate | None = None
        self._judging: Judging | None = None
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._table = CandidateTable()
        self._problem = ProblemLabel()
        self._score = QPushButton(self.tr("Score the test pictures"))
        self._scoring = ScoringProcess(parent=self)
        self._scored_id = ""
        self._areas: dict[str, DefectAreas] = {}
        self._threshold = ThresholdCard()
        self._rules = RulesCard()
        self._scores = ScoreChart()
        self._roc, self._pr = CurveChart("roc"), CurveChart("pr")
        self._outcome, self._kinds = OutcomeCard(), KindsChart()
        self._worst = WorstPictures()
        self._flips = FlipsPanel(ports)
        self._tabs = QTabWidget()
        self._arrange()
        self._connect()

    def question(self) -> str:
        return self.tr("Is it good enough?")

    def enter(self) -> None:
        """Choose the last trained candidate where none is chosen, and read what is not yet known of each."""
        trained = trained_candidates(self._flow.project)
        ids = {one.id for one in trained}
        if trained and self._flow.project.chosen not in ids:
            self._flow.change(chosen=trained[-1].id)
            self.changed.emit()
        self._asked &= ids
        # The chosen one first: it is looked at.
        for one in sorted(trained, key=lambda one: one.id != self._flow.project.chosen):
            if one.id not in self._asked:
                self._asked.add(one.id)
                self._read(one)
        self._show_chosen()

    def leave(self) -> None:
        self._store()

    def close_down(self) -> None:
        self._store()
        self._worst.close_down()
        self._flips.close_down()
        self._queries.close()
        self._scoring.stop()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_lower()

    # Reading

    def _read(self, candidate: Candidate) -> None:
        folder: Path = self._flow.candidate_folder(candidate.id)

        def read() -> _Known:
            evidence = Evidence.read(model_file(folder))
            parts = LabelledParts.of(evidence.manifest.calibration, evidence.rows)
            return _Known(evidence, Ranking.of(evidence), parts)

        def take(known: _Known) -> None:
            self._take(candidate.id, known)

        def tell(problem: str) -> None:
            self._problems[candidate.id] = problem
            self._show_chosen()

        self._queries.ask(read, then=take, otherwise=tell)

    def _take(self, candidate_id: str, known: _Known) -> None:
        self._known[candidate_id] = known
        self._problems.pop(candidate_id, None)
        self._areas.pop(candidate_id, None)
        if known.evidence.problem:
            self._problems[candidate_id] = known.evidence.problem
        if candidate_id == self._flow.project.chosen:
            self._show_chosen()
        else:
            self._show_table()

        def take_areas(areas: DefectAreas) -> None:
            self._areas[candidate_id] = areas
            self._show_areas()

        if known.evidence.rows:
            self._queries.ask(lambda: defect_areas(known.evidence), then=take_areas)

    def _show_areas(self) -> None:
        self._kinds.show_areas(self._areas.get(self._draft.id) if self._draft else None)

    @Slot()
    def _begin_scoring(self) -> None:
        """Of the candidate that is shown; its sheet is missing or of another model."""
        known, draft = self._shown, self._draft
        if known is not None and draft is not None and not self._scoring.is_running:
            model = known.evidence.model
            self._scored_id = draft.id
            self._scoring.start(model, model.with_name(PICTURES_FILE), scores_folder(model))
            self._show_problem()

    @Slot(object)
    def _on_scoring(self, progress: ScoringProgress) -> None:
        self._score.setText(self.tr("Scoring: {} of {}").format(progress.done, progress.total))

    @Slot(object)
    def _on_scored(self, sheet: ScoredSheet) -> None:
        self._problems.pop(self._scored_id, None)
        candidate = self._flow.project.candidate(self._scored_id)
        if candidate is not None:
            self._read(candidate)
        self._show_problem()

    @Slot(str)
    def _on_not_scored(self, reason: str) -> None:
        self._problems[self._scored_id] = reason
        self._show_problem()

    def _show_problem(self) -> None:
        """What keeps the shown candidate from being judged, and the way out where there is one."""
        known, draft = self._shown, self._draft
        self._problem.show_problem(self._problems.get(draft.id, "") if draft else "")
        is_unscored = known is not None and bool(known.evidence.problem) and has_tests(known.evidence.model)
        self._score.setVisible(is_unscored)
        self._score.setEnabled(not self._scoring.is_running)
        if not self._scoring.is_running:
            self._score.setText(self.tr("Score the test pictures"))

    # Showing

    def _show_chosen(self) -> None:
        """Everything of the candidate that the project has chosen."""
        self._draft = self._flow.project.candidate(self._flow.project.chosen)
        known = self._shown
        self._show_problem()
        self._tabs.setEnabled(known is not None)
        self._controls.setEnabled(known is not None)
        if known is None or self._draft is None:
            self._judging = None
            self._show_table()
            return
        scale = known.evidence.manifest.calibration
        self._scores.show_ranking(scale, known.ranking)
        self._roc.show_ranking(known.ranking)
        self._pr.show_ranking(known.ranking)
        self._threshold.set_defects(len(known.parts.bad))
        self._rules.show_rules(rules_of(self._draft, known.evidence.manifest))
        self._show_areas()
        self._show_estimate()
        self._rejudge()
        self._settled()

    @property
    def _shown(self) -> _Known | None:
        return self._known.get(self._draft.id) if self._draft else None

    def _rejudge(self) -> None:
        """What follows the hand: matrix, lines, numbers."""
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        trained = known.evidence.manifest.calibration
        calibration = calibration_of(draft, trained)
        judging = Judging.of(known.evidence, calibration, rules_of(draft, known.evidence.manifest))
        self._judging = judging
        self._scores.show_threshold(calibration)
        self._roc.show_point(judging.matrix)
        self._pr.show_point(judging.matrix)
        self._outcome.show_judging(judging)
        self._kinds.show_kinds(judging.kinds)
        self._threshold.show_threshold(
            ThresholdShown(
                rule=_rule_of(draft, trained),
                threshold=trained.normalise(calibration.threshold),
                ends=(max(LEAST_THRESHOLD, self._scores.range[0]), self._scores.range[1]),
                unsure_share=_share_of(draft, trained),
            )
        )

    @Slot()
    def _settled(self) -> None:
        """What may come a moment later: pictures, flips, the table, the disk."""
        self._settle.stop()
        self._store()
        judging = self._judging
        if judging is None:
            return
        self._rules.show_effect(self._effect_words(judging))
        self._worst.show_judging(judging)
        if self._draft is not None:
            self._flips.show_judging(
                judging, self._flow.project.recipe or "", self._flow.candidate_folder(self._draft.id)
            )
        self._show_table()

    def _show_table(self) -> None:
        lines = []
        for one in trained_candidates(self._flow.project):
            known = self._known.get(one.id)
            judging = None
            if known is not None and self._draft is not None and one.id == self._draft.id:
                judging = self._judging
            elif known is not None:
                manifest = known.evidence.manifest
                calibration = calibration_of(one, manifest.calibration)
                judging = Judging.of(known.evidence, calibration, rules_of(one, manifest))
            ranking = known.ranking if known else None
            lines.append(CandidateLine(one, judging, ranking, self._problems.get(one.id, "")))
        self._table.show_lines(lines, self._flow.project.chosen)

    def _effect_words(self, judging: Judging) -> str:
        if judging.rules is None:
            return ""
        alone = judging.rules.model_copy(update={"verdict": "rules"})
        by_rules = Judging.of(judging.evidence, judging.calibration, alone)
        if by_rules.goods_from == "held-out":
            return self.tr("Regions alone find {} defects.").format(count_words(by_rules.found))
        return self.tr("Regions alone call {} good parts NG and find {} defects.").format(
            count_words(by_rules.false_alarms), count_words(by_rules.found)
        )

    def _show_estimate(self) -> None:
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        rule, calibration = _rule_of(draft, known.evidence.manifest.calibration), known.evidence.manifest.calibration
        estimate = honest_estimate(rule, known.parts, calibration.median) if rule.needs_defects else None
        self._threshold.show_estimate(estimate, len(known.parts.bad))

    # Changing

    @Slot(str)
    def _choose_candidate(self, candidate_id: str) -> None:
        if candidate_id != self._flow.project.chosen:
            self._settled()
            self._flow.change(chosen=candidate_id)
            self._show_chosen()
            self.changed.emit()

    @Slot(object)
    def _choose_rule(self, rule: ThresholdRule) -> None:
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        trained = known.evidence.manifest.calibration
        share = _share_of(draft, trained)
        try:
            if rule.rule == "manual":
                now = calibration_of(draft, trained).threshold
                choice = ThresholdChoice(rule="manual", threshold=now, unsure_share=share)
            else:
                choice = choose(rule, trained, known.parts, share)
            trained.with_choice(choice)
        except CalibrationError as error:
            self._problem.show_problem(str(error))
            return
        self._problem.show_problem("")
        self._change(choice)
        self._show_estimate()

    @Slot(float)
    def _move_to(self, raw: float) -> None:
        """The hand moves the threshold: from now on it is by hand."""
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        trained = known.evidence.manifest.calibration
        choice = ThresholdChoice(
            rule="manual",
            threshold=max(raw, raw_score(LEAST_THRESHOLD, trained)),
            unsure_share=_share_of(draft, trained),
        )
        was_by_labels = _rule_of(draft, trained).needs_defects
        self._change(choice)
        if was_by_labels:
            self._show_estimate()

    @Slot(float)
    def _move_on_scale(self, normalised: float) -> None:
        if self._shown is not None:
            self._move_to(raw_score(normalised, self._shown.evidence.manifest.calibration))

    @Slot(object)
    def _choose_band(self, share: float | None) -> None:
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        trained = known.evidence.manifest.calibration
        threshold = calibration_of(draft, trained).threshold
        rule = _rule_of(draft, trained)
        self._change(ThresholdChoice(**rule.model_dump(), threshold=threshold, unsure_share=share))

    @Slot(object)
    def _choose_rules(self, rules: RegionRules | None) -> None:
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        trained = known.evidence.manifest.rules
        chosen = {"rules": None if rules == trained else rules, "without_rules": rules is None and trained is not None}
        self._draft = draft.model_copy(update=chosen)
        self._rejudge()
        self._settle.start()

    def _change(self, choice: ThresholdChoice) -> None:
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        trained = known.evidence.manifest.calibration
        is_as_trained = choice == _trained_choice(trained)
        self._draft = draft.model_copy(update={"choice": None if is_as_trained else choice})
        self._rejudge()
        self._settle.start()

    def _store(self) -> None:
        """What was chosen since, into the project as it is now: another part of it may have changed meanwhile."""
        self._settle.stop()
        draft, judging, project = self._draft, self._judging, self._flow.project
        stored = project.candidate(draft.id) if draft else None
        if draft is None or stored is None or judging is None:
            return
        changed = stored.model_copy(
            update={
                "choice": draft.choice,
                "rules": draft.rules,
                "without_rules": draft.without_rules,
                "judged": judging.counts,
            }
        )
        if changed != stored:
            self._flow.replace(project.with_candidate(changed))
            self.changed.emit()

    # Arranging

    def _arrange(self) -> None:
        form = QWidget()
        cards = QVBoxLayout(form)
        cards.setContentsMargins(0, 0, tokens.S, 0)
        cards.setSpacing(tokens.M)
        cards.addWidget(self._threshold)
        cards.addWidget(self._rules)
        cards.addStretch(1)
        self._controls = QScrollArea()
        self._controls.setWidgetResizable(True)
        self._controls.setFrameShape(QFrame.Shape.NoFrame)
        self._controls.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._controls.setFixedWidth(CONTROLS_PX)
        self._controls.setWidget(form)
        self._tabs.addTab(self._scores_tab(), self.tr("Scores"))
        self._tabs.addTab(self._worst, self.tr("Pictures"))
        if self._flow.project.recipe is not None:
            self._tabs.addTab(self._flips, self.tr("Past parts"))
        else:
            self._flips.setParent(self)
            self._flips.hide()
        below = QHBoxLayout()
        below.setSpacing(tokens.M)
        below.addWidget(self._controls)
        below.addWidget(self._tabs, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        column.addWidget(self._table)
        trouble = QHBoxLayout()
        trouble.setSpacing(tokens.M)
        trouble.addWidget(self._problem, 1)
        trouble.addWidget(self._score)
        column.addLayout(trouble)
        column.addLayout(below, 1)

    def _scores_tab(self) -> QWidget:
        self._lower = QButtonGroup(self)
        self._chips = QWidget()
        chips = QHBoxLayout(self._chips)
        chips.setContentsMargins(0, 0, 0, 0)
        chips.setSpacing(tokens.S)
        for number, words in enumerate((self.tr("ROC"), self.tr("Precision"), self.tr("Kinds"))):
            chip = QPushButton(words)
            chip.setCheckable(True)
            theme.mark(chip, "kind", "chip")
            self._lower.addButton(chip, number)
            chips.addWidget(chip)
        chips.addStretch(1)
        self._lower.button(0).setChecked(True)
        charts = QHBoxLayout()
        charts.setSpacing(tokens.M)
        for chart in (self._roc, self._pr, self._kinds):
            charts.addWidget(chart, 1)
        left = QVBoxLayout()
        left.setSpacing(tokens.XS)
        left.addWidget(self._chips)
        left.addLayout(charts, 1)
        self._outcome.setFixedWidth(OUTCOME_PX)
        row = QHBoxLayout()
        row.setSpacing(tokens.M)
        row.addLayout(left, 1)
        row.addWidget(self._outcome)
        tab = QWidget()
        column = QVBoxLayout(tab)
        column.setContentsMargins(tokens.M, tokens.S, tokens.M, tokens.M)
        column.setSpacing(tokens.S)
        column.addWidget(self._scores, 1)
        column.addLayout(row, 1)
        return tab

    @Slot()
    def _show_lower(self) -> None:
        is_wide = self.width() >= WIDE_PX
        self._chips.setVisible(not is_wide)
        for number, chart in enumerate((self._roc, self._pr, self._kinds)):
            chart.setVisible(is_wide or number == self._lower.checkedId())

    def _connect(self) -> None:
        self._settle.timeout.connect(self._settled)
        self._score.clicked.connect(self._begin_scoring)
        self._scoring.progressed.connect(self._on_scoring)
        self._scoring.succeeded.connect(self._on_scored)
        self._scoring.failed.connect(self._on_not_scored)
        self._scoring.cancelled.connect(self._show_problem)
        self._table.chosen.connect(self._choose_candidate)
        self._threshold.rule_chosen.connect(self._choose_rule)
        self._threshold.threshold_moved.connect(self._move_on_scale)
        self._threshold.threshold_settled.connect(self._settle.start)
        self._threshold.band_chosen.connect(self._choose_band)
        self._rules.rules_chosen.connect(self._choose_rules)
        self._lower.idClicked.connect(self._show_lower)
        charts: tuple[Any, ...] = (self._scores, self._roc)
        for chart in charts:
            chart.threshold_moved.connect(self._move_to)
            chart.threshold_settled.connect(self._settle.start)


def _trained_choice(trained: Calibration) -> ThresholdChoice:
    """The threshold and the band that the training gave, as a choice."""
    factor = trained.band_factor
    share = min(factor * trained.alpha, 0.5) if factor and trained.threshold_low is not None else None
    return ThresholdChoice(rule="false_alarms", alpha=trained.alpha, threshold=trained.threshold, unsure_share=share)


def _rule_of(candidate: Candidate, trained: Calibration) -> ThresholdRule:
    chosen = candidate.choice or _trained_choice(trained)
    return ThresholdRule(**chosen.model_dump(exclude={"threshold", "unsure_share"}))


def _share_of(candidate: Candidate, trained: Calibration) -> float | None:
    return (candidate.choice or _trained_choice(trained)).unsure_share
