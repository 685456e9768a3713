"""The evaluation report: every measure or its reason, and nothing counted twice."""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ml.calibration import Calibration
from ml.confusion import ConfusionMatrix
from ml.errors import CalibrationError, PictureError
from ml.metrics import Evaluation

ISSUE_KEYS = (
    "image_auroc",
    "pixel_auroc",
    "image_ap",
    "aupro_30",
    "aupro_05",
    "aupimo",
    "f1",
    "f1_max",
    "iou",
    "dice",
    "region_recall",
)

CALIBRATION = Calibration(
    alpha=0.01,
    rule="log_normal",
    source="5-fold",
    n=30,
    n_groups=30,
    median=1.0,
    threshold=3.0,
    threshold_low=2.0,
    pixel_median=1.0,
    pixel_threshold=3.0,
    false_alarm_interval=(0.0, 0.1),
    scores=(1.0,),
)


def add(evaluation: Evaluation, truth: str, score: float, *, kind: str | None = None, **changes) -> None:
    """A picture of 40 x 50 px whose map is the score in one corner square, which is also the defect."""
    anomaly_map = np.full((40, 50), 0.5, np.float32)
    anomaly_map[:10, :10] = score
    mask = np.zeros((40, 50), bool)
    mask[:10, :10] = truth == "anomaly"
    fields = {
        "name": f"{truth} {score}",
        "truth": truth,
        "kind": kind or (None if truth == "normal" else "dent"),
        "score": score,
        "anomaly_map": anomaly_map,
        "mask": mask,
        "latency_ms": 10.0,
    }
    evaluation.add(**(fields | changes))


def mixed() -> Evaluation:
    evaluation = Evaluation(CALIBRATION)
    for score in (0.9, 1.0, 1.1, 2.5, 3.5):  # OK, OK, OK, UNSURE, NG
        add(evaluation, "normal", score)
    for score, kind in ((1.5, "dent"), (2.9, "dent"), (3.0, "stain"), (4.0, "stain")):  # OK, UNSURE, NG, NG
        add(evaluation, "anomaly", score, kind=kind)
    return evaluation


def test_that_the_report_has_every_measure_of_the_command_line():
    document = mixed().report().to_json()
    assert set(ISSUE_KEYS) <= document.keys()
    for key in ISSUE_KEYS:
        assert document[key] is not None or document["reasons"][key]
    json.dumps(document, allow_nan=False)


def test_that_unsure_is_normal_in_the_matrix_and_an_anomaly_on_the_line():
    report = mixed().report()
    assert report.confusion_matrix == ConfusionMatrix(tn=4, fp=1, fn=2, tp=2)
    assert report.confusion_matrix_line == ConfusionMatrix(tn=3, fp=2, fn=1, tp=3)
    assert (report.normal, report.anomalous, report.unsure) == (5, 4, 2)
    assert report.f1 == report.confusion_matrix.f1


def test_that_the_published_matrix_gives_its_published_f1():
    evaluation = Evaluation(CALIBRATION)
    for truth, score, count in (("normal", 1.0, 131), ("normal", 4.0, 19), ("anomaly", 1.0, 20), ("anomaly", 4.0, 606)):
        for _ in range(count):
            add(evaluation, truth, score, anomaly_map=None, mask=None)
    assert round(evaluation.report().f1, 4) == 0.9688


def test_that_ranking_measures_do_not_depend_on_the_order_of_pictures_or_names_of_kinds():
    forward, backward = Evaluation(CALIBRATION), Evaluation(CALIBRATION)
    parts = [("normal", 1.0, None), ("anomaly", 4.0, "aaa"), ("normal", 1.5, None), ("anomaly", 1.2, "zzz")]
    for truth, score, kind in parts:
        add(forward, truth, score, kind=kind)
    for truth, score, kind in reversed(parts):
        add(backward, truth, score, kind={"aaa": "zzz", "zzz": "aaa"}.get(kind))
    one, two = forward.report().to_json(), backward.report().to_json()
    for key in ISSUE_KEYS:
        assert one[key] == two[key]
    assert one["image_auroc"] == roc_auc_score([0, 1, 0, 1], [1.0, 4.0, 1.5, 1.2])


