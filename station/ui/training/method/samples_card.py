"""Generated pictures to learn from too: chosen, looked at, and approved or not."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QComboBox, QDoubleSpinBox, QHBoxLayout, QProgressBar, QPushButton, QSpinBox, QWidget

from ml.generation.catalogue import GENERATORS, GeneratorInfo, parse_settings
from ml.job import MOST_GENERATED, USUAL_GENERATED
from station.projects.project import SampleApproval
from station.ui import theme, tokens
from station.ui.training.method.pair_strip import PairStrip
from station.ui.training.words import short_duration
from station.ui.widgets.card import Card
from station.ui.widgets.field_layout import FieldLayout
from station.ui.widgets.problem_label import ProblemLabel
from station.workers.samples import SHOWN, SamplePreview


class SamplesCard(Card):
    """Only what was previewed with exactly these settings can be approved; another setting withdraws the approval."""

    preview_requested = Signal(object)
    """SampleApproval: what would be approved."""
    cancel_requested = Signal()
    """The preview is not wanted any more."""
    approval_changed = Signal(object)
    """SampleApproval that the engineer gives, or None."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("", parent)
        self._approved: SampleApproval | None = None
        self._previewed: SampleApproval | None = None
        self.generators, self.count, self.strength = QComboBox(), QSpinBox(), QDoubleSpinBox()
        self._words = theme.label("", "caption", "secondary")
        self._words.setWordWrap(True)
        self.preview = QPushButton(" " + self.tr("Preview {}").format(SHOWN))
        self.preview.setIcon(theme.icon("eye"))
        self._stop = QPushButton(self.tr("Stop"))
        self.approve = QPushButton(self.tr("Use such pictures in training"))
        self.approve.setCheckable(True)
        theme.mark(self.approve, "kind", "chip")
        self._busy = QProgressBar()
        self._busy.setTextVisible(False)
        self._busy.setRange(0, 0)
        self._status = theme.label("", "caption", "secondary")
        self._status.setWordWrap(True)
        self._problem = ProblemLabel()
        self._strip = PairStrip()
        self._form = FieldLayout()
        self._fill()
        self._arrange()
        self._connect()
        self._show_generator()

    def show_approved(self, approved: SampleApproval | None) -> None:
        """What the project holds."""
        self._approved = self._previewed = approved
        if approved is not None:
            info = GENERATORS[approved.generator]
            self.generators.setCurrentIndex(self.generators.findData(approved.generator))
            self.count.setValue(approved.count)
            if info.strength in approved.settings:
                self.strength.setValue(approved.settings[info.strength])
        self._show_state()

    def wanted(self) -> SampleApproval | None:
        """What the fields say; None for no generated pictures."""
        info = self._info()
        if info is None:
            return None
        settings = {info.strength: round(self.strength.value(), 3)} if info.strength else {}
        return SampleApproval(generator=info.name, settings=settings, count=self.count.value())

    def show_busy(self) -> None:
        """The preview is being made."""
        self._is_busy(True)
        info = self._info()
        seconds = 0.0 if info is None else 60 * info.minutes_of(parse_settings(info.name, {}))
        long = self.tr("The generator learns first: about {}.").format(short_duration(seconds))
        self._status.setText(long if seconds else self.tr("Generating"))
        self._status.show()

    def show_preview(self, preview: SamplePreview) -> None:
        self._is_busy(False)
        self._previewed = preview.wanted
        self._strip.show_pairs(preview.pairs)
        self._show_state()

    def show_problem(self, reason: str) -> None:
        self._is_busy(False)
        self._problem.show_problem(reason)

    def _info(self) -> GeneratorInfo | None:
        return GENERATORS.get(self.generators.currentData())

    def _is_busy(self, is_busy: bool) -> None:
        self._busy.setVisible(is_busy)
        self._stop.setVisible(is_busy)
        self.preview.setEnabled(not is_busy)
        self._problem.show_problem("")
        for field in (self.generators, self.strength):
            field.setEnabled(not is_busy)
        self._show_state()

    def _fill(self) -> None:
        self.generators.addItem(self.tr("None"), "")
        for name, info in GENERATORS.items():
            if info.makes == "good":
                self.generators.addItem(info.title, name)
        self.count.setRange(1, MOST_GENERATED)
        self.count.setValue(USUAL_GENERATED)
        self.count.setSingleStep(50)
        self.strength.setDecimals(2)
        self.strength.setSingleStep(0.05)
        self.generators.setAccessibleName(self.tr("Generated pictures"))
        self.count.setAccessibleName(self.tr("Number of generated pictures"))
        self.strength.setAccessibleName(self.tr("Strength"))

    def _arrange(self) -> None:
        self.add(theme.label(self.tr("Generated pictures"), "emphasised", bold=True))
        self._form.add_field(self.tr("Generator"), self.generators)
        self._form.add_field(self.tr("Strength"), self.strength)
        self._form.add_field(self.tr("How many"), self.count)
        self.add(self._words)
        self.add(self._form)
        line = QHBoxLayout()
        line.setSpacing(tokens.S)
        for button in (self.preview, self._stop, self.approve):
            line.addWidget(button)
        line.addStretch(1)
        self.add(line)
        for widget in (self._busy, self._status, self._problem, self._strip):
            self.add(widget)
        self._busy.hide()
        self._stop.hide()

    def _connect(self) -> None:
        self.generators.currentIndexChanged.connect(self._show_generator)
        self.count.valueChanged.connect(self._on_change)
        self.strength.valueChanged.connect(self._on_change)
        self.preview.clicked.connect(self._ask)
        self._stop.clicked.connect(self._on_stop)
        self.approve.clicked.connect(self._on_approve)

    @Slot()
    def _show_generator(self) -> None:
        info = self._info()
        learnt = self.tr("More good parts to learn from, made of those captured; the threshold never comes from them.")
        self._words.setText(learnt if info is None else f"{info.summary} {learnt}")
        if info is not None and info.strength:
            schema = info.parameters.model_json_schema()["properties"][info.strength]
            self.strength.setRange(schema.get("minimum", self.strength.singleStep()), schema.get("maximum", 1))
            self.strength.setValue(schema["default"])
            self.strength.setToolTip(schema["description"])
        for field in (self.count, self.strength):
            self._form.setRowVisible(field, info is not None and (field is self.count or bool(info.strength)))
        self.preview.setVisible(info is not None)
        self.approve.setVisible(info is not None)
        self._strip.clear()
        self._on_change()

    @Slot()
    def _on_change(self) -> None:
        """Generated pictures that nobody has seen are not learnt from."""
        self._problem.show_problem("")
        if self._approved is not None and self.wanted() != self._approved:
            self._approved = None
            self.approval_changed.emit(None)
        self._show_state()

    @Slot()
    def _ask(self) -> None:
        self.preview_requested.emit(self.wanted())

    @Slot()
    def _on_stop(self) -> None:
        self._is_busy(False)
        self.cancel_requested.emit()

    @Slot()
    def _on_approve(self) -> None:
        self._approved = self.wanted() if self.approve.isChecked() else None
        self._show_state()
        self.approval_changed.emit(self._approved)

    def _show_state(self) -> None:
        wanted = self.wanted()
        has_seen = wanted is not None and self._previewed is not None and _alike(wanted, self._previewed)
        is_approved = wanted is not None and wanted == self._approved
        self.approve.setEnabled(has_seen and self.preview.isEnabled())
        self.approve.setChecked(is_approved)
        if self._busy.isVisible():
            return
        if is_approved:
            words = self.tr("Generated pictures that join the good ones in training: {}").format(self.count.value())
        elif has_seen:
            words = self.tr("Do they look like parts that you would pass? Only then let the model learn from such.")
        else:
            words = self.tr("Look at some before you use them.")
        self._status.setText(words)
        self._status.setVisible(wanted is not None)


def _alike(one: SampleApproval, other: SampleApproval) -> bool:
    """Whether both make the same pictures, if not as many."""
    return (one.generator, one.settings) == (other.generator, other.settings)
