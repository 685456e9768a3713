"""Scores on a GPU: the same as the processor's for every method, in any batches, replayed or not.

Without a device the same runtime computes in the processor's memory (`tests.ml.plain_cuda`); tests marked `cuda` need
one.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ml.catalogue import METHODS
from ml.detector import Detector
from ml.maps import Detection
from ml.runtime.batches import Overlapping
from ml.runtime.cuda_runtime import CudaRuntime
from ml.runtime.replay import MOST_SHAPES
from ml.runtime.torch_runtime import TorchRuntime
from tests.ml.plain_cuda import PlainCuda, install
from tests.ml.small_models import CASES, method_of, part

ModelFile = Callable[[str, str], Path]

IN_HALF_PRECISION = 0.03
"""Of the score, where the network computes in half precision; the others compute as the processor does."""

REPLAYED = ("patchcore", "padim", "spade", "dfr", "student_teacher")
"""With the settings of the tests nothing in them waits for the GPU."""


def _with_square(top: int, left: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    pixels = part(50, height, width)
    pixels[top : top + 16, left : left + 16] = 255
    return pixels


PICTURES = [part(40), _with_square(40, 56), _with_square(70, 30), _with_square(40, 56, 200, 300), _with_square(9, 9)]
"""The same shape again and again, and another one in between."""


def _replayed(detector: Detector) -> tuple[tuple[int, ...], ...]:
    assert isinstance(detector.runtime, CudaRuntime)
    return detector.runtime._replayed.shapes


def _assert_alike(found: Detection, expected: Detection, share: float) -> None:
    assert found.score == pytest.approx(expected.score, rel=share)
    cells = expected.score_map.cells
    assert found.score_map.cells.dtype == np.float32
    np.testing.assert_allclose(found.score_map.cells, cells, rtol=share, atol=share * float(np.abs(cells).max()))


def _fit_anew(detector: Detector, brightness: float = 1.0) -> None:
    runtime = detector.runtime
    assert isinstance(runtime, TorchRuntime)
    shape = (1, 3, *runtime.method.input_size)
    runtime.fit([runtime.embed(np.full(shape, value, np.float32)) for value in (0.0, brightness)], seed=1)


# --- in the processor's memory ---


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> PlainCuda:
    return install(monkeypatch)


def _on_plain_cuda(path: Path) -> Detector:
    reference = Detector.load(path, "cpu", "torch")
    method = method_of(reference)
    return Detector(reference.manifest, CudaRuntime(method, "cpu"), method, reference.reference_thumbnail)


@pytest.mark.parametrize(("method", "geometry"), [("patchcore", "patches"), ("padim", "whole")])
def test_that_pictures_score_the_same_submitted_ahead_and_replayed(
    method: str, geometry: str, model_file: ModelFile, device: PlainCuda
) -> None:
    path = model_file(method, geometry)
    reference, detector = Detector.load(path, "cpu", "torch"), _on_plain_cuda(path)
    assert isinstance(detector.runtime, Overlapping)
    detector._batches.size = 8
    for pixels in PICTURES:
        _assert_alike(detector.score(pixels), reference.score(pixels), 1e-4)
    assert device.captures == len(_replayed(detector)) >= 1
    assert device.replays > device.captures
    assert device.mode == "default"


def test_that_the_processor_waits_once_per_batch(model_file: ModelFile, device: PlainCuda) -> None:
    detector = _on_plain_cuda(model_file("patchcore", "patches"))
    detector._batches.size = 4
    detector.score(part(40, 96, 48 * 11))  # 2 x 11 patches
    assert device.waits == 6


def test_that_scores_are_kept_when_later_ones_take_their_place(model_file: ModelFile, device: PlainCuda) -> None:
    runtime = _on_plain_cuda(model_file("patchcore", "patches")).runtime
    random = np.random.default_rng(0)
    first, second = (random.standard_normal((2, 3, 64, 64)).astype(np.float32) for _ in range(2))
    expected = [runtime.score(inputs).cells for inputs in (first, second)]
    found = [runtime.score(inputs).cells for inputs in (first, second)]
    assert device.replays > 0
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


@pytest.mark.parametrize("trouble", ["warns", "refuses"])
def test_that_what_cannot_be_captured_is_computed(trouble: str, model_file: ModelFile, device: PlainCuda) -> None:
    path = model_file("patchcore", "patches")
    reference, detector = Detector.load(path, "cpu", "torch"), _on_plain_cuda(path)
    setattr(device, trouble, "called a synchronizing CUDA operation")
    for pixels in PICTURES:
        _assert_alike(detector.score(pixels), reference.score(pixels), 1e-4)
    assert not _replayed(detector)
    assert device.captures == (trouble == "refuses")  # none where it is known beforehand; one, and no more, where not


def test_that_what_is_learnt_anew_is_never_judged_by_what_was_recorded_before(
    model_file: ModelFile, device: PlainCuda
) -> None:
    path = model_file("patchcore", "patches")
    reference, detector = Detector.load(path, "cpu", "torch"), _on_plain_cuda(path)
    before = [detector.score(part(40)) for _ in range(3)][-1]
    assert _replayed(detector)
    _fit_anew(reference)
    _fit_anew(detector)
    expected = reference.score(part(40))
    assert expected.score != pytest.approx(before.score, rel=0.1)
    for _ in range(3):
        _assert_alike(detector.score(part(40)), expected, 1e-4)
    assert _replayed(detector)


def test_that_a_full_memory_drops_what_was_recorded_and_halves_the_batch(
    model_file: ModelFile, device: PlainCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model_file("patchcore", "patches")
    detector, picture = _on_plain_cuda(path), _with_square(40, 56, 200, 300)
    expected = Detector.load(path, "cpu", "torch").score(picture)
    detector._batches.size = 8
    for _ in range(3):
        detector.score(picture)
    assert _replayed(detector)
    embed = method_of(detector).embed

    def full(inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return embed(inputs)

    monkeypatch.setattr(method_of(detector), "embed", full)
    other = _with_square(40, 56, 200, 140)  # its last batch is of a new size, and finds the memory full
    detector.score(other)
    assert not _replayed(detector)
    assert detector._batches.size <= 4
    _assert_alike(detector.score(picture), expected, 1e-4)
    assert not _replayed(detector)


# --- on a device ---


def _gpu_and_processor(path: Path) -> tuple[Detector, Detector]:
    return Detector.load(path, "cuda"), Detector.load(path, "cpu", "torch")


@pytest.mark.cuda
@pytest.mark.parametrize(("method", "geometry"), CASES)
def test_that_every_method_scores_as_on_the_processor(method: str, geometry: str, model_file: ModelFile) -> None:
    on_gpu, on_processor = _gpu_and_processor(model_file(method, geometry))
    on_gpu.warm_up()
    for pixels in PICTURES:
        _assert_alike(on_gpu.score(pixels), on_processor.score(pixels), IN_HALF_PRECISION)


@pytest.mark.cuda
@pytest.mark.parametrize("method", METHODS)
def test_that_a_replayed_picture_scores_as_it_did_before(method: str, model_file: ModelFile) -> None:
    on_gpu = Detector.load(model_file(method, "whole"), "cuda")
    assert isinstance(on_gpu.runtime, CudaRuntime)
    on_gpu.runtime._replayed.give_up()
    launched = [on_gpu.score(pixels) for pixels in PICTURES]
    replaying = Detector.load(model_file(method, "whole"), "cuda")
    replaying.warm_up()
    assert bool(_replayed(replaying)) >= (method in REPLAYED)
    for pixels, expected in zip(PICTURES, launched, strict=True):
        _assert_alike(replaying.score(pixels), expected, 0.01)


@pytest.mark.cuda
@pytest.mark.parametrize("method", ["patchcore", "padim"])
def test_that_the_size_of_the_batches_changes_no_score(method: str, model_file: ModelFile) -> None:
    path, picture = model_file(method, "patches"), _with_square(40, 56, 200, 300)
    alone = Detector.load(path, "cuda")
    alone._batches.size = 1
    expected = alone.score(picture)
    for size in (2, 3, 5, 64):
        detector = Detector.load(path, "cuda")
        detector._batches.size = size
        for _ in range(3):
            _assert_alike(detector.score(picture), expected, 0.01)
        assert len(_replayed(detector)) <= MOST_SHAPES


@pytest.mark.cuda
def test_that_a_full_gpu_halves_the_batch_and_loses_nothing(
    model_file: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, picture = model_file("patchcore", "patches"), _with_square(40, 56, 200, 300)
    detector = Detector.load(path, "cuda")
    expected = [detector.score(picture) for _ in range(3)][-1]
    embed = method_of(detector).embed

    def full(inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) > 2:
            torch.empty(2**50, device=inputs.device)  # a real refusal
        return embed(inputs)

    monkeypatch.setattr(method_of(detector), "embed", full)
    detector.runtime.release()  # without recordings
    for _ in range(2):
        _assert_alike(detector.score(picture), expected, 0.01)
    assert detector._batches.size <= 2


@pytest.mark.cuda
def test_that_what_is_learnt_anew_on_the_gpu_is_never_judged_by_what_was_recorded_before(
    model_file: ModelFile,
) -> None:
    on_gpu, on_processor = _gpu_and_processor(model_file("patchcore", "whole"))
    for brightness in (1.0, 2.0):
        for detector in (on_gpu, on_processor):
            _fit_anew(detector, brightness)
        for _ in range(3):
            _assert_alike(on_gpu.score(part(40)), on_processor.score(part(40)), IN_HALF_PRECISION)
