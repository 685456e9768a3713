"""A template of its own for every picture, as for printed circuit boards: the settings of a model file, relearnt pair
by pair.

Any model file serves whose method learns from one picture. With the method `template` a picture is compared with its
template; with PatchCore's few-shot setting the same template is the only training picture of a method that registers
nothing. So one command asks the question 'with' and 'without' a template, on the same pictures and with the same rule
for the threshold:

    loupe evaluate template.loupe DATA --template-dir DIR
    loupe evaluate patchcore.loupe DATA --template-dir DIR
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch

from ml.calibration import Calibration, calibrate
from ml.catalogue import method as method_info
from ml.catalogue import min_pictures, parameters_of
from ml.dataset import LabelledPicture, read_tests
from ml.detector import Detector
from ml.errors import ParameterError, PictureError, TrainingError
from ml.evaluation import ScoredPicture, measure_pictures
from ml.images import prepare
from ml.maps import Detection
from ml.metrics import EvaluationReport
from ml.part_finder import upright_parts
from ml.pictures import Pixels, check_pixels, list_pictures, read_picture
from ml.progress import Cancelled, Progress, never, silent
from ml.runtime.batches import Batches
from ml.runtime.torch_runtime import TorchRuntime
from ml.training.held_out import PERTURBED_COPIES
from ml.training.perturbations import perturbed


class PairedDetector:
    """Scores a picture by a template of its own. Lives in one thread; remembers the last template it has learnt."""

    def __init__(self, detector: Detector) -> None:
        """Takes `detector` over: what it had learnt is forgotten.

        Raises ParameterError where its method does not learn from one picture, or is not computed by torch.
        """
        manifest = detector.manifest
        info = method_info(manifest.method)
        needed = min_pictures(parameters_of(info, manifest.parameters))
        if needed > 1:
            raise ParameterError(
                f"{manifest.name}: {info.title} with these settings learns from {needed} pictures or more, and a pair "
                "has one template. Use a model of the method 'template', or PatchCore's few-shot setting."
            )
        if not isinstance(detector.runtime, TorchRuntime):
            raise ParameterError(f"{manifest.name}: a graph cannot learn. Load the model with the runtime 'torch'.")
        self.manifest = manifest
        self._detector = detector
        self._runtime = detector.runtime
        self._learnt: tuple[Pixels, Calibration] | None = None

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Self:
        """Raises ModelFileError, DetectorError and ParameterError."""
        return cls(Detector.load(path, device, runtime="torch"))

    def learn(self, template: Pixels) -> Calibration:
        """Learn one good picture; the threshold comes from perturbed copies of it, by the file's own rule.

        Raises TrainingError, CalibrationError, PictureError and DetectorError.
        """
        if self._learnt is not None and self._learnt[0] is template:
            return self._learnt[1]
        self._learnt = None
        own, seed = self.manifest.calibration, self.manifest.seed
        self._fit(template, seed)
        copies = [self._detector.score(copy) for copy in perturbed(template, PERTURBED_COPIES, seed)]
        if any(
            copy.score >= self._runtime.method.failed_score for copy in copies
        ):  # the threshold would pass everything
            raise TrainingError("slightly changed copies of it cannot be brought to lie upon it")
        calibration = calibrate(
            [copy.score for copy in copies],
            [copy.score_map.maximum for copy in copies],
            [str(number) for number in range(len(copies))],
            alpha=own.alpha,
            source="perturbations",
            band_factor=own.band_factor,
        )
        self._learnt = template, calibration
        return calibration

    def _fit(self, template: Pixels, seed: int) -> None:
        """Forget what the model has learnt; each part on `template` is a picture of its own, with its variants."""
        check_pixels(template)
        batches = Batches(self._runtime.first_batch, self._runtime.release)
        parts = []
        for part in upright_parts(template, self.manifest.preprocessing.parts):
            seen = [part, *self._runtime.method.variants(part, seed)]
            inputs = [prepare(variant, self.manifest.preprocessing.of_part) for variant in seen]
            parts.append(torch.cat([batch for one in inputs for _, batch in batches.run(one, self._runtime.embed)]))
        self._runtime.fit(parts, seed)

    @property
    def calibration(self) -> Calibration | None:
        """That of the template learnt last."""
        return None if self._learnt is None else self._learnt[1]

    def score(self, template: Pixels, picture: Pixels) -> tuple[Detection, Calibration]:
        """Raw score and map of `picture`, and the calibration of `template` that they are to be judged by."""
        calibration = self.learn(template)
        return self._detector.score(picture), calibration

    def score_normalised(self, template: Pixels, picture: Pixels) -> Detection:
        """Score and map with 0 for the template's typical copy and 1 for its threshold: comparable between pairs."""
        detection, calibration = self.score(template, picture)
        cells = calibration.normalise_map(detection.score_map.cells)
        return Detection(calibration.normalise(detection.score), replace(detection.score_map, cells=cells))


def evaluate_pairs(
    paired: PairedDetector,
    data: Path,
    templates: Path,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    on_fault: Callable[[Path, str], None] = lambda path, reason: None,
    on_picture: Callable[[ScoredPicture], None] = lambda picture: None,
) -> EvaluationReport:
    """`ml.evaluation.evaluate` with a template for each test picture: DIR/KIND/NAME, or else DIR/NAME.

    Scores and maps are normalised by each template's own calibration, so 1 is the threshold of all; there is no UNSURE
    band, since it begins elsewhere for each. Learning the template is not part of the latency. A picture without a
    template is a FAULT. Raises PictureError where `templates` is no folder, and as `evaluate` does.
    """
    by_name = {path.relative_to(templates).with_suffix("").as_posix(): path for path in list_pictures(templates, True)}

    pictures = read_tests(data)
    if not any(_template_of(labelled, by_name) for labelled in pictures):
        raise TrainingError(
            f"{templates}: none of the {len(pictures)} test pictures has a template of its name here. A template is "
            "called like its picture, in this folder or in one called like the picture's kind of defect."
        )

    def prepared(labelled: LabelledPicture) -> Callable[[Pixels], Detection]:
        found = _template_of(labelled, by_name)
        if found is None:
            raise PictureError(f"{templates}: there is no template '{labelled.path.stem}' for {labelled.path}.")
        template = read_picture(found).pixels
        try:
            paired.learn(template)
        except TrainingError as error:
            raise PictureError(f"{found}: cannot serve as a template: {error}") from error
        return lambda pixels: paired.score_normalised(template, pixels)

    own = paired.manifest.calibration
    normalised = own.model_copy(
        update={"median": 0.0, "threshold": 1.0, "threshold_low": None, "pixel_median": 0.0, "pixel_threshold": 1.0}
    )
    return measure_pictures(
        prepared, normalised, paired.manifest.rules, data, progress, cancelled, on_fault, on_picture
    )


def _template_of(labelled: LabelledPicture, by_name: Mapping[str, Path]) -> Path | None:
    stem = labelled.path.stem
    return by_name.get(f"{labelled.path.parent.name}/{stem}") or by_name.get(stem)
