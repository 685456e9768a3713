"""The demo line as a camera."""

import time

import numpy as np
import pytest

from station.capture.demo_line import DEFECT_KINDS
from station.capture.simulated import Disturbance, SimulatedCamera, defect_of
from station.core.errors import CameraError
from station.core.frame import Frame


def _parts(camera: SimulatedCamera, count: int) -> list[Frame]:
    camera.open()
    try:
        return [camera.grab(5.0) for _ in range(count)]
    finally:
        camera.close()


def test_that_three_of_ten_parts_are_defective_and_every_kind_comes_soon() -> None:
    for seed in range(20):
        kinds = [defect_of(seed, index) for index in range(40)]
        assert [sum(kind is not None for kind in kinds[start : start + 10]) for start in (0, 10, 20, 30)] == [3] * 4
        assert set(kinds[:20]) == {None, *DEFECT_KINDS}


def test_that_lines_of_different_seeds_differ() -> None:
    assert len({tuple(defect_of(seed, index) for index in range(20)) for seed in range(10)}) == 10


def test_that_a_part_carries_its_truth_and_serial_number() -> None:
    for index, frame in enumerate(_parts(SimulatedCamera(seed=1, size_px=128), 10)):
        defect = defect_of(1, index)
        assert frame.name == f"D-{index + 1:06d}"
        assert frame.defect_kind == defect
        assert frame.given_truth == ("normal" if defect is None else "anomaly")


def test_that_the_line_starts_over_with_every_open() -> None:
    camera = SimulatedCamera(seed=1, size_px=128)
    for first, second in zip(_parts(camera, 3), _parts(camera, 3), strict=True):
        assert np.array_equal(first.pixels, second.pixels)
        assert first.id != second.id


def test_that_parts_keep_their_distance_in_time() -> None:
    camera = SimulatedCamera(size_px=128, pace_s=0.4)
    camera.open()
    camera.grab(1.0)
    started = time.monotonic()
    with pytest.raises(CameraError, match="no part"):
        camera.grab(0.1)
    assert 0.1 <= time.monotonic() - started < 0.35
    camera.grab(1.0)
    assert time.monotonic() - started >= 0.35


@pytest.mark.parametrize("disturbance", ["covered", "empty"])
def test_that_a_picture_without_a_part_has_no_truth(disturbance: Disturbance) -> None:
    for frame in _parts(SimulatedCamera(size_px=128, disturbance=disturbance), 4):
        assert (frame.given_truth, frame.defect_kind) == (None, None)


def test_that_a_disturbance_can_come_and_go_while_the_camera_is_open() -> None:
    camera = SimulatedCamera(size_px=128)
    camera.open()
    seen = camera.grab(1.0)
    camera.disturbance = "covered"
    covered = camera.grab(1.0)
    camera.disturbance = "unfocused"
    unfocused = camera.grab(1.0)
    camera.disturbance = None
    assert covered.pixels.mean() < 0.2 * seen.pixels.mean()
    assert np.ptp(unfocused.pixels) > 50
    assert camera.grab(1.0).name == "D-000004"


def test_that_a_lost_camera_says_so_until_it_is_back() -> None:
    camera = SimulatedCamera(size_px=128)
    camera.open()
    camera.disturbance = "lost"
    for act in (lambda: camera.grab(1.0), camera.open):
        with pytest.raises(CameraError, match="Camera lost"):
            act()
    camera.disturbance = None
    assert camera.grab(1.0).pixels.size > 0


def test_that_a_size_at_which_nothing_shows_is_refused() -> None:
    with pytest.raises(CameraError, match="too small"):
        SimulatedCamera(size_px=64)
