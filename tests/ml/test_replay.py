"""Replayed work: recorded when a shape repeats, held against the work itself, and left alone where it cannot be."""

import logging

import pytest
import torch
from torch import Tensor

from ml.methods.base import Scored
from ml.runtime.replay import MOST_SHAPES, NotReplayableError, Replayed, Work


class Model:
    """The work: counts how often it is computed; `factor` is what a fit changes."""

    def __init__(self, *, has_scores: bool = True) -> None:
        self.factor = 2.0
        self.computed = 0
        self.has_scores = has_scores

    def __call__(self, inputs: Tensor) -> Scored:
        self.computed += 1
        cells = inputs.mean(1) * self.factor
        return Scored(cells, cells.amax((1, 2)) if self.has_scores else None)


class Recorder:
    """Replays as a CUDA graph does: with the values that the work had when it was recorded."""

    def __init__(self, refusal: str = "", error: float = 0.0) -> None:
        self.refusal = refusal
        self.error = error
        self.replays = 0
        self.recorded: list[tuple[int, ...]] = []

    def record(self, work: Work, inputs: Tensor) -> Work:
        if self.refusal:
            raise NotReplayableError(self.refusal)
        assert isinstance(work, Model)
        factor, has_scores = work.factor, work.has_scores
        self.recorded.append(tuple(inputs.shape))

        def replay(others: Tensor) -> Scored:
            self.replays += 1
            frozen = Model(has_scores=has_scores)
            frozen.factor = factor * (1 + self.error)
            return frozen(others)

        return replay


def _inputs(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed)) + 0.5


@pytest.mark.parametrize("has_scores", [False, True])
def test_that_a_shape_is_recorded_when_it_comes_again_and_replayed_from_then_on(has_scores: bool) -> None:
    model, recorder = Model(has_scores=has_scores), Recorder()
    replayed = Replayed(model, "model", lambda: recorder)
    for seed in range(5):
        inputs = _inputs(4, seed)
        found, expected = replayed(inputs), Model(has_scores=has_scores)(inputs)
        assert torch.equal(found.cells, expected.cells)
        assert (found.scores is None) == (not has_scores)
        assert len(replayed.shapes) == (seed > 0)
    assert model.computed == 2  # to warm up, and to hold the recording against
    assert recorder.replays == 4  # the first to be held against the work


def test_that_a_shape_that_comes_once_is_not_recorded() -> None:
    recorder = Recorder()
    replayed = Replayed(Model(), "model", lambda: recorder)
    for count in range(1, 20):
        replayed(_inputs(count))
    assert not recorder.recorded


def test_that_no_more_than_a_few_shapes_are_kept() -> None:
    recorder = Recorder()
    replayed = Replayed(Model(), "model", lambda: recorder)
    for count in [*range(1, 20), *range(1, 20)]:
        assert len(replayed(_inputs(count)).cells) == count
    assert len(replayed.shapes) == len(recorder.recorded) == MOST_SHAPES


@pytest.mark.parametrize("recorder", [Recorder("it waits"), Recorder(error=0.1), Recorder(error=float("nan"))])
def test_that_what_cannot_be_recorded_or_replays_otherwise_is_computed_and_said(
    recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ml.runtime.replay")
    model = Model()
    replayed = Replayed(model, "patchcore", lambda: recorder)
    for seed in range(5):
        inputs = _inputs(4, seed)
        assert torch.equal(replayed(inputs).cells, Model()(inputs).cells)
    assert model.computed == 5
    assert not replayed.shapes
    assert len(caplog.records) == 1  # said once, tried once
    assert "patchcore is computed launch by launch" in caplog.text


def test_that_rounding_is_no_reason_to_refuse_a_recording() -> None:
    recorder = Recorder(error=0.001)
    replayed = Replayed(Model(), "model", lambda: recorder)
    for _ in range(3):
        replayed(_inputs(2))
    assert replayed.shapes


def test_that_a_model_that_has_learnt_anew_is_never_replayed_as_it_was() -> None:
    model, recorders = Model(), [Recorder() for _ in range(2)]
    made = iter(recorders)
    replayed = Replayed(model, "model", lambda: next(made))
    inputs = _inputs(3)
    for _ in range(3):
        replayed(inputs)
    model.factor = 5.0
    replayed.forget()
    for _ in range(3):
        fresh = Model()
        fresh.factor = 5.0
        assert torch.equal(replayed(inputs).cells, fresh(inputs).cells)
    assert [recorder.recorded for recorder in recorders] == [[(3, 3, 4, 4)]] * 2


def test_that_after_a_full_memory_nothing_is_recorded_again() -> None:
    recorder = Recorder()
    replayed = Replayed(Model(), "model", lambda: recorder)
    for _ in range(3):
        replayed(_inputs(3))
    replayed.give_up()
    assert not replayed.shapes
    for _ in range(3):
        replayed(_inputs(3))
    replayed.forget()
    for _ in range(3):
        replayed(_inputs(3))
    assert len(recorder.recorded) == 1
