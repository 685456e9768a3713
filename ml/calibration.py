"""Thresholds and one normalised scale, from scores of good pictures that the scored model had not seen. No torch.

Rules, for an accepted false-alarm rate alpha and n good parts:

- `conformal` (n >= 1/alpha - 1): the threshold is the next float above the k-th smallest score,
  k = ceil((n + 1)(1 - alpha)); a new good part reaches it with a probability of at most alpha (split conformal
  prediction, Vovk et al. 2005).
- `log_normal` (fewer parts): the upper prediction bound of a log-normal distribution,
  exp(mean + s t(1 - alpha, n - 1) sqrt(1 + 1/n)) over the logarithms, never below the largest score seen.

What is exchangeable is the part, not the picture: several pictures of one part count as one, by their largest score.
The promise is then that at most alpha of new good parts raise an alarm in any of as many pictures; where a part is
looked at once it errs on the careful side. The centre of the scale is the median over parts of a part's own median.

Scores of 5-fold or leave-one-out models are pooled as if one model had given them. Each of those saw fewer parts than
the model that is kept, so the scores tend to lie high and the real rate below alpha.

With one or two parts, or below six where the features themselves are learnt, nothing can be held out. Scores of
perturbed copies of the pictures themselves (`perturbations`) then stand in: they show what small movements and changes
of light do, not how parts differ, and nothing is known of the real false-alarm rate.

Batches: a model that was fine-tuned judges parts of the batch that it was first trained on and of a newer one. Parts of
one batch are exchangeable among themselves and not with those of the other, so each batch gets a threshold of its own
by the rules above, and the highest of them is the model's (Mondrian conformal prediction: Vovk, Gammerman and Shafer,
Algorithmic Learning in a Random World, 2005, section 4.5). The promise then holds within every batch, which pooled
scores would not give: a few of the new among many of the old could all lie above the pooled threshold.

Thresholds are rounded up to the next float32: scores and maps are float32, and `>=` must say the same in both widths.
"""

import math
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from ml.errors import CalibrationError, ParameterError
from ml.threshold_choice import ThresholdChoice

Rule = Literal["conformal", "log_normal"]
Source = Literal["hold-out", "5-fold", "leave-one-out", "perturbations", "fine-tuning"]

MIN_PARTS = 3
"""Below this a spread is a guess."""

BAND_FACTOR = 5.0
"""UNSURE begins where this many times alpha of the good parts lie above."""

SMALLEST_SPREAD = 1e-5
"""Least distance from median to threshold, as a share of the largest score's size (or as it is where all are 0): with
identical calibration pictures the rounding of float32 must not become a defect."""

SHIFT_SHARE = 0.5
"""Where the smallest score lies below this share of the scores' range, the logarithm is taken of shifted scores."""

CONFIDENCE = 0.95


