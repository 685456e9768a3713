"""How a student learns to imitate its teacher, and how a teacher is tuned before.

Student: "Student-Teacher Feature Pyramid Matching for Anomaly Detection", arXiv 2103.04257, section 3.2, as the
authors' code has it: the squared difference of the feature vectors' directions, mean over positions, sum over depths.
Departures: the published learning rate of 0.4 is reached over the first tenth of the steps (at once it may diverge in
small batches) and then falls along a half cosine, since the steps are few; the batches are smaller.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ml.backbones import FeatureExtractor
from ml.catalogue.student_teacher import StudentTeacherParameters
from ml.generation.synthetic_defects import SyntheticDefects
from ml.networks.student import DefectHead
from ml.training.loop import Lesson, Losses
from ml.training.snapshot import SnapshotError, load_networks, part_of, restore_random

KEPT_BYTES = 2**30
"""Training inputs and teacher features held: beyond it inputs are drawn evenly over the pictures."""

VALIDATION_INPUTS = 64
TEACHER_SHARE = 0.2
"""Of all steps, where the teacher is tuned."""

MOMENTUM, WEIGHT_DECAY = 0.9, 1e-4
WARM_UP_SHARE, LONGEST_WARM_UP = 0.1, 100

TRUNK_LEARNING_RATE = 1e-4
HEAD_LEARNING_RATE = 1e-2  # the head starts from nothing and has minutes where the published one has hours
GOOD_WEIGHT, DEFECT_WEIGHT = 5.0, 10.0

_HELD = torch.float16  # directions and standardised counts need no more digits


def directions(features: Tensor) -> Tensor:
    """Feature vectors (n, C, rows, columns) divided by their lengths."""
    return functional.normalize(features.float(), dim=1)


class Lectures:
    """Inputs with what the teacher sees in them, computed once and held in half precision in the main memory."""

    def __init__(
        self,
        teacher: FeatureExtractor,
        parts: Sequence[Tensor],
        random: torch.Generator,
        device: torch.device,
        most: int | None = None,
    ) -> None:
        """At most about `most` inputs (None: as many as KEPT_BYTES hold), the same number of each picture."""
        self._device = device
        inputs, seen = [], []
        quota = None if most is None else -(-most // max(len(parts), 1))
        for index in range(len(parts)):
            part = parts[index]
            if quota is None:
                quota = -(-_fitting(teacher, part) // len(parts))
            chosen = torch.randperm(len(part), generator=random)[:quota].sort().values
            for one in torch.split(part[chosen], 1):
                inputs.append(one.to("cpu", _HELD))
                seen.append([directions(level).to("cpu", _HELD) for level in _look(teacher, one.to(device))])
        self._inputs = inputs
        self._seen = seen

    def __len__(self) -> int:
        return len(self._inputs)

    def take(self, indices: Sequence[int]) -> tuple[Tensor, list[Tensor]]:
        """Inputs (n, 3, height, width) and the teacher's directions per stride, float32 on the device."""
        inputs = torch.cat([self._inputs[index] for index in indices]).to(self._device, torch.float32)
        levels = zip(*(self._seen[index] for index in indices), strict=True)
        return inputs, [torch.cat(level).to(self._device, torch.float32) for level in levels]


