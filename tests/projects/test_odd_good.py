"""The one good picture that a threshold rests on."""

from pathlib import Path

import numpy as np
import pytest

from ml.artifact import DataFingerprint, Manifest
from ml.calibration import Calibration, Source, calibrate
from station.projects.odd_good import odd_good
from tests.projects.evidence import write_candidate

COUNT = 30


def calibrated(scores: list[float], source: Source = "5-fold", groups: list[str] | None = None) -> Calibration:
    names = groups or [str(number) for number in range(len(scores))]
    return calibrate(scores, scores, names, alpha=0.01, source=source)


def model(path: Path, calibration: Calibration, held_out: tuple[str, ...] = ()) -> Manifest:
    names = [f"{number}.png" for number in range(COUNT)]
    data = DataFingerprint(files=tuple((name, "0" * 64) for name in names), held_out=held_out)
    return write_candidate(path / "m.loupe", data=data).model_copy(update={"calibration": calibration})


@pytest.fixture
def usual() -> list[float]:
    return [float(score) for score in np.random.default_rng(3).lognormal(0, 0.1, COUNT)]


def test_that_a_picture_far_above_all_others_is_named(usual: list[float], tmp_path: Path) -> None:
    usual[7] = 3.0
    odd = odd_good(model(tmp_path, calibrated(usual)))
    assert odd is not None
    assert odd.name == "7.png"
    assert odd.threshold_without < 0.5


def test_that_usual_parts_are_not_named(usual: list[float], tmp_path: Path) -> None:
    assert odd_good(model(tmp_path, calibrated(usual))) is None


def test_that_with_a_part_all_its_pictures_are_left_out(usual: list[float], tmp_path: Path) -> None:
    usual[7], usual[8] = 3.0, 2.9
    assert odd_good(model(tmp_path, calibrated(usual))) is None, "two odd parts: neither alone"
    groups = [str(number) if number not in (7, 8) else "one part" for number in range(COUNT)]
    odd = odd_good(model(tmp_path, calibrated(usual, groups=groups)))
    assert odd is not None
    assert odd.name == "7.png"


def test_that_held_out_parts_are_known_by_name(usual: list[float], tmp_path: Path) -> None:
    held = tuple(f"{number}.png" for number in range(20, 30))
    scores = [*usual[:9], 3.0]
    odd = odd_good(model(tmp_path, calibrated(scores, "hold-out"), held))
    assert odd is not None
    assert odd.name == "29.png"


def test_that_changed_copies_and_unknown_orders_name_nobody(usual: list[float], tmp_path: Path) -> None:
    usual[7] = 3.0
    assert odd_good(model(tmp_path, calibrated(usual, "perturbations"))) is None
    assert odd_good(model(tmp_path, calibrated(usual[:20]))) is None
