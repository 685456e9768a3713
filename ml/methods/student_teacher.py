"""STFPM: "Student-Teacher Feature Pyramid Matching for Anomaly Detection", Wang, Han, Ding and Huang, BMVC 2021,
arXiv 2103.04257.

A student with the teacher's architecture and random weights learns on good pictures to give the teacher's features;
the map compares the directions of both feature vectors at every depth, a picture's score is the map's highest value
(section 3.3: half the squared distance, which is 1 - cosine, and the product over the depths).

Departures: any backbone; how the student learns, see `ml.student_lessons`. Each depth's map is divided by its root mean
square over held-out good parts, and the product is taken of one more than that, so that a depth which sees nothing does
not hide what another one sees (`standardise=false`: the published product). The maps meet on the grid of the finest
one; the map is smoothed, the score is taken before. The teacher may first be tuned (`ml.student_lessons`).

Area rule (`min_area_px`): the score is the highest level at which a connected region of at least that area lies at or
above it (`ml.area_rule`), taken on the map before smoothing, in pixels of the network's input; of a picture cut into
patches, the highest of its patches', so that a region counts with what one patch sees of it. The map is left alone.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.area_rule import level_of_area
from ml.backbones import FeatureExtractor, build_backbone
from ml.catalogue.student_teacher import StudentTeacherParameters
from ml.errors import ExportError, ParameterError
from ml.methods.base import Geometry, Scored, Tensors
from ml.methods.features import BACKBONE_PREFIX, FeatureMethod
from ml.methods.trained import TrainedMethod
from ml.networks.student import Student
from ml.student_lessons import (
    VALIDATION_INPUTS,
    Lectures,
    StudentLesson,
    TeacherLesson,
    TeacherThenStudent,
    directions,
)
from ml.training.loop import Lesson

SMALLEST_LEVEL = 1e-8
"""Of a depth's root mean square: a student without any error must not turn rounding into a score."""


class StudentTeacher(FeatureMethod, TrainedMethod):
    """Looks at each position alone, so both geometries work alike. `embed` leaves the inputs as they are."""

    name = "student_teacher"
    needs_defects_again = False  # a teacher that was tuned to them is in the model
    parameters: StudentTeacherParameters

    def __init__(
        self,
        parameters: StudentTeacherParameters,
        geometry: Geometry,
        input_size: tuple[int, int],
        weights: Path | None = None,
        state: Mapping[str, NDArray[Any]] | None = None,
    ) -> None:
        if parameters.teacher == "labelled" and geometry == "patches":
            raise ParameterError(
                "student_teacher: teacher=labelled needs whole pictures: a picture of a defective part does not say "
                "which of its patches show the defect. Use teacher=synthetic, or do not cut into patches"
            )
        super().__init__(parameters, geometry, input_size, parameters.strides[0], weights=weights, state=state)
        self.sigma_px = parameters.sigma_px
        self._untuned: FeatureExtractor = self.extractor
        self.statistics = {"level": torch.ones(len(parameters.strides))}
        self.prepare_networks()

    def build_networks(self) -> nn.Module:
        return Student(self.parameters.backbone, self.parameters.strides)

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        """A teacher that is tuned to labelled defects takes them from `labelled_defects`."""
        # What a fit before left must not choose this one's state.
        self.statistics = {"level": torch.ones(len(self.parameters.strides), device=self.device)}
        random = torch.Generator().manual_seed(seed)

        def begin(steps: int) -> StudentLesson:
            lectures = Lectures(self.extractor, parts, random, self.device)
            held_out = Lectures(self.extractor, validation, random, self.device, VALIDATION_INPUTS)
            return StudentLesson(self.networks, lectures, held_out, self._mean_map, self.parameters, random, steps)

        if self.parameters.teacher == "pretrained" or self.is_continued:  # a tuned teacher stays as it is
            return begin(steps)
        is_labelled = self.parameters.teacher == "labelled"
        self._untuned.to(self.device)
        self.extractor = copy.deepcopy(self._untuned)
        defects = self.labelled_defects if is_labelled else ()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            teacher = TeacherLesson(self.extractor, parts, defects, self.parameters.batch, random, self.device)
        return TeacherThenStudent(self.networks, teacher, begin, steps)

    def finish(self, parts: Sequence[Tensor], validation: Sequence[Tensor]) -> None:
        if not self.parameters.standardise:
            return
        seen = validation if len(validation) else parts
        random = torch.Generator().manual_seed(0)
        quota = -(-VALIDATION_INPUTS // len(seen))
        squares, inputs = torch.zeros(len(self.parameters.strides)), 0
        for index in range(len(seen)):
            part = seen[index]
            chosen = torch.randperm(len(part), generator=random)[:quota]
            for one in torch.split(part[chosen], 1):
                squares += torch.stack([level.square().mean() for level in self._distances(one.to(self.device))]).cpu()
                inputs += 1
        self.statistics = {"level": (squares / inputs).sqrt().clamp(min=SMALLEST_LEVEL).to(self.device)}

    @torch.inference_mode()
    def score(self, embedded: Tensor) -> Scored:
        self.require_fitted()
        cells = self._combined(self._distances(embedded), self.statistics["level"])
        if not self.parameters.min_area_px:
            return Scored(self.pyramid.with_margin(cells))
        least = math.ceil(self.parameters.min_area_px / self.parameters.strides[0] ** 2)
        levels = [level_of_area(one, least) for one in cells.float().cpu().numpy()]
        scores = torch.tensor(levels, dtype=torch.float32, device=cells.device)
        return Scored(self.pyramid.with_margin(cells), scores)

    def scored_in_graph(self, inputs: Tensor) -> Scored:
        if self.parameters.min_area_px:
            raise ExportError(
                f"{self.name} with min_area_px={self.parameters.min_area_px} has no ONNX graph, because ONNX knows no "
                "connected regions."
            )
        return super().scored_in_graph(inputs)

    def tensors(self) -> Tensors:
        return {**self.backbone_tensors(), **super().tensors()}

    def load_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        # A tuned teacher is in no weights file, so it is taken from here whatever the method was created with.
        own = {
            key.removeprefix(BACKBONE_PREFIX): value
            for key, value in tensors.items()
            if key.startswith(BACKBONE_PREFIX)
        }
        self.extractor = build_backbone(self.parameters.backbone, self.parameters.strides, state=own).to(self.device)
        super().load_tensors(tensors)

    def _distances(self, inputs: Tensor) -> list[Tensor]:
        """One map per depth, float32 (n, 1, rows, columns), each on its own grid."""
        taught = [directions(level) for level in self.extractor(inputs)]
        learnt = [directions(level) for level in self.networks(inputs)]
        return self._compared(taught, learnt)

    def _compared(self, taught: list[Tensor], learnt: list[Tensor]) -> list[Tensor]:
        halves = [(a - b).square().sum(1, keepdim=True) / 2 for a, b in zip(taught, learnt, strict=True)]
        return halves if self.parameters.distance == "cosine" else [(2 * half).sqrt() for half in halves]

    def _combined(self, distances: list[Tensor], level: Tensor) -> Tensor:
        """The map (n, rows, columns) on the finest grid."""
        layers = torch.cat(self.pyramid.resample(distances), dim=1) / level[:, None, None]
        if self.parameters.combine == "sum":
            return layers.sum(1)
        return (layers + 1).prod(1) - 1 if self.parameters.standardise else layers.prod(1)

    def _mean_map(self, taught: list[Tensor], learnt: list[Tensor]) -> Tensor:
        return self._combined(self._compared(taught, learnt), self.statistics["level"]).mean()