class StudentLesson(Lesson):
    """SGD with momentum on the squared difference of directions; validates by the mean map of held-out good parts."""

    def __init__(
        self,
        student: nn.Module,
        lectures: Lectures,
        held_out: Lectures,
        mean_map: Callable[[list[Tensor], list[Tensor]], Tensor],
        parameters: StudentTeacherParameters,
        random: torch.Generator,
        steps: int,
    ) -> None:
        """mean_map: directions of teacher and student -> the mean of the map that they make."""
        self.networks = student
        self.random = random
        self._rate = parameters.learning_rate
        self.optimisers = [
            torch.optim.SGD(student.parameters(), lr=self._rate, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
        ]
        self._lectures = lectures
        self._held_out = held_out
        self._mean_map = mean_map
        self._batch = parameters.batch
        self._steps = steps
        self._order: list[int] = []

    def step(self, number: int) -> Losses:
        (optimiser,) = self.optimisers
        for group in optimiser.param_groups:
            group["lr"] = self._rate * schedule(number, self._steps)
        inputs, taught = self._lectures.take(self._draw())
        learnt = [directions(level) for level in self.networks(inputs)]
        loss = torch.stack([(a - b).square().sum(1).mean() for a, b in zip(taught, learnt, strict=True)]).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return {"total": loss.detach()}

    def validate(self) -> float | None:
        if not len(self._held_out):
            return None
        means = []
        for index in range(len(self._held_out)):
            inputs, taught = self._held_out.take([index])
            means.append(float(self._mean_map(taught, [directions(level) for level in self.networks(inputs)])))
        return float(np.mean(means))

    def memory(self) -> dict[str, Tensor]:
        """The rest of the round through all inputs."""
        return {"order": torch.tensor(self._order, dtype=torch.int64)}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        order = memory.get("order", torch.empty(0))
        if memory.keys() != {"order"} or order.dtype != torch.int64 or order.ndim != 1:
            raise SnapshotError("the order of its inputs is missing or damaged")
        self._order = order.tolist()
        if not all(0 <= index < len(self._lectures) for index in self._order):
            raise SnapshotError("the order of its inputs names some that there are not")

    def _draw(self) -> list[int]:
        """Every input once before any comes again."""
        while len(self._order) < self._batch:
            self._order += torch.randperm(len(self._lectures), generator=self.random).tolist()
        drawn, self._order = self._order[: self._batch], self._order[self._batch :]
        return drawn


def schedule(number: int, steps: int) -> float:
    """Share of the learning rate at step `number`: a linear rise, then half a cosine down to 0."""
    warm_up = max(min(round(WARM_UP_SHARE * steps), LONGEST_WARM_UP), 1)
    if number < warm_up:
        return (number + 1) / warm_up
    return (1 + math.cos(math.pi * min((number - warm_up) / max(steps - warm_up, 1), 1.0))) / 2


class TeacherLesson(Lesson):
    """Tunes a teacher to tell good inputs from defective ones: binary cross-entropy, half of each batch defective.

    Source: the teacher of a published student-teacher system (methods: pooled features, 128 hidden units, sample
    weights 5 for good and 10 for defective). Departures: the network is cut after the deepest stride that is compared;
    its batch statistics stay the pretrained ones; the head learns faster than the trunk.
    """

    def __init__(
        self,
        teacher: FeatureExtractor,
        parts: Sequence[Tensor],
        defects: Sequence[Tensor],
        batch: int,
        random: torch.Generator,
        device: torch.device,
    ) -> None:
        """parts, defects: inputs (n, 3, height, width) each; without `defects` synthetic ones are painted on parts."""
        self._teacher = teacher
        self._head = DefectHead(teacher.channels[-1]).to(device)
        self.networks = nn.ModuleList([teacher.network, self._head])
        self.random = random
        teacher.network.requires_grad_(True)
        self.optimisers = [
            torch.optim.SGD(
                [
                    {"params": teacher.network.parameters(), "lr": TRUNK_LEARNING_RATE},
                    {"params": self._head.parameters(), "lr": HEAD_LEARNING_RATE},
                ],
                momentum=MOMENTUM,
                weight_decay=WEIGHT_DECAY,
            )
        ]
        self._parts = parts
        self._defects = defects
        self._synthetic = SyntheticDefects()
        self._half = max(batch // 2, 1)
        self._device = device

    def step(self, number: int) -> Losses:
        (optimiser,) = self.optimisers
        good = self._draw(self._parts)
        bad = self._draw(self._defects) if len(self._defects) else self._paint(self._draw(self._parts))
        inputs = torch.cat([good, bad]).to(self._device)
        truth = torch.cat([torch.zeros(len(good)), torch.ones(len(bad))]).to(self._device)
        self._teacher.eval()
        logits = self._head(self._teacher(inputs)[-1].float(), self.random)
        weight = torch.where(truth > 0, DEFECT_WEIGHT, GOOD_WEIGHT) / (DEFECT_WEIGHT + GOOD_WEIGHT)
        loss = functional.binary_cross_entropy_with_logits(logits, truth, weight)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        return {"total": loss.detach()}

    def _draw(self, pictures: Sequence[Tensor]) -> Tensor:
        drawn = []
        for index in torch.randint(len(pictures), (self._half,), generator=self.random).tolist():
            inputs = pictures[index]
            place = int(torch.randint(len(inputs), (1,), generator=self.random))
            drawn.append(inputs[place].cpu().clone())  # embedded inputs cannot be trained on as they are
        return torch.stack(drawn)

    def _paint(self, inputs: Tensor) -> Tensor:
        mean, std = (np.array(values, np.float32) for values in (self._teacher.mean, self._teacher.std))
        painted = []
        for one in inputs:
            picture = np.clip(one.permute(1, 2, 0).numpy() * std + mean, 0, 1)
            seed = int(torch.randint(2**31 - 1, (1,), generator=self.random))
            painted.append(torch.from_numpy((self._with_defect(picture, seed) - mean) / std).permute(2, 0, 1))
        return torch.stack(painted)

    def _with_defect(self, picture: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
        """A grey part gets a grey defect: colour alone would give it away."""
        is_grey = np.ptp(picture, axis=2).max() < 1 / 512
        pixels = self._synthetic.sample(picture[..., 0].copy() if is_grey else picture, seed).pixels
        return np.repeat(pixels[..., None], 3, axis=2) if is_grey else pixels


class TeacherThenStudent(Lesson):
    """Tunes the teacher for a share of the steps; the student, who then starts, gets the rest.

    No measure is given before the student starts, so that the state which is kept is never one from before.
    """

    def __init__(
        self, student: nn.Module, teacher: TeacherLesson, begin: Callable[[int], StudentLesson], steps: int
    ) -> None:
        """begin: makes the student's lesson for a number of steps, with the teacher as it then is."""
        self.networks = student
        self.random = teacher.random
        self._teacher = teacher
        self._begin = begin
        self._tuning_steps = int(TEACHER_SHARE * steps)
        self._steps = steps
        self._student: StudentLesson | None = None
        self._random_at_start = torch.empty(0, dtype=torch.uint8)
        self.optimisers = list(teacher.optimisers)

    def step(self, number: int) -> Losses:
        if number < self._tuning_steps:
            return self._teacher.step(number)
        student = self._student or self._started()
        return student.step(number - self._tuning_steps)

    def validate(self) -> float | None:
        return None if self._student is None else self._student.validate()

    def memory(self) -> dict[str, Tensor]:
        """The teacher; once the student has started, what the student's inputs were drawn with too."""
        kept = {f"teacher.{name}": value for name, value in self._teacher.networks.state_dict().items()}
        if self._student is not None:
            kept["random_at_start"] = self._random_at_start
            kept |= {f"student.{name}": value for name, value in self._student.memory().items()}
        return kept

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        load_networks(self._teacher.networks.state_dict(), part_of(memory, "teacher"))
        if "random_at_start" in memory:
            restore_random(self.random, memory["random_at_start"])
            self._started().remember(part_of(memory, "student"))

    def _started(self) -> StudentLesson:
        self._teacher.networks.requires_grad_(False)
        self._random_at_start = self.random.get_state()
        self._student = self._begin(self._steps - self._tuning_steps)
        self.optimisers = list(self._student.optimisers)
        return self._student


@torch.no_grad()
def _look(teacher: FeatureExtractor, inputs: Tensor) -> list[Tensor]:
    return teacher.forward(inputs)


def _fitting(teacher: FeatureExtractor, part: Tensor) -> int:
    """How many inputs like those of `part` KEPT_BYTES hold with their features; at least 1."""
    values = part[0].numel()
    area = part.shape[-2] * part.shape[-1]
    values += sum(
        channels * area // stride**2 for channels, stride in zip(teacher.channels, teacher.strides, strict=True)
    )
    return max(KEPT_BYTES // (values * _HELD.itemsize), 1)
