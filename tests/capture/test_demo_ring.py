"""The demo line's part is found by its circles; an empty fixture and a covered lens are a FAULT from end to end."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.circle_search import find_circle, striking_circles, usual_range
from ml.contrast import equalised
from ml.detector import Detector
from ml.errors import PartNotFoundError
from ml.pictures import encode_png
from ml.preprocessing import Clahe, RingSearch
from ml.training.pipeline import run
from station.capture.demo_line.rendering import render_covered_lens, render_empty_fixture, render_part
from station.capture.demo_line.ring_part import BORE_RADIUS, RADIUS_OF_SIDE, draw_part
from station.commands.inspect import inspect_file
from station.core.frame import Frame
from station.core.inspector import Inspector
from station.core.recipe import QualityLimits
from station.core.recipe_rules import recipe_for
from station.core.verdict import Verdict
from tests.ml.small_models import quick_job

EIGHT_BIT = (0.0, 255.0)
DEMO_PX = 384
DEMO_SEED = 11
SEAT_RADIUS = 0.604
"""Outer edge of the demo part's ground seat in outer radii: its most striking circle."""


def demo_search(part_radius: float, **changes: Any) -> RingSearch:
    nominal = part_radius * RADIUS_OF_SIDE * DEMO_PX
    return RingSearch(radius_px=(0.95 * nominal, 1.05 * nominal), outer=1.0, inner=0.5, **changes)


@pytest.mark.parametrize("clahe", [None, Clahe()], ids=["plain", "evened out"])
@pytest.mark.parametrize("edge", [BORE_RADIUS + 0.0105, SEAT_RADIUS], ids=["bore", "seat"])
def test_that_every_part_of_the_demo_line_is_found(clahe: Clahe | None, edge: float) -> None:
    """Also where a defect lies on the edge: a part that is not found is no NG."""
    for index, defect in enumerate((None, "chip", "dent", None)):
        pixels, _ = render_part(DEMO_SEED, index, defect, DEMO_PX)  # type: ignore[arg-type]
        part = draw_part(np.random.default_rng([DEMO_SEED, index, 1]))
        if clahe is not None:
            pixels = equalised(pixels, clahe, EIGHT_BIT)
        found = find_circle(pixels, demo_search(edge), EIGHT_BIT)
        assert np.hypot(found.x + 0.5 - part.centre_x * DEMO_PX, found.y + 0.5 - part.centre_y * DEMO_PX) < 0.5
        assert found.radius == pytest.approx(edge * part.radius_px(DEMO_PX), abs=1.0)


@pytest.mark.parametrize("clahe", [None, Clahe()], ids=["plain", "evened out"])
def test_that_neither_an_empty_fixture_nor_a_covered_lens_is_a_part(clahe: Clahe | None) -> None:
    for pixels in (render_empty_fixture(DEMO_SEED, 0, DEMO_PX), render_covered_lens(DEMO_SEED, 0, DEMO_PX)):
        with pytest.raises(PartNotFoundError):
            find_circle(pixels if clahe is None else equalised(pixels, clahe, EIGHT_BIT), demo_search(0.604), EIGHT_BIT)


def test_that_the_radius_is_measured_on_the_part_and_not_on_the_fixture() -> None:
    found = [
        striking_circles(render_part(DEMO_SEED, index, size_px=DEMO_PX)[0], RingSearch(outer=1.7), EIGHT_BIT)
        for index in range(3)
    ]
    measured = usual_range(found)
    assert measured is not None
    low, high = np.array(measured) / (RADIUS_OF_SIDE * DEMO_PX)
    assert 0.9 * SEAT_RADIUS < low < SEAT_RADIUS < high < 1.1 * SEAT_RADIUS


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """Knows the ring of seven good parts."""
    folder = tmp_path_factory.mktemp("demo")
    for index in range(7):
        (folder / f"{index}.png").write_bytes(encode_png(render_part(DEMO_SEED, index, size_px=DEMO_PX)[0]))
    search = demo_search(SEAT_RADIUS).model_copy(update={"inner": 0.85, "outer": 1.68})
    job = quick_job(folder, folder / "seat.loupe", "padim", ring=search, clahe={}, size=96)
    return Detector.load(run(job).path)


def inspector_of(detector: Detector) -> Inspector:
    recipe = recipe_for(detector.manifest, "Seat", "demo").model_copy(update={"quality": QualityLimits()})
    return Inspector(recipe, detector)


@pytest.mark.parametrize("render", [render_empty_fixture, render_covered_lens])
def test_that_a_part_that_is_not_found_is_a_fault(
    detector: Detector, render: Callable[..., NDArray[np.uint8]], tmp_path: Path
) -> None:
    """Even where the recipe checks no picture's quality."""
    pixels = render(DEMO_SEED, 50, size_px=DEMO_PX)
    inspection = inspector_of(detector).inspect(Frame(pixels, 8, "demo")).inspection
    assert inspection.verdict is Verdict.FAULT
    assert "The part is not found" in (inspection.fault or "")
    assert inspection.score is None
    file = tmp_path / "gone.png"
    file.write_bytes(encode_png(pixels))
    record = inspect_file(detector, file, None, 0)
    assert record["verdict"] == "FAULT" and "The part is not found" in record["fault"]


def test_that_a_part_that_reaches_out_of_the_picture_is_a_fault(detector: Detector) -> None:
    pixels = np.roll(render_part(DEMO_SEED, 51, size_px=DEMO_PX)[0], 90, axis=1)
    inspection = inspector_of(detector).inspect(Frame(np.ascontiguousarray(pixels), 8, "demo")).inspection
    assert inspection.verdict is Verdict.FAULT


def test_that_the_section_of_a_broken_rule_is_told_with_the_region(detector: Detector, tmp_path: Path) -> None:
    """By a threshold that every part reaches."""
    calibration = detector.manifest.calibration.model_copy(
        update={"pixel_median": -2.0, "pixel_threshold": -1.0, "median": -2.0, "threshold_low": None, "threshold": 1e9}
    )
    rules: Any = {"verdict": "rules", "sections": [{"reach": 0.9}]}
    manifest = type(detector.manifest).model_validate(
        {**detector.manifest.model_dump(), "calibration": calibration, "rules": rules}
    )
    graph = manifest.graph
    assert graph is not None
    strict = Detector(manifest, detector.runtime, graph)
    pixels = render_part(DEMO_SEED, 52, size_px=DEMO_PX)[0]
    inspection = inspector_of(strict).inspect(Frame(pixels, 8, "demo")).inspection
    assert inspection.verdict is Verdict.NG
    assert {region.section for region in inspection.regions} == {1}
    file = tmp_path / "part.png"
    file.write_bytes(encode_png(pixels))
    record = json.loads(json.dumps(inspect_file(strict, file, None, 0)))
    assert record["verdict"] == "NG" and record["regions"][0]["section"] == 1
    assert record["regions"][0]["strength"] >= 1
