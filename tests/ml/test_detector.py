"""From a model file to scores: the same alone, in batches and in any order, at any size, and in the right place."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ml.artifact import read_model, write_model
from ml.detector import REFERENCE_THUMBNAIL, Detector
from ml.errors import DetectorError, ModelFileError, PictureError
from ml.maps import ScoreMap
from ml.pictures import read_picture
from ml.runtime.devices import best_device
from ml.runtime.torch_runtime import is_out_of_memory
from ml.training.pipeline import run
from tests.ml.small_models import GEOMETRIES, method_of, part, quick_job, write

METHODS = ("patchcore", "padim")
ModelFile = Callable[[str, str], Path]


@pytest.fixture(
    scope="module", params=[(method, geometry) for method in METHODS for geometry in GEOMETRIES], ids="-".join
)
def detector(request: pytest.FixtureRequest, model_file: ModelFile) -> Detector:
    return Detector.load(model_file(*request.param), "cpu")


@pytest.fixture
def in_patches(model_file: ModelFile) -> Detector:
    return Detector.load(model_file("patchcore", "patches"), "cpu", "torch")


def _with_square(top: int, left: int, side: int = 16, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    pixels = part(50, height, width)
    pixels[top : top + side, left : left + side] = 255
    return pixels


def test_that_a_new_good_part_passes_and_a_bright_square_does_not(detector: Detector) -> None:
    calibration = detector.manifest.calibration
    assert calibration.judge(detector.score(part(40)).score) == "OK"
    assert calibration.judge(detector.score(_with_square(40, 56)).score) == "NG"


@pytest.mark.parametrize("size", [(33, 33), (97, 203), (32, 32), (256, 33), (40, 700)])
def test_that_the_map_answers_at_the_pictures_own_size(detector: Detector, size: tuple[int, int]) -> None:
    values = detector.score(part(40, *size)).score_map.at_picture_size()
    assert values.shape == size
    assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (np.zeros((1, 31, 3), np.uint8), "at least 32 px"),
        (np.zeros((64, 64, 4), np.uint8), "Only grey and RGB"),
        (np.zeros((64, 64), np.float32), "8 or 16 bits"),
    ],
)
def test_that_an_unusable_array_is_refused(in_patches: Detector, pixels: NDArray[Any], said: str) -> None:
    with pytest.raises(PictureError, match=said):
        in_patches.score(pixels)


def test_that_no_score_depends_on_what_was_scored_before(detector: Detector) -> None:
    pictures = [part(40), _with_square(8, 8), part(41), _with_square(70, 100)]
    forwards = [detector.score(pixels).score for pixels in pictures]
    backwards = [detector.score(pixels).score for pixels in reversed(pictures)]
    assert forwards == backwards[::-1]


@pytest.mark.parametrize("method", METHODS)
def test_that_patches_score_the_same_alone_and_in_batches(method: str, model_file: ModelFile) -> None:
    path = model_file(method, "patches")
    picture = _with_square(40, 56, height=200, width=300)
    alone = Detector.load(path, "cpu").score(picture)
    for size in (3, 4, 64):
        detector = Detector.load(path, "cpu")
        detector._batches.size = size
        together = detector.score(picture)
        np.testing.assert_allclose(together.score_map.cells, alone.score_map.cells, rtol=1e-4)
        assert together.score == pytest.approx(alone.score, rel=1e-4)


def test_that_partial_maps_grow_until_the_last_is_the_result(in_patches: Detector) -> None:
    maps: list[ScoreMap] = []
    detection = in_patches.score(_with_square(150, 250, height=200, width=300), maps.append)
    assert len(maps) > 10
    covered = [np.count_nonzero(score_map.cells > score_map.cells.min()) for score_map in maps]
    assert covered[0] < covered[len(maps) // 2] < covered[-1]
    assert maps[0].maximum < maps[-1].maximum  # the square lies in the last patches
    np.testing.assert_array_equal(maps[-1].cells, detection.score_map.cells)


def test_that_the_model_file_scores_as_the_model_that_was_trained(parts_folder: Path, tmp_path: Path) -> None:
    job = quick_job(parts_folder, tmp_path / "m.loupe", parameters={"coreset_ratio": 1.0, "coreset_cap": 100_000})
    detector = Detector.load(run(job).path, "cpu")
    for path in sorted(parts_folder.iterdir()):  # the bank holds every vector, so a training picture is at distance 0
        assert detector.score(read_picture(path).pixels).score < 1e-2 * detector.manifest.calibration.median


# --- memory ---


def _full_above(most: int, error: Exception, embed: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    sizes: list[int] = []

    def embedding(inputs: torch.Tensor) -> torch.Tensor:
        sizes.append(len(inputs))
        if len(inputs) > most:
            raise error
        return embed(inputs)

    embedding.sizes = sizes  # type: ignore[attr-defined]
    return embedding


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to ..."),
    RuntimeError("MPS backend out of memory (MPS allocated: 17.00 GB, other allocations: 1.00 GB)"),
    MemoryError("Unable to allocate 3.00 GiB"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "mps", "numpy"])
def test_that_a_full_memory_halves_the_batch_for_good(
    in_patches: Detector, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    picture = _with_square(40, 56, height=200, width=300)
    expected = in_patches.score(picture)
    embedding = _full_above(1, error, method_of(in_patches).embed)
    monkeypatch.setattr(method_of(in_patches), "embed", embedding)
    in_patches._batches.size = 8
    found = in_patches.score(picture)
    np.testing.assert_allclose(found.score_map.cells, expected.score_map.cells, rtol=1e-4)
    assert embedding.sizes[:4] == [8, 4, 2, 1]
    in_patches.score(picture)
    assert max(embedding.sizes[4:]) == 1


def test_that_a_memory_too_small_for_scoring_halves_the_batch_as_well(
    in_patches: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = in_patches.score(part(40)).score
    monkeypatch.setattr(method_of(in_patches), "score", _full_above(1, OUT_OF_MEMORY[0], method_of(in_patches).score))
    in_patches._batches.size = 8
    assert in_patches.score(part(40)).score == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=["cuda", "cpu", "mps", "numpy"])
def test_that_a_memory_too_small_for_one_input_is_told(
    in_patches: Detector, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(method_of(in_patches), "embed", _full_above(0, error, method_of(in_patches).embed))
    with pytest.raises(DetectorError, match=r"Not enough memory for one network input of 64x64 px\."):
        in_patches.score(part(40))


def test_that_another_error_of_torch_is_not_taken_for_a_full_memory(
    in_patches: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    monkeypatch.setattr(method_of(in_patches), "embed", _full_above(0, error, method_of(in_patches).embed))
    with pytest.raises(RuntimeError, match="mat1"):
        in_patches.score(part(40))


def test_that_torchs_own_refusal_to_allocate_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert is_out_of_memory(caught.value)


def test_that_a_picture_too_large_for_its_map_is_told(in_patches: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("ml.images.OverlapAdd", full)
    with pytest.raises(DetectorError, match="picture of 128 x 96 px"):
        in_patches.score(part(40))


# --- kinds of pictures ---


def test_rule_14_grey_scores_as_the_same_grey_in_three_channels(detector: Detector) -> None:
    grey = np.ascontiguousarray(part(40)[..., 0])
    in_three = np.repeat(grey[..., np.newaxis], 3, axis=2)
    assert detector.score(grey).score == pytest.approx(detector.score(in_three).score, rel=1e-5)


def test_rule_17_colours_are_red_green_blue_from_file_to_score(tmp_path: Path) -> None:
    reddish = [part(index) // (1, 2, 4) for index in range(7)]
    for index, pixels in enumerate(reddish[:6]):
        write(tmp_path / f"parts/{index}.png", pixels.astype(np.uint8))
    detector = Detector.load(run(quick_job(tmp_path / "parts", tmp_path / "red.loupe")).path, "cpu")
    judge = detector.manifest.calibration.judge
    same = write(tmp_path / "same.png", reddish[6].astype(np.uint8))
    swapped = write(tmp_path / "swapped.png", np.ascontiguousarray(reddish[6][..., ::-1]).astype(np.uint8))
    assert judge(detector.score(read_picture(same).pixels).score) == "OK"
    assert judge(detector.score(read_picture(swapped).pixels).score) == "NG"


def test_rule_14_transparency_and_a_noted_rotation_do_not_change_the_score(detector: Detector, tmp_path: Path) -> None:
    pixels = part(40)
    expected = detector.score(pixels).score
    alpha = np.full(pixels.shape[:2], 9, np.uint8)
    cv2.imwrite(str(tmp_path / "alpha.png"), np.dstack([pixels[..., ::-1], alpha]))
    assert detector.score(read_picture(tmp_path / "alpha.png").pixels).score == expected
    from PIL import Image

    turned = Image.fromarray(np.ascontiguousarray(np.rot90(pixels)))
    exif = Image.Exif()
    exif[274] = 6  # to be shown turned clockwise by a quarter
    turned.save(tmp_path / "turned.png", exif=exif)
    assert detector.score(read_picture(tmp_path / "turned.png").pixels).score == expected


def test_rule_14_sixteen_bits_score_as_eight(parts_folder: Path, tmp_path: Path) -> None:
    for path in parts_folder.iterdir():
        write(tmp_path / "deep" / path.name, read_picture(path).pixels.astype(np.uint16) * 257)
    shallow = Detector.load(run(quick_job(parts_folder, tmp_path / "8.loupe")).path, "cpu")
    deep = Detector.load(run(quick_job(tmp_path / "deep", tmp_path / "16.loupe")).path, "cpu")
    picture = _with_square(40, 56)
    expected = shallow.score(picture).score
    assert deep.score(picture.astype(np.uint16) * 257).score == pytest.approx(expected, rel=0.02)


# --- region of interest ---


def test_that_only_the_region_of_interest_is_looked_at(parts_folder: Path, tmp_path: Path) -> None:
    region = {"x": 48, "y": 16, "width": 64, "height": 64}
    for geometry in GEOMETRIES:
        job = quick_job(parts_folder, tmp_path / f"{geometry}.loupe", geometry=geometry, region=region)
        detector = Detector.load(run(job).path, "cpu")
        judge = detector.manifest.calibration.judge
        outside, inside = detector.score(_with_square(70, 4)), detector.score(_with_square(40, 72))
        assert judge(outside.score) == "OK"
        assert judge(inside.score) == "NG"
        values = inside.score_map.at_picture_size()
        assert values.shape == (96, 128)
        looked_at = values[16:80, 48:112]
        assert looked_at.max() == values.max()
        assert values[:, :48].max() == values[80:].max() == values.min()
        with pytest.raises(PictureError, match="region of interest"):
            detector.score(part(40, 64, 128))


# --- loading ---


def test_that_warming_up_works_where_the_region_lies_far_out(tmp_path: Path) -> None:
    for index in range(3):
        write(tmp_path / f"parts/{index}.png", part(index, 600, 700))
    region = {"x": 620, "y": 530, "width": 64, "height": 64}
    for geometry in GEOMETRIES:
        job = quick_job(tmp_path / "parts", tmp_path / f"{geometry}.loupe", geometry=geometry, region=region)
        Detector.load(run(job).path, "cpu").warm_up()


@pytest.mark.parametrize("method", METHODS)
def test_that_scoring_changes_nothing_in_the_model(method: str, model_file: ModelFile) -> None:
    detector = Detector.load(model_file(method, "patches"), "cpu", "torch")
    before = {key: value.copy() for key, value in method_of(detector).tensors().items()}
    detector.warm_up()
    detector.score(_with_square(40, 56))
    after = method_of(detector).tensors()
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("device", ["cuda:7", "gpu", "tpu", ""])
def test_that_an_unknown_device_is_refused_naming_what_there_is(model_file: ModelFile, device: str) -> None:
    with pytest.raises(DetectorError, match=r"Choose one of 'auto', 'cpu'"):
        Detector.load(model_file("patchcore", "whole"), device)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_that_a_missing_device_is_refused(model_file: ModelFile, device: str) -> None:
    if best_device() == device:
        pytest.skip("it is there")
    with pytest.raises(DetectorError, match=f"There is no device '{device}'"):
        Detector.load(model_file("patchcore", "whole"), device)


def _rewritten(source: Path, target: Path, **changes: Any) -> Path:
    """A model file with other contents and hashes that fit them, as another version might write it."""
    manifest, tensors = read_model(source)
    fields = {
        name: getattr(manifest, name)
        for name in ("name", "method", "parameters", "preprocessing", "calibration", "backbone", "reference", "data")
    }
    write_model(target, **{**fields, "seed": manifest.seed, "tensors": tensors, **changes})
    return target


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "dinomaly"}, "unknown method 'dinomaly'"),
        ({"parameters": {"strides": [8, 16], "brightness": 3}}, "no setting 'brightness'"),
        ({"parameters": {"strides": [8, 16], "coreset_ratio": 7}}, "coreset_ratio=7"),
        ({"parameters": {"strides": [4, 8, 16]}}, "offsets_px"),
    ],
)
def test_that_a_model_of_another_kind_is_refused_naming_the_file(
    model_file: ModelFile, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    path = _rewritten(model_file("patchcore", "whole"), tmp_path / "other.loupe", **changes)
    with pytest.raises(ModelFileError, match=said) as caught:
        Detector.load(path, "cpu")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("lost", ["bank", "backbone.conv_stem.weight"])
def test_that_a_model_without_one_of_its_tensors_is_refused(model_file: ModelFile, tmp_path: Path, lost: str) -> None:
    source = model_file("patchcore", "whole")
    tensors = {key: value for key, value in read_model(source)[1].items() if key != lost}
    with pytest.raises(ModelFileError, match=lost.removeprefix("backbone.")):
        Detector.load(_rewritten(source, tmp_path / "other.loupe", tensors=tensors), "cpu")


def test_that_a_reference_thumbnail_of_another_size_is_refused(model_file: ModelFile, tmp_path: Path) -> None:
    source = model_file("patchcore", "whole")
    tensors = {**read_model(source)[1], REFERENCE_THUMBNAIL: np.zeros((32, 32), np.float32)}
    with pytest.raises(ModelFileError, match="thumbnail"):
        Detector.load(_rewritten(source, tmp_path / "other.loupe", tensors=tensors), "cpu")


@pytest.mark.cuda
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_that_half_precision_scores_as_the_processor_does(method: str, geometry: str, model_file: ModelFile) -> None:
    path = model_file(method, geometry)
    on_gpu, on_cpu = Detector.load(path, "cuda"), Detector.load(path, "cpu")
    on_gpu.warm_up()
    for pixels in (part(40), _with_square(40, 56, height=200, width=300)):
        found, expected = on_gpu.score(pixels), on_cpu.score(pixels)
        assert found.score == pytest.approx(expected.score, rel=0.03)
        assert found.score_map.cells.dtype == np.float32
