import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from ml import methods
from ml.area_rule import level_of_area
from ml.catalogue.student_teacher import StudentTeacherParameters
from ml.errors import CancelledError, ModelFileError, ParameterError, TrainingError
from ml.methods.base import Geometry
from ml.methods.student_teacher import StudentTeacher
from ml.student_lessons import Lectures, directions, schedule

SIDE = 64


def _method(geometry: Geometry = "whole", **settings: object) -> StudentTeacher:
    parameters = StudentTeacherParameters.model_validate({"steps": 4, "batch": 2, **settings})
    built = methods.create("student_teacher", parameters, geometry, (SIDE, SIDE))
    assert isinstance(built, StudentTeacher)
    return built


def _parts(count: int = 4, per_picture: int = 1, seed: int = 0) -> list[Tensor]:
    """Smooth surfaces, the same but for noise."""
    random = torch.Generator().manual_seed(7)
    surface = torch.nn.functional.interpolate(torch.randn(1, 3, 4, 4, generator=random), SIDE, mode="bicubic")
    random.manual_seed(seed)
    noise = (torch.randn(per_picture, 3, SIDE, SIDE, generator=random) for _ in range(count))
    return [0.4 * surface + 0.05 * one for one in noise]


@pytest.fixture(scope="module")
def fitted() -> StudentTeacher:
    """Long enough for the student to imitate something."""
    method = _method(steps=30)
    method.fit(_parts(6), seed=0, validation=_parts(2, seed=1))
    return method


def test_that_the_student_comes_closer_to_the_teacher() -> None:
    def distance(steps: int) -> float:
        method = _method(steps=steps, standardise=False, combine="sum")
        method.fit(_parts(6), seed=0)
        return float(method.score(torch.cat(_parts(2, seed=1))).cells.mean())

    assert distance(20) < 0.7 * distance(2)


@pytest.mark.parametrize("place", [(28, 36), (4, 4), (52, 56)])
def test_that_a_bright_square_is_localised_within_a_cell(fitted: StudentTeacher, place: tuple[int, int]) -> None:
    (picture,) = _parts(1, seed=5)
    top, left = place
    marked = picture.clone()
    marked[..., top : top + 8, left : left + 8] = 2.0
    change = fitted.score(marked).cells[0] - fitted.score(picture).cells[0]
    row, column = divmod(int(change.argmax()), change.shape[1])
    down, right = ((cell + 0.5) * 4 + offset for cell, offset in zip((row, column), fitted.offset_px, strict=True))
    assert abs(down - (top + 4)) <= 8  # half the square and one cell
    assert abs(right - (left + 4)) <= 8


def test_that_scores_do_not_depend_on_the_batch(fitted: StudentTeacher) -> None:
    pictures = torch.cat(_parts(3, seed=3))
    together = fitted.score(pictures).cells
    alone = torch.cat([fitted.score(one).cells for one in torch.split(pictures.flip(0), 1)]).flip(0)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("teacher", ["pretrained", "synthetic"])
def test_that_the_same_seed_gives_the_same_tensors(teacher: str) -> None:
    tensors = []
    for _ in range(2):
        method = _method(teacher=teacher, steps=5)
        torch.rand(3)  # what others draw meanwhile must not matter
        method.fit(_parts(), seed=3, validation=_parts(1, seed=1))
        tensors.append(method.tensors())
    assert tensors[0].keys() == tensors[1].keys()
    for key, value in tensors[0].items():
        np.testing.assert_array_equal(value, tensors[1][key])


@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_stored_model_scores_the_same_with_its_own_tuned_teacher(geometry: Geometry) -> None:
    method = _method(geometry, teacher="synthetic", steps=10, standardise=True)
    method.fit(_parts(3, per_picture=1 if geometry == "whole" else 4), seed=0)
    probe = torch.cat(_parts(2, seed=2))
    stored = method.tensors()
    fresh = _method(geometry, teacher="synthetic")
    fresh.load_tensors(stored)
    torch.testing.assert_close(fresh.score(probe).cells, method.score(probe).cells, rtol=0, atol=0)
    created = methods.create("student_teacher", method.parameters, geometry, (SIDE, SIDE), state=stored)
    created.load_tensors(stored)
    torch.testing.assert_close(created.score(probe).cells, method.score(probe).cells, rtol=0, atol=0)


def test_that_a_model_without_its_student_is_refused(fitted: StudentTeacher) -> None:
    tensors = fitted.tensors()
    tensors.pop(next(key for key in tensors if key.startswith("network.")))
    with pytest.raises(ModelFileError, match="train it again"):
        _method().load_tensors(tensors)


def test_that_a_pretrained_teacher_stays_as_it_is_and_a_tuned_one_starts_from_it_each_time() -> None:
    published = _method().extractor.weights_hash
    plain = _method()
    plain.fit(_parts(), seed=0)
    assert plain.extractor.weights_hash == published
    tuned = _method(teacher="synthetic", steps=10)
    hashes = set()
    for _ in range(2):
        tuned.fit(_parts(), seed=0)
        hashes.add(tuned.extractor.weights_hash)
    assert len(hashes) == 1
    assert published not in hashes
    assert not any(weight.requires_grad for weight in tuned.extractor.parameters())


