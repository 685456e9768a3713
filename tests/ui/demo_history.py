"""A history as the demo line would have left it: real pictures, made-up maps, a model file with their scale."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from ml.artifact import DataFingerprint, Manifest, PictureReference, write_model
from ml.calibration import calibrate
from ml.judging import judge
from ml.maps import Detection, ScoreMap
from ml.preprocessing import Preprocessing
from station.capture.demo_line.defects import DEFECT_KINDS
from station.capture.demo_line.rendering import render_covered_lens, render_part
from station.core.frame import Frame
from station.core.inspection import Inspected
from station.core.inspector import faulted
from station.core.recipe import Recipe
from station.core.recipe_rules import recipe_for
from station.core.verdict import Verdict
from station.database import open_database
from station.history import HistoryReader, HistoryWriter, ModelShelf, PictureStore, RecipeBook, ReviewLog

TYPICAL = 20.0
HELD_OUT = tuple(float(value) for value in np.random.default_rng(1).gamma(40, 0.5, 60))


@dataclass(frozen=True)
class DemoHistory:
    """An open history in a folder; dispose of the engine."""

    engine: Engine
    reader: HistoryReader
    reviews: ReviewLog
    recipes: RecipeBook
    models: ModelShelf
    manifest: Manifest
    recipe: Recipe


def write_demo_model(path: Path, side_px: int = 256) -> Manifest:
    """A model file with a calibration and no use."""
    return write_model(
        path,
        name="Valve seat",
        method="patchcore",
        parameters={},
        preprocessing=Preprocessing(
            geometry="whole",
            input_height=256,
            input_width=256,
            window_low=0,
            window_high=255,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        calibration=calibrate(
            HELD_OUT,
            [score * 0.96 for score in HELD_OUT],
            [str(number) for number in range(len(HELD_OUT))],
            alpha=0.02,
            source="leave-one-out",
        ),
        backbone="efficientnet_lite0",
        reference=PictureReference(
            height_px=side_px,
            width_px=side_px,
            has_one_size=True,
            is_grey=False,
            bit_depth=8,
            brightness=(0.3, 0.5),
            contrast=(0.1, 0.3),
            focus=(5.0, 20.0),
        ),
        data=DataFingerprint(files=(("good.png", "0" * 64),)),
        seed=0,
        tensors={"bank": np.zeros((2, 3), np.float32)},
    )


def open_demo_history(home: Path, parts: int, side_px: int = 128, pictures: int = 12) -> DemoHistory:
    """`parts` parts, one a minute up to now, from `pictures` different pictures."""
    home.mkdir(parents=True, exist_ok=True)
    engine = open_database(home / "loupe.db")
    store = PictureStore(home / "pictures")
    models = ModelShelf(engine, home / "models")
    write_demo_model(home / "valve.loupe", side_px)
    manifest = models.add(home / "valve.loupe")
    recipes = RecipeBook(engine)
    recipe = recipes.save(recipe_for(manifest, "Valve seat A", "demo"))
    now = datetime.now(UTC)
    rendered = [_render(number, side_px) for number in range(pictures)] if parts else []
    with HistoryWriter(engine, store, min_free_bytes=0) as writer:
        for number in range(parts):
            seen = _inspected(rendered[number % pictures], recipe, manifest, number)
            at = now - timedelta(minutes=parts - number)
            writer.record(replace(seen, inspection=replace(seen.inspection, captured_at=at)))
    return DemoHistory(engine, HistoryReader(engine, store), ReviewLog(engine), recipes, models, manifest, recipe)


@dataclass(frozen=True)
class _Rendered:
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    defect: str | None


def _render(number: int, side_px: int) -> _Rendered:
    if number % 12 == 11:
        pixels = render_covered_lens(7, number, side_px)
        return _Rendered(pixels, np.zeros(pixels.shape[:2], np.bool_), "covered")
    defect = DEFECT_KINDS[number // 3 % len(DEFECT_KINDS)] if number % 3 == 2 else None
    return _Rendered(*render_part(7, number, defect, side_px), defect)


def _inspected(shown: _Rendered, recipe: Recipe, manifest: Manifest, number: int) -> Inspected:
    frame = Frame(
        pixels=shown.pixels,
        bit_depth=8,
        source="demo",
        given_truth="normal" if shown.defect is None else "anomaly",
        defect_kind=shown.defect,
    )
    serial = f"0042-{number + 1:03}"
    unjudged = faulted("The picture shows almost nothing. Check the lens cover.", recipe, serial, frame, began=None)
    if shown.defect == "covered":
        return replace(unjudged, inspection=replace(unjudged.inspection, given_truth=None, defect_kind=None))
    detection = _detection(shown.mask, number, manifest)
    judgement = judge(detection, manifest.calibration, manifest.rules)
    judged = replace(
        unjudged.inspection,
        verdict=Verdict(judgement.verdict),
        score=detection.score,
        normalised_score=judgement.normalised_score,
        threshold=manifest.calibration.threshold,
        threshold_low=manifest.calibration.threshold_low,
        regions=judgement.regions if judgement.verdict == "NG" else (),
        latency_ms=38.0 + number % 9,
        fault=None,
    )
    return Inspected(judged, frame, detection.score_map)


def _detection(mask: NDArray[np.bool_], number: int, manifest: Manifest) -> Detection:
    rng = np.random.default_rng(number)
    height, width = mask.shape
    soft = cv2.GaussianBlur(cv2.resize(mask.astype(np.float32), (32, 32), interpolation=cv2.INTER_AREA), (0, 0), 1.0)
    noise = cv2.GaussianBlur(rng.random((32, 32), dtype=np.float32), (0, 0), 1.5)
    threshold = manifest.calibration.threshold
    base = rng.normal(TYPICAL, 1.4)
    cells = (base - 8 + 12 * noise).astype(np.float32)
    if soft.max() > 0:
        cells = cells + soft / soft.max() * np.float32((threshold - base) * rng.uniform(1.0, 2.0))
    cells += np.float32(base - TYPICAL)
    score_map = ScoreMap.over(cells.astype(np.float32), height, width)
    return Detection(score_map.maximum, score_map)
