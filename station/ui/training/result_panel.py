"""What came out: the model's figures, how good parts scored, and the way to a recipe."""

from collections.abc import Mapping

from PySide6.QtCore import QCoreApplication, Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from ml.artifact import Manifest
from ml.catalogue import METHODS
from station.core.recipe import Recipe
from station.ui import theme, tokens
from station.ui.training.deploy_panel import DeployPanel
from station.ui.training.score_histogram import ScoreHistogram
from station.ui.training.words import duration, false_alarm_words, rule_words
from station.ui.widgets.card import Card
from station.workers.training import TrainingOutcome, TrainingPlan


class ResultPanel(QScrollArea):
    """Filled from the model file itself, so that it tells what will be deployed."""

    deploy_requested = Signal(object)
    """DeployRequest."""

    def __init__(self, source: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._title = theme.label("", "title", bold=True)
        self._title.setWordWrap(True)
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(tokens.L)
        self._grid.setVerticalSpacing(tokens.XS)
        self._grid.setColumnStretch(1, 1)
        self._figures: list[tuple[QLabel, QLabel]] = []
        for row, word in enumerate(
            (
                self.tr("Pictures"),
                self.tr("Threshold"),
                self.tr("Rule"),
                self.tr("False alarms"),
                self.tr("Model"),
                self.tr("Time"),
                self.tr("Trained"),
            )
        ):
            title, figure = theme.label(word, "body", "secondary"), theme.label("")
            figure.setWordWrap(True)
            self._figures.append((title, figure))
            self._grid.addWidget(title, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(figure, row, 1)
        self._histogram = ScoreHistogram()
        self.deploy = DeployPanel(source)
        result = Card()
        result.add(self._title)
        result.add(self._grid)
        chart = Card(self.tr("How held-out good parts scored"))
        chart.add(self._histogram)
        deploy = Card(self.tr("Deploy to a recipe"))
        deploy.add(self.deploy)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(tokens.M)
        column.addWidget(result)
        column.addWidget(chart, 1)
        column.addWidget(deploy)
        self.setWidget(content)
        self.deploy.deploy_requested.connect(self.deploy_requested)

    def show_result(self, outcome: TrainingOutcome, manifest: Manifest, recipes: Mapping[str, Recipe]) -> None:
        calibration = manifest.calibration
        used, skipped = len(manifest.data.files), len(manifest.data.skipped)
        self._title.setText(self.tr("'{}' is trained").format(manifest.name))
        pictures = self.tr("{} used").format(used)
        if skipped:
            pictures += self.tr(", {} left out").format(skipped)
        if calibration.n_groups != calibration.n:
            pictures += self.tr(", of {} parts").format(calibration.n_groups)
        words = (
            pictures,
            f"{calibration.threshold:.4g}",
            rule_words(calibration),
            false_alarm_words(calibration),
            f"{METHODS[manifest.method].title}  {manifest.model_hash[:12]}",
            duration(outcome.seconds),
            _training_words(outcome.plan),
        )
        for (title, figure), text in zip(self._figures, words, strict=True):
            figure.setText(text)
            for label in (title, figure):
                label.setVisible(bool(text))
        self._histogram.show_calibration(calibration)
        self.deploy.show_model(outcome.file, manifest.name, recipes)


def _training_words(plan: TrainingPlan | None) -> str:
    """What was trained beside what the paper trains; nothing where no steps are trained."""
    if plan is None or not plan.done:
        return ""
    published = QCoreApplication.translate("Training", "published: {}").format(plan.published)
    return f"{plan.done}\n{published}"
