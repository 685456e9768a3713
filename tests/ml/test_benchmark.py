"""What is measured, in which order, and what of it is counted. Never how fast it is."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ml.benchmark.floor import Floor, products_of
from ml.benchmark.stages import ClockedDetector, network_inputs
from ml.benchmark.turns import Laps, Spread, Stopwatch, Work, in_turns, timed
from ml.catalogue import METHODS
from ml.detector import Detector
from ml.judging import judge
from ml.methods import create
from ml.methods.base import Method
from tests.ml.small_models import QUICK, part

SIDE = 64


@pytest.fixture
def model(model_file: Callable[[str, str], Path]) -> Path:
    return model_file("patchcore", "patches")


def noted(name: str, calls: list[tuple[str, int]]) -> Work:
    def once(number: int) -> Laps:
        calls.append((name, number))
        return {name: float(len(calls))}

    return once


def test_that_works_take_turns_in_blocks_whose_first_call_does_not_count() -> None:
    calls: list[tuple[str, int]] = []
    found = in_turns([noted("a", calls), noted("b", calls)], rounds=2, calls=1)
    block = [("a", 0), ("a", 0), ("b", 0), ("b", 0)]
    assert calls == [*block, *block, ("a", 1), ("a", 1), ("b", 1), ("b", 1)]
    assert found["a"] == Spread.of([6.0, 10.0])
    assert found["b"] == Spread.of([8.0, 12.0])


def test_that_a_spread_is_told_in_milliseconds() -> None:
    assert Spread.of([0.002] * 98 + [0.001, 1.0]) == Spread(2.0, 2.0, 1.0)


def test_that_a_timed_work_is_called_with_its_round() -> None:
    rounds: list[int] = []
    assert timed("stage", rounds.append)(3)["stage"] >= 0
    assert rounds == [3]


def test_that_a_stopwatch_adds_up_the_laps_of_a_stage() -> None:
    watch = Stopwatch()
    watch.start()
    began = time.perf_counter()
    for stage in ("a", "b", "a"):
        watch.lap(stage)
    assert watch.laps.keys() == {"a", "b"}
    assert 0 < sum(watch.laps.values()) <= time.perf_counter() - began + 1e-3


def test_that_what_is_clocked_judges_as_before_and_its_stages_are_all_of_it(model: Path) -> None:
    detector, pixels = Detector.load(model, "cpu"), part(0)
    manifest = detector.manifest
    expected = judge(detector.score(pixels), manifest.calibration, manifest.rules)
    clocked = ClockedDetector(detector)
    assert clocked.judged(pixels) == expected
    laps = dict(clocked.inspect(pixels))
    whole = laps.pop("whole")
    assert laps.keys() == {"preprocessing", "network", "postprocessing"}
    assert whole == pytest.approx(sum(laps.values()))


def test_that_a_picture_in_patches_counts_its_inputs(model: Path) -> None:
    preprocessing = Detector.load(model, "cpu").manifest.preprocessing
    first, count = network_inputs(part(0), preprocessing)
    assert first.shape == (1, 3, SIDE, SIDE)
    assert count == 6


def test_that_the_floor_is_the_models_own_backbone_once_per_input(model: Path) -> None:
    floor = Floor(model, (1,), 1)
    assert [(one.what, one.library, one.threads) for one in floor.figures] == [
        ("forward", "torch", 1),
        ("forward", "onnx", 1),
        ("product", "torch", 1),
        ("product", "onnx", 1),
    ]
    inputs = np.zeros((1, 3, SIDE, SIDE), np.float32)
    asked: list[int] = []

    def inputs_of(number: int) -> tuple[np.ndarray, int]:
        asked.append(number)
        return inputs, 10**6

    for work, figure in zip(floor.works(inputs_of), floor.figures, strict=True):
        (seconds,) = (laps := work(7)).values()
        assert laps.keys() == {figure.stage}
        assert seconds > 1  # a million inputs
    assert asked == [7] * 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("patchcore", [((64, 152), (152, 7))]),
        ("padim", [((64, 1, 50), (64, 50, 50))]),
        ("spade", [((64, 176), (176, 192))]),
        ("dfr", []),
    ],
)
def test_that_the_product_is_as_large_as_the_memory(name: str, expected: list[object]) -> None:
    assert products_of(fitted(name)) == expected


def fitted(name: str) -> Method:
    """On three inputs of noise; PatchCore remembers seven vectors of them, SPADE all three."""
    settings = QUICK[name] if name != "patchcore" else {"coreset_cap": 7, "candidates": 100}
    method = create(name, METHODS[name].parameters.model_validate(settings), "whole", (SIDE, SIDE))
    parts = [method.embed(torch.randn(1, 3, SIDE, SIDE)).clone() for _ in range(3)]
    method.fit(parts, seed=0)
    return method
