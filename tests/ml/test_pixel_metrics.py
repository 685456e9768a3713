"""Measures over maps, against scikit-learn, brute force over thresholds, and cases counted by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from ml.image_metrics import NotMeasurableError
from ml.pixel_areas import PixelAreas
from ml.pixel_metrics import aupimo, aupro, pixel_auroc, pixel_average_precision, pixel_f1_max, regions_of
from ml.pixel_scores import EXACT_PIXELS, PixelScores


def gathered(pairs, exact_pixels=EXACT_PIXELS) -> PixelScores:
    """`pairs`: (map, mask) per picture, mask None for a good one."""
    scores = PixelScores(exact_pixels)
    for number, (anomaly_map, mask) in enumerate(pairs):
        if mask is None:
            scores.add_normal(anomaly_map)
        else:
            scores.add_defective(str(number), anomaly_map, mask, regions_of(mask))
    return scores


def all_pixels(pairs) -> tuple[np.ndarray, np.ndarray]:
    truths = [np.zeros(values.size, bool) if mask is None else mask.ravel() for values, mask in pairs]
    return np.concatenate(truths), np.concatenate([values.ravel() for values, _ in pairs])


def some_pairs(seed: int = 0, levels: int | None = None, good: int = 3, bad: int = 4):
    """Pictures of different sizes with rectangular defects; `levels` rounds scores so that there are many ties."""
    rng = np.random.default_rng(seed)
    pairs = []
    for number in range(good + bad):
        height, width = rng.integers(20, 40, 2)
        values = rng.normal(0, 1, (height, width))
        mask = None
        if number >= good:
            mask = np.zeros((height, width), bool)
            for _ in range(rng.integers(1, 4)):
                top, left = rng.integers(0, height - 6), rng.integers(0, width - 6)
                mask[top : top + rng.integers(2, 6), left : left + rng.integers(2, 6)] = True
            values[mask] += rng.uniform(0.5, 2)
        if levels is not None:
            values = np.round(values * levels) / levels
        pairs.append((values.astype(np.float32), mask))
    return pairs


def brute_force_aupro(pairs, limit: float) -> float:
    truths, scores = all_pixels(pairs)
    curve = [(0.0, 0.0)]
    regions = []
    for values, mask in pairs:
        if mask is not None:
            labelled = regions_of(mask)
            regions += [values[labelled.labels == number + 1] for number in range(len(labelled.areas_px))]
    for threshold in np.unique(scores)[::-1]:
        rate = (scores[~truths] >= threshold).mean()
        curve.append((rate, np.mean([(region >= threshold).mean() for region in regions])))
    rates, overlaps = np.array(curve).T
    grid = np.concatenate((rates[rates <= limit], [limit]))
    last = np.interp(
        limit,
        rates[np.searchsorted(rates, limit, "right") - 1 :],
        overlaps[np.searchsorted(rates, limit, "right") - 1 :],
    )
    return float(np.trapezoid(np.concatenate((overlaps[rates <= limit], [last])), grid) / limit)


# --- ranking over all pixels ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [None, 2, 1])
def test_that_pixel_measures_are_those_of_scikit_learn(levels):
    pairs = some_pairs(1, levels)
    truths, scores = all_pixels(pairs)
    table = gathered(pairs).levels()
    assert pixel_auroc(table) == pytest.approx(roc_auc_score(truths, scores), abs=1e-12)
    assert pixel_average_precision(table) == pytest.approx(average_precision_score(truths, scores), abs=1e-12)
    precision, recall, thresholds = precision_recall_curve(truths, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    best, threshold = pixel_f1_max(table)
    assert best == pytest.approx(f1.max(), abs=1e-12)
    assert threshold == pytest.approx(thresholds[np.argmax(f1[:-1])])


def test_that_one_kind_of_pixel_alone_has_no_measure():
    with pytest.raises(NotMeasurableError, match="no judged picture with a defect mask"):
        gathered(some_pairs(bad=0)).levels()
    with pytest.raises(NotMeasurableError, match="no defect-free pixel"):
        gathered([(np.ones((4, 4), np.float32), np.ones((4, 4), bool))]).levels()


# --- AUPRO ----------------------------------------------------------------------------------------------------------


def test_rule_10_a_perfect_map_has_an_aupro_of_one():
    pairs = [(values, mask) for values, mask in some_pairs(2)]
    perfect = [
        ((mask if mask is not None else np.zeros(values.shape, bool)).astype(np.float32), mask)
        for values, mask in pairs
    ]
    table = gathered(perfect).levels()
    assert aupro(table, 0.3) == 1
    assert aupro(table, 0.05) == 1


def test_rule_10_a_constant_map_has_half_the_limit_as_aupro():
    constant = [(np.full(values.shape, 3.0, np.float32), mask) for values, mask in some_pairs(2)]
    table = gathered(constant).levels()
    assert aupro(table, 0.3) == pytest.approx(0.15)
    assert aupro(table, 0.05) == pytest.approx(0.025)


def test_that_a_map_that_is_hot_everywhere_else_has_an_aupro_of_zero():
    inverted = [
        (1 - (mask if mask is not None else np.zeros(values.shape, bool)).astype(np.float32), mask)
        for values, mask in some_pairs(2)
    ]
    assert aupro(gathered(inverted).levels(), 0.3) == 0


@pytest.mark.parametrize("limit", [0.3, 0.05, 1.0])
@pytest.mark.parametrize("levels", [None, 2, 1])
@pytest.mark.parametrize("seed", [3, 4])
def test_rule_10_aupro_is_that_of_every_threshold(seed, levels, limit):
    pairs = some_pairs(seed, levels)
    assert aupro(gathered(pairs).levels(), limit) == pytest.approx(brute_force_aupro(pairs, limit), abs=1e-9)


def test_that_aupro_counted_by_hand_is_right():
    # Two regions of 1 and 3 px, 4 defect-free pixels (scores 5, 1, 1, 0), and a good picture with 4 (all 0).
    anomaly_map = np.array([[9, 5, 7, 7], [1, 1, 2, 0]], np.float32)
    mask = np.array([[1, 0, 1, 1], [0, 0, 1, 0]], bool)
    good = np.zeros((2, 2), np.float32)
    # From the top: 9 -> PRO 1/2; 7, 7 -> 1/2 + 1/3; 5 is false (FPR 1/8); 2 -> PRO 1; then FPR 3/8, 1.
    table = gathered([(anomaly_map, mask), (good, None)]).levels()
    assert aupro(table, 0.25) == pytest.approx((0.125 * (5 / 6) + 0.125 * 1) / 0.25)


def test_that_good_pictures_count_in_aupro():
    pairs = some_pairs(5)
    noisy = [(np.full((60, 60), 10.0, np.float32), None)]
    assert aupro(gathered(pairs + noisy).levels(), 0.3) < aupro(gathered(pairs).levels(), 0.3)


def test_that_every_region_weighs_the_same_and_corners_join():
    mask = np.zeros((30, 30), bool)
    mask[0:20, 0:20] = True
    mask[20, 20] = True  # touches the square at its corner
    mask[25, 25] = True
    regions = regions_of(mask)
    assert regions.areas_px.tolist() == [401, 1]
    anomaly_map = np.zeros((30, 30), np.float32)
    anomaly_map[25, 25] = 1
    table = gathered([(anomaly_map, mask)]).levels()
    assert table.overlap[0] == pytest.approx(0.5)


def test_that_holes_of_a_mask_stay_holes():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    assert regions_of(mask).areas_px.tolist() == [24]


def test_that_small_regions_can_be_left_out():
    mask = np.zeros((10, 10), bool)
    mask[0, 0] = mask[5:8, 5:8] = mask[0, 9] = True
    regions = regions_of(mask, min_area_px=4)
    assert regions.areas_px.tolist() == [9]
    assert regions.labels.max() == 1
    assert regions.labels[0, 0] == 0


# --- histogram ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [None, 1])
def test_that_the_histogram_stays_within_its_bound(levels):
    pairs = [
        (values * scale, mask)
        for (values, mask), scale in zip(some_pairs(6, levels), (1, 1, 30, 1, 1, 1, 1), strict=True)
    ]
    exact, coarse = gathered(pairs), gathered(pairs, exact_pixels=1000)
    assert exact.error_bound == 0
    assert 0 < coarse.error_bound < (1e-3 if levels is None else 0.2)  # true ties count in the bound as well
    with pytest.raises(NotMeasurableError, match="kept up to 1000 pixels"):
        coarse.aupimo()
    for measure in (pixel_auroc, pixel_average_precision, lambda t: pixel_f1_max(t)[0], lambda t: aupro(t, 0.3)):
        assert measure(coarse.levels()) == pytest.approx(measure(exact.levels()), abs=1e-3)
    assert abs(pixel_auroc(coarse.levels()) - pixel_auroc(exact.levels())) <= coarse.error_bound + 1e-12


def test_that_the_histogram_follows_scores_far_outside_its_first_range():
    pairs = some_pairs(7)
    stretched = [
        (values * 10.0**power, mask) for (values, mask), power in zip(pairs, (-3, 0, 1, 0, 1, 2, 0), strict=True)
    ]
    exact, coarse = gathered(stretched), gathered(stretched, exact_pixels=0)
    table = coarse.levels()
    assert table.defect_pixels == exact.levels().defect_pixels
    assert table.clean_pixels == exact.levels().clean_pixels
    assert pixel_auroc(table) == pytest.approx(pixel_auroc(exact.levels()), abs=2e-3)


def test_that_a_constant_map_passes_through_the_histogram():
    constant = [(np.full(values.shape, 3.0, np.float32), mask) for values, mask in some_pairs(2)]
    assert aupro(gathered(constant, exact_pixels=0).levels(), 0.3) == pytest.approx(0.15)


# --- AUPIMO ---------------------------------------------------------------------------------------------------------


def brute_force_aupimo(normals, defect) -> float:
    """Every normal score is a threshold; trapezoid over ln FPR, interpolated at both bounds."""
    thresholds = np.unique(np.concatenate([normal.ravel() for normal in normals]))[::-1]
    thresholds = thresholds[:400]
    rates = np.array([np.mean([(normal >= threshold).mean() for normal in normals]) for threshold in thresholds])
    recalls = np.array([(defect >= threshold).mean() for threshold in thresholds])
    grid = np.linspace(math.log(1e-5), math.log(1e-4), 20_001)
    curve = np.interp(grid, np.log(rates), recalls, left=float((defect > thresholds[0]).mean()))
    return float(np.trapezoid(curve, grid) / math.log(10))


def test_that_aupimo_is_that_of_every_threshold():
    rng = np.random.default_rng(8)
    normals = [rng.normal(0, 1, shape).astype(np.float32) for shape in ((700, 600), (300, 500), (400, 900))]
    normals[1] += 0.3  # so that the mean over pictures differs from the pool
    defects = [
        ("a", rng.normal(3.8, 0.5, 500).astype(np.float32)),
        ("b", rng.normal(9, 1, 50).astype(np.float32)),
        ("c", rng.normal(0, 1, 300).astype(np.float32)),
    ]
    result = aupimo(normals, defects)
    expected = [brute_force_aupimo(normals, scores) for _, scores in defects]
    assert [name for name, _ in result.per_picture] == ["a", "b", "c"]
    np.testing.assert_allclose([value for _, value in result.per_picture], expected, atol=2e-3)
    assert result.per_picture[1][1] == 1
    assert result.mean == pytest.approx(np.mean([value for _, value in result.per_picture]))
    assert result.median == result.per_picture[0][1]
    assert 30 <= result.points <= 200


def test_that_ties_in_normal_maps_are_one_threshold():
    rng = np.random.default_rng(9)
    normals = [np.round(rng.normal(0, 1, (1000, 1000)), 2).astype(np.float32) for _ in range(2)]
    defect = np.round(rng.normal(4, 0.5, 400), 2).astype(np.float32)
    assert aupimo(normals, [("a", defect)]).per_picture[0][1] == pytest.approx(
        brute_force_aupimo(normals, defect), abs=3e-3
    )


def test_that_aupimo_is_refused_below_thirty_points():
    small = [np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)]
    with pytest.raises(NotMeasurableError, match="AUPIMO needs 30"):
        aupimo(small, [("a", np.ones(5, np.float32))])
    with pytest.raises(NotMeasurableError, match="AUPIMO needs 30"):
        aupimo([np.zeros((2000, 2000), np.float32)], [("a", np.ones(5, np.float32))])
    with pytest.raises(NotMeasurableError, match="no judged good"):
        aupimo([], [("a", np.ones(5, np.float32))])
    with pytest.raises(NotMeasurableError, match="defect mask"):
        aupimo(small, [])


# --- areas at one threshold -----------------------------------------------------------------------------------------


def test_that_areas_counted_by_hand_are_right():
    areas = PixelAreas()
    mask = np.zeros((10, 10), bool)
    mask[0:2, 0:5] = True  # 10 px
    mask[5:9, 5:10] = True  # 20 px
    predicted = np.zeros((10, 10), bool)
    predicted[0, 0] = True  # exactly 10 % of the first region
    predicted[5, 5] = True  # 5 % of the second
    predicted[9, 0:2] = True  # false
    areas.add_defective(predicted, mask, regions_of(mask))
    good = np.zeros((10, 10), bool)
    good[0, 0] = good[1, 1] = good[5, 5] = True  # two regions: corners join
    areas.add_normal(good)
    areas.add_normal(np.zeros((4, 4), bool))
    assert areas.region_recall == 0.5
    assert areas.false_regions_per_good == 1
    assert areas.iou == pytest.approx(2 / (7 + 30 - 2))
    assert areas.dice == pytest.approx(4 / 37)
    assert areas.precision == pytest.approx(2 / 7)
    assert areas.recall == pytest.approx(2 / 30)
    assert areas.mean_iou_and_dice == pytest.approx((2 / 32, 4 / 34))


def test_that_an_empty_prediction_on_a_good_picture_enters_no_mean():
    areas = PixelAreas()
    mask = np.eye(4, dtype=bool)
    areas.add_defective(mask, mask, regions_of(mask))
    areas.add_normal(np.zeros((4, 4), bool))
    assert areas.mean_iou_and_dice == (1, 1)


def test_that_areas_without_their_pictures_are_not_measurable():
    areas = PixelAreas()
    for name in ("iou", "dice", "precision", "recall", "region_recall", "mean_iou_and_dice", "false_regions_per_good"):
        with pytest.raises(NotMeasurableError):
            getattr(areas, name)
    mask = np.eye(4, dtype=bool)
    areas.add_defective(np.zeros((4, 4), bool), mask, regions_of(mask))
    assert areas.iou == areas.dice == areas.recall == 0
    with pytest.raises(NotMeasurableError, match="no pixel reaches"):
        _ = areas.precision


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.floats(-2, 3))
def test_that_dice_is_the_f1_of_scikit_learn_s_counts(seed, threshold):
    pairs = some_pairs(seed)
    areas = PixelAreas()
    for values, mask in pairs:
        if mask is None:
            areas.add_normal(values >= threshold)
        else:
            areas.add_defective(values >= threshold, mask, regions_of(mask))
    truths, scores = all_pixels(pairs)
    predicted = scores >= threshold
    both = (truths & predicted).sum()
    assert areas.dice == pytest.approx(2 * both / (truths.sum() + predicted.sum()))
    assert areas.iou == pytest.approx(both / (truths | predicted).sum())
