"""All that is stored of a part, as pairs of words and values, in groups that flow into as many columns as fit."""

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from station.ui import theme, tokens
from station.ui.history.part_pictures import StoredPart
from station.ui.history.words import local_date, local_time
from station.ui.widgets.elided_label import ElidedLabel

COLUMN_PX = 260
Pair = tuple[str, str]


def _tr(text: str) -> str:
    return QCoreApplication.translate("History", text)


def value_pairs(part: StoredPart) -> tuple[Pair, ...]:
    """Words and values; what was not stored is a dash. Scores, thresholds: raw values as they were."""
    seen = part.inspection
    model = seen.model_hash[:12] or "–"
    if part.manifest is not None:
        model = f"{part.manifest.name}  {model}"
    size = "–" if seen.width_px is None else f"{seen.width_px} × {seen.height_px} px"
    truth = {None: _tr("not known"), "normal": _tr("normal"), "anomaly": _tr("anomaly")}[seen.given_truth]
    return (
        (_tr("Serial"), seen.serial or "–"),
        (_tr("Time"), f"{local_date(seen.captured_at)}  {local_time(seen.captured_at)}"),
        (_tr("Recipe"), f"{seen.recipe}, {_tr('revision')} {seen.recipe_revision}" if seen.recipe else "–"),
        (_tr("Model"), model),
        (_tr("Score"), _number(seen.score)),
        (_tr("Normalised score"), _number(seen.normalised_score)),
        (_tr("Threshold"), _number(seen.threshold)),
        (_tr("UNSURE from"), _number(seen.threshold_low)),
        (_tr("Regions"), str(len(seen.regions))),
        (_tr("Largest region"), _largest_region(part)),
        (_tr("Given truth"), f"{truth}, {seen.defect_kind}" if seen.defect_kind else truth),
        (_tr("Judged in"), f"{seen.latency_ms:.0f} ms"),
        (_tr("Picture"), size),
        (_tr("Source"), seen.source or "–"),
        (_tr("Operator"), seen.operator),
        (_tr("Part id"), seen.id),
        (_tr("Picture sha256"), seen.picture_hash or "–"),
        (_tr("Map sha256"), seen.map_hash or "–"),
    )


class ValueGrid(QWidget):
    """Values too long for their place are shortened and stand whole in their tool tip."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(tokens.M)
        self._grid.setVerticalSpacing(tokens.XS)
        self._labels: list[tuple[QLabel, ElidedLabel]] = []
        self._columns = 0

    def show_values(self, pairs: tuple[Pair, ...]) -> None:
        if len(pairs) != len(self._labels):
            self._make_labels(len(pairs))
        for (word, value), (text, shown) in zip(pairs, self._labels, strict=True):
            text.setText(word)
            shown.setText(value)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._flow()

    def _make_labels(self, number: int) -> None:
        for pair in self._labels:
            for label in pair:
                self._grid.removeWidget(label)
                label.deleteLater()
        self._labels = []
        for _ in range(number):
            value = ElidedLabel()
            value.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
            self._labels.append((theme.label("", "caption", "secondary"), value))
        self._columns = 0
        self._flow()

    def _flow(self) -> None:
        columns = max(1, self.width() // COLUMN_PX)
        if columns == self._columns or not self._labels:
            return
        rows = -(-len(self._labels) // columns)
        for number, pair in enumerate(self._labels):
            column, row = divmod(number, rows)
            for place, label in enumerate(pair):
                self._grid.addWidget(label, row, 2 * column + place)
        for column in range(max(columns, self._columns)):
            self._grid.setColumnStretch(2 * column + 1, 1 if column < columns else 0)
        self._columns = columns


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _largest_region(part: StoredPart) -> str:
    regions = part.inspection.regions
    if not regions:
        return "–"
    largest = max(regions, key=lambda region: region.area_px)
    return f"{largest.area_px} px², x {largest.x}, y {largest.y}"
