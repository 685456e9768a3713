"""Parts for the screens' tests: plain values, no camera, no model."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from ml.maps import Region, heat_rgba
from station.core.inspection import Inspection, PartView
from station.core.verdict import Verdict
from station.workers.inspection import JudgedPart

SCORES = {Verdict.OK: 0.31, Verdict.UNSURE: 0.93, Verdict.NG: 1.64}
MEDIAN, THRESHOLD, THRESHOLD_LOW = 1.0, 2.0, 1.8
REGION = Region(x=20, y=10, width=30, height=16, area_px=300, peak=1.64, strength=1.3, centre_x=34.5, centre_y=17.5)


def inspection(verdict: Verdict = Verdict.OK, name: str = "part", serial: str = "0042-118") -> Inspection:
    """A stored inspection as its verdict would have it."""
    score = SCORES.get(verdict)
    is_judged = score is not None
    return Inspection(
        id=name,
        captured_at=datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC),
        serial=serial,
        recipe="Valve seat",
        recipe_revision=1,
        model_hash="a" * 64,
        source="demo",
        operator="local",
        verdict=verdict,
        score=None if score is None else MEDIAN + score * (THRESHOLD - MEDIAN),
        normalised_score=score,
        threshold=THRESHOLD if is_judged else None,
        threshold_low=THRESHOLD_LOW if is_judged else None,
        regions=(REGION,) if verdict is Verdict.NG else (),
        latency_ms=41.3,
        fault=None if is_judged else "Camera lost. Check the cable, then press Reconnect.",
        given_truth=None,
        defect_kind=None,
        width_px=96,
        height_px=64,
    )


def pixels(height: int = 64, width: int = 96, value: int = 120) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


def view(judged: Inspection | None, scale: float = 1.0) -> PartView:
    """A picture of 96 x 64 display pixels with heat in its middle."""
    heat = np.zeros((64, 96), np.float32)
    heat[24:40, 32:64] = 1.5
    corners = ((20.0, 10.0), (50.0, 10.0), (50.0, 26.0), (20.0, 26.0))
    outlines = (corners,) if judged is not None and judged.regions else ()
    return PartView(pixels(), heat_rgba(heat), scale, judged, outlines)


def judged_part(verdict: Verdict = Verdict.OK, name: str = "part", serial: str = "0042-118") -> JudgedPart:
    thumbnail = None if verdict is Verdict.FAULT else pixels(32, 32)
    return JudgedPart(inspection(verdict, name, serial), thumbnail)
