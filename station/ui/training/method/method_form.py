"""The order for a new model: where it starts from, what is recommended, method, preset, look, and all the rest behind
'Advanced'."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from ml.catalogue import METHODS
from ml.catalogue.pipelines import Pipeline
from ml.job import TrainingJob
from ml.recommendation import Recommendation
from ml.tiles import has_tiles
from station.ui import theme, tokens
from station.ui.training.method.advanced_area import AdvancedArea
from station.ui.training.method.advice_card import AdviceCard
from station.ui.training.method.geometry_card import GeometryCard
from station.ui.training.method.method_card import MethodCard
from station.ui.training.method.start_card import StartCard

SHOWN_FIELDS = frozenset(
    {
        "method",
        "preset",
        "parameters",
        "size",
        "patch",
        "stride",
        "tiles",
        "weights",
        "conv_processing",
        "alpha",
        "seed",
    }
)
"""Fields of an order that have a place in the form."""


class MethodForm(QWidget):
    """Holds fields of a `TrainingJob` without data and files; what is usual is left out of them."""

    changed = Signal()
    """The order is another now."""

    def __init__(self, samples: QWidget, parent: QWidget | None = None) -> None:
        """`samples`: the card about generated pictures, which stands before 'Advanced'."""
        super().__init__(parent)
        self._beyond: dict[str, Any] = {}  # what a pipeline sets that has no field here
        self._is_filling = False
        self.start, self.advice, self.method = StartCard(), AdviceCard(), MethodCard()
        self.looks, self.advanced = GeometryCard(), AdvancedArea()
        self._kept = theme.label("", "caption", "secondary")
        self._kept.setWordWrap(True)
        self._drop = QPushButton(self.tr("Leave out"))
        self._toggle = QPushButton(" " + self.tr("Advanced"))
        self._toggle.setCheckable(True)
        theme.mark(self._toggle, "kind", "quiet")
        self._arrange(samples)
        self._connect()
        self._start_from_preset()
        self._show_advanced()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self.method.setFocus()

    def order(self) -> dict[str, Any]:
        """As it stands."""
        choice = {"method": self.method.method, "preset": self.method.preset}
        return {**self._beyond, **choice, **self.looks.fields(), **self.advanced.fields()}

    def problem(self) -> str:
        """Why the settings of the method cannot be used together; empty when they can."""
        return self.advanced.form.problem()

    def show_order(self, order: Mapping[str, Any]) -> None:
        """As it was left; nothing is told."""
        self._is_filling = True
        try:
            self._fill(_job(order))
            self._beyond = {name: value for name, value in order.items() if name not in SHOWN_FIELDS}
        finally:
            self._is_filling = False
        self._show_kept()
        self._compare_with_advice()

    def show_advice(self, advice: Recommendation) -> None:
        """What suits the pictures."""
        self.advice.show_advice(advice)
        self._compare_with_advice()

    @Slot(object)
    def follow(self, advice: Recommendation) -> None:
        """Take over the method, its settings and how it looks at a picture."""
        order: dict[str, Any] = {"method": advice.method, "preset": self.method.preset, **self._beyond}
        if advice.settings:
            order["parameters"] = advice.settings
        if advice.patch is not None:
            order |= {"patch": advice.patch, "stride": advice.patch * 3 // 4}
        if advice.tiles:
            order["tiles"] = True
        self.show_order(order)
        self.changed.emit()

    def _fill(self, job: TrainingJob) -> None:
        self.method.choose(job.method, job.preset)
        self._start_from_preset()
        self.advanced.form.set_settings(job.parameters)
        self._offer_tiles()
        self.looks.show_job(job)
        self.advanced.show_job(job)

    def _follows(self, advice: Recommendation) -> bool:
        settings, geometry = self.advanced.form.values(), self.looks.fields()
        return (
            self.method.method == advice.method
            and all(settings[key] == value for key, value in advice.settings.items())
            and geometry.get("patch") == advice.patch
            and geometry.get("tiles", False) == advice.tiles
        )

    def _arrange(self, samples: QWidget) -> None:
        kept = QHBoxLayout()
        kept.setSpacing(tokens.S)
        kept.addWidget(self._kept, 1)
        kept.addWidget(self._drop, 0, Qt.AlignmentFlag.AlignTop)
        self.start.add(kept)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        for part in (self.advice, self.method, self.looks, samples, self.start):
            column.addWidget(part)
        column.addWidget(self._toggle, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.advanced)

    def _connect(self) -> None:
        self.start.chosen.connect(self._start_from)
        self.advice.followed.connect(self.follow)
        self.method.changed.connect(self._on_method)
        self.looks.changed.connect(self._on_change)
        self.advanced.changed.connect(self._on_settings)
        self._toggle.toggled.connect(self._show_advanced)
        self._drop.clicked.connect(self._leave_out)

    @Slot(object)
    def _start_from(self, pipeline: Pipeline | None) -> None:
        """Take over all that the pipeline says; without one, only what has no field here is given up."""
        if pipeline is None:
            self._leave_out()
            return
        self.show_order(pipeline.fields)
        self.changed.emit()

    @Slot()
    def _leave_out(self) -> None:
        self._beyond = {}
        self._show_kept()
        self._on_change()

    @Slot()
    def _on_method(self) -> None:
        if not self._is_filling:
            self._start_from_preset()
            self._on_change()

    def _start_from_preset(self) -> None:
        preset = METHODS[self.method.method].presets[self.method.preset]
        self._is_filling, was_filling = True, self._is_filling
        self.looks.show_usual(preset.size_px)
        self.advanced.show_method(self.method.method).show_base(preset.settings)
        self._offer_tiles()
        self._is_filling = was_filling

    def _offer_tiles(self) -> None:
        self.looks.offer_tiles(has_tiles(self.method.method, self.advanced.form.values()))

    @Slot()
    def _on_settings(self) -> None:
        if not self._is_filling:
            self._is_filling = True
            self._offer_tiles()
            self._is_filling = False
            self._on_change()

    @Slot()
    def _on_change(self) -> None:
        if not self._is_filling:
            self._compare_with_advice()
            self.changed.emit()

    def _compare_with_advice(self) -> None:
        if self.advice.advice is not None:
            self.advice.show_followed(self._follows(self.advice.advice))

    def _show_kept(self) -> None:
        """What another method would not show: it stays until the engineer leaves it out."""
        words = {
            "ring": self.tr("the search for the round part and its ring"),
            "clahe": self.tr("evened-out light"),
            "rules": self.tr("rules for the regions found"),
            "region": self.tr("the region"),
        }
        kept = ", ".join(words.get(name, name.replace("_", " ")) for name in self._beyond)
        self._kept.setText(self.tr("Also with any other method: {}.").format(kept))
        self._kept.setVisible(bool(kept))
        self._drop.setVisible(bool(kept))

    @Slot()
    def _show_advanced(self) -> None:
        is_open = self._toggle.isChecked()
        self._toggle.setIcon(theme.icon("caret-down" if is_open else "caret-right", "secondary"))
        self.advanced.setVisible(is_open)


def _job(order: Mapping[str, Any]) -> TrainingJob:
    """An order for pictures that are named elsewhere."""
    return TrainingJob.checked({"data": Path(), "out": Path("model.loupe"), **order})
