"""Left of the pictures: which of them are shown, with how many there are, and how many parts are held out."""

import re

from PySide6.QtCore import QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QButtonGroup, QFrame, QLineEdit, QPushButton, QSpinBox, QVBoxLayout, QWidget

from station.projects.project import Project
from station.projects.splitting import LEAST_NEW_PARTS, LEAST_PARTS, parts_of, unnamed
from station.ui import theme, tokens
from station.ui.training.picture_words import PictureFilter, filter_word
from station.ui.widgets.form_fields import FormFields
from station.ui.widgets.problem_label import ProblemLabel

WIDTH_PX = 168
MOST_SHARE = 50
"""Percent."""


class PictureFilters(QFrame):
    """Chips of which one is chosen, and the split."""

    filter_chosen = Signal(object)
    """PictureFilter."""
    share_chosen = Signal(float)
    """0 to 0.5 of the good parts."""
    grouping_chosen = Signal(object)
    """A regular expression, or None where each picture shows a part of its own."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFixedWidth(WIDTH_PX)
        self._group = QButtonGroup(self)
        self._chips = {which: self._chip(which) for which in PictureFilter}
        self._share = QSpinBox()
        self._share.setRange(0, MOST_SHARE)
        self._share.setSuffix(" %")
        self._share.setAccessibleName(self.tr("Share of the good parts that is held out for testing"))
        self._share.setToolTip(
            self.tr("Not learnt but tested with. Drawn part by part, so that few parts meet it only roughly.")
        )
        self._grouping = QLineEdit()
        self._grouping.setAcceptDrops(False)  # pictures are dropped on the whole page
        self._grouping.setPlaceholderText(self.tr("each its own part"))
        self._grouping.setAccessibleName(self.tr("Part in the name, as a pattern"))
        self._grouping.setToolTip(
            self.tr(
                "Where several pictures show one part: a regular expression whose first group finds the part in the "
                r"name, for example ^(\d+)_ for 17_left and 17_right. Empty: every picture shows a part of its own."
            )
        )
        self._split = theme.label("", "caption", "secondary")
        self._split.setWordWrap(True)
        self._problem = ProblemLabel()
        self._arrange()
        self._fields = FormFields(self)
        self._fields.tend(self)
        self._group.buttonClicked.connect(self._tell_filter)
        self._share.valueChanged.connect(self._tell_share)
        self._grouping.editingFinished.connect(self._tell_grouping)
        self._chips[PictureFilter.ALL].setChecked(True)

    @property
    def chosen(self) -> PictureFilter:
        return next(which for which, chip in self._chips.items() if chip.isChecked())

    def choose(self, which: PictureFilter) -> None:
        """As if its chip had been pressed."""
        self._chips[which].click()

    def show_project(self, project: Project) -> None:
        """Counts of all filters, and the split."""
        for which, chip in self._chips.items():
            number = sum(map(which.lets_through, project.pictures))
            chip.setText(f"{filter_word(which)}  {number}")
            is_of_base = which in (PictureFilter.BASE, PictureFilter.NEW)
            chip.setVisible(project.is_fine_tuning if is_of_base else True)
        base = (project.base_model or "")[:8]
        self._chips[PictureFilter.BASE].setToolTip(self.tr("Learnt by model {}").format(base))
        with QSignalBlocker(self._share), QSignalBlocker(self._grouping):
            self._share.setValue(round(100 * project.test_share))
            self._grouping.setText(project.group_by or "")
        self._split.setText(self._split_words(project))
        without = unnamed(project) if project.group_by else ()
        self._problem.show_problem(
            self.tr("{} names have no such part, e.g. {}").format(len(without), without[0]) if without else ""
        )

    def _split_words(self, project: Project) -> str:
        if not project.pictures:
            return ""
        parts = dict(zip(parts_of(project), project.pictures, strict=True))
        good = sum(one.label == "good" for one in parts.values())
        held_out = sum(one.label == "good" and one.use == "test" for one in parts.values())
        if held_out:
            return self.tr("{} of {} good parts are held out; this stays so.").format(held_out, good)
        least = LEAST_NEW_PARTS if project.is_fine_tuning else LEAST_PARTS
        return self.tr("From {} good parts on, some are held out.").format(least)

    def _chip(self, which: PictureFilter) -> QPushButton:
        chip = QPushButton(filter_word(which))
        chip.setCheckable(True)
        theme.mark(chip, "kind", "chip")
        self._group.addButton(chip)
        return chip

    def _arrange(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.XS)
        for chip in self._chips.values():
            column.addWidget(chip)
        column.addStretch(1)
        column.addWidget(theme.label(self.tr("Held out, about"), "caption", "secondary"))
        column.addWidget(self._share)
        column.addWidget(theme.label(self.tr("Pictures of one part"), "caption", "secondary"))
        column.addWidget(self._grouping)
        column.addWidget(self._problem)
        column.addWidget(self._split)

    @Slot()
    def _tell_filter(self) -> None:
        self.filter_chosen.emit(self.chosen)

    @Slot(int)
    def _tell_share(self, percent: int) -> None:
        self.share_chosen.emit(percent / 100)

    @Slot()
    def _tell_grouping(self) -> None:
        pattern = self._grouping.text().strip()
        try:
            re.compile(pattern)
        except re.error as error:
            self._problem.show_problem(self.tr("Not a pattern: {}").format(error), self._grouping)
            return
        theme.mark(self._grouping, "invalid", False)
        self.grouping_chosen.emit(pattern or None)
