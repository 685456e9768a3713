"""Judgement: how the trained candidates do on pictures that they have not seen, and at which threshold one goes on."""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import Qt, QTimer, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from ml.calibration import Calibration
from ml.errors import CalibrationError
from ml.region_rules import RegionRules
from ml.threshold_choice import ThresholdRule
from ml.threshold_rules import honest_estimate
from station.projects.flow import Flow
from station.projects.judgement_choices import (
    by_hand,
    calibration_of,
    rule_of,
    rules_of,
    unsure_share_of,
    with_region_rules,
    with_rule,
    with_unsure,
)
from station.projects.judging import Judging, judged
from station.projects.odd_good import odd_good
from station.projects.project import Candidate, Project
from station.projects.steps.judgement import trained_candidates
from station.projects.store import ProjectError
from station.ui import tokens
from station.ui.training.judgement.candidate_reader import CandidateReader, KnownCandidate
from station.ui.training.judgement.candidate_table import CandidateLine, CandidateTable
from station.ui.training.judgement.flips_panel import FlipsPanel
from station.ui.training.judgement.rules_card import RulesCard
from station.ui.training.judgement.score_chart import raw_score
from station.ui.training.judgement.scores_tab import ScoresTab
from station.ui.training.judgement.threshold_card import ThresholdCard, ThresholdShown
from station.ui.training.judgement.words import count_words, percent
from station.ui.training.judgement.worst_pictures import WorstPictures
from station.ui.training.wizard_page import WizardPage, WizardPorts
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.scoring import ScoringProgress

CONTROLS_PX: Final = 328
SETTLE_MS: Final = 250
LEAST_THRESHOLD: Final = 0.001
"""On the trained model's scale: half of all good parts lie above 0."""