def test_that_labelled_defects_tune_the_teacher() -> None:
    method = _method(teacher="labelled", steps=10)
    assert method.needs_defects and not _method().needs_defects
    published = method.extractor.weights_hash
    method.labelled_defects = [part + 1 for part in _parts(2, seed=4)]
    method.fit(_parts(), seed=0)
    assert method.extractor.weights_hash != published
    with pytest.raises(ParameterError, match="which of its patches"):
        _method("patches", teacher="labelled")


def test_that_cosine_is_half_the_squared_l2_distance() -> None:
    probe = _parts(1)[0]
    cosine = _method(distance="cosine")._distances(probe)
    l2 = _method(distance="l2")._distances(probe)
    for one, other in zip(cosine, l2, strict=True):
        torch.testing.assert_close(one, other.square() / 2)


def test_that_a_depth_which_sees_nothing_hides_the_others_only_as_published() -> None:
    blind, seeing = torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 8, 8)
    seeing[..., 4, 4] = 1.0
    distances = [blind, seeing, torch.zeros(1, 1, 4, 4)]
    assert _method(standardise=False)._combined(distances, torch.ones(3)).max() == 0
    assert _method(standardise=True)._combined(distances, torch.ones(3)).max() > 0.5
    assert _method(combine="sum", standardise=False)._combined(distances, torch.ones(3)).max() > 0.5


def test_that_depths_weigh_the_same_on_held_out_good_parts(fitted: StudentTeacher) -> None:
    held_out = torch.cat(_parts(2, seed=1))
    with torch.inference_mode():
        means = [float(level.square().mean().sqrt()) for level in fitted._distances(held_out)]
    np.testing.assert_allclose(fitted.statistics["level"].numpy(), means, rtol=1e-3)


def test_that_levels_of_an_earlier_fit_do_not_judge_a_later_one() -> None:
    parts, held_out = _parts(), _parts(2, seed=1)
    new, used = _method(steps=2), _method(steps=2)
    used.statistics["level"] = torch.tensor([1.0, 1e-3, 1e3])
    with torch.no_grad():
        found = [method.lesson(parts, held_out, 0, 2).validate() for method in (new, used)]
    assert found[0] == found[1]


def test_that_published_weights_of_the_depths_stay_one() -> None:
    method = _method(standardise=False)
    method.fit(_parts(), seed=0)
    assert method.statistics["level"].tolist() == [1, 1, 1]


def test_that_a_large_training_set_is_drawn_from_every_picture() -> None:
    method = _method("patches")
    parts = [torch.full((5, 3, SIDE, SIDE), float(index)) for index in range(3)]
    random = torch.Generator().manual_seed(0)
    lectures = Lectures(method.extractor, parts, random, torch.device("cpu"), most=6)
    inputs, seen = lectures.take(range(len(lectures)))
    assert inputs[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
    expected = directions(method.extractor(parts[2][:1])[1])
    torch.testing.assert_close(seen[1][-1:], expected, rtol=0, atol=1e-3)


def test_that_the_learning_rate_rises_then_falls() -> None:
    rates = [schedule(number, 100) for number in range(100)]
    assert rates[:10] == pytest.approx([(number + 1) / 10 for number in range(10)])
    assert all(later < earlier for earlier, later in pairwise(rates[10:]))
    assert rates[-1] < 0.01


def test_that_one_picture_suffices_and_none_is_refused_and_cancelling_stops() -> None:
    _method(steps=2).fit(_parts(1), seed=0)
    with pytest.raises(TrainingError, match="no normal picture"):
        _method().fit([], seed=0)
    with pytest.raises(CancelledError):
        _method().fit(_parts(), seed=0, cancelled=lambda: True)


def test_that_the_score_counts_only_regions_of_the_least_area() -> None:
    rules = [_method(min_area_px=area) for area in (0, 16, 17, 64 * 64, 10**6)]
    probe = torch.cat(_parts(2))
    rules[0].fit(_parts(), seed=0)
    stored = rules[0].tensors()
    for method in rules[1:]:
        method.load_tensors(stored)
    scored = [method.score(probe) for method in rules]
    cells = scored[0].cells.flatten(1)
    assert scored[0].scores is None
    found = [one.scores for one in scored[1:]]
    assert all(one is not None for one in found)
    torch.testing.assert_close(found[0], cells.max(1).values)  # one cell is 16 px
    assert (found[1] < cells.max(1).values).all()  # type: ignore[operator]
    torch.testing.assert_close(found[2], cells.min(1).values)
    torch.testing.assert_close(found[3], cells.min(1).values)


def test_that_the_level_of_an_area_is_where_a_region_first_becomes_large_enough() -> None:
    cells = np.array([[9, 0, 0, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 4, 5], [0, 0, 3, 0, 6]], np.float32)
    expected = {1: 9.0, 2: 6 - 1, 3: 4.0, 4: 3.0, 5: 0.0, 99: 0.0}  # the corner's 3 touches the 4 aslant
    assert {area: level_of_area(cells, area) for area in expected} == expected


def test_that_the_level_of_an_area_agrees_with_trying_every_level_and_never_falls_where_a_cell_rises() -> None:
    random = np.random.default_rng(0)
    for area in (1, 3, 10, 40):
        cells = random.random((9, 11), np.float32)
        tried = [t for t in np.unique(cells) if level_of_area(np.where(cells >= t, 1, 0).astype(np.float32), area) == 1]
        assert level_of_area(cells, area) == max(tried)
        raised = cells.copy()
        raised[tuple(random.integers(0, 9, 2))] += 0.5
        assert level_of_area(raised, area) >= level_of_area(cells, area)
        assert math.isfinite(level_of_area(cells, area))
