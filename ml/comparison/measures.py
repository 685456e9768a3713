"""The figures that cells are held against each other by, in the order of every table. No torch."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ml.comparison.records import DoneCell

MEBIBYTE = 2**20


@dataclass(frozen=True, slots=True)
class Measure:
    """`value` gives None where the figure does not exist for a cell. `form` is a format specification, after which
    `unit` stands; `better` says which end is the good one.
    """

    key: str
    title: str
    short: str
    better: Literal["high", "low"]
    form: str
    unit: str
    explanation: str
    value: Callable[[DoneCell], float | None]

    def shown(self, value: float) -> str:
        return format(value * (100 if self.unit == "%" else 1), self.form)


def _reported(key: str) -> Callable[[DoneCell], float | None]:
    return lambda cell: cell.report[key]


def _false_alarm_rate(cell: DoneCell) -> float | None:
    specificity = cell.matrix.specificity
    return None if specificity is None else 1 - specificity


def _miss_rate(cell: DoneCell) -> float | None:
    recall = cell.matrix.recall
    return None if recall is None else 1 - recall


QUALITY = (
    Measure(
        "image_auroc",
        "image AUROC",
        "image\nAUROC",
        "high",
        ".3f",
        "",
        "The chance that a defective picture scores higher than a good one: 1 is perfect, 0.5 is guessing.",
        _reported("image_auroc"),
    ),
    Measure(
        "pixel_auroc",
        "pixel AUROC",
        "pixel\nAUROC",
        "high",
        ".3f",
        "",
        "The same for single pixels of all pictures. Optimistic where defects are small.",
        _reported("pixel_auroc"),
    ),
    Measure(
        "aupro_30",
        "AUPRO",
        "AUPRO",
        "high",
        ".3f",
        "",
        "How much of each defect is marked, small defects counting as much as large ones, up to 30 % falsely marked "
        "pixels; counted over all pictures, no axis rescaled.",
        _reported("aupro_30"),
    ),
    Measure(
        "f1",
        "F1 at the threshold",
        "F1",
        "high",
        ".3f",
        "",
        "Found defects against misses and false alarms at the model's own threshold, which comes from good training "
        "pictures alone. This is what the station reaches.",
        _reported("f1"),
    ),
    Measure(
        "f1_max",
        "F1-max (oracle)",
        "F1-max\noracle",
        "high",
        ".3f",
        "",
        "The best F1 that any threshold would have given, chosen on these very test labels: an oracle, which no "
        "station reaches by itself.",
        _reported("f1_max"),
    ),
    Measure(
        "false_alarm_rate",
        "false alarms",
        "false\nalarms %",
        "low",
        ".1f",
        "%",
        "Share of the good pictures that were judged NG.",
        _false_alarm_rate,
    ),
    Measure(
        "miss_rate",
        "misses",
        "missed\n%",
        "low",
        ".1f",
        "%",
        "Share of the defective pictures that were not judged NG; UNSURE counts as missed here.",
        _miss_rate,
    ),
)

COST = (
    Measure(
        "fit_s",
        "training",
        "training\ns",
        "low",
        ".0f",
        "s",
        "From the first picture read to the model file, calibration included, without features from earlier trainings.",
        lambda cell: cell.fit_s,
    ),
    Measure(
        "latency_median_ms",
        "latency",
        "latency\nms",
        "low",
        ".0f",
        "ms",
        "Median time per picture, from its pixels to score and map, one picture at a time.",
        _reported("latency_median_ms"),
    ),
    Measure(
        "peak_memory_mib",
        "peak memory",
        "memory\nMiB",
        "low",
        ".0f",
        "MiB",
        "The most main memory that the training process held at once, libraries included.",
        lambda cell: cell.peak_memory_bytes / MEBIBYTE,
    ),
    Measure(
        "model_mib",
        "model size",
        "model\nMiB",
        "low",
        ".1f",
        "MiB",
        "The model file, backbone included.",
        lambda cell: cell.model_bytes / MEBIBYTE,
    ),
)

MEASURES = QUALITY + COST


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure over the seeds: its mean, and the sample standard deviation from two seeds on."""

    measure: Measure
    mean: float
    spread: float | None

    @property
    def shown(self) -> str:
        return self.measure.shown(self.mean)

    @property
    def shown_spread(self) -> str:
        return "" if self.spread is None else f"±{self.measure.shown(self.spread)}"


def figure_of(measure: Measure, cells: Sequence[DoneCell]) -> Figure | None:
    """None where no cell has the measure."""
    values = [value for cell in cells if (value := measure.value(cell)) is not None]
    if not values:
        return None
    return Figure(measure, statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None)
