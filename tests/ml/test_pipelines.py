"""Each pipeline is a training order; the ring, from folder to verdict."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from ml.artifact import HASHED_FIELDS, model_hash, read_manifest, revised
from ml.catalogue import method, parse_settings
from ml.catalogue.pipelines import PIPELINES, pipeline
from ml.detector import Detector
from ml.errors import ParameterError, PartNotFoundError, TrainingError
from ml.evaluation import evaluate
from ml.job import TrainingJob
from ml.judging import judge
from ml.training.pipeline import run
from tests.ml.rings import as_rgb, ring
from tests.ml.small_models import quick_job, write

RULES = {"verdict": "rules", "sections": [{"reach": 1.0, "min_area_px": 20}]}


@pytest.mark.parametrize("name", PIPELINES)
def test_that_every_pipeline_is_a_valid_order(name: str) -> None:
    fields = pipeline(name).fields
    job = TrainingJob.checked({"data": "parts", "out": "model.loupe", **fields})
    assert job.model_dump(mode="json")["rules"] == {**fields["rules"]}
    parse_settings(job.method, {**method(job.method).presets[job.preset].settings, **job.parameters})


def test_that_an_unknown_pipeline_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(ParameterError, match="valve_seat"):
        pipeline("valve_sate")


def part(index: int) -> Any:
    """A ring that lies a little elsewhere each time."""
    x, y = np.random.default_rng(index).uniform(-6, 6, 2)
    return as_rgb(ring(120 + x, 100 + y, 40, seed=index))


def defective(index: int) -> Any:
    pixels = part(index).copy()
    x, y = np.random.default_rng(index).uniform(-6, 6, 2)
    cv2.line(pixels, (round(150 + x), round(60 + y)), (round(175 + x), round(140 + y)), (20, 20, 20), 5)
    return pixels


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("seats")
    for index in range(10):
        write(data / "train" / "good" / f"{index}.png", part(index))
    write(data / "train" / "good" / "empty.png", as_rgb(np.full((200, 240), 50, np.uint8)))
    write(data / "test" / "good" / "20.png", part(20))
    write(data / "test" / "scratch" / "21.png", defective(21))
    write(data / "test" / "gone" / "22.png", as_rgb(np.full((200, 240), 50, np.uint8)))
    return data


def seat_job(folder: Path, out: Path, **fields: Any) -> TrainingJob:
    ring_search = {"inner": 1.0, "outer": 2.0}
    return quick_job(folder, out, "padim", clahe={}, **{"ring": ring_search, "rules": RULES, **fields})


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("model") / "seat.loupe"
    (skipped,) = run(seat_job(folder, out)).survey.skipped
    assert skipped.file == "empty.png" and "The part is not found" in skipped.reason
    return out


def test_that_the_radius_is_measured_and_stored_with_the_model(model: Path) -> None:
    manifest = read_manifest(model)
    found = manifest.preprocessing.ring
    assert found is not None and found.radius_px is not None and manifest.preprocessing.clahe is not None
    low, high = found.radius_px
    assert 36 < low < 40 < high < 44
    assert manifest.data.skipped == ("empty.png",)


def test_that_a_scratch_is_ng_by_the_rules_and_lies_where_it_is(model: Path) -> None:
    detector = Detector.load(model)
    manifest = detector.manifest
    assert judge(detector.score(part(20)), manifest.calibration, manifest.rules).verdict == "OK"
    judgement = judge(detector.score(defective(21)), manifest.calibration, manifest.rules)
    assert judgement.verdict == "NG"
    shift_x = np.random.default_rng(21).uniform(-6, 6, 2)[0]
    assert abs(judgement.regions[0].centre_x - (162 + shift_x)) < 12
    assert judgement.regions[0].section == 1


def test_that_a_part_that_is_not_found_is_a_fault_and_never_passes(model: Path, folder: Path) -> None:
    detector = Detector.load(model)
    with pytest.raises(PartNotFoundError, match="Check that a part is in place"):
        detector.score(as_rgb(np.full((200, 240), 50, np.uint8)))
    report = evaluate(detector, folder)
    assert report.fault_pictures == ("gone/22.png",)
    assert (report.confusion_matrix.tn, report.confusion_matrix.tp) == (1, 1)


def test_that_an_evaluation_judges_by_the_rules(model: Path, folder: Path, tmp_path: Path) -> None:
    """With an area that no region has, the same scores pass everything."""
    detector = Detector.load(model)
    assert detector.manifest.rules is not None
    section = detector.manifest.rules.sections[0].model_copy(update={"min_area_px": 10**6})
    lenient = detector.manifest.rules.model_copy(update={"sections": (section,)})
    detector.manifest = detector.manifest.model_copy(update={"rules": lenient})
    assert evaluate(detector, folder).confusion_matrix.fn == 1


def test_that_rules_are_part_of_the_hash_and_outlive_a_new_threshold(model: Path, tmp_path: Path) -> None:
    manifest = read_manifest(model)
    changed = revised(model, tmp_path / "stricter.loupe", manifest.calibration.with_alpha(0.05), manifest.rules)
    assert changed.rules == manifest.rules
    document = manifest.model_dump(mode="json")
    assert model_hash(document) == manifest.model_hash
    other = {**document, "rules": {**document["rules"], "verdict": "either"}}
    assert model_hash(other) != manifest.model_hash
    without = {field: document[field] for field in HASHED_FIELDS}
    assert model_hash(without) != manifest.model_hash


@pytest.mark.parametrize("fields", [{"size": None, "patch": 64}, {"aspect": "keep"}], ids=["patches", "kept aspect"])
def test_that_a_strip_is_learnt_from_in_every_geometry(folder: Path, tmp_path: Path, fields: dict[str, Any]) -> None:
    ring_search = {"inner": 1.0, "outer": 2.0, "radius_px": (38, 42), "unwrap": True}
    job = quick_job(folder, tmp_path / "strip.loupe", **{"size": 96, "ring": ring_search, **fields})
    manifest = run(job).manifest
    size = manifest.preprocessing.input_height, manifest.preprocessing.input_width
    assert size == ((64, 64) if "patch" in fields else (32, 352))
    detection = Detector.load(job.out).score(defective(21))
    y, x = np.unravel_index(int(detection.score_map.at_picture_size().argmax()), (200, 240))
    assert (defective(21)[max(y - 12, 0) : y + 12, max(x - 12, 0) : x + 12] == 20).any()


def test_that_a_ring_that_is_missing_from_many_pictures_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not found in 11 of 11 pictures.*radius"):
        run(seat_job(folder, tmp_path / "no.loupe", ring={"radius_px": (15, 20), "outer": 2.0}))
    with pytest.raises(TrainingError, match="no circle is found that most"):
        run(seat_job(folder, tmp_path / "no.loupe", ring={"outer": 2.0, "edge": 1000}))