class Calibration(BaseModel):
    """What turns a raw score into a verdict. Part of the model's hash.

    `threshold` and `threshold_low` (None: no UNSURE band) apply to picture scores, `pixel_threshold` to maps; raw, in
    the method's own unit. `pixel_threshold` comes by the same rule from each picture's map maximum, so at most alpha
    of good parts show any region. `median` is the typical good part's score, `pixel_median` its hottest pixel: on the
    normalised map a typical good part stays at or below 0.

    `n` pictures of `n_groups` parts gave `scores` and `map_maxima`; `groups` numbers each picture's part.
    `false_alarm_interval` is the 95 % Clopper-Pearson interval of the real false-alarm rate, from the number of those
    parts that reach the threshold. For a conformal threshold its upper end is also the exact upper bound that
    follows from the order statistic. From perturbed copies it is (0, 1): unknown.

    `batches` numbers each picture's batch, empty (and then absent from files) where there is one: `threshold`, band and
    `pixel_threshold` are the highest that a batch gives, `rule` that batch's, the interval that of the batch with the
    highest upper end.

    `choice` is what an engineer chose in place of the rule's own `threshold` and band; None, and then absent from
    files, where nobody did. `alpha`, `rule` and `band_factor` stay those of `pixel_threshold`, which no choice moves:
    labels tell whether a picture is bad, not which of its regions should be shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alpha: float = Field(gt=0, lt=0.5)
    rule: Rule
    source: Source
    n: int = Field(ge=1)
    n_groups: int = Field(ge=1)
    median: float
    threshold: float
    threshold_low: float | None = None
    pixel_median: float
    pixel_threshold: float
    false_alarm_interval: tuple[float, float]
    scores: tuple[float, ...]
    map_maxima: tuple[float, ...] = ()
    groups: tuple[int, ...] = ()
    band_factor: float | None = Field(default=BAND_FACTOR, ge=0)
    choice: ThresholdChoice | None = None
    batches: tuple[int, ...] = ()

    @model_serializer(mode="wrap")
    def _without_what_is_absent(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Models whose threshold nobody chose, and of one batch, keep the hash from before there were such fields."""
        document: dict[str, Any] = serialize(self)
        if not self.batches:
            document.pop("batches", None)
        if self.choice is None:
            document.pop("choice", None)
        return document

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.median < self.threshold:
            raise ValueError("the threshold must lie above the median of good parts")
        if not self.pixel_median < self.pixel_threshold:
            raise ValueError("the pixel threshold must lie above the pixel median of good parts")
        if self.threshold_low is not None and not self.threshold_low < self.threshold:
            raise ValueError("the lower threshold must lie below the threshold")
        return self

    def normalise(self, score: float) -> float:
        """Put a raw score on the scale 0 = typical good part, 1 = threshold: linear, not clipped."""
        return 1 + (float(score) - self.threshold) / (self.threshold - self.median)

    def normalise_map(self, values: ArrayLike) -> NDArray[np.float32]:
        """Put raw map values of any shape on the scale 0 = `pixel_median`, 1 = `pixel_threshold`."""
        raw = np.asarray(values, dtype=np.float32)
        scale = np.float32(1 / (self.pixel_threshold - self.pixel_median))
        return np.asarray(1 + (raw - np.float32(self.pixel_threshold)) * scale, dtype=np.float32)

    def judge(self, score: float) -> Literal["OK", "UNSURE", "NG"]:
        """NG from `threshold` on, UNSURE from `threshold_low` on, else OK.

        Raises CalibrationError for a score that is not a finite number: it must never pass as OK.
        """
        value = float(score)
        if not math.isfinite(value):
            raise CalibrationError(f"The model gave the score {value}, which cannot be judged. Train the model again.")
        if value >= self.threshold:
            return "NG"
        if self.threshold_low is not None and value >= self.threshold_low:
            return "UNSURE"
        return "OK"

    def with_alpha(self, alpha: float, band_factor: float | None = BAND_FACTOR) -> "Calibration":
        """The calibration that the same held-out scores give at another false-alarm rate or band.

        Raises CalibrationError like `calibrate`, and where the scores were not kept.
        """
        return calibrate(
            self.scores,
            self.map_maxima,
            [str(group) for group in self.groups],
            alpha=alpha,
            source=self.source,
            band_factor=band_factor,
            batches=[str(batch) for batch in self.batches],
        )

    def with_choice(self, choice: ThresholdChoice) -> "Calibration":
        """The calibration with the threshold and the band that an engineer chose; see `ml.threshold_rules`.

        The threshold is rounded up to the next float32. The band is off where it would not lie below the threshold.
        Raises CalibrationError for a threshold that the typical good part reaches.
        """
        threshold = _at_least_float32(choice.threshold)
        if not self.median < threshold:
            raise CalibrationError(
                f"The threshold {threshold:.4g} does not lie above the typical good part ({self.median:.4g}): half of "
                "all good parts would be NG. Choose a higher one."
            )
        by_batch = _per_batch(np.asarray(self.scores, np.float64), self.groups, self.batches)
        low = threshold if choice.unsure_share is None else _bound(by_batch, self.median, choice.unsure_share)[0]
        interval = self.false_alarm_interval
        if self.source != "perturbations":
            interval = _widest_interval(by_batch, threshold)
        changed = {
            "threshold": threshold,
            "threshold_low": low if low < threshold else None,
            "false_alarm_interval": interval,
            "choice": choice,
        }
        return Calibration(**(dict(self) | changed))

    @property
    def part_scores(self) -> NDArray[np.float64]:
        """The largest held-out score of each good part, ascending."""
        return _maximum_per_part(np.asarray(self.scores, dtype=np.float64), self.groups or range(len(self.scores)))


