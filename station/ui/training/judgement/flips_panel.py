"""Past parts of the recipe in use whose verdict would be another with the model and the threshold that are shown."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from ml.errors import LoupeError
from ml.score_sheet import SHEET_FILE, ScoreSheet
from station.core.inspection import PartView
from station.core.verdict import Verdict
from station.projects.flips import MOST_PARTS, USUAL_PARTS, Direction, Flip, as_list, find_flips, past_parts
from station.projects.judging import Judging
from station.projects.store import ProjectError
from station.ui import theme, tokens
from station.ui.history.part_pictures import PartPictures
from station.ui.training.judgement.judged_pictures import JudgedPicture, judged_picture, window_of
from station.ui.training.judgement.judged_view import JudgedView
from station.ui.training.judgement.picture_strip import PictureStrip, StripItem
from station.ui.training.wizard_page import WizardPorts
from station.ui.widgets.elided_label import ElidedLabel
from station.ui.widgets.form_fields import FormFields
from station.ui.widgets.heat_legend import HeatLegend
from station.ui.widgets.region_item import RegionMark
from station.workers.queries import Queries
from station.workers.scoring import ScoredSheet, ScoringProcess, ScoringProgress

STRIP_PX: Final = 200
LIST_FILE, SCORES_FOLDER = "past.json", "past.scores"
DIRECTIONS: Final[tuple[Direction | None, ...]] = (None, "passes", "rejected", "other")
"""None: all of them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """For which candidate and recipe the panel stands."""

    judging: Judging
    recipe: str
    folder: Path

    @property
    def scores(self) -> Path:
        return self.folder / SCORES_FOLDER


@dataclass(frozen=True, slots=True)
class _Found:
    """The flips among so many parts that were scored anew."""

    flips: tuple[Flip, ...]
    scored: int


