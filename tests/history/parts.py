"""Made-up parts for the history's tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np

from ml.maps import Region, ScoreMap
from station.core.frame import Frame
from station.core.inspection import Inspected, Inspection
from station.core.verdict import Verdict

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODEL = "5e" * 32


def inspection(verdict: Verdict = Verdict.OK, minute: float = 0, **changed: Any) -> Inspection:
    """A plausible part, captured `minute` minutes after noon."""
    score = {Verdict.OK: 20.0, Verdict.UNSURE: 27.5, Verdict.NG: 40.0, Verdict.FAULT: None}[verdict]
    part = Inspection(
        id=str(uuid4()),
        captured_at=NOON + timedelta(minutes=minute),
        serial="0042-118",
        recipe="Valve seat A",
        recipe_revision=3,
        model_hash=MODEL,
        source="demo",
        operator="local",
        verdict=verdict,
        score=score,
        normalised_score=None if score is None else (score - 20) / 10,
        threshold=None if score is None else 30.0,
        threshold_low=None if score is None else 25.0,
        regions=(Region(10, 20, 30, 40, 600, 40.5, 33.25, 24.5, 39.5),) if verdict is Verdict.NG else (),
        latency_ms=41.5,
        fault="Camera lost. Check the cable." if verdict is Verdict.FAULT else None,
        given_truth=None,
        defect_kind=None,
        width_px=64,
        height_px=48,
    )
    return replace(part, **changed)


def frame(seed: int = 0, **changed: Any) -> Frame:
    """A small grey picture that differs by its seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 64), dtype=np.uint8)
    return Frame(**{"pixels": pixels, "bit_depth": 8, "source": "demo"} | changed)


def score_map(seed: int = 0) -> ScoreMap:
    cells = np.random.default_rng(seed).random((6, 8), dtype=np.float32)
    return ScoreMap.over(cells, 48, 64)


def inspected(verdict: Verdict = Verdict.OK, minute: float = 0, seed: int = 0, **changed: Any) -> Inspected:
    """A part with picture and map, as the inspector hands it over."""
    picture = frame(seed)
    return Inspected(inspection(verdict, minute, id=picture.id, **changed), picture, score_map(seed))


def without_picture(verdict: Verdict = Verdict.FAULT, minute: float = 0, **changed: Any) -> Inspected:
    return Inspected(inspection(verdict, minute, **changed), None, None)
