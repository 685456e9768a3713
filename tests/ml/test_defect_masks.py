"""Masks of defective parts: read or refused in words, taken through the geometry of the inputs, and learnt from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ml.artifact import read_manifest, read_model
from ml.dataset import read_defects
from ml.detector import Detector
from ml.errors import TrainingError
from ml.images import prepare
from ml.job import TrainingJob
from ml.map_filter import MAP_FILTER
from ml.methods.base import Method, Scored
from ml.preprocessing import Preprocessing
from ml.runtime.torch_runtime import as_cells
from ml.training import map_filtering
from ml.training.labels import defects_for_filter, read_all
from ml.training.marked_maps import marked_map
from ml.training.pipeline import run
from tests.ml.small_models import method_of, part, quick_job, write, write_parts


def _preprocessing(stride: int | None = None, side: int = 64, **changes: Any) -> Preprocessing:
    return Preprocessing(
        geometry="whole" if stride is None else "patches",
        input_height=side,
        input_width=side,
        stride=stride,
        window_low=0,
        window_high=255,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        **changes,
    )


def _mask(*marked: tuple[slice, slice], height: int = 96, width: int = 128) -> NDArray[np.bool_]:
    mask = np.zeros((height, width), bool)
    for place in marked:
        mask[place] = True
    return mask


def _cut(mask: NDArray[np.bool_], preprocessing: Preprocessing) -> torch.Tensor:
    prepared = prepare(np.zeros(mask.shape, np.uint8), preprocessing)
    return torch.from_numpy(prepared.masks(mask, 0, prepared.count))


def _defects(folder: Path, count: int = 3) -> tuple[Path, Path]:
    """Parts with a bright scratch of two pixels' width, and their masks."""
    for index in range(count):
        pixels, mask = part(40 + index), np.zeros((96, 128), np.uint8)
        pixels[20:70, 30 + 20 * index : 32 + 20 * index] = 250
        mask[20:70, 30 + 20 * index : 32 + 20 * index] = 255
        write(folder / f"defects/bad{index}.png", pixels)
        write(folder / f"masks/bad{index}_mask.png", mask)
    return folder / "defects", folder / "masks"


# --- through the geometry ---