def test_that_recall_is_told_per_kind():
    kinds = {kind.kind: kind.to_json() for kind in mixed().report().recall_per_kind}
    assert kinds["dent"]["recall"] == 0
    assert kinds["dent"]["recall_line"] == 0.5
    assert kinds["stain"]["recall"] == 1
    assert kinds["stain"]["pictures"] == 2


def test_that_a_fault_is_counted_apart_and_in_no_measure():
    evaluation, without = mixed(), mixed()
    evaluation.add_fault("broken.png", "anomaly", "dent")
    evaluation.add_fault("dark.png", "normal", None)
    report, reference = evaluation.report(), without.report()
    assert report.faults == 2
    assert report.fault_pictures == ("broken.png", "dark.png")
    assert report.confusion_matrix == reference.confusion_matrix
    assert report.image_auroc == reference.image_auroc
    assert {kind.kind: kind.faults for kind in report.recall_per_kind} == {"dent": 1, "stain": 0}
    assert {kind.kind: kind.pictures for kind in report.recall_per_kind} == {"dent": 2, "stain": 2}


def test_that_a_kind_with_nothing_but_faults_has_no_recall():
    evaluation = mixed()
    evaluation.add_fault("broken.png", "anomaly", "crack")
    crack = next(kind for kind in evaluation.report().recall_per_kind if kind.kind == "crack").to_json()
    assert crack["recall"] is None
    assert crack["faults"] == 1


def test_that_pixel_measures_are_taken_at_the_stored_threshold():
    report = mixed().report()
    # Per defective picture 100 px marked; 3.0 and 4.0 are predicted; the good picture with 3.5 adds 100 false ones.
    assert report.iou == pytest.approx(200 / (300 + 400 - 200))
    assert report.dice == pytest.approx(400 / 700)
    assert report.pixel_precision == pytest.approx(2 / 3)
    assert report.pixel_recall == report.region_recall == report.iou_per_picture == 0.5
    assert report.false_regions_per_good == pytest.approx(1 / 5)
    assert report.regions == 4
    assert report.pixels == 9 * 2000


def test_that_a_defective_picture_without_mask_is_left_out_of_pixel_measures_only():
    evaluation = mixed()
    add(evaluation, "anomaly", 9.0, mask=None)
    add(evaluation, "anomaly", 9.0, mask=np.zeros((40, 50), bool))
    report = evaluation.report()
    assert report.without_mask == 2
    assert report.pixels == 9 * 2000
    assert report.confusion_matrix.tp == 4
    assert any("2 defective picture(s) without a mask" in note for note in report.notes)


def test_that_without_masks_pixel_measures_are_null_with_a_reason():
    evaluation = Evaluation(CALIBRATION)
    add(evaluation, "normal", 1.0)
    add(evaluation, "anomaly", 4.0, mask=None)
    document = evaluation.report().to_json()
    for key in (
        "pixel_auroc",
        "pixel_ap",
        "pixel_f1_max",
        "aupro_30",
        "aupro_05",
        "aupimo",
        "iou",
        "dice",
        "region_recall",
    ):
        assert document[key] is None
        assert "defect mask" in document["reasons"][key]
    assert document["image_auroc"] == 1
    assert document["false_regions_per_good"] == 0


@pytest.mark.parametrize(("truth", "reason"), [("anomaly", "no judged good"), ("normal", "with a defect")])
def test_that_one_class_alone_has_no_ranking_and_is_never_a_half(truth, reason):
    evaluation = Evaluation(CALIBRATION)
    add(evaluation, truth, 1.0)
    add(evaluation, truth, 4.0)
    document = evaluation.report().to_json()
    for key in ("image_auroc", "image_auroc_interval", "image_ap", "eer", "f1_max"):
        assert document[key] is None
        assert reason in document["reasons"][key]


