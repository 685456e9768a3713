"""Measures over picture scores, against scikit-learn, other formulas and cases counted by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.image_metrics import (
    NotMeasurableError,
    auroc,
    auroc_interval,
    average_precision,
    equal_error_rate,
    f1_max,
)

MEASURES = [auroc, auroc_interval, average_precision, f1_max, equal_error_rate]


def labelled(good, bad) -> tuple[np.ndarray, np.ndarray]:
    truths = np.array([False] * len(good) + [True] * len(bad))
    return truths, np.array([*good, *bad], dtype=np.float64)


def test_that_auroc_counts_pairs_and_ties_half():
    truths, scores = labelled([1, 2, 3], [2, 4])
    assert auroc(truths, scores) == pytest.approx((1.5 + 3) / 6)


@given(st.lists(st.integers(0, 8), min_size=1, max_size=12), st.lists(st.integers(0, 8), min_size=1, max_size=12))
def test_that_auroc_is_the_midrank_formula(good, bad):
    truths, scores = labelled(good, bad)
    pairs = [(high > low) + (high == low) / 2 for high in bad for low in good]
    assert auroc(truths, scores) == pytest.approx(np.mean(pairs))
    low, high = auroc_interval(truths, scores)
    assert 0 <= low <= np.mean(pairs) + 1e-9
    assert np.mean(pairs) - 1e-9 <= high <= 1


def test_that_delong_s_variance_is_that_of_its_structural_components():
    rng = np.random.default_rng(0)
    good, bad = rng.normal(0, 1, 40), rng.normal(1, 1, 25)
    truths, scores = labelled(good, bad)
    wins = (bad[:, None] > good[None, :]).astype(float)
    area = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / 25 + wins.mean(axis=0).var(ddof=1) / 40
    low, high = auroc_interval(truths, scores)
    logit = math.log(area / (1 - area))
    reach = 1.959964 * math.sqrt(variance) / (area * (1 - area))
    assert low == pytest.approx(1 / (1 + math.exp(-(logit - reach))), rel=1e-6)
    assert high == pytest.approx(1 / (1 + math.exp(-(logit + reach))), rel=1e-6)


def test_that_the_interval_holds_the_true_area_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    true_area = 0.5 * (1 + math.erf(1.5 / 2))  # N(0, 1) against N(1.5, 1): Phi(1.5 / sqrt 2)
    hits = 0
    for _ in range(300):
        low, high = auroc_interval(*labelled(rng.normal(0, 1, 30), rng.normal(1.5, 1, 30)))
        hits += low <= true_area <= high
    assert 0.91 <= hits / 300 <= 0.99


def test_that_a_perfect_ranking_of_few_pictures_is_no_certainty():
    low, high = auroc_interval(*labelled(range(20), range(100, 160)))
    assert high == 1
    assert 0.9 < low < 0.97
    assert auroc_interval(*labelled(range(100, 160), range(20)))[0] == 0
    assert auroc_interval(*labelled([0], [1]))[0] < 0.3


def test_that_average_precision_is_a_step_sum():
    truths, scores = labelled([1, 3], [2, 4])  # from the top: hit, miss, hit, miss
    assert average_precision(truths, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_that_f1_max_names_the_threshold_that_reaches_it():
    truths, scores = labelled([1, 2, 5], [3, 4, 6])
    best, threshold = f1_max(truths, scores)
    assert (best, threshold) == (pytest.approx(2 * 3 / (3 + 4)), 3)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=20))
def test_that_no_threshold_beats_f1_max(pairs):
    truths, scores = np.array([truth for truth, _ in pairs]), np.array([float(score) for _, score in pairs])
    if truths.all() or not truths.any():
        return
    every = []
    for threshold in range(8):
        predicted = scores >= threshold
        every.append(2 * (predicted & truths).sum() / (predicted.sum() + truths.sum()))
    assert f1_max(truths, scores)[0] == pytest.approx(max(every))


def test_that_the_equal_error_rate_is_interpolated():
    assert equal_error_rate(*labelled([1, 2], [3, 4])) == 0
    assert equal_error_rate(*labelled([1, 1], [1, 1])) == pytest.approx(0.5)
    # ROC: (0, 0) (0, .5) (.5, .5) (.5, 1) (1, 1) crosses the anti-diagonal at (.5, .5)
    assert equal_error_rate(*labelled([1, 3], [2, 4])) == pytest.approx(0.5)
    # ROC: (0, 0) (1/3, 1) (1, 1): a tie of one good and all bad crosses at 1/4
    assert equal_error_rate(*labelled([1, 1, 2], [2, 2])) == pytest.approx(0.25)


@pytest.mark.parametrize("measure", MEASURES)
def test_that_a_missing_class_or_a_nan_has_no_measure(measure):
    with pytest.raises(NotMeasurableError, match="no judged good"):
        measure(*labelled([], [1, 2]))
    with pytest.raises(NotMeasurableError, match="with a defect"):
        measure(*labelled([1, 2], []))
    with pytest.raises(NotMeasurableError, match="finite"):
        measure(*labelled([1, math.nan], [1]))
    with pytest.raises(NotMeasurableError):
        measure(*labelled([], []))
