"""The pictures to look at before one trusts a threshold: false alarms, missed defects, close calls."""

from collections.abc import Sequence
from typing import Final, Literal

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from station.projects.judging import Judging
from station.ui import theme, tokens
from station.ui.training.judgement.judged_pictures import JudgedPicture, judged_picture, window_of
from station.ui.training.judgement.judged_view import JudgedView
from station.ui.training.judgement.picture_strip import PictureStrip, StripItem
from station.workers.queries import Queries

Group = Literal["false_calls", "misses", "close_calls"]
GROUPS: Final[tuple[Group, ...]] = ("false_calls", "misses", "close_calls")
CLOSE_CALLS: Final = 30


class WorstPictures(QWidget):
    """Follows the threshold; what is current stays current while it is in its group."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._judging: Judging | None = None
        self._queries = Queries(self)
        self._strip = PictureStrip()
        self._strip.setAccessibleName(self.tr("Pictures"))
        self._view = JudgedView()
        self._is_by_hand = False  # which group is shown
        self._overlay = QCheckBox(self.tr("Heat map"))
        self._overlay.setToolTip(self.tr("Heat map on or off (Ctrl+H)"))
        self._overlay.setChecked(True)
        self._group = QButtonGroup(self)
        chips = QHBoxLayout()
        chips.setSpacing(tokens.S)
        for number, _ in enumerate(GROUPS):
            chip = QPushButton()
            chip.setCheckable(True)
            theme.mark(chip, "kind", "chip")
            self._group.addButton(chip, number)
            chips.addWidget(chip)
        self._group.button(0).setChecked(True)
        chips.addStretch(1)
        chips.addWidget(self._overlay)
        both = QHBoxLayout()
        both.setSpacing(tokens.M)
        both.addWidget(self._strip, 2)
        both.addWidget(self._view, 5)
        column = QVBoxLayout(self)
        column.setContentsMargins(tokens.M, tokens.S, tokens.M, tokens.M)
        column.setSpacing(tokens.S)
        column.addLayout(chips)
        column.addLayout(both, 1)
        shortcut = QShortcut(QKeySequence("Ctrl+H"), self)
        shortcut.setContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        shortcut.activated.connect(self._overlay.toggle)
        self._overlay.toggled.connect(self._view.set_overlay)
        self._group.idClicked.connect(self._choose_group)
        self._strip.chosen.connect(self._read)
        self._queries.answered.connect(self._on_picture)
        self._queries.failed.connect(self._on_problem)

    def show_judging(self, judging: Judging) -> None:
        """The first group that has pictures, until one is chosen by hand."""
        self._judging = judging
        if not self._is_by_hand:
            filled = (number for number, rows in enumerate(self._rows(judging)) if rows)
            self._group.button(next(filled, 0)).setChecked(True)
        self._show_group()

    def show_nothing(self) -> None:
        self._judging = None
        self._strip.show_items(())

    def close_down(self) -> None:
        self._strip.close_down()
        self._queries.close()

    def _rows(self, judging: Judging) -> tuple[Sequence[int], ...]:
        return judging.false_calls(), judging.misses(), judging.close_calls(CLOSE_CALLS)

    @Slot()
    def _choose_group(self) -> None:
        self._is_by_hand = True
        self._show_group()

    @Slot()
    def _show_group(self) -> None:
        if self._judging is None:
            return
        judging = self._judging
        rows = self._rows(judging)
        titles = (self.tr("False alarms"), self.tr("Missed defects"), self.tr("Close calls"))
        for number, (title, found) in enumerate(zip(titles, rows, strict=True)):
            self._group.button(number).setText(f"{title}  {len(found)}")
        evidence, window = judging.evidence, window_of(judging.evidence.manifest)
        self._strip.show_items(
            [
                StripItem(row, evidence.rows[row].name, self._words(row), evidence.rows[row].file, window)
                for row in rows[self._group.checkedId()]
            ]
        )

    @Slot(object)
    def _read(self, row: int | None) -> None:
        judging = self._judging
        if judging is None or row is None:
            self._view.show_problem("" if judging is None else self._nothing_words(judging))
            return
        evidence, scored = judging.evidence, judging.evidence.rows[row]
        calibration, window = evidence.manifest.calibration, window_of(evidence.manifest)
        caption = f"{scored.name}   {self._words(row)}"
        self._queries.ask(
            lambda: (caption, judged_picture(scored, evidence.folder, calibration, window)), withdraw_waiting=True
        )

    @Slot(int, object)
    def _on_picture(self, number: int, answer: tuple[str, JudgedPicture]) -> None:
        caption, picture = answer
        if self._is_wanted(number):
            self._view.show_picture(picture, caption)

    @Slot(int, str)
    def _on_problem(self, number: int, reason: str) -> None:
        if self._is_wanted(number):
            self._view.show_problem(reason)

    def _is_wanted(self, number: int) -> bool:
        return self._queries.is_latest(number) and self._strip.current_key() is not None

    def _words(self, row: int) -> str:
        judging = self._judging
        if judging is None:
            return ""
        scored = judging.evidence.rows[row]
        truth = self.tr("good") if scored.label == "good" else scored.kind or self.tr("defective")
        # On the scale of the histogram, which stays while the threshold moves.
        scale = judging.evidence.manifest.calibration
        score = "–" if scored.score is None else f"{scale.normalise(scored.score):.3f}"
        return self.tr("{} → {}, score {}").format(truth, judging.verdict(row), score)

    def _nothing_words(self, judging: Judging) -> str:
        group = GROUPS[self._group.checkedId()]
        if group == "false_calls":
            if judging.goods_from == "held-out":
                return self.tr("No good part was tested with. Keep some back in Pictures to see false alarms.")
            return self.tr("No good part would be called NG.")
        if group == "misses" and judging.found.trials:
            return self.tr("Every defect would be found.")
        return self.tr("No picture was tested with.")
