"""What every method of the catalogue must do, each test after a mistake that known implementations make."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.artifact import read_manifest
from ml.catalogue import METHODS
from ml.detector import Detector
from ml.errors import LoupeError, ParameterError, TrainingError
from ml.pictures import Pixels, read_picture
from ml.training.pipeline import run
from tests.ml.small_models import GEOMETRIES, QUICK, part, quick_job, write, write_parts

ONLY_WHOLE = {"template"}
"""Methods that compare a picture as a whole with another have nothing to do with patches, and say so."""

CASES = [
    pytest.param(method, geometry, id=f"{method}-{geometry}")
    for method in METHODS
    for geometry in GEOMETRIES
    if geometry == "whole" or method not in ONLY_WHOLE
]
ModelFile = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def detectors(model_file: ModelFile) -> Callable[[str, str], Detector]:
    return cache(lambda method, geometry: Detector.load(model_file(method, geometry), "cpu"))


Detectors = Callable[[str, str], Detector]


def _with_square(top: int, left: int, side: int, height: int, width: int) -> NDArray[np.uint8]:
    pixels = part(50, height, width)
    pixels[top : top + side, left : left + side] = 255
    return pixels


@pytest.mark.parametrize("method", METHODS)
def test_that_every_method_says_what_a_person_needs_to_choose_it(method: str) -> None:
    info = METHODS[method]
    assert info.title
    assert info.summary.endswith(".")
    assert info.paper
    assert info.published
    assert list(info.presets) == ["fast", "balanced", "thorough"]
    minutes = [preset.minutes for preset in info.presets.values()]
    assert minutes == sorted(minutes)
    assert minutes[1] <= 10
    for name, field in info.parameters.model_fields.items():
        assert field.description or field.metadata, name


@pytest.mark.parametrize(("method", "geometry"), CASES)
def test_that_a_score_depends_neither_on_order_nor_on_what_was_scored_before(
    method: str, geometry: str, detectors: Detectors
) -> None:
    detector = detectors(method, geometry)
    pictures = [part(40), _with_square(40, 56, 16, 96, 128), part(41)]
    forward = [detector.score(pixels) for pixels in pictures]
    backward = [detector.score(pixels) for pixels in reversed(pictures)][::-1]
    for first, second in zip(forward, backward, strict=True):
        assert first.score == pytest.approx(second.score, rel=1e-5, abs=1e-6)
        np.testing.assert_allclose(first.score_map.cells, second.score_map.cells, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("method", "geometry"), CASES)
def test_that_one_input_scores_as_it_does_in_a_batch(method: str, geometry: str, detectors: Detectors) -> None:
    import torch

    own = detectors(method, geometry)._method
    height, width = own.input_size
    inputs = torch.randn(3, 3, height, width, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        together = own.score(own.embed(inputs)).cells
        alone = torch.cat([own.score(own.embed(inputs[index : index + 1])).cells for index in range(3)])
    scale = float(together.abs().max()) or 1.0
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4 * scale)


@pytest.mark.parametrize(("method", "geometry"), CASES)
def test_that_the_same_seed_gives_the_same_model(
    method: str, geometry: str, model_file: ModelFile, parts_folder: Path, tmp_path: Path
) -> None:
    again = run(quick_job(parts_folder, tmp_path / "again.loupe", method, geometry)).manifest
    assert again.model_hash == read_manifest(model_file(method, geometry)).model_hash


@pytest.mark.parametrize(("method", "geometry"), CASES)
def test_that_the_file_scores_as_the_model_that_was_calibrated(
    method: str, geometry: str, detectors: Detectors, parts_folder: Path
) -> None:
    """Good parts that were learnt from score about as those that were held out, from the file as in training."""
    detector = detectors(method, geometry)
    calibration = detector.manifest.calibration
    scores = [detector.score(read_picture(path).pixels).score for path in sorted(parts_folder.iterdir())]
    assert np.isfinite(scores).all()
    assert min(scores) < calibration.threshold


@pytest.mark.parametrize(("method", "geometry"), CASES)
@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(lambda: part(40)[..., 0], id="grey"),
        pytest.param(lambda: part(40)[..., 0].astype(np.uint16) * 257, id="16 bit"),
        pytest.param(lambda: part(40, 1, 5000), id="1x5000"),
        pytest.param(lambda: part(40, 3000, 4000, noise=0), id="4000x3000", marks=pytest.mark.slow),
        pytest.param(lambda: part(40, 33, 33), id="33x33"),
        pytest.param(lambda: np.zeros((96, 128, 3), np.uint8), id="black"),
    ],
)
def test_that_a_picture_of_any_kind_gets_a_finite_answer_of_its_own_size(
    method: str, geometry: str, picture: Callable[[], Pixels], detectors: Detectors
) -> None:
    pixels = picture()
    if geometry == "patches" and pixels.shape[0] == 3000:
        pixels = pixels[:600, :800]  # thousands of patches say no more than a hundred
    detection = detectors(method, geometry).score(pixels)
    assert np.isfinite(detection.score)
    values = detection.score_map.at_picture_size()
    assert values.shape == pixels.shape[:2]
    assert np.isfinite(values).all()


@pytest.mark.parametrize("method", METHODS)
def test_that_identical_pictures_end_in_words_or_in_a_model_that_accepts_them(method: str, tmp_path: Path) -> None:
    """As files of one hash they are one part. The same pixels in other files must not make a threshold of 0."""
    (tmp_path / "parts").mkdir()
    for index in range(6):
        write(tmp_path / f"parts/part{index}.png", part(0))
        with (tmp_path / f"parts/part{index}.png").open("ab") as file:
            file.write(bytes([index]))  # behind the picture's end: another file, the same pixels
    try:
        result = run(quick_job(tmp_path / "parts", tmp_path / "m.loupe", method))
    except LoupeError as error:
        assert len(str(error)) > 20
        return
    detector = Detector.load(result.path, "cpu")
    assert result.manifest.calibration.judge(detector.score(part(0)).score) != "NG"


@pytest.mark.parametrize("method", METHODS)
def test_that_pictures_of_different_sizes_are_learnt_from(method: str, tmp_path: Path) -> None:
    for index, size in enumerate([(96, 128), (80, 128), (128, 96), (96, 96), (64, 64), (100, 140)]):
        write(tmp_path / f"parts/part{index}.png", part(index, *size))
    try:
        result = run(quick_job(tmp_path / "parts", tmp_path / "m.loupe", method))
    except TrainingError as error:
        assert "size" in str(error)
        return
    assert len(result.survey.names) == 6


@pytest.mark.parametrize("method", METHODS)
def test_that_no_picture_and_too_few_pictures_are_refused_in_words(method: str, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    with pytest.raises(TrainingError, match="no pictures"):
        run(quick_job(tmp_path / "parts", tmp_path / "m.loupe", method))
    write(tmp_path / "parts/part.png", part(0))
    try:
        result = run(quick_job(tmp_path / "parts", tmp_path / "m.loupe", method))
    except TrainingError as error:
        assert "at least" in str(error)
    else:
        assert result.manifest.calibration.source == "perturbations"


@pytest.mark.parametrize("method", sorted(ONLY_WHOLE & set(METHODS)))
def test_that_a_method_without_patches_says_so(method: str, parts_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="whole"):
        run(quick_job(parts_folder, tmp_path / "m.loupe", method, "patches"))


@pytest.fixture(scope="module")
def full_size_detectors(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Detector]:
    """Networks see far at 64 px: where something is can only be asked at the sizes that are used."""
    folder = tmp_path_factory.mktemp("full-size")
    write_parts(folder / "parts", 12, 256, 320)

    @cache
    def trained(method: str, geometry: str) -> Detector:
        size = {"size": 256} if geometry == "whole" else {"size": None, "patch": 128, "stride": None}
        job = quick_job(folder / "parts", folder / f"{method}-{geometry}.loupe", method, geometry, **size)
        return Detector.load(run(job).path, "cpu")

    return trained


@pytest.mark.parametrize(("method", "geometry"), CASES)
@pytest.mark.parametrize(("top", "left"), [(80, 100), (216, 280), (4, 4)])
def test_that_a_bright_square_is_found_within_one_cell_of_where_it_is(
    method: str, geometry: str, top: int, left: int, full_size_detectors: Detectors
) -> None:
    score_map = full_size_detectors(method, geometry).score(_with_square(top, left, 16, 256, 320)).score_map
    cells = score_map.cells
    pitch = np.array([score_map.covered_height / cells.shape[0], score_map.covered_width / cells.shape[1]])
    found = np.unravel_index(int(cells.argmax()), cells.shape)
    expected = ([top + 7.5, left + 7.5] - np.array([score_map.offset_y, score_map.offset_x]) + 0.5) / pitch - 0.5
    # A map finer than the square may peak anywhere on it; a coarser one is right within one cell.
    allowed = np.maximum(1.0, 8.0 / pitch) + 0.5
    assert (np.abs(found - expected) <= allowed).all(), (found, expected)


@pytest.mark.parametrize(("method", "geometry"), CASES)
def test_that_a_defect_scores_higher_than_good_parts(
    method: str, geometry: str, full_size_detectors: Detectors
) -> None:
    detector = full_size_detectors(method, geometry)
    good = max(detector.score(part(index, 256, 320)).score for index in (60, 61, 62))
    assert detector.score(_with_square(100, 120, 24, 256, 320)).score > good


def test_that_every_method_has_quick_settings() -> None:
    assert set(QUICK) == set(METHODS)
