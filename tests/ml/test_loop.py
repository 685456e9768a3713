"""The one training loop: the best state is kept, what diverges is told, and it can be stopped between two steps."""

from collections.abc import Callable, Mapping

import numpy as np
import pytest
import torch
from torch import nn

from ml.errors import CancelledError, TrainingError
from ml.training.loop import Lesson, Losses, Watch, run_lesson, seconds_per_step
from ml.training.monitor import Monitor, Reconstructions


class Counting(Lesson):
    """Its one weight counts the steps; `validate` gives what it is told."""

    def __init__(self, measure: Callable[[float], float | None], loss: float = 1.0) -> None:
        self.networks = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.networks.weight)
        self.optimisers = []
        self.random = torch.Generator()
        self.modes: set[bool] = set()
        self._measure = measure
        self._loss = loss

    def step(self, number: int) -> Losses:
        self.modes.add(self.networks.training)
        with torch.no_grad():
            self.networks.weight += 1  # type: ignore[operator]
        return {"part": 7.0, "total": self._loss}

    def validate(self) -> float | None:
        assert not self.networks.training
        return self._measure(self.count)

    @property
    def count(self) -> float:
        return float(self.networks.weight.detach())


def test_that_the_state_that_validated_best_is_kept() -> None:
    lesson = Counting(lambda count: abs(count - 50))
    run_lesson(lesson, 120)
    assert lesson.count == 50
    assert lesson.modes == {True}
    assert not lesson.networks.training


def test_that_the_last_state_is_kept_when_it_is_the_best_or_nothing_was_measured() -> None:
    for measure in (lambda count: -count, lambda count: None):
        lesson = Counting(measure)
        run_lesson(lesson, 37)
        assert lesson.count == 37


def test_that_every_step_is_told_with_its_total() -> None:
    told: list[tuple[int, int]] = []
    run_lesson(Counting(lambda count: None), 5, lambda stage, done, total: told.append((done, total)))
    assert told == [(done, 5) for done in range(6)]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_that_a_loss_that_is_no_number_ends_the_training(loss: float) -> None:
    with pytest.raises(TrainingError, match="diverged"):
        run_lesson(Counting(lambda count: 1.0, loss), 10)


def test_that_training_stops_between_two_steps() -> None:
    lesson = Counting(lambda count: None)
    with pytest.raises(CancelledError):
        run_lesson(lesson, 100, cancelled=lambda: lesson.count >= 3)
    assert lesson.count == 3


def test_that_a_probe_takes_a_few_steps_and_no_more() -> None:
    made: list[Counting] = []

    def make() -> Counting:
        made.append(Counting(lambda count: None))
        return made[-1]

    assert 0 < seconds_per_step(make, least_s=0.05) < 1
    assert len(made) == 1
    assert 2 <= made[0].count <= 60


def test_that_a_measure_that_is_no_number_ends_the_training() -> None:
    with pytest.raises(TrainingError, match="diverged"):
        run_lesson(Counting(lambda count: float("nan")), 10)


class Following(Monitor):
    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, float], float | None]] = []
        self.shown: list[int] = []

    def losses(self, step: int, steps: int, losses: Mapping[str, float], validation: float | None) -> None:
        self.points.append((step, dict(losses), validation))

    def samples(self, step: int, pictures: Reconstructions) -> None:
        self.shown.append(step)


def test_that_a_run_without_gain_ends_early_with_its_best_state() -> None:
    lesson = Counting(lambda count: abs(count - 30))
    lesson.patience = 3
    told: list[tuple[int, int]] = []
    run_lesson(lesson, 120, lambda stage, done, total: told.append((done, total)))
    assert lesson.count == 30
    assert told[-2:] == [(59, 120), (120, 120)]  # measured after 30, and without gain after 40, 50 and 60


def test_that_gains_in_between_keep_a_run_going() -> None:
    lesson = Counting(lambda count: -count if count % 20 else 0.0)
    lesson.patience = 2
    run_lesson(lesson, 120)
    assert lesson.count == 110


def test_that_means_of_losses_are_told_and_not_too_many() -> None:
    following = Following()
    lesson = Counting(lambda count: 1 / count)
    run_lesson(lesson, 1000, watch=Watch(following))
    assert 200 <= len(following.points) <= 212
    assert following.points[0] == (5, {"part": 7.0, "total": 1.0}, None)
    assert [point[0] for point in following.points if point[2] is not None] == [*range(84, 1000, 84), 1000]


def test_that_reconstructions_are_asked_for_at_each_measurement_and_only_where_somebody_watches() -> None:
    class Showing(Counting):
        asked = 0

        def samples(self) -> Reconstructions:
            assert not self.networks.training
            self.asked += 1
            picture = np.zeros((1, 4, 4, 3), np.uint8)
            return Reconstructions(picture, picture)

    following, lesson = Following(), Showing(lambda count: None)
    run_lesson(lesson, 24, watch=Watch(following))
    assert following.shown == [*range(2, 25, 2)]
    unwatched = Showing(lambda count: None)
    run_lesson(unwatched, 24)
    assert unwatched.asked == 0


def test_that_a_loss_that_is_no_number_is_not_told() -> None:
    following = Following()
    lesson = Counting(lambda count: 1.0, float("nan"))
    with pytest.raises(TrainingError):
        run_lesson(lesson, 100, watch=Watch(following))
    assert all(set(losses) == {"part"} for _, losses, _ in following.points)