class FlipsPanel(QWidget):
    """The pictures are scored on request, in a child process; after that the list follows the threshold."""

    def __init__(self, ports: WizardPorts, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._archive = ports.archive
        self._old_pictures = PartPictures(ports.archive.pictures, ports.archive.models)
        self._asked: _Asked | None = None
        self._flips: tuple[Flip, ...] = ()
        self._queries, self._picture_queries = Queries(self), Queries(self)
        self._scoring = ScoringProcess(parent=self)
        self._ordered: _Asked | None = None  # what is being scored, from the order to its end
        self._number = QSpinBox()
        self._number.setRange(10, MOST_PARTS)
        self._number.setSingleStep(100)
        self._number.setValue(USUAL_PARTS)
        self._number.setPrefix(self.tr("newest "))
        self._number.setAccessibleName(self.tr("How many of the newest parts"))
        self._start = QPushButton(self.tr("Judge past parts anew"))
        self._stop = QPushButton(self.tr("Stop"))
        self._progress = QProgressBar()
        self._words = theme.label("", "body", "secondary")
        self._words.setWordWrap(True)
        self._directions = QButtonGroup(self)
        self._strip = PictureStrip()
        self._strip.setMinimumWidth(STRIP_PX)
        self._strip.setAccessibleName(self.tr("Parts whose verdict would change"))
        self._old, self._new = JudgedView(has_legend=False), JudgedView(has_legend=False)
        self._old_title, self._new_title = ElidedLabel(), ElidedLabel()
        for title in (self._old_title, self._new_title):
            theme.tag(title, "emphasised", bold=True)
        self._form_fields = FormFields(self)
        self._arrange()
        self._form_fields.tend(self)
        self._connect()
        self._show_running(False)

    def show_judging(self, judging: Judging, recipe: str, folder: Path) -> None:
        """For the candidate whose files lie in `folder`; its parts are those that were judged by `recipe`."""
        if not recipe:
            return
        self._asked = _Asked(judging, recipe, folder)
        self._find()

    def close_down(self) -> None:
        self._scoring.stop()
        self._strip.close_down()
        self._queries.close()
        self._picture_queries.close()

    # Scoring

    @Slot()
    def _begin(self) -> None:
        asked, number, archive = self._asked, self._number.value(), self._archive
        if asked is None:
            return

        def prepare() -> tuple[_Asked, int]:
            listed, gone = as_list(past_parts(archive.reader, asked.recipe, number), archive.pictures)
            if not listed.pictures:
                raise ProjectError(f"The history holds no judged part of '{asked.recipe}' with its picture.")
            try:
                listed.save(asked.folder / LIST_FILE)
            except OSError as error:
                raise ProjectError(
                    f"{asked.folder / LIST_FILE}: cannot be written ({error.strerror}). Free some space."
                ) from error
            return asked, gone

        self._ordered = asked
        self._show_running(True)
        self._queries.ask(prepare, then=self._score, otherwise=partial(self._on_unprepared, asked))

    def _on_unprepared(self, asked: _Asked, reason: str) -> None:
        if asked is self._ordered:
            self._on_failure(reason)

    def _score(self, prepared: tuple[_Asked, int]) -> None:
        asked, gone = prepared
        if asked is not self._ordered:  # stopped meanwhile
            return
        if gone:
            self._words.setText(self.tr("{} parts are left out: their pictures are not stored any more.").format(gone))
        self._scoring.start(asked.judging.evidence.model, asked.folder / LIST_FILE, asked.scores)

    @Slot()
    def _cancel(self) -> None:
        if self._scoring.is_running:
            self._scoring.cancel()
        else:  # the pictures are still being listed
            self._on_cancelled()

    @Slot(object)
    def _on_progress(self, progress: ScoringProgress) -> None:
        self._progress.setRange(0, progress.total)
        self._progress.setValue(progress.done)

    @Slot(object)
    def _on_success(self, sheet: ScoredSheet) -> None:
        self._ordered = None
        self._show_running(False)
        self._find()

    @Slot(str)
    def _on_failure(self, reason: str) -> None:
        self._ordered = None
        self._show_running(False)
        self._words.setText(reason)

    @Slot()
    def _on_cancelled(self) -> None:
        self._ordered = None
        self._show_running(False)
        self._find()

    # Finding

    def _find(self) -> None:
        asked, reader = self._asked, self._archive.reader
        if asked is None or self._ordered is not None:
            return

        def find() -> _Found | None:
            if not (asked.scores / SHEET_FILE).exists():
                return None
            sheet = ScoreSheet.load(asked.scores)
            judging = asked.judging
            if sheet.model_hash != judging.evidence.manifest.model_hash:
                return None
            parts = past_parts(reader, asked.recipe, MOST_PARTS)
            return _Found(find_flips(parts, asked.scores, judging.calibration, judging.rules), len(sheet.rows))

        self._queries.ask(find, then=self._show_found, otherwise=self._on_not_found, withdraw_waiting=True)

    def _on_not_found(self, reason: str) -> None:
        if self._ordered is None:
            self._words.setText(reason)

    def _show_found(self, found: _Found | None) -> None:
        if self._ordered is not None:  # asked before; it is asked again afterwards
            return
        self._flips = found.flips if found else ()
        if found is None:
            self._words.setText(
                self.tr(
                    "Judge the newest parts of '{}' anew with this model, to see every one whose verdict would change."
                ).format(self._asked.recipe if self._asked else "")
            )
        else:
            worse = sum(flip.is_worse for flip in found.flips)
            words = self.tr("{} of {} parts would get another verdict.").format(len(found.flips), found.scored)
            if worse:
                words += " " + self.tr("{} of them against what is known of the part: these stand first.").format(worse)
            self._words.setText(words)
        self._show_direction()

    @Slot()
    def _show_direction(self) -> None:
        titles = (self.tr("All"), self.tr("Would pass"), self.tr("Rejected"), self.tr("Otherwise"))
        for number, (direction, title) in enumerate(zip(DIRECTIONS, titles, strict=True)):
            count = sum(direction in (None, flip.direction) for flip in self._flips)
            self._directions.button(number).setText(f"{title}  {count}")
        wanted = DIRECTIONS[self._directions.checkedId()]
        window = window_of(self._asked.judging.evidence.manifest) if self._asked else (0.0, 255.0)
        self._strip.show_items(
            [
                StripItem(flip.part.inspection.id, self._title(flip), self._known_words(flip), flip.row.file, window)
                for flip in self._flips
                if wanted in (None, flip.direction)
            ]
        )

    @Slot(object)
    def _read(self, inspection_id: str | None) -> None:
        flip = next((one for one in self._flips if one.part.inspection.id == inspection_id), None)
        asked = self._asked
        if flip is None or asked is None:
            for view, title in ((self._old, self._old_title), (self._new, self._new_title)):
                view.show_problem("")
                title.setText("")
            return
        evidence, pictures = asked.judging.evidence, self._old_pictures
        calibration, window = evidence.manifest.calibration, window_of(evidence.manifest)

        def read() -> tuple[Flip, JudgedPicture | str, JudgedPicture | str]:
            stored = pictures.part(flip.part.inspection, ())
            old = _of_view(stored.view) if stored.view is not None else stored.problem
            try:
                new: JudgedPicture | str = judged_picture(flip.row, asked.scores, calibration, window)
            except LoupeError as error:
                new = str(error)
            return flip, old, new

        self._picture_queries.ask(read, withdraw_waiting=True)

    @Slot(int, object)
    def _on_pictures(self, number: int, answer: tuple[Flip, JudgedPicture | str, JudgedPicture | str]) -> None:
        flip, old, new = answer
        if not self._picture_queries.is_latest(number) or self._strip.current_key() != flip.part.inspection.id:
            return
        inspection = flip.part.inspection
        captured = inspection.captured_at.astimezone().strftime("%Y-%m-%d %H:%M")
        self._show_side(
            self._old, self._old_title, old, self.tr("was {}").format(flip.old.value), flip.old, flip.old_score,
            f"{inspection.serial}   {captured}",
        )  # fmt: skip
        self._show_side(
            self._new, self._new_title, new, self.tr("would be {}").format(flip.new.value), flip.new, flip.new_score,
            flip.row.fault or self._known_words(flip),
        )  # fmt: skip

    def _show_side(
        self,
        view: JudgedView,
        title: ElidedLabel,
        shown: JudgedPicture | str,
        words: str,
        verdict: Verdict,
        score: float | None,
        caption: str,
    ) -> None:
        title.setText(words if score is None else f"{words}  {score:.2f}")
        theme.tag(title, "emphasised", theme.verdict_role(verdict), bold=True)
        if isinstance(shown, str):
            view.show_problem(shown)
        else:
            view.show_picture(shown, caption)

    def _title(self, flip: Flip) -> str:
        return f"{flip.old.value} → {flip.new.value}"

    def _known_words(self, flip: Flip) -> str:
        part = flip.part
        if part.truth is None:
            return self.tr("truth not known")
        truth = self.tr("good") if part.truth == "good" else self.tr("bad")
        known = self.tr("confirmed {}") if part.is_confirmed else self.tr("given {}")
        return known.format(truth)

    # Arranging

    def _arrange(self) -> None:
        head = QHBoxLayout()
        head.setSpacing(tokens.S)
        head.addWidget(self._words, 1)
        head.addWidget(self._progress)
        head.addWidget(self._number)
        head.addWidget(self._start)
        head.addWidget(self._stop)
        self._progress.setFixedWidth(8 * tokens.L)
        self._progress.setTextVisible(False)
        chips = QHBoxLayout()
        chips.setSpacing(tokens.S)
        for number, _ in enumerate(DIRECTIONS):
            chip = QPushButton()
            chip.setCheckable(True)
            theme.mark(chip, "kind", "chip")
            self._directions.addButton(chip, number)
            chips.addWidget(chip)
        self._directions.button(0).setChecked(True)
        chips.addStretch(1)
        both = QHBoxLayout()
        both.setSpacing(tokens.M)
        side = QVBoxLayout()
        side.setSpacing(tokens.XS)
        side.addWidget(self._strip, 1)
        side.addWidget(HeatLegend())
        both.addLayout(side, 2)
        for title, view in ((self._old_title, self._old), (self._new_title, self._new)):
            side = QVBoxLayout()
            side.setSpacing(tokens.XS)
            side.addWidget(title)
            side.addWidget(view, 1)
            both.addLayout(side, 3)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.M, tokens.S, tokens.M, tokens.M)
        column.setSpacing(tokens.S)
        column.addLayout(head)
        column.addLayout(chips)
        column.addLayout(both, 1)

    def _connect(self) -> None:
        self._start.clicked.connect(self._begin)
        self._stop.clicked.connect(self._cancel)
        self._scoring.progressed.connect(self._on_progress)
        self._scoring.succeeded.connect(self._on_success)
        self._scoring.failed.connect(self._on_failure)
        self._scoring.cancelled.connect(self._on_cancelled)
        self._directions.idClicked.connect(self._show_direction)
        self._strip.chosen.connect(self._read)
        self._picture_queries.answered.connect(self._on_pictures)

    def _show_running(self, is_running: bool) -> None:
        self._progress.setVisible(is_running)
        self._progress.setRange(0, 0)  # busy until the first picture is scored
        self._stop.setVisible(is_running)
        self._start.setVisible(not is_running)
        self._number.setEnabled(not is_running)
        if is_running:
            self._words.setText(self.tr("Judging past parts anew; the line goes first."))


def _of_view(view: PartView) -> JudgedPicture:
    """What the history shows of a part, with the peak of each region."""
    regions = view.inspection.regions if view.inspection else ()
    marks = tuple(
        RegionMark(outline, f"{region.peak:.2f}") for region, outline in zip(regions, view.outlines, strict=False)
    )
    return JudgedPicture(view.picture, view.heat, view.scale, marks)
