"""A small rendered MVTec set, evaluated from files to figures."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ml.detector import Detector
from ml.errors import CancelledError, TrainingError
from ml.evaluation import evaluate
from ml.metrics import EvaluationReport
from ml.training.pipeline import run
from station.capture.demo_line.dataset import write_demo_dataset
from tests.ml.small_models import part, quick_job, write

KINDS = 5
SIZE_PX = 192


@pytest.fixture(scope="module")
def demo_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "parts"
    write_demo_dataset(folder, 16, seed=5, test_good=4, test_defects=2 * KINDS, size_px=SIZE_PX)
    return folder


@pytest.fixture(scope="module")
def detector(demo_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Detector:
    job = quick_job(
        demo_set, tmp_path_factory.mktemp("model") / "m.loupe", size=SIZE_PX, parameters={"coreset_cap": 300}
    )
    return Detector.load(run(job).path, "cpu")


@pytest.fixture(scope="module")
def report(demo_set: Path, detector: Detector) -> EvaluationReport:
    return evaluate(detector, demo_set)


@pytest.fixture
def copy(demo_set: Path, tmp_path: Path) -> Path:
    """The test pictures, for the test to change."""
    shutil.copytree(demo_set / "test", tmp_path / "set/test")
    shutil.copytree(demo_set / "ground_truth", tmp_path / "set/ground_truth")
    return tmp_path / "set"


def test_that_every_measure_comes_with_a_value_or_a_reason(report: EvaluationReport) -> None:
    document = report.to_json()
    for measure in (
        *("image_auroc", "pixel_auroc", "image_ap", "aupro_30", "aupro_05", "aupimo", "f1", "f1_max"),
        *("iou", "dice", "region_recall", "latency_median_ms", "latency_p95_ms"),
    ):
        assert document[measure] is not None or document["reasons"][measure], measure


def test_that_rendered_defects_are_told_from_good_parts(report: EvaluationReport) -> None:
    assert (report.normal, report.anomalous, report.faults, report.without_mask) == (4, 2 * KINDS, 0, 0)
    assert report.image_auroc is not None
    assert report.image_auroc > 0.85
    assert report.pixel_auroc is not None
    assert report.pixel_auroc > 0.8
    assert sum(kind.pictures for kind in report.recall_per_kind) == 2 * KINDS
    assert {kind.kind for kind in report.recall_per_kind} > {"scratch", "dent"}
    assert report.confusion_matrix.tn + report.confusion_matrix.fp == 4


def test_that_a_picture_that_cannot_be_read_is_a_fault_in_no_figure(
    copy: Path, detector: Detector, report: EvaluationReport
) -> None:
    broken = copy / "test/scratch/broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n")
    write(copy / "test/good/tiny.png", part(0, 16, 16))
    told: list[tuple[Path, str]] = []
    found = evaluate(detector, copy, on_fault=lambda path, reason: told.append((path, reason)))
    assert found.faults == 2
    assert set(found.fault_pictures) == {"tiny.png", "scratch/broken.png"}
    assert {path.name for path, _ in told} == {"broken.png", "tiny.png"}
    assert all(path.name in reason for path, reason in told)
    assert found.confusion_matrix == report.confusion_matrix
    assert found.image_auroc == report.image_auroc
    scratch = next(kind for kind in found.recall_per_kind if kind.kind == "scratch")
    assert scratch.faults == 1


def test_that_a_mask_of_another_size_is_refused_naming_both_files(copy: Path, detector: Detector) -> None:
    mask = next((copy / "ground_truth/dent").iterdir())
    write(mask, np.zeros((SIZE_PX, SIZE_PX // 2), np.uint8))
    with pytest.raises(TrainingError, match="px and its picture") as caught:
        evaluate(detector, copy)
    assert mask.name in str(caught.value)


def test_that_labels_do_not_depend_on_the_alphabet_of_folders(
    copy: Path, detector: Detector, report: EvaluationReport
) -> None:
    kinds = sorted(path.name for path in (copy / "test").iterdir() if path.name != "good")
    for kind, name in zip(kinds, ("AAA", "a_good", "bad", "zzz", "0"), strict=True):  # before and behind "good"
        (copy / "test" / kind).rename(copy / "test" / name)
        (copy / "ground_truth" / kind).rename(copy / "ground_truth" / name)
    renamed = evaluate(detector, copy)
    assert renamed.image_auroc == pytest.approx(report.image_auroc)
    assert renamed.confusion_matrix == report.confusion_matrix
    assert renamed.pixel_auroc == pytest.approx(report.pixel_auroc)


def test_that_without_masks_or_good_pictures_measures_are_missing_with_a_reason(copy: Path, detector: Detector) -> None:
    shutil.rmtree(copy / "ground_truth")
    shutil.rmtree(copy / "test/good")
    found = evaluate(detector, copy)
    assert (found.normal, found.without_mask) == (0, 2 * KINDS)
    assert found.image_auroc is None
    assert found.pixel_auroc is None
    assert {"image_auroc", "pixel_auroc", "aupro_30"} <= found.reasons.keys()


def test_that_a_stopped_evaluation_gives_no_figures(copy: Path, detector: Detector) -> None:
    left = iter([False, False])
    with pytest.raises(CancelledError):
        evaluate(detector, copy, cancelled=lambda: next(left, True))


def test_that_what_is_no_layout_is_refused(tmp_path: Path, detector: Detector) -> None:
    with pytest.raises(TrainingError, match="no such folder"):
        evaluate(detector, tmp_path / "nowhere")
    with pytest.raises(TrainingError, match="MVTec layout"):
        evaluate(detector, tmp_path)


def test_that_defects_that_were_learnt_from_are_no_test(demo_set: Path, copy: Path, tmp_path: Path) -> None:
    kind = next(folder for folder in sorted((copy / "test").iterdir()) if folder.name != "good")
    job = quick_job(demo_set, tmp_path / "m.loupe", "student_teacher", defects=kind)
    job = job.model_copy(update={"parameters": {**job.parameters, "teacher": "labelled"}})
    trained = run(job)
    assert len(trained.manifest.data.defects) == len(list(kind.iterdir()))
    detector = Detector.load(trained.path, "cpu")
    with pytest.raises(TrainingError, match=f"learnt from as defects .*{kind.name}"):
        evaluate(detector, copy)
    shutil.rmtree(kind)
    assert evaluate(detector, copy).anomalous