@pytest.mark.parametrize("row", [0, 1, 500, 998, 999])
def test_that_a_crack_of_one_pixel_is_not_lost_in_a_smaller_input(row: int) -> None:
    mask = _mask((slice(row, row + 1), slice(100, 900)), height=1000, width=1000)
    seen = _cut(mask, _preprocessing())[0]
    assert seen.dtype == torch.bool
    assert seen[row * 64 // 1000, 10:50].all()
    assert seen.any(1).sum() <= 2


def test_that_a_mask_is_enlarged_with_its_picture() -> None:
    seen = _cut(_mask((slice(8, 16), slice(24, 32)), height=32, width=32), _preprocessing())[0]
    assert seen[16:32, 48:64].all()
    assert seen.sum() == 16 * 16


@pytest.mark.parametrize("preprocessing", [_preprocessing(), _preprocessing(stride=48)], ids=["whole", "patches"])
@pytest.mark.parametrize("region", [None, (16, 8, 100, 80)])
def test_that_a_mask_lies_where_its_defect_lies_in_the_inputs(
    preprocessing: Preprocessing, region: tuple[int, int, int, int] | None
) -> None:
    mask = _mask((slice(20, 44), slice(60, 90)), (slice(70, 80), slice(20, 50)))
    preprocessing = preprocessing.model_copy(update={"region": region})
    prepared = prepare(np.where(mask, np.uint8(255), np.uint8(0)), preprocessing)
    shown = prepared.inputs(0, prepared.count)[:, 0]
    masks = prepared.masks(mask, 0, prepared.count)
    assert masks.shape == shown.shape
    assert masks[shown > -1].all()  # each input pixel that any of the defect went into
    assert not masks[shown == -1].any()


def test_that_a_mask_of_another_size_is_a_mistake_of_the_caller() -> None:
    prepared = prepare(np.zeros((96, 128), np.uint8), _preprocessing())
    with pytest.raises(ValueError, match="mask"):
        prepared.masks(np.zeros((128, 96), bool), 0, 1)


@pytest.mark.parametrize("offset_px", [(0.0, 0.0), (4.0, -4.0)])
@pytest.mark.parametrize("stride", [None, 32])
def test_that_marked_cells_lie_under_the_cells_that_score_there(
    stride: int | None, offset_px: tuple[float, float]
) -> None:
    """Cells score by the mask's own pixels, seen from where the cells' centres are said to be."""

    class Seeing:
        offset_px: tuple[float, float]

        def score(self, inputs: torch.Tensor) -> Scored:
            down, right = (int(shift) for shift in self.offset_px)
            moved = functional.pad(inputs[:, :1], (-right, right, -down, down), value=-1)
            return Scored(functional.max_pool2d(moved, 8)[:, 0])

    mask = _mask((slice(30, 41), slice(50, 71)), (slice(62, 63), slice(20, 30)))
    preprocessing = _preprocessing(stride)
    prepared = prepare(np.where(mask, np.uint8(255), np.uint8(0)), preprocessing)
    method = Seeing()
    method.offset_px = offset_px
    every = prepared.inputs(0, prepared.count)
    found = marked_map(
        method,  # type: ignore[arg-type]
        prepared,
        [(index, as_cells(method.score(inputs))) for index, inputs in enumerate(torch.from_numpy(every).split(1))],
        mask,
    )
    np.testing.assert_array_equal(found.marked, found.cells > -1)
    assert 0 < np.count_nonzero(found.marked) < found.marked.size / 2


# --- files ---


def test_that_masks_are_found_by_both_names(tmp_path: Path) -> None:
    defects, masks = _defects(tmp_path)
    (masks / "bad1_mask.png").rename(masks / "bad1.png")
    listed = read_defects(defects, masks)
    assert [picture.mask_path.name for picture in listed if picture.mask_path] == [
        "bad0_mask.png",
        "bad1.png",
        "bad2_mask.png",
    ]
    read = list(read_all(listed))
    assert [one.file[0] for one in read] == ["bad0.png", "bad1.png", "bad2.png"]
    assert all(one.mask is not None and one.mask.sum() == 100 for one in read)
    assert all(picture.mask_path is None for picture in read_defects(defects))


def test_that_what_is_wrong_with_a_mask_is_told_by_its_name(tmp_path: Path) -> None:
    defects, masks = _defects(tmp_path)

    def refused() -> str:
        with pytest.raises(TrainingError) as error:
            list(read_all(read_defects(defects, masks)))
        return str(error.value)

    write(masks / "bad1_mask.png", np.zeros((96, 128), np.uint8))
    assert "bad1_mask.png: marks no defect" in refused()
    write(masks / "bad1_mask.png", np.ones((64, 64), np.uint8))
    assert "64 x 64 px" in refused()
    assert "bad1.png" in refused()
    (masks / "bad1_mask.png").write_bytes(b"no picture")
    assert "bad1_mask.png" in refused()
    (masks / "bad1_mask.png").unlink()
    assert "bad1.png: has no mask" in refused()
    write(masks / "bad1.png", np.ones((96, 128), np.uint8))
    write(masks / "bad1_mask.png", np.ones((96, 128), np.uint8))
    assert "two masks" in refused()


def test_that_folders_which_cannot_be_meant_are_told(tmp_path: Path) -> None:
    defects, _ = _defects(tmp_path)
    with pytest.raises(TrainingError, match="no such folder of masks"):
        read_defects(defects, tmp_path / "nowhere")
    with pytest.raises(TrainingError, match="holds the pictures themselves"):
        read_defects(defects, tmp_path / "masks/../defects")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="no pictures of defective parts"):
        read_defects(tmp_path / "empty", tmp_path / "masks")


# --- in a training ---


@pytest.fixture(scope="module")
def ten_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(tmp_path_factory.mktemp("ten"), 10)


