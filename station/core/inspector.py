"""From a frame to a judged part: picture check, detector, verdict. Never reads the given truth."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from ml.errors import LoupeError
from ml.judging import judge
from ml.maps import ScoreMap
from ml.quality import PictureQuality, measure
from station.core.frame import Frame
from station.core.inspection import Inspected, Inspection
from station.core.ports import Detector
from station.core.recipe import QualityLimits, Recipe
from station.core.recipe_rules import refuse_mismatch
from station.core.verdict import Verdict

NO_LIMITS = QualityLimits()


class Inspector:
    """Judges frames by one recipe and its loaded model. Lives in the worker's thread.

    Raises RecipeError at once where recipe and model disagree.
    """

    def __init__(self, recipe: Recipe, detector: Detector, operator: str = "local") -> None:
        refuse_mismatch(recipe, detector.manifest)
        self.recipe = recipe
        self._detector = detector
        self._operator = operator

    def inspect(
        self, frame: Frame, serial: str = "", on_partial: Callable[[ScoreMap], None] | None = None
    ) -> Inspected:
        """Judge one frame. A picture outside the recipe's limits, or one that cannot be scored, is a FAULT."""
        began = time.perf_counter()
        manifest = self._detector.manifest
        calibration = manifest.calibration
        objection = self._objection(frame)
        if objection is not None:
            return self.fault(objection, serial, frame, began)
        try:
            detection = self._detector.score(frame.pixels, on_partial)
            judgement = judge(detection, calibration, manifest.rules)
        except LoupeError as error:
            return self.fault(str(error), serial, frame, began)
        unjudged = self.fault("", serial, frame, began).inspection
        return Inspected(
            inspection=replace(
                unjudged,
                verdict=Verdict(judgement.verdict),
                score=detection.score,
                normalised_score=judgement.normalised_score,
                threshold=calibration.threshold,
                threshold_low=calibration.threshold_low,
                regions=judgement.regions,
                fault=None,
            ),
            frame=frame,
            score_map=detection.score_map,
        )

    def fault(self, reason: str, serial: str = "", frame: Frame | None = None, began: float | None = None) -> Inspected:
        """A part that was not judged, with the text for the operator."""
        return faulted(reason, self.recipe, serial, frame, operator=self._operator, began=began)

    def _objection(self, frame: Frame) -> str | None:
        recipe = self.recipe
        expected = (recipe.width_px or frame.width_px, recipe.height_px or frame.height_px)
        if expected != (frame.width_px, frame.height_px):
            return (
                f"The picture is {frame.width_px} x {frame.height_px} px, the recipe expects "
                f"{expected[0]} x {expected[1]}. Check the camera's settings."
            )
        limits = recipe.quality
        if limits == NO_LIMITS:
            return None
        reference = None if limits.likeness_min is None else self._detector.reference_thumbnail
        shrinking = self._detector.manifest.reference.shrinking
        return quality_objection(measure(frame.pixels, recipe.window, reference, shrinking), limits)


def faulted(
    reason: str,
    recipe: Recipe | None,
    serial: str = "",
    frame: Frame | None = None,
    *,
    part_id: str | None = None,
    source: str | None = None,
    operator: str = "local",
    began: float | None = None,
) -> Inspected:
    """A part without judgement. `recipe` is None while none is loaded; `began` is a `time.perf_counter()`.

    `source` is where its picture should have come from, the recipe's unless given; a frame has its own.
    """
    return Inspected(
        inspection=Inspection(
            id=frame.id if frame else part_id or str(uuid4()),
            captured_at=frame.captured_at if frame else datetime.now(UTC),
            serial=serial or (frame.name if frame else ""),
            recipe=recipe.name if recipe else "",
            recipe_revision=recipe.revision if recipe else 0,
            model_hash=recipe.model_hash if recipe else "",
            source=frame.source if frame else source or (recipe.source if recipe else ""),
            operator=operator,
            verdict=Verdict.FAULT,
            score=None,
            normalised_score=None,
            threshold=None,
            threshold_low=None,
            regions=(),
            latency_ms=0.0 if began is None else (time.perf_counter() - began) * 1e3,
            fault=reason,
            given_truth=frame.given_truth if frame else None,
            defect_kind=frame.defect_kind if frame else None,
            width_px=frame.width_px if frame else None,
            height_px=frame.height_px if frame else None,
        ),
        frame=frame,
        score_map=None,
    )


def quality_objection(quality: PictureQuality, limits: QualityLimits) -> str | None:
    """What is wrong with the picture, its figure and what to check; None when it is fine."""
    if limits.brightness_min is not None and quality.brightness < limits.brightness_min:
        return (
            f"The picture is too dark (brightness {quality.brightness:.2f}, at least {limits.brightness_min:.2f}). "
            "Check the light and the lens cover."
        )
    if limits.brightness_max is not None and quality.brightness > limits.brightness_max:
        return (
            f"The picture is too bright (brightness {quality.brightness:.2f}, at most {limits.brightness_max:.2f}). "
            "Check the light and the exposure."
        )
    if limits.contrast_min is not None and quality.contrast < limits.contrast_min:
        return (
            f"The picture shows almost nothing (contrast {quality.contrast:.3f}, at least {limits.contrast_min:.3f}). "
            "Check the lens cover, and that a part is in place."
        )
    if limits.likeness_min is not None and quality.likeness is not None and quality.likeness < limits.likeness_min:
        return (
            f"No part found where it should be (likeness {quality.likeness:.2f}, at least {limits.likeness_min:.2f}). "
            "Check that the right part is in the fixture."
        )
    if limits.focus_min is not None and quality.focus < limits.focus_min:
        return (
            f"The picture is out of focus (sharpness {quality.focus:.1f}, at least {limits.focus_min:.1f}). "
            "Check the lens."
        )
    return None