def calibrate(
    scores: Sequence[float] | NDArray[np.floating],
    map_maxima: Sequence[float] | NDArray[np.floating],
    groups: Sequence[str],
    *,
    alpha: float,
    source: Source,
    band_factor: float | None = BAND_FACTOR,
    batches: Sequence[str] = (),
) -> Calibration:
    """Make the calibration from held-out good pictures: per picture its score, its map's maximum and its part.

    `batches` names the batch of each where there are several; a part belongs to one of them.
    `source` says how the pictures were held out; whoever scores guards with `ensure_disjoint`. The UNSURE band
    begins at the threshold for `band_factor` times alpha (at most one half), by the rule that n allows there; it is
    off for None or 0, and where it would not lie below the threshold. Raises CalibrationError for fewer than three
    parts, for scores that are not finite, and where no finite threshold can be had.
    """
    image = _checked(scores, "score")
    pixel = _checked(map_maxima, "map maximum")
    if not len(image) == len(pixel) == len(groups):
        raise CalibrationError(
            f"Calibration got {len(image)} scores, {len(pixel)} map maxima and {len(groups)} parts; "
            "it needs one of each per picture."
        )
    if not 0 < alpha < 0.5:
        raise CalibrationError(f"The accepted false-alarm rate must lie between 0 and 0.5, and {alpha} does not.")
    if band_factor is not None and not 0 <= band_factor < math.inf:
        raise CalibrationError(f"The factor of the UNSURE band must be 0 (off) or more, and {band_factor} is not.")
    numbers = _numbered(groups)
    n_groups = len(set(numbers))
    if n_groups < MIN_PARTS:
        raise CalibrationError(
            f"{len(image)} held-out picture(s) of {n_groups} good part(s) cannot give a threshold: "
            f"at least {MIN_PARTS} parts are needed, 30 or more are better. Add pictures of other good parts."
        )

    if batches and len(batches) != len(image):
        raise CalibrationError(f"Calibration got {len(image)} scores and {len(batches)} batches; it needs one of each.")
    batch_numbers = _numbered(batches) if len(set(batches)) > 1 else []
    by_batch = _per_batch(image, numbers, batch_numbers)
    if min(map(len, by_batch)) < MIN_PARTS:
        raise CalibrationError(
            f"A batch of {min(map(len, by_batch))} held-out good part(s) cannot give a threshold of its own: at least "
            f"{MIN_PARTS} parts are needed, 20 or more are better. Add pictures of other good parts."
        )
    median = _typical(image, numbers)
    threshold, rule = _bound(by_batch, median, alpha)
    low = _bound(by_batch, median, min(band_factor * alpha, 0.5))[0] if band_factor else threshold
    pixel_median = _typical(pixel, numbers)
    return Calibration(
        alpha=alpha,
        rule=rule,
        source=source,
        n=len(image),
        n_groups=n_groups,
        median=median,
        threshold=threshold,
        threshold_low=low if low < threshold else None,
        pixel_median=pixel_median,
        pixel_threshold=_bound(_per_batch(pixel, numbers, batch_numbers), pixel_median, alpha)[0],
        false_alarm_interval=(0.0, 1.0) if source == "perturbations" else _widest_interval(by_batch, threshold),
        scores=tuple(image.tolist()),
        map_maxima=tuple(pixel.tolist()),
        groups=tuple(numbers),
        band_factor=band_factor,
        batches=tuple(batch_numbers),
    )


