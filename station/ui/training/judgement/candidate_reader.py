"""Reads the trained candidates outside the GUI thread, and has missing scores of their test pictures made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from ml.score_sheet import scores_folder
from ml.threshold_rules import LabelledParts
from station.projects.defect_areas import DefectAreas, defect_areas
from station.projects.evidence import Evidence, has_tests, model_file
from station.projects.judging import Ranking
from station.projects.order import PICTURES_FILE
from station.workers.queries import Queries
from station.workers.scoring import ScoredSheet, ScoringProcess, ScoringProgress


@dataclass(frozen=True, slots=True, eq=False)
class KnownCandidate:
    """What has been read of one candidate. `parts` are what labelled rules choose by."""

    evidence: Evidence
    ranking: Ranking
    parts: LabelledParts

    @property
    def can_be_scored(self) -> bool:
        """Whether its scores are missing, and there are pictures to make them from."""
        return bool(self.evidence.problem) and has_tests(self.evidence.model)


class CandidateReader(QObject):
    """Keeps what it has read. Lives in the GUI thread; `close` before it goes."""

    changed = Signal(str)
    """Id of the candidate of which more, or a problem, is known now."""
    areas_found = Signal(str)
    """Id of the candidate whose defect areas are known now."""
    scoring = Signal(object)
    """ScoringProgress of the scores that are being made."""

    def __init__(self, folder_of: Callable[[str], Path], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder_of = folder_of
        self._asked: set[str] = set()
        self._known: dict[str, KnownCandidate] = {}
        self._problems: dict[str, str] = {}
        self._areas: dict[str, DefectAreas] = {}
        self._scored_id = ""
        self._queries = Queries(self)
        self._process = ScoringProcess(parent=self)
        self._process.progressed.connect(self._on_progress)
        self._process.succeeded.connect(self._on_scored)
        self._process.failed.connect(self._on_not_scored)

    def known(self, candidate_id: str) -> KnownCandidate | None:
        return self._known.get(candidate_id)

    def problem(self, candidate_id: str) -> str:
        """Why it cannot be judged, or not in full; "" where it can."""
        return self._problems.get(candidate_id, "")

    def areas(self, candidate_id: str) -> DefectAreas | None:
        return self._areas.get(candidate_id)

    @property
    def is_scoring(self) -> bool:
        return self._process.is_running

    def read(self, candidate_id: str) -> None:
        """Once; afterwards it is known. Again where it could not be read."""
        has_failed = bool(self.problem(candidate_id)) and self.known(candidate_id) is None
        if candidate_id not in self._asked or has_failed:
            self._asked.add(candidate_id)
            self._read_anew(candidate_id)

    def score(self, candidate_id: str) -> None:
        """Make the scores of its test pictures, in a child process, and read it anew."""
        known = self.known(candidate_id)
        if known is not None and not self.is_scoring:
            model = known.evidence.model
            self._scored_id = candidate_id
            self._process.start(model, model.with_name(PICTURES_FILE), scores_folder(model))

    def close(self) -> None:
        self._queries.close()
        self._process.stop()

    def _read_anew(self, candidate_id: str) -> None:
        folder = self._folder_of(candidate_id)

        def read() -> KnownCandidate:
            evidence = Evidence.read(model_file(folder))
            parts = LabelledParts.of(evidence.manifest.calibration, evidence.rows)
            return KnownCandidate(evidence, Ranking.of(evidence), parts)

        def take(known: KnownCandidate) -> None:
            self._known[candidate_id] = known
            self._tell(candidate_id, known.evidence.problem)
            if known.evidence.rows:
                self._queries.ask(lambda: defect_areas(known.evidence), then=take_areas)

        def take_areas(areas: DefectAreas) -> None:
            self._areas[candidate_id] = areas
            self.areas_found.emit(candidate_id)

        def give_up(problem: str) -> None:
            self._tell(candidate_id, problem)

        self._queries.ask(read, then=take, otherwise=give_up)

    def _tell(self, candidate_id: str, problem: str) -> None:
        self._problems[candidate_id] = problem
        self.changed.emit(candidate_id)

    @Slot(object)
    def _on_progress(self, progress: ScoringProgress) -> None:
        self.scoring.emit(progress)

    @Slot(object)
    def _on_scored(self, sheet: ScoredSheet) -> None:
        self._read_anew(self._scored_id)

    @Slot(str)
    def _on_not_scored(self, reason: str) -> None:
        self._tell(self._scored_id, reason)