def test_that_an_empty_evaluation_has_reasons_and_no_numbers():
    document = Evaluation(CALIBRATION).report().to_json()
    for key in (*ISSUE_KEYS, "latency_median_ms"):
        assert document[key] is None
        assert document["reasons"][key]


def test_that_latency_is_median_and_95th_percentile():
    evaluation = Evaluation(CALIBRATION)
    for latency in range(101):
        add(evaluation, "normal", 1.0, latency_ms=float(latency))
    report = evaluation.report()
    assert (report.latency_median_ms, report.latency_p95_ms) == (50, 95)


def test_that_pictures_may_have_sizes_of_their_own():
    evaluation = mixed()
    add(evaluation, "normal", 1.0, anomaly_map=np.zeros((7, 300), np.float32), mask=None)
    assert evaluation.report().pixels == 9 * 2000 + 2100


@pytest.mark.parametrize(
    ("truth", "changes", "reason"),
    [
        ("anomaly", {"mask": np.zeros((50, 40), bool)}, "map is 50 x 40 px and the mask 40 x 50 px"),
        ("normal", {"mask": np.ones((40, 50), bool)}, "labelled good and has a mask"),
        ("normal", {"anomaly_map": np.full((40, 50), math.nan, np.float32)}, "not finite"),
    ],
)
def test_that_what_does_not_fit_is_refused_by_name_and_not_half_added(truth, changes, reason):
    evaluation = mixed()
    with pytest.raises(PictureError, match=f"^odd: .*{reason}"):
        add(evaluation, truth, 4.0, name="odd", **changes)
    assert evaluation.report().to_json() == mixed().report().to_json()


def test_that_a_score_that_is_no_number_is_refused():
    evaluation = mixed()
    with pytest.raises(CalibrationError):
        add(evaluation, "normal", math.nan)
    assert evaluation.report().to_json() == mixed().report().to_json()


def test_that_the_benchmark_mode_measures_on_squares():
    evaluation = Evaluation(CALIBRATION, side_px=20)
    add(evaluation, "normal", 1.0)
    add(evaluation, "anomaly", 4.0)
    report = evaluation.report()
    assert report.pixels == 2 * 400
    assert report.pixel_auroc > 0.99


def test_that_small_regions_may_be_left_out_without_losing_the_pixels():
    evaluation = Evaluation(CALIBRATION, min_region_px=200)
    add(evaluation, "normal", 1.0)
    add(evaluation, "anomaly", 4.0)
    report = evaluation.report()
    assert report.pixel_auroc == 1
    assert report.aupro_30 is None
    assert "large enough" in report.reasons["aupro_30"]
    assert "large enough" in report.reasons["region_recall"]


def test_that_few_defect_pixels_make_the_pixel_auroc_optimistic_and_that_is_said():
    evaluation = Evaluation(CALIBRATION)
    for _ in range(6):
        add(evaluation, "normal", 1.0)
    add(evaluation, "anomaly", 4.0)
    assert any("optimistic" in note for note in evaluation.report().notes)
    assert not any("optimistic" in note for note in mixed().report().notes)


def test_that_oracles_are_labelled():
    assert any("f1_max" in note and "oracle" in note for note in mixed().report().notes)


def test_that_large_good_pictures_give_an_aupimo_per_picture():
    evaluation = Evaluation(CALIBRATION)
    rng = np.random.default_rng(0)
    for _ in range(3):
        add(evaluation, "normal", 1.0, anomaly_map=rng.random((500, 500), np.float32), mask=None)
    add(evaluation, "anomaly", 4.0, name="dent/1.png")
    report = evaluation.report()
    assert report.to_json()["aupimo_per_picture"] == [{"picture": "dent/1.png", "aupimo": 1.0}]
    assert report.aupimo == report.aupimo_median == 1
    assert any("coarse" in note for note in report.notes)


def test_that_the_module_is_imported_without_torch_and_scikit_learn():
    code = "import sys, ml.metrics; assert not {'torch', 'sklearn', 'PySide6'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