class JudgementPage(WizardPage):
    """The chosen candidate is the one that is shown; each keeps its own threshold and rules.

    What the hand moves is a draft of that candidate, seen at once and stored when the hand has come to rest.
    """

    def __init__(self, flow: Flow, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(flow, ports, parent)
        self._reader = CandidateReader(flow.candidate_folder, self)
        self._draft: Candidate | None = None
        self._unstored = ""
        self._judging: Judging | None = None
        self._settle = QTimer(self, singleShot=True, interval=SETTLE_MS)
        self._table = CandidateTable()
        self._problem = ProblemLabel()
        self._score = QPushButton()
        self._threshold = ThresholdCard()
        self._rules = RulesCard()
        self._controls = QScrollArea()
        self._scores = ScoresTab()
        self._worst = WorstPictures()
        self._flips = FlipsPanel(ports, self)
        self._tabs = QTabWidget()
        self._arrange()
        self._connect()

    def question(self) -> str:
        return self.tr("Is it good enough?")

    def enter(self) -> None:
        """Choose the last trained candidate where none is chosen, and read what is not yet known of each."""
        trained = trained_candidates(self._flow.project)
        if trained and self._flow.project.chosen not in {one.id for one in trained}:
            self._put(self._flow.project.model_copy(update={"chosen": trained[-1].id}))
        # The chosen one first: it is looked at.
        for one in sorted(trained, key=lambda one: one.id != self._flow.project.chosen):
            self._reader.read(one.id)
        self._show_chosen()

    def leave(self) -> None:
        self._store()

    def close_down(self) -> None:
        self._store()
        self._worst.close_down()
        self._flips.close_down()
        self._reader.close()

    # Showing

    @property
    def _shown(self) -> KnownCandidate | None:
        return self._reader.known(self._draft.id) if self._draft else None

    def _show_chosen(self) -> None:
        """Everything of the candidate that the project has chosen."""
        self._draft = self._flow.project.candidate(self._flow.project.chosen)
        self._judging = None
        known = self._shown
        self._show_problem()
        self._tabs.setEnabled(known is not None)
        self._controls.setEnabled(known is not None)
        if known is None or self._draft is None:
            self._show_table()
            return
        manifest = known.evidence.manifest
        self._scores.show_ranking(manifest.calibration, known.ranking)
        self._threshold.set_defects(len(known.parts.bad))
        self._threshold.show_odd(odd_good(manifest))
        self._rules.show_rules(rules_of(self._draft, manifest))
        self._show_areas(self._draft.id)
        self._rejudge()
        self._show_estimate()
        self._settled()

    def _rejudge(self) -> None:
        """What follows the hand: matrix, lines, numbers."""
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        trained = known.evidence.manifest.calibration
        self._judging = judging = judged(known.evidence, draft)
        self._scores.show_judging(judging)
        low, high = self._scores.scores.range
        self._threshold.show_threshold(
            ThresholdShown(
                rule=rule_of(draft, trained),
                threshold=trained.normalise(judging.calibration.threshold),
                ends=(max(LEAST_THRESHOLD, low), high),
                unsure_share=unsure_share_of(draft, trained),
            )
        )

    @Slot()
    def _settled(self) -> None:
        """What may come a moment later: pictures, flips, the table, the disk."""
        self._store()
        judging, draft = self._judging, self._draft
        if judging is None or draft is None:
            return
        self._rules.show_effect(self._effect_words(judging))
        self._worst.show_judging(judging)
        self._flips.show_judging(judging, self._flow.project.recipe or "", self._flow.candidate_folder(draft.id))
        self._show_table()

    def _show_table(self) -> None:
        lines = []
        for one in trained_candidates(self._flow.project):
            known = self._reader.known(one.id)
            judging = judged(known.evidence, one) if known else None
            ranking = known.ranking if known else None
            lines.append(CandidateLine(one, judging, ranking, self._reader.problem(one.id)))
        self._table.show_lines(lines, self._flow.project.chosen)

    def _show_estimate(self) -> None:
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        trained = known.evidence.manifest.calibration
        rule = rule_of(draft, trained)
        estimate = honest_estimate(rule, known.parts, trained.median) if rule.needs_defects else None
        shortfall = ""
        found = known.parts.matrix(calibration_of(draft, trained).threshold).recall
        if rule.recall is not None and found is not None and found < rule.recall:
            shortfall = self.tr("No threshold above the typical good part finds more than {}.").format(percent(found))
        self._threshold.show_estimate(estimate, len(known.parts.bad), shortfall)

    @Slot()
    def _show_problem(self) -> None:
        """What keeps the shown candidate from being judged, and the way out where there is one."""
        known = self._shown
        self._problem.show_problem(self._unstored or (self._reader.problem(self._draft.id) if self._draft else ""))
        self._score.setVisible(known is not None and known.can_be_scored)
        self._score.setEnabled(not self._reader.is_scoring)
        self._score.setText(self.tr("Score the test pictures"))

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

    @Slot(str)
    def _show_areas(self, candidate_id: str) -> None:
        if self._draft is not None and candidate_id == self._draft.id:
            self._scores.show_areas(self._reader.areas(candidate_id))

    @Slot(str)
    def _on_read(self, candidate_id: str) -> None:
        if candidate_id == self._flow.project.chosen:
            self._store()
            self._show_chosen()
        else:
            self._show_table()

    @Slot(object)
    def _on_scoring(self, progress: ScoringProgress) -> None:
        self._score.setText(self.tr("Scoring: {} of {}").format(progress.done, progress.total))

    # Changing

    @Slot(str)
    def _choose_candidate(self, candidate_id: str) -> None:
        if candidate_id != self._flow.project.chosen:
            self._store()
            self._put(self._flow.project.model_copy(update={"chosen": candidate_id}))
            self._show_chosen()

    @Slot(object)
    def _choose_rule(self, rule: ThresholdRule) -> None:
        known = self._shown
        if known is not None:
            parts = known.parts
            self._change(lambda draft, trained: with_rule(draft, rule, trained, parts))
            self._show_estimate()

    @Slot(float)
    def _move_to(self, raw: float) -> None:
        """The hand moves the threshold: from now on it is by hand."""
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        was_by_labels = rule_of(draft, known.evidence.manifest.calibration).needs_defects
        self._change(lambda draft, trained: by_hand(draft, max(raw, raw_score(LEAST_THRESHOLD, trained)), trained))
        if was_by_labels:
            self._show_estimate()

    @Slot(float)
    def _move_on_scale(self, normalised: float) -> None:
        if self._shown is not None:
            self._move_to(raw_score(normalised, self._shown.evidence.manifest.calibration))

    @Slot(object)
    def _choose_band(self, share: float | None) -> None:
        self._change(lambda draft, trained: with_unsure(draft, share, trained))

    @Slot(object)
    def _choose_rules(self, rules: RegionRules | None) -> None:
        known = self._shown
        if known is not None:
            trained_rules = known.evidence.manifest.rules
            self._change(lambda draft, trained: with_region_rules(draft, rules, trained_rules))

    def _change(self, changed: Callable[[Candidate, Calibration], Candidate]) -> None:
        known, draft = self._shown, self._draft
        if known is None or draft is None:
            return
        try:
            self._draft = changed(draft, known.evidence.manifest.calibration)
        except CalibrationError as error:
            self._problem.show_problem(str(error))
            return
        self._show_problem()
        self._rejudge()
        self._settle.start()

    @Slot()
    def _begin_scoring(self) -> None:
        if self._draft is not None:
            self._reader.score(self._draft.id)
            self._score.setEnabled(False)

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
            self._put(project.with_candidate(changed))

    def _put(self, project: Project) -> None:
        """Store it; where that fails, say so: what was chosen stays on the page and is stored with the next change."""
        try:
            self._flow.replace(project)
        except ProjectError as error:
            self._unstored = str(error)
        else:
            self._unstored = ""
            self.changed.emit()
        self._show_problem()

    # Arranging

    def _arrange(self) -> None:
        form = QWidget()
        cards = QVBoxLayout(form)
        cards.setContentsMargins(0, 0, tokens.S, 0)
        cards.setSpacing(tokens.M)
        cards.addWidget(self._threshold)
        cards.addWidget(self._rules)
        cards.addStretch(1)
        self._controls.setWidgetResizable(True)
        self._controls.setFrameShape(QFrame.Shape.NoFrame)
        self._controls.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._controls.setFixedWidth(CONTROLS_PX)
        self._controls.setWidget(form)
        self._tabs.addTab(self._scores, self.tr("Scores"))
        self._tabs.addTab(self._worst, self.tr("Pictures"))
        self._flips.hide()
        if self._flow.project.recipe is not None:
            self._tabs.addTab(self._flips, self.tr("Past parts"))
        trouble = QHBoxLayout()
        trouble.setSpacing(tokens.M)
        trouble.addWidget(self._problem, 1)
        trouble.addWidget(self._score)
        below = QHBoxLayout()
        below.setSpacing(tokens.M)
        below.addWidget(self._controls)
        below.addWidget(self._tabs, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        column.addWidget(self._table)
        column.addLayout(trouble)
        column.addLayout(below, 1)

    def _connect(self) -> None:
        self._reader.changed.connect(self._on_read)
        self._reader.areas_found.connect(self._show_areas)
        self._reader.scoring.connect(self._on_scoring)
        self._settle.timeout.connect(self._settled)
        self._score.clicked.connect(self._begin_scoring)
        self._table.chosen.connect(self._choose_candidate)
        self._threshold.rule_chosen.connect(self._choose_rule)
        self._threshold.threshold_moved.connect(self._move_on_scale)
        self._threshold.threshold_settled.connect(self._settle.start)
        self._threshold.band_chosen.connect(self._choose_band)
        self._rules.rules_chosen.connect(self._choose_rules)
        self._scores.threshold_moved.connect(self._move_to)
        self._scores.threshold_settled.connect(self._settle.start)
