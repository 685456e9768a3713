"""The binary confusion matrix and the rates that follow from it. Pure Python: the screens use it.

Rows are the truth, columns the verdict, in the order normal, anomaly, as in scikit-learn with labels [0, 1]; the
positive class is the anomaly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt
from typing import Self

Z_95 = 1.959963984540054
"""Standard normal quantile of a two-sided 95 % interval."""


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float] | None:
    """Score interval of a proportion, 95 % unless told (Wilson, JASA 1927); None without trials."""
    if trials == 0:
        return None
    share = successes / trials
    centre = share + z * z / (2 * trials)
    reach = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # At 0 and 1 the interval ends there exactly; rounding must not put it beyond.
    low = 0.0 if successes == 0 else (centre - reach) / scale
    high = 1.0 if successes == trials else (centre + reach) / scale
    return low, high


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class ConfusionMatrix:
    """Counts of parts: `tn` good and passed, `fp` false calls, `fn` escapes, `tp` defects found.

    A rate whose denominator is 0 is None: nothing is known of it.
    """

    tn: int = 0
    fp: int = 0
    fn: int = 0
    tp: int = 0

    def __post_init__(self) -> None:
        if min(self.tn, self.fp, self.fn, self.tp) < 0:
            raise ValueError(f"counts cannot be negative: {self}")

    @classmethod
    def of(cls, truths: Iterable[bool], predictions: Iterable[bool]) -> Self:
        """Count pairs, True meaning anomaly. Raises ValueError when there are not as many of both."""
        counts = {(truth, prediction): 0 for truth in (False, True) for prediction in (False, True)}
        for truth, prediction in zip(truths, predictions, strict=True):
            counts[bool(truth), bool(prediction)] += 1
        return cls(counts[False, False], counts[False, True], counts[True, False], counts[True, True])

    def __add__(self, other: "ConfusionMatrix") -> "ConfusionMatrix":
        return ConfusionMatrix(self.tn + other.tn, self.fp + other.fp, self.fn + other.fn, self.tp + other.tp)

    @property
    def rows(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((tn, fp), (fn, tp))."""
        return (self.tn, self.fp), (self.fn, self.tp)

    @property
    def row_shares(self) -> tuple[tuple[float | None, float | None], tuple[float | None, float | None]]:
        """`rows` as shares of their row's sum."""
        good, bad = self.tn + self.fp, self.fn + self.tp
        return (_rate(self.tn, good), _rate(self.fp, good)), (_rate(self.fn, bad), _rate(self.tp, bad))

    @property
    def total(self) -> int:
        return self.tn + self.fp + self.fn + self.tp

    @property
    def accuracy(self) -> float | None:
        return _rate(self.tn + self.tp, self.total)

    @property
    def accuracy_interval(self) -> tuple[float, float] | None:
        return wilson_interval(self.tn + self.tp, self.total)

    @property
    def precision(self) -> float | None:
        return _rate(self.tp, self.tp + self.fp)

    @property
    def precision_interval(self) -> tuple[float, float] | None:
        return wilson_interval(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the defective parts that were found."""
        return _rate(self.tp, self.tp + self.fn)

    @property
    def recall_interval(self) -> tuple[float, float] | None:
        return wilson_interval(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> float | None:
        """Share of the good parts that passed."""
        return _rate(self.tn, self.tn + self.fp)

    @property
    def specificity_interval(self) -> tuple[float, float] | None:
        return wilson_interval(self.tn, self.tn + self.fp)

    @property
    def f1(self) -> float | None:
        return _rate(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> float | None:
        """Matthews correlation; None where a row or column is empty."""
        product = (self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return (self.tp * self.tn - self.fp * self.fn) / sqrt(product) if product else None

    def to_json(self) -> dict[str, object]:
        """Counts, rates and intervals for JSON; None where undefined."""
        return {
            "labels": ["normal", "anomaly"],
            "rows_are": "truth",
            "rows": [list(row) for row in self.rows],
            **{name: getattr(self, name) for name in ("tn", "fp", "fn", "tp")},
            **{name: getattr(self, name) for name in ("accuracy", "precision", "recall", "specificity", "f1", "mcc")},
            **{
                f"{name}_interval": getattr(self, f"{name}_interval")
                for name in ("accuracy", "precision", "recall", "specificity")
            },
        }
