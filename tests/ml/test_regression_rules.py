"""What known implementations of these methods get wrong, one rule each, asked of every method that it can apply to.

A rule's number stands in the name of its tests, here or where the code lives that it is about:

1 scores depend on no order          here; test_scoring.py: order of the batches
2 one input scores as in a batch     here
3 every channel counts by itself     here; test_spade.py: distances; test_ganomaly.py: differences
4 random lists survive the file      here; test_padim.py: the list of chosen features
5 decoders are not linear            here; test_ganomaly.py; test_patchwise.py
6 pretrained stays pretrained        here; test_patchwise.py: tl_ganomaly
7 recombination of a constant        test_patches.py; test_patch_scores.py: methods on small patches
8 nothing is found beside its place  here
9 every pixel is written             here; test_ganomaly.py; test_skip_ganomaly.py
10 AUPRO by hand                     test_pixel_metrics.py
11 no threshold from training parts  test_calibration.py; test_training.py
12 the published confusion matrix    test_confusion.py
13 labels know no alphabet           test_dataset.py
14 all kinds of pictures             here; test_detector.py; test_pictures.py
15 same seed, same model hash        here
16 sides that cannot be halved       test_ganomaly.py; test_skip_ganomaly.py
17 order of colours                  here; test_images.py; test_detector.py

Last comes what every method must make of an inspection area.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml.artifact import read_manifest
from ml.backbones import FeatureExtractor, build_backbone
from ml.catalogue import METHODS
from ml.detector import Detector
from ml.inspection_area import InspectionArea, Rectangle
from ml.methods.base import Method
from ml.methods.padim import MOMENTS_PREFIX
from ml.networks.skip_ganomaly import SkipGenerator
from ml.networks.unet import UNet
from ml.pictures import Pixels, read_picture
from ml.runtime.agreement import LARGEST_DIFFERENCE, share_of_range
from ml.training.embedded import EmbeddedPictures
from ml.training.pipeline import run
from tests.ml.small_models import CASES, method_of, part, quick_job, write_parts

COMPARE_CODES = {"patch_ganomaly", "tl_ganomaly"}
"""Their distances are between codes, which have no channels of a picture."""
COMPARE_NO_CHANNELS = COMPARE_CODES | {"riad"}
"""RIAD compares gradients of the grey picture, as published."""
ANY_EVEN_COLOUR_IS_GOOD = COMPARE_CODES | {"patch_cnn", "riad", "student_teacher", "efficientad"}
"""They judge by what codes tell, by examples of defects, or by what surrounds a place; the last two are students that
have learnt little of colour after the few steps of a test."""

ModelFile = Callable[[str, str], Path]
Detectors = Callable[[str, str], Detector]

every_case = pytest.mark.parametrize(("method", "geometry"), CASES)


@pytest.fixture(scope="module")
def detectors(model_file: ModelFile) -> Detectors:
    return cache(lambda method, geometry: Detector.load(model_file(method, geometry), "cpu", "torch"))


@pytest.fixture(scope="module")
def full_size_detectors(tmp_path_factory: pytest.TempPathFactory) -> Detectors:
    """Networks see far at 64 px: where something is can only be asked at the sizes that are used."""
    folder = tmp_path_factory.mktemp("full-size")
    write_parts(folder / "parts", 12, 256, 320)

    @cache
    def trained(method: str, geometry: str) -> Detector:
        size = {"size": 256} if geometry == "whole" else {"size": None, "patch": 128, "stride": None}
        job = quick_job(folder / "parts", folder / f"{method}-{geometry}.loupe", method, geometry, **size)
        return Detector.load(run(job).path, "cpu", "torch")

    return trained


@pytest.fixture(scope="module")
def highest_good(full_size_detectors: Detectors) -> Callable[[str, str], float]:
    """The highest score of good parts that were not learnt from."""

    def highest(method: str, geometry: str) -> float:
        return max(full_size_detectors(method, geometry).score(part(index, 256, 320)).score for index in (60, 61, 62))

    return cache(highest)


@pytest.fixture(scope="module")
def trained_again(
    parts_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, str], tuple[Path, Method]]:
    """The file of a second training by the same order, and the method that was written into it."""
    folder = tmp_path_factory.mktemp("again")

    @cache
    def trained(method: str, geometry: str) -> tuple[Path, Method]:
        used: list[Method] = []
        prepare = EmbeddedPictures.__init__

        def spying(self: EmbeddedPictures, *arguments: Any) -> None:
            used.extend(argument for argument in arguments if isinstance(argument, Method))
            prepare(self, *arguments)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(EmbeddedPictures, "__init__", spying)
            path = run(quick_job(parts_folder, folder / f"{method}-{geometry}.loupe", method, geometry)).path
        return path, used[-1]

    return trained


def with_square(top: int, left: int, side: int, height: int = 256, width: int = 320) -> NDArray[np.uint8]:
    pixels = part(50, height, width)
    pixels[top : top + side, left : left + side] = 255
    return pixels


def some_inputs(method: Method) -> Tensor:
    height, width = method.input_size
    return torch.randn(3, 3, height, width, generator=torch.Generator().manual_seed(3))


def test_that_every_rule_has_its_test() -> None:
    files = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert {int(number) for number in re.findall(r"^def test_rule_(\d\d)_", files, re.MULTILINE)} == set(range(1, 18))


@every_case
def test_rule_01_a_score_depends_neither_on_order_nor_on_what_was_scored_before(
    method: str, geometry: str, detectors: Detectors
) -> None:
    detector = detectors(method, geometry)
    pictures = [part(40), with_square(40, 56, 16, 96, 128), part(41)]
    forward = [detector.score(pixels) for pixels in pictures]
    backward = [detector.score(pixels) for pixels in reversed(pictures)][::-1]
    for first, second in zip(forward, backward, strict=True):
        assert first.score == pytest.approx(second.score, rel=1e-5, abs=1e-6)
        np.testing.assert_allclose(first.score_map.cells, second.score_map.cells, rtol=1e-4, atol=1e-5)


@every_case
def test_rule_02_one_input_scores_as_it_does_in_a_batch(method: str, geometry: str, detectors: Detectors) -> None:
    own = method_of(detectors(method, geometry))
    inputs = some_inputs(own)
    with torch.inference_mode():
        together = own.score(own.embed(inputs)).cells
        alone = torch.cat([own.score(own.embed(inputs[index : index + 1])).cells for index in range(3)])
    scale = float(together.abs().max()) or 1.0
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize(("method", "geometry"), [case for case in CASES if case.values[0] not in COMPARE_NO_CHANNELS])
def test_rule_03_changes_of_two_channels_do_not_cancel_each_other(
    method: str, geometry: str, full_size_detectors: Detectors
) -> None:
    """A signed sum over the channels, or over another axis than theirs, is blind to what keeps the grey value."""
    detector = full_size_detectors(method, geometry)
    pixels = part(50, 256, 320).astype(np.int16)
    before = detector.score(pixels.astype(np.uint8)).score_map.at_picture_size()
    pixels[100:132, 120:152] += np.array([80, 0, -80], np.int16)
    after = detector.score(np.clip(pixels, 0, 255).astype(np.uint8)).score_map.at_picture_size()
    assert (after - before)[108:124, 128:144].mean() > before.std()


@every_case
def test_rule_04_what_was_drawn_at_random_comes_back_from_the_file(
    method: str, geometry: str, trained_again: Callable[[str, str], tuple[Path, Method]]
) -> None:
    path, trained = trained_again(method, geometry)
    loaded = method_of(Detector.load(path, "cpu", "torch"))
    before, after = trained.tensors(), loaded.tensors()
    # What only fine-tuning goes on from stays in the file.
    assert {name for name in before.keys() ^ after.keys() if not name.startswith(MOMENTS_PREFIX)} == set()
    for name, values in after.items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)
    inputs = some_inputs(loaded)
    with torch.inference_mode():
        assert torch.equal(loaded.score(loaded.embed(inputs)).cells, trained.score(trained.embed(inputs)).cells)


@pytest.mark.parametrize("network", [UNet(4), SkipGenerator(32, 3, width=8)], ids=["riad", "skip_ganomaly"])
@torch.no_grad()
def test_rule_05_a_network_that_redraws_is_not_linear(network: nn.Module) -> None:
    """Of a linear one (activations of slope 1) what x and -x add up to is twice what 0 gives, whatever x is."""
    inputs = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    there, back, none = (network.eval()(factor * inputs) for factor in (1, -1, 0))
    assert (there + back - 2 * none).abs().mean() > 0.05 * (there - back).abs().mean()


@pytest.mark.parametrize("method", METHODS)
def test_rule_05_a_leaky_activation_leaks_and_does_no_more(
    method: str, trained_again: Callable[[str, str], tuple[Path, Method]]
) -> None:
    _, trained = trained_again(method, "whole")
    modules = [module for value in vars(trained).values() if isinstance(value, nn.Module) for module in value.modules()]
    slopes = {module.negative_slope for module in modules if isinstance(module, nn.LeakyReLU)}
    assert slopes <= {0.2, 0.1, 0.01}


WITH_BACKBONE = [
    method
    for method, info in METHODS.items()
    if "backbone" in info.parameters.model_fields and "frozen" not in info.parameters.model_fields
]
"""Whose pretrained network never learns; where a setting says whether it does, see test_patchwise.py."""


@pytest.mark.parametrize("method", WITH_BACKBONE)
def test_rule_06_a_pretrained_network_keeps_its_weights_and_gets_no_gradient(
    method: str, trained_again: Callable[[str, str], tuple[Path, Method]]
) -> None:
    """Neither the initialisation of the others nor their training may reach it."""
    _, trained = trained_again(method, "whole")
    held = [value for value in vars(trained).values() if isinstance(value, nn.Module)]
    extractors = {module for value in held for module in value.modules() if isinstance(module, FeatureExtractor)}
    assert extractors
    for extractor in extractors:
        pretrained = build_backbone(trained.parameters.backbone, extractor.strides)
        assert extractor.weights_hash == pretrained.weights_hash
        assert not any(weights.requires_grad or weights.grad is not None for weights in extractor.parameters())


@every_case
@pytest.mark.parametrize(("top", "left"), [(80, 100), (216, 280), (4, 4)])
def test_rule_08_a_bright_square_is_found_within_one_cell_of_where_it_is(
    method: str, geometry: str, top: int, left: int, full_size_detectors: Detectors
) -> None:
    score_map = full_size_detectors(method, geometry).score(with_square(top, left, 16)).score_map
    cells = score_map.cells
    pitch = np.array([score_map.covered_height / cells.shape[0], score_map.covered_width / cells.shape[1]])
    found = np.unravel_index(int(cells.argmax()), cells.shape)
    expected = ([top + 7.5, left + 7.5] - np.array([score_map.offset_y, score_map.offset_x]) + 0.5) / pitch - 0.5
    # A map finer than the square may peak anywhere on it; a coarser one is right within one cell.
    allowed = np.maximum(1.0, 8.0 / pitch) + 0.5
    assert (np.abs(found - expected) <= allowed).all(), (found, expected)


@every_case
def test_rule_08_a_bright_square_scores_higher_than_good_parts(
    method: str, geometry: str, full_size_detectors: Detectors, highest_good: Callable[[str, str], float]
) -> None:
    assert full_size_detectors(method, geometry).score(with_square(100, 120, 24)).score > highest_good(method, geometry)


@torch.no_grad()
def test_rule_09_every_pixel_is_written() -> None:
    """A transposed convolution of 1 x 1 with a stride of 2 leaves three quarters at its bias, whatever it sees."""
    first, second = UNet(4).eval()(torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(5)))
    assert (first != second).all()


@every_case
@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(lambda: part(40)[..., 0], id="grey"),
        pytest.param(lambda: part(40)[..., 0].astype(np.uint16) * 257, id="16 bit"),
        pytest.param(lambda: part(40, 1, 5000), id="1x5000"),
        pytest.param(lambda: part(40, 33, 33), id="33x33"),
        pytest.param(lambda: np.zeros((96, 128, 3), np.uint8), id="black"),
    ],
)
def test_rule_14_a_picture_of_any_kind_gets_a_finite_answer_of_its_own_size(
    method: str, geometry: str, picture: Callable[[], Pixels], detectors: Detectors
) -> None:
    pixels = picture()
    detection = detectors(method, geometry).score(pixels)
    assert np.isfinite(detection.score)
    values = detection.score_map.at_picture_size()
    assert values.shape == pixels.shape[:2]
    assert np.isfinite(values).all()


@every_case
def test_rule_15_the_same_seed_gives_the_same_model_hash(
    method: str, geometry: str, model_file: ModelFile, trained_again: Callable[[str, str], tuple[Path, Method]]
) -> None:
    path, _ = trained_again(method, geometry)
    assert read_manifest(path).model_hash == read_manifest(model_file(method, geometry)).model_hash


@every_case
def test_rule_17_red_is_not_blue(method: str, geometry: str, full_size_detectors: Detectors) -> None:
    detector, good = full_size_detectors(method, geometry), part(50, 256, 320)
    swapped, as_it_is = detector.score(np.ascontiguousarray(good[..., ::-1])), detector.score(good)
    if method in ANY_EVEN_COLOUR_IS_GOOD:
        assert not np.allclose(swapped.score_map.cells, as_it_is.score_map.cells, rtol=0.05)
    else:
        assert swapped.score > as_it_is.score


@every_case
def test_that_the_file_scores_as_the_model_that_was_calibrated(
    method: str, geometry: str, detectors: Detectors, parts_folder: Path
) -> None:
    """Good parts that were learnt from score about as those that were held out, from the file as in training."""
    detector = detectors(method, geometry)
    calibration = detector.manifest.calibration
    scores = [detector.score(read_picture(path).pixels).score for path in sorted(parts_folder.iterdir())]
    assert np.isfinite(scores).all()
    assert min(scores) < calibration.threshold


@every_case
def test_that_the_graph_scores_as_torch(
    method: str, geometry: str, detectors: Detectors, model_file: ModelFile
) -> None:
    by_torch, path = detectors(method, geometry), model_file(method, geometry)
    if by_torch.manifest.graph is None:
        assert method == "template"
        assert "a search of OpenCV" in by_torch.manifest.graph_refused
        assert Detector.load(path, "cpu").runtime.name == "torch"
        return
    by_graph = Detector.load(path, "cpu")
    assert by_graph.runtime.name == "onnx"
    calibration = by_torch.manifest.calibration
    for pixels in (part(60), with_square(42, 52, 16, 96, 128), np.zeros((40, 50), np.uint8)):
        expected, found = by_torch.score(pixels), by_graph.score(pixels)
        assert calibration.judge(found.score) == calibration.judge(expected.score)
        scores = [calibration.normalise(one.score) for one in (expected, found)]
        maps = [calibration.normalise_map(one.score_map.cells) for one in (expected, found)]
        assert max(share_of_range(*scores), share_of_range(*maps)) <= LARGEST_DIFFERENCE


@every_case
def test_that_what_an_area_ignores_changes_no_cell(method: str, geometry: str, detectors: Detectors) -> None:
    known = detectors(method, geometry)
    area = InspectionArea(width_px=128, height_px=96, ignore=(Rectangle(x=40, y=30, width=40, height=40),))
    preprocessing = known.manifest.preprocessing.model_copy(update={"area": area})
    manifest = known.manifest.model_copy(update={"preprocessing": preprocessing})
    detector = Detector(manifest, known.runtime, method_of(known))
    clean, marked = detector.score(part(50)), detector.score(with_square(42, 52, 16, 96, 128))
    assert marked.score == clean.score
    np.testing.assert_array_equal(marked.score_map.cells, clean.score_map.cells)
    if clean.score_map.cells.shape[0] >= 10:  # a cell lies wholly in what is ignored
        assert clean.score_map.at_picture_size()[50, 60] == clean.score_map.cells.min()