@pytest.fixture(autouse=True)
def few_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as seconds allow."""
    monkeypatch.setattr(map_filtering, "PAINTED", 8)


def test_that_a_method_gets_masks_in_the_order_and_the_size_of_its_defects(
    ten_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml.methods.patch_cnn import PatchCnn

    seen: list[Method] = []
    lesson = PatchCnn.lesson
    monkeypatch.setattr(PatchCnn, "lesson", lambda self, *given: seen.append(self) or lesson(self, *given))
    defects, masks = _defects(tmp_path)
    settings = {"defects": "labelled", "width": 2, "steps": 2, "batch": 4}
    for geometry in ("whole", "patches"):
        job = quick_job(
            ten_parts,
            tmp_path / f"{geometry}.loupe",
            "patch_cnn",
            geometry,
            parameters=settings,
            defects=defects,
            defect_masks=masks,
        )
        data = run(job).manifest.data
        assert [name for name, _ in data.defects] == ["bad0.png", "bad1.png", "bad2.png"]
        assert [name for name, _ in data.defect_masks] == [f"bad{index}_mask.png" for index in range(3)]
        method = seen[-1]
        for inputs, marked in zip(method.labelled_defects, method.labelled_masks, strict=True):
            assert marked.dtype == torch.bool
            assert marked.shape == (len(inputs), *method.input_size)
            bright = inputs.amin(1)
            assert bright[marked].mean() > bright[~marked].mean() + 0.2


def test_that_labels_which_a_job_cannot_use_are_refused_and_what_is_missing_is_named(
    ten_parts: Path, tmp_path: Path
) -> None:
    defects, masks = _defects(tmp_path)

    def refused(**fields: Any) -> str:
        with pytest.raises(TrainingError) as error:
            run(quick_job(ten_parts, tmp_path / "m.loupe", **fields))
        return str(error.value)

    labelled = {"defects": "labelled", "steps": 2, "width": 2}
    assert "--defects" in refused(method="patch_cnn", parameters=labelled)
    assert "--defect-masks" in refused(method="patch_cnn", parameters=labelled, defects=defects)
    assert "good parts alone" in refused(defects=defects, defect_masks=masks)
    assert "--defect-masks" in refused(defects=defects, conv_processing=3)
    region = {"x": 90, "y": 50, "width": 38, "height": 46}
    assert "bad0_mask.png: the defect lies outside" in refused(
        defects=defects, defect_masks=masks, conv_processing=3, region=region
    )


def test_that_a_filter_without_parts_to_hold_out_is_refused(tmp_path: Path) -> None:
    write_parts(tmp_path / "parts", 5)
    with pytest.raises(TrainingError, match="map filter"):
        run(quick_job(tmp_path / "parts", tmp_path / "m.loupe", conv_processing=3))


@pytest.mark.parametrize("is_labelled", [False, True], ids=["painted", "labelled"])
def test_that_a_filter_is_learnt_stored_hashed_and_applied(is_labelled: bool, ten_parts: Path, tmp_path: Path) -> None:
    defects, masks = _defects(tmp_path)
    labels = {"defects": defects, "defect_masks": masks} if is_labelled else {}
    plain = quick_job(ten_parts, tmp_path / "plain.loupe")
    job = TrainingJob.model_validate(
        {**plain.model_dump(), **labels, "out": tmp_path / "m.loupe", "conv_processing": 5}
    )
    manifest = run(job).manifest
    kernel = read_model(job.out)[1][MAP_FILTER]
    assert kernel.shape == (5, 5)
    assert kernel.sum() == pytest.approx(1)
    assert MAP_FILTER in manifest.tensors
    assert manifest.calibration.source == "hold-out"
    assert bool(manifest.data.defect_masks) == is_labelled

    detector = Detector.load(job.out, "cpu", "torch")
    bare = Detector(manifest, detector.runtime, method_of(detector))
    pixels = part(60)
    pixels[40:60, 50:70] = 255
    with_filter, without = detector.score(pixels), bare.score(pixels)
    assert with_filter.score < without.score  # a mean is below the highest cell
    assert manifest.calibration.judge(with_filter.score) == "NG"
    assert run(job.model_copy(update={"out": tmp_path / "again.loupe"})).manifest.model_hash == manifest.model_hash


def test_that_the_threshold_is_found_with_the_filter(ten_parts: Path, tmp_path: Path) -> None:
    """The held-out scores that the file keeps are those that its detector gives."""
    job = quick_job(ten_parts, tmp_path / "m.loupe", conv_processing=3)
    run(job)
    detector = Detector.load(job.out, "cpu")
    scores = [detector.score(part(index)).score for index in range(10)]
    kept = read_manifest(job.out).calibration.scores
    assert kept
    for score in kept:
        assert min(abs(score - own) for own in scores) < 1e-2 * score


def test_that_a_method_which_learnt_from_the_labels_gets_its_filter_from_painted_ones() -> None:
    class Learnt:
        needs_defects = True

    listed: list[Any] = [object()]
    assert not defects_for_filter(listed, Learnt())  # type: ignore[arg-type]
    Learnt.needs_defects = False
    assert defects_for_filter(listed, Learnt()) == listed  # type: ignore[arg-type]
