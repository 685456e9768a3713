"""The confusion matrix: one convention, and no rate where nothing is known."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ml.confusion import ConfusionMatrix, wilson_interval

VALVE_SEAT = ConfusionMatrix(tn=131, fp=19, fn=20, tp=606)


def test_rule_12_the_published_table_gives_its_published_rates():
    assert VALVE_SEAT.rows == ((131, 19), (20, 606))
    assert VALVE_SEAT.total == 776
    assert round(VALVE_SEAT.f1, 4) == 0.9688
    assert round(VALVE_SEAT.specificity, 4) == 0.8733
    assert round(VALVE_SEAT.mcc, 4) == 0.8393
    assert VALVE_SEAT.accuracy == pytest.approx(737 / 776)
    assert VALVE_SEAT.precision == pytest.approx(606 / 625)
    assert VALVE_SEAT.recall == pytest.approx(606 / 626)
    assert VALVE_SEAT.row_shares[0] == pytest.approx((131 / 150, 19 / 150))


def test_that_rows_are_the_truth_and_the_anomaly_comes_second():
    truths = [False, False, False, True, True]
    verdicts = [False, True, False, False, True]
    assert ConfusionMatrix.of(truths, verdicts) == ConfusionMatrix(tn=2, fp=1, fn=1, tp=1)


def test_that_pairs_must_match():
    with pytest.raises(ValueError, match="zip"):
        ConfusionMatrix.of([True], [True, False])


def test_that_undefined_rates_are_none():
    empty = ConfusionMatrix()
    for name in ("accuracy", "precision", "recall", "specificity", "f1", "mcc"):
        assert getattr(empty, name) is None
    for name in ("accuracy", "precision", "recall", "specificity"):
        assert getattr(empty, f"{name}_interval") is None
    only_good = ConfusionMatrix(tn=5)
    assert (only_good.recall, only_good.precision, only_good.f1, only_good.mcc) == (None, None, None, None)
    assert only_good.specificity == 1
    assert only_good.row_shares == ((1.0, 0.0), (None, None))
    assert ConfusionMatrix(fn=3).f1 == 0


def test_that_counts_cannot_be_negative():
    with pytest.raises(ValueError, match="negative"):
        ConfusionMatrix(tn=-1)


def test_that_matrices_add_up():
    assert VALVE_SEAT + ConfusionMatrix(1, 2, 3, 4) == ConfusionMatrix(132, 21, 23, 610)


@given(st.integers(0, 300), st.integers(0, 300))
def test_that_the_interval_is_wilson_s(successes, failures):
    trials = successes + failures
    if trials == 0:
        assert wilson_interval(0, 0) is None
        return
    expected = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    low, high = wilson_interval(successes, trials)
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert 0 <= low <= successes / trials <= high <= 1


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_that_rates_are_those_of_scikit_learn(pairs):
    from sklearn.metrics import confusion_matrix, f1_score, matthews_corrcoef

    truths, verdicts = (np.array(column) for column in zip(*pairs, strict=True))
    matrix = ConfusionMatrix.of(truths, verdicts)
    np.testing.assert_array_equal(matrix.rows, confusion_matrix(truths, verdicts, labels=[False, True]))
    if matrix.f1 is not None:
        assert matrix.f1 == pytest.approx(f1_score(truths, verdicts, zero_division=0))
    if matrix.mcc is not None:
        assert matrix.mcc == pytest.approx(matthews_corrcoef(truths, verdicts))


def test_that_json_says_what_rows_and_labels_are():
    document = VALVE_SEAT.to_json()
    assert document["labels"] == ["normal", "anomaly"]
    assert document["rows"] == [[131, 19], [20, 606]]
    assert document["tn"] == 131
    assert document["recall_interval"] == VALVE_SEAT.recall_interval


def test_that_screens_can_use_it_without_numerical_libraries():
    code = "import sys, ml.confusion; assert not {'numpy', 'scipy', 'sklearn'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