def ensure_disjoint(fitted: Collection[str], scored: Collection[str]) -> None:
    """Refuse calibration scores of pictures, or of parts, that the scored model was fitted on.

    A memory bank gives its own pictures the distance 0 and a trained network knows them; a threshold from such
    scores would reject good parts. Raises CalibrationError naming some of them.
    """
    shared = sorted(set(fitted) & set(scored))
    if shared:
        named = ", ".join(shared[:3]) + (" ..." if len(shared) > 3 else "")
        raise CalibrationError(
            f"{len(shared)} of the pictures to calibrate with are training pictures of the same model ({named}). "
            "Hold pictures back, or use cross-validation."
        )


def clopper_pearson(events: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact two-sided interval of a proportion (Clopper and Pearson, Biometrika 1934)."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if events == 0 else float(betaincinv(events, trials - events + 1, tail))
    high = 1.0 if events == trials else float(betaincinv(events + 1, trials - events, 1 - tail))
    return low, high


def assign_groups(names: Sequence[str], regex: str | None) -> list[str]:
    """Tell the part that each picture shows: the pattern's first group, or its whole match, found in the name.

    Without a pattern every picture is a part of its own. Raises ParameterError for a pattern that does not compile,
    and naming the first picture in which nothing (or only an empty text) is found.
    """
    if regex is None:
        return list(names)
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise ParameterError(f"The grouping pattern {regex!r} is not a regular expression: {error}.") from error
    return [_part_in(name, pattern) for name in names]


def _part_in(name: str, pattern: re.Pattern[str]) -> str:
    match = pattern.search(name)
    part: str | None = match[min(1, pattern.groups)] if match else None
    if not part:
        raise ParameterError(
            f"{name}: the grouping pattern {pattern.pattern!r} finds no part in this name. "
            "Change the pattern or exclude the picture."
        )
    return part


def folds(groups: Sequence[str], k: int, seed: int) -> list[list[int]]:
    """Deal pictures into at most k parts to hold out in turn: lists of indices, ascending; no group is split.

    With k groups or fewer every group is a fold of its own (leave-one-out). The largest groups are dealt first, each
    to the smallest fold so far, in an order that the seed decides among equals. Raises CalibrationError for fewer
    than two groups.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for index, group in enumerate(groups):
        members[group].append(index)
    if len(members) < 2:
        raise CalibrationError(
            f"The {len(groups)} picture(s) show {len(members)} good part(s): none can be held out to find a threshold. "
            f"At least {MIN_PARTS} parts are needed."
        )
    if k < 2:
        raise CalibrationError(f"Cross-validation needs at least 2 folds, and {k} is fewer.")
    dealt: list[list[int]] = [[] for _ in range(min(k, len(members)))]
    names = list(members)
    shuffled = [names[position] for position in np.random.default_rng(seed).permutation(len(names))]
    for group in sorted(shuffled, key=lambda name: -len(members[name])):
        min(dealt, key=len).extend(members[group])
    return [sorted(fold) for fold in dealt]


def _checked(values: Sequence[float] | NDArray[np.floating], what: str) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    usable = np.isfinite(array) & (np.abs(array) < np.finfo(np.float32).max)
    if not usable.all():
        index = int(np.argmin(usable))
        raise CalibrationError(
            f"Held-out picture {index + 1} of {len(array)} has the {what} {array[index]}, which is no usable number. "
            "Look at that picture, or train with another method or seed."
        )
    return array


def _numbered(groups: Sequence[str]) -> list[int]:
    order = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return [order[group] for group in groups]


def _per_batch(
    values: NDArray[np.float64], numbers: Sequence[int], batches: Sequence[int]
) -> list[NDArray[np.float64]]:
    """The largest value of each part, ascending, batch by batch; without batches all are one."""
    if not len(batches):
        return [_maximum_per_part(values, numbers or range(len(values)))]
    parts, own = np.asarray(numbers), np.asarray(batches)
    largest = np.full(parts.max() + 1, -np.inf)
    np.maximum.at(largest, parts, values)
    return [np.sort(largest[np.unique(parts[own == batch])]) for batch in range(own.max() + 1)]


def _bound(by_batch: Sequence[NDArray[np.float64]], median: float, alpha: float) -> tuple[float, Rule]:
    """The highest of the batches' thresholds, and the rule that gave it."""
    found = [(_threshold(ascending, median, alpha), _rule(len(ascending), alpha)) for ascending in by_batch]
    return max(found, key=lambda one: one[0])


def _widest_interval(by_batch: Sequence[NDArray[np.float64]], threshold: float) -> tuple[float, float]:
    """Of the batch of which least is known for certain."""
    found = [clopper_pearson(int(np.count_nonzero(part >= threshold)), len(part)) for part in by_batch]
    return max(found, key=lambda interval: interval[1])


def _maximum_per_part(values: NDArray[np.float64], numbers: Sequence[int]) -> NDArray[np.float64]:
    largest = np.full(max(numbers) + 1, -np.inf)
    np.maximum.at(largest, list(numbers), values)
    return np.sort(largest)


def _typical(values: NDArray[np.float64], numbers: Sequence[int]) -> float:
    """Median over parts, so that a part with many pictures weighs no more; it never exceeds that of the maxima."""
    parts = np.asarray(numbers)
    return float(np.median([np.median(values[parts == number]) for number in range(parts.max() + 1)]))


def _rule(n: int, alpha: float) -> Rule:
    # n >= 1/alpha - 1 as k <= n, in integers: 99 parts at 1 % must not fail by a rounding error.
    return "conformal" if _order(n, alpha) <= n else "log_normal"


def _order(n: int, alpha: float) -> int:
    return math.ceil((n + 1) * (1 - alpha) - 1e-9)


def _threshold(ascending: NDArray[np.float64], median: float, alpha: float) -> float:
    """The threshold for scores sorted in ascending order, one per part."""
    if _rule(len(ascending), alpha) == "conformal":
        bound = float(ascending[_order(len(ascending), alpha) - 1])
    else:
        bound = max(_log_normal_bound(ascending, alpha), float(ascending[-1]))
    smallest_spread = SMALLEST_SPREAD * (float(np.abs(ascending).max()) or 1.0)
    threshold = _next_float32(max(bound, median + smallest_spread))
    if not math.isfinite(threshold):
        raise CalibrationError(
            f"{len(ascending)} good parts give no finite threshold at a false-alarm rate of {alpha:g}. "
            "Add pictures of good parts or accept a higher rate."
        )
    return threshold


def _log_normal_bound(ascending: NDArray[np.float64], alpha: float) -> float:
    """Upper prediction bound for one more score.

    The logarithm needs positive numbers, and a score near 0 beside ordinary ones (a picture that occurs twice) would
    blow the spread up: scores are first shifted so that the smallest is at least half their range.
    """
    from scipy.special import stdtrit

    n = len(ascending)
    smallest, spread = ascending[0], ascending[-1] - ascending[0]
    if spread == 0:
        return float(smallest)
    shift = max(0.0, SHIFT_SHARE * spread - smallest)
    logs = np.log(ascending + shift)
    reach = float(stdtrit(n - 1, 1 - alpha)) * math.sqrt(1 + 1 / n)
    with np.errstate(over="ignore"):
        return float(np.exp(logs.mean() + reach * logs.std(ddof=1)) - shift)


def _at_least_float32(value: float) -> float:
    nearest = float(np.float32(value))
    return nearest if nearest >= value else _next_float32(value)


def _next_float32(value: float) -> float:
    with np.errstate(over="ignore"):
        return float(np.nextafter(np.float32(value), np.float32(np.inf)))
