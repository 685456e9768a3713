"""A training order carried out: the same order gives the same model, the threshold never comes from pictures that the
scored model was fitted on, and whatever goes wrong is told and leaves nothing behind.
"""

import errno
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ml.artifact import read_manifest, read_model
from ml.catalogue import METHODS, min_pictures, parse_settings
from ml.errors import CalibrationError, CancelledError, LoupeError, ModelFileError, ParameterError, TrainingError
from ml.job import TrainingJob, default_stride
from ml.methods.patchcore import Patchcore
from ml.preprocessing import Preprocessing
from ml.training import embedded, geometry, pipeline, splits
from ml.training.pipeline import TrainingResult, run
from ml.training.survey import Survey, survey_pictures
from tests.ml.small_models import QUICK, part, quick_job, write, write_parts

ModelFile = Callable[[str, str], Path]


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Six pictures that the test may change."""
    return write_parts(tmp_path / "parts")


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    """Where the model goes; afterwards nothing may lie beside it."""
    folder = tmp_path / "models"
    folder.mkdir()
    yield folder / "m.loupe"
    assert {path.name for path in folder.iterdir()} <= {"m.loupe"}


def _left_nothing(out: Path) -> bool:
    return not any(out.parent.iterdir())


# --- the same order, the same model ---


@pytest.mark.parametrize("method", ["patchcore", "dfr"])
def test_that_the_same_order_gives_the_same_model_wherever_it_lies(
    method: str, parts_folder: Path, tmp_path: Path, model_file: ModelFile
) -> None:
    shutil.copytree(parts_folder, tmp_path / "copy")
    again = run(quick_job(tmp_path / "copy", tmp_path / "again.loupe", method, notes="again")).manifest
    assert again.model_hash == read_manifest(model_file(method, "whole")).model_hash


def test_that_another_seed_gives_another_bank(parts_folder: Path, tmp_path: Path) -> None:
    banks = []
    for seed in (0, 1):
        result = run(quick_job(parts_folder, tmp_path / f"{seed}.loupe", seed=seed))
        banks.append((result.manifest.model_hash, read_model(result.path)[1]["bank"]))
    assert banks[0][0] != banks[1][0]
    assert not np.array_equal(banks[0][1], banks[1][1])


def test_that_another_picture_gives_another_model(parts: Path, out: Path) -> None:
    first = run(quick_job(parts, out)).manifest.model_hash
    write(parts / "part3.png", part(77))
    assert run(quick_job(parts, out)).manifest.model_hash != first


@pytest.mark.parametrize("method", ["patchcore", "padim", "spade", "dfr"])
def test_that_features_computed_again_give_the_same_model_as_kept_ones(
    method: str, parts_folder: Path, tmp_path: Path, model_file: ModelFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = read_manifest(model_file(method, "patches")).model_hash
    for budget in (0, 150_000):  # none, and some of the six
        monkeypatch.setattr(embedded, "FEATURE_BUDGET_BYTES", budget)
        again = run(quick_job(parts_folder, tmp_path / "again.loupe", method, "patches"))
        assert again.manifest.model_hash == kept


def test_that_the_model_says_what_it_was_trained_on(parts: Path, out: Path) -> None:
    (parts / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    seen: list[Survey] = []
    result = run(quick_job(parts, out, name="Ring", exclude=["part5.png"], notes="first shift"), on_survey=seen.append)
    manifest = read_manifest(out)
    assert seen == [result.survey]
    assert (manifest.name, manifest.notes, manifest.method, manifest.backbone) == (
        "Ring",
        "first shift",
        "patchcore",
        "efficientnet_lite0",
    )
    assert [name for name, _ in manifest.data.files] == [f"part{index}.png" for index in range(5)]
    assert manifest.data.skipped == ("broken.png",)
    reference = manifest.reference
    assert (reference.height_px, reference.width_px, reference.has_one_size, reference.is_grey) == (
        96,
        128,
        True,
        False,
    )
    assert 0 < reference.brightness[0] <= reference.brightness[1] < 1
    assert reference.likeness_min is not None
    assert reference.likeness_min > 0.9


# --- calibration ---


def test_rule_11_no_picture_is_scored_by_a_model_that_was_fitted_on_it(
    parts_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[list[int]] = []
    scored: list[tuple[int, list[int]]] = []
    fit, detect = Patchcore.fit, embedded.EmbeddedPictures.detect

    def fitting(self: Patchcore, pictures: Any, *arguments: Any) -> None:
        fitted.append(getattr(pictures, "_indices", list(range(len(pictures)))))
        fit(self, pictures, *arguments)

    def detecting(self: embedded.EmbeddedPictures, index: int) -> Any:
        scored.append((index, fitted[-1]))
        return detect(self, index)

    monkeypatch.setattr(Patchcore, "fit", fitting)
    monkeypatch.setattr(embedded.EmbeddedPictures, "detect", detecting)
    manifest = run(quick_job(parts_folder, tmp_path / "m.loupe")).manifest
    assert sorted(index for index, _ in scored) == list(range(6))
    assert all(index not in own for index, own in scored)
    assert fitted[-1] == list(range(6))  # what is kept has seen all
    assert (manifest.calibration.n, manifest.calibration.source) == (6, "5-fold")


def test_that_all_vectors_in_the_bank_would_give_a_fitted_picture_the_score_zero(parts_folder: Path, out: Path) -> None:
    settings = {"coreset_ratio": 1.0, "coreset_cap": 100_000}
    calibration = run(quick_job(parts_folder, out, parameters=settings)).manifest.calibration
    assert min(calibration.scores) > 0.3 * calibration.median > 0


def _exposures(folder: Path, tiles: int = 5, exposures: int = 3) -> Path:
    """Several nearly equal pictures of each part."""
    for tile in range(tiles):
        for exposure in range(exposures):
            grain = np.random.default_rng(tile * 100 + exposure).integers(0, 2, (96, 128, 3), np.uint8)
            write(folder / f"num_{tile}_{exposure}.png", part(tile, noise=25.0) // 2 + grain)
    return folder


def test_that_pictures_of_one_part_are_held_out_together(tmp_path: Path, out: Path) -> None:
    data = _exposures(tmp_path / "tiles")
    settings: dict[str, Any] = {"parameters": {"coreset_ratio": 1.0, "coreset_cap": 100_000}}
    by_file = run(quick_job(data, out, **settings)).manifest.calibration
    by_part = run(quick_job(data, out, group_by=r"num_(\d+)_", **settings)).manifest.calibration
    assert (by_file.n_groups, by_part.n_groups, by_part.n) == (15, 5, 15)
    assert by_part.groups == tuple(index // 3 for index in range(15))
    assert by_part.source == "leave-one-out"
    assert by_part.median > 1.5 * by_file.median  # the other exposures of a part give its score away


def test_that_a_copy_under_another_name_is_held_out_with_its_double(parts: Path, out: Path) -> None:
    for index in range(6):
        shutil.copy(parts / f"part{index}.png", parts / f"copy{index}.png")
    settings: dict[str, Any] = {"parameters": {"coreset_ratio": 1.0, "coreset_cap": 100_000}}
    calibration = run(quick_job(parts, out, **settings)).manifest.calibration
    assert (calibration.n, calibration.n_groups) == (12, 6)
    assert min(calibration.scores) > 0.3 * calibration.median > 0


def test_that_the_model_names_what_only_gave_its_threshold(tmp_path: Path, out: Path, parts_folder: Path) -> None:
    data = run(quick_job(write_parts(tmp_path / "parts", 8), out, "dfr")).manifest.data
    assert len(data.held_out) == 3
    assert set(data.held_out) < {name for name, _ in data.files}
    in_turn = run(quick_job(parts_folder, out)).manifest
    assert (in_turn.calibration.source, in_turn.data.held_out) == ("5-fold", ())


def test_that_groups_sharing_a_picture_are_one_part() -> None:
    parts = splits.distinct_parts(["a", "a", "b", "c", "c", "d"], ["1", "2", "2", "3", "1", "4"])
    assert len(set(parts[:5])) == 1
    assert parts[5] == "d"
    assert splits.distinct_parts(["a", "b"], ["1", "2"]) == ["a", "b"]


def test_that_the_false_alarm_rate_and_the_band_are_the_orders(parts_folder: Path, out: Path) -> None:
    strict = run(quick_job(parts_folder, out, alpha=0.01)).manifest.calibration
    lax = run(quick_job(parts_folder, out, alpha=0.2, unsure_factor=0)).manifest.calibration
    assert lax.threshold < strict.threshold
    assert (lax.alpha, lax.threshold_low) == (0.2, None)
    assert strict.threshold_low is not None


# --- what is read ---


def test_that_unusable_files_are_listed_with_their_reason_and_left_out(parts: Path, out: Path) -> None:
    whole = (parts / "part0.png").read_bytes()
    (parts / "cut.png").write_bytes(whole[: len(whole) // 2])
    (parts / "empty.png").write_bytes(b"")
    (parts / "text.jpg").write_text("not a picture")
    write(parts / "tiny.png", part(0, 16, 16))
    (parts / "notes.txt").write_text("no picture by its name: not looked at")
    survey = run(quick_job(parts, out)).survey
    assert len(survey.names) == 6
    assert {item.file for item in survey.skipped} == {"cut.png", "empty.png", "text.jpg", "tiny.png"}
    assert all(item.file in item.reason for item in survey.skipped)


def test_that_an_exclusion_of_no_picture_is_refused(parts: Path, out: Path) -> None:
    with pytest.raises(TrainingError, match=r"no picture 'prat5\.png' to exclude"):
        run(quick_job(parts, out, exclude=["part4.png", "prat5.png"]))


def test_that_of_a_layout_only_train_good_is_learnt_from(parts: Path, tmp_path: Path, out: Path) -> None:
    layout = tmp_path / "layout"
    shutil.copytree(parts, layout / "train/good")
    shutil.copytree(parts, layout / "test/scratch")
    assert run(quick_job(layout, out)).manifest.model_hash == run(quick_job(parts, out)).manifest.model_hash


@pytest.mark.parametrize(
    ("usable", "broken", "said"),
    [(0, 0, "no pictures"), (2, 0, "2 usable picture"), (2, 3, r"3 file\(s\) could not be used, e\.g\. ")],
)
def test_that_too_few_pictures_are_refused(tmp_path: Path, out: Path, usable: int, broken: int, said: str) -> None:
    folder = write_parts(tmp_path / "few", usable)
    folder.mkdir(exist_ok=True)
    for index in range(broken):
        (folder / f"broken{index}.png").write_bytes(b"")
    with pytest.raises(TrainingError, match=said):
        run(quick_job(folder, out))
    assert _left_nothing(out)


def test_that_three_parts_are_enough(tmp_path: Path, out: Path) -> None:
    calibration = run(quick_job(write_parts(tmp_path / "few", 3), out)).manifest.calibration
    assert (calibration.n_groups, calibration.source, calibration.rule) == (3, "leave-one-out", "log_normal")


@pytest.mark.parametrize("regex", [r"part()", r"tile(\d+)"])
def test_that_a_pattern_that_finds_no_part_is_refused_naming_the_picture(parts: Path, out: Path, regex: str) -> None:
    with pytest.raises(ParameterError, match=r"part0\.png"):
        run(quick_job(parts, out, group_by=regex))


def test_that_too_few_parts_are_refused_before_the_work(parts: Path, out: Path) -> None:
    stages: set[str] = set()
    with pytest.raises(TrainingError, match="6 pictures show 1 different good part"):
        run(quick_job(parts, out, group_by=r"(part)"), lambda stage, done, total: stages.add(stage))
    assert stages == {"Reading pictures"}


def test_that_a_missing_folder_is_refused(tmp_path: Path, out: Path) -> None:
    with pytest.raises(TrainingError, match="no such folder"):
        run(quick_job(tmp_path / "nowhere", out))


# --- bit depths and windows ---


def _deep(parts: Path, folder: Path, bits: int) -> Path:
    """The same parts as a camera of so many bits puts them into 16-bit files."""
    for index in range(6):
        counts = part(index).astype(np.uint16) * ((2**bits - 1) // 255)
        counts[0, 0] = 2**bits - 1
        write(folder / f"part{index}.png", counts)
    return folder


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_that_the_window_is_that_of_the_bits_in_use(parts: Path, tmp_path: Path, out: Path, bits: int) -> None:
    manifest = run(quick_job(_deep(parts, tmp_path / "deep", bits), out)).manifest
    preprocessing = manifest.preprocessing
    assert (preprocessing.window_low, preprocessing.window_high) == (0, 2**bits - 1)
    assert manifest.reference.bit_depth == bits


def test_that_the_orders_own_window_is_kept_with_the_model(parts: Path, out: Path) -> None:
    preprocessing = run(quick_job(parts, out, window=(20, 200))).manifest.preprocessing
    assert (preprocessing.window_low, preprocessing.window_high) == (20, 200)


def test_that_mixed_depths_need_a_window(parts: Path, tmp_path: Path, out: Path) -> None:
    write(parts / "deep.png", part(9).astype(np.uint16) * 16)
    with pytest.raises(TrainingError, match="8-bit pictures are mixed with deeper ones"):
        run(quick_job(parts, out))
    assert len(run(quick_job(parts, out, window=(0, 255))).survey.names) == 7


@pytest.mark.parametrize("kind", ["grey", "rgba"])
def test_that_grey_and_transparent_pictures_are_learnt_from(kind: str, tmp_path: Path, out: Path) -> None:
    import cv2

    for index in range(4):
        pixels: NDArray[np.uint8] = part(index)
        shown = pixels[..., 0] if kind == "grey" else np.dstack([pixels[..., ::-1], np.full((96, 128), 30, np.uint8)])
        (tmp_path / "parts").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"parts/{index}.png"), shown)
    survey = run(quick_job(tmp_path / "parts", out)).survey
    assert (len(survey.names), survey.is_grey) == (4, kind == "grey")


# --- geometry ---


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("preset", ["fast", "balanced", "thorough"])
def test_that_every_presets_size_suits_its_strides(method: str, preset: str) -> None:
    size, parameters = pipeline.resolved(
        TrainingJob.checked({"data": "d", "out": "m.loupe", "method": method, "preset": preset})
    )
    strides: tuple[int, ...] = getattr(parameters, "strides", (32,))
    assert size % max(strides) == 0


@given(st.integers(32, 4096), st.integers(32, 20_000), st.integers(32, 20_000))
def test_that_a_kept_aspect_always_suits_the_network(size: int, height: int, width: int) -> None:
    survey = Survey(Path(), (), (), (), height, width, has_one_size=True, is_grey=False, bit_depth=8)
    job = TrainingJob.checked({"data": "d", "out": "m.loupe", "aspect": "keep"})
    input_height, input_width = geometry.fitted_input_size(job, METHODS["patchcore"], size, survey)
    assert input_height % 32 == input_width % 32 == 0
    assert min(input_height, input_width) >= 32


@given(st.integers(2, 256))
def test_that_the_default_stride_leaves_no_gap_and_keeps_the_lattice_coarse(sixteenths: int) -> None:
    patch = sixteenths * 16
    stride = default_stride(patch)
    assert stride % 8 == 0
    assert patch / 2 < stride < patch
    Preprocessing(
        geometry="patches",
        input_height=patch,
        input_width=patch,
        stride=stride,
        window_low=0,
        window_high=1,
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )


@pytest.mark.parametrize("field", [{"size": 100}, {"size": None, "patch": 100, "stride": None}])
def test_that_a_size_that_the_network_cannot_take_is_refused_before_the_work(
    field: dict[str, Any], parts: Path, out: Path
) -> None:
    stages: list[str] = []
    with pytest.raises(ParameterError, match="multiples of 16, for example 96x96") as caught:
        run(quick_job(parts, out, **field), lambda stage, done, total: stages.append(stage))
    assert "\n" not in str(caught.value)
    assert not stages


def test_that_a_kept_aspect_is_that_of_the_pictures_or_the_region(tmp_path: Path, out: Path) -> None:
    wide = write_parts(tmp_path / "wide", 3, 64, 256)
    preprocessing = run(quick_job(wide, out, size=128, aspect="keep")).manifest.preprocessing
    assert (preprocessing.input_height, preprocessing.input_width) == (64, 256)
    region = {"x": 10, "y": 0, "width": 64, "height": 64}
    preprocessing = run(quick_job(wide, out, size=128, aspect="keep", region=region)).manifest.preprocessing
    assert (preprocessing.input_height, preprocessing.input_width) == (128, 128)
    assert preprocessing.region == (10, 0, 64, 64)


def test_that_patches_are_cut_at_the_default_stride(parts: Path, out: Path) -> None:
    preprocessing = run(quick_job(parts, out, geometry="patches", stride=None)).manifest.preprocessing
    assert (preprocessing.geometry, preprocessing.input_height, preprocessing.stride) == ("patches", 64, 48)


def test_that_a_picture_that_the_region_reaches_out_of_is_left_out(parts: Path, out: Path) -> None:
    write(parts / "small.png", part(9, 64, 64))
    survey = run(quick_job(parts, out, region={"x": 40, "y": 0, "width": 64, "height": 64})).survey
    assert [item.file for item in survey.skipped] == ["small.png"]
    assert "region of interest" in survey.skipped[0].reason


# --- what goes wrong ---


def _steps(job: TrainingJob) -> int:
    asked = 0

    def count() -> bool:
        nonlocal asked
        asked += 1
        return False

    run(job, cancelled=count)
    job.out.unlink()
    return asked


@pytest.mark.parametrize("method", QUICK)
def test_that_stopping_at_any_moment_leaves_nothing(method: str, parts_folder: Path, out: Path) -> None:
    few_steps = {"steps": 3} if "steps" in QUICK[method] else {}
    job = quick_job(parts_folder, out, method, parameters=QUICK[method] | SMALLEST.get(method, few_steps))
    moments = _steps(job)
    for moment in sorted({*range(0, moments, max(moments // 3, 1)), moments - 1}):
        left = iter([False] * moment)
        with pytest.raises(CancelledError):
            run(job, cancelled=lambda left=left: next(left, True))
        assert _left_nothing(out), moment


SMALLEST: dict[str, dict[str, int]] = {"patchcore": {"coreset_cap": 10}, "padim": {"channels": 8}}


def test_that_stopping_keeps_the_model_that_was_there(parts_folder: Path, out: Path) -> None:
    out.write_bytes(b"the last good model")
    with pytest.raises(CancelledError):
        run(quick_job(parts_folder, out), cancelled=lambda: True)
    assert out.read_bytes() == b"the last good model"


def test_that_an_output_that_cannot_be_is_refused_before_the_work(
    parts: Path, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(job: TrainingJob, said: str) -> None:
        stages: list[str] = []
        with pytest.raises(TrainingError, match=said):
            run(job, lambda stage, done, total: stages.append(stage))
        assert not stages

    refused(quick_job(parts, tmp_path / "nowhere" / "m.loupe"), "no such folder")
    (tmp_path / "folder.loupe").mkdir()
    refused(quick_job(parts, tmp_path / "folder.loupe"), "is a folder")

    def read_only(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("ml.training.pipeline.tempfile.TemporaryFile", read_only)
    refused(quick_job(parts, out), "no file can be written here .Read-only file system")


def test_that_a_full_disk_is_told_and_leaves_the_old_model(
    parts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.write_bytes(b"the last good model")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ModelFileError, match="No space left on device"):
        run(quick_job(parts, out))
    assert out.read_bytes() == b"the last good model"


def test_that_ctrl_c_while_writing_leaves_nothing(parts: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(quick_job(parts, out))
    assert _left_nothing(out)


def _while_training(job: TrainingJob, act: Callable[[], object]) -> TrainingResult:
    """Run, and do something once all pictures have been read for the first time."""
    done = False

    def progress(stage: str, *_: int) -> None:
        nonlocal done
        if stage == "Computing features" and not done:
            done = True
            act()

    return run(job, progress)


def test_that_a_picture_that_changes_or_disappears_stops_training(parts: Path, out: Path) -> None:
    job = quick_job(parts, out)
    with pytest.raises(TrainingError, match=r"part4\.png: changed while training"):
        _while_training(job, lambda: write(parts / "part4.png", part(99)))
    with pytest.raises(TrainingError, match=r"part5\.png does not exist.*was there when training began"):
        _while_training(job, (parts / "part5.png").unlink)
    assert _left_nothing(out)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")]
)
def test_that_a_lack_of_memory_is_told(
    parts: Path, out: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(Patchcore, "fit", full)
    with pytest.raises(TrainingError, match="Not enough memory to train"):
        run(quick_job(parts, out))
    assert _left_nothing(out)


@pytest.mark.parametrize("method", [name for name in QUICK if min_pictures(parse_settings(name, QUICK[name])) > 1])
def test_that_identical_pictures_are_refused(method: str, tmp_path: Path, out: Path) -> None:
    for index in range(5):
        write(tmp_path / f"same/{index}.png", part(0))
    with pytest.raises(LoupeError, match="Identical files show one part"):
        run(quick_job(tmp_path / "same", out, method))


def test_that_pictures_of_nothing_end_in_words(tmp_path: Path, out: Path) -> None:
    for index in range(5):  # other files, one grey: no variation to learn from
        write(tmp_path / f"grey/{index}.png", np.full((64, 64 + index, 3), 90, np.uint8))
    with pytest.raises((TrainingError, CalibrationError)):
        run(quick_job(tmp_path / "grey", out, "padim"))
    assert run(quick_job(tmp_path / "grey", out)).manifest.calibration.threshold > 0


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"method": "dinomaly"}, "unknown method"),
        ({"parameters": {"coreset_ratoi": 0.1}}, "did you mean coreset_ratio"),
        ({"parameters": {"backbone": "timm:resnet18"}}, "weights"),
        ({"weights": Path("nowhere.pth")}, "does not exist"),
    ],
)
def test_that_wrong_settings_are_refused_before_the_work(
    field: dict[str, Any], said: str, parts: Path, out: Path
) -> None:
    stages: list[str] = []
    job = quick_job(parts, out).model_copy(update=field)
    with pytest.raises(LoupeError, match=said) as caught:
        run(job, lambda stage, done, total: stages.append(stage))
    assert "\n" not in str(caught.value)
    assert not stages


def test_that_progress_runs_forward_within_every_stage(parts: Path, out: Path) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}
    run(quick_job(parts, out), lambda stage, done, total: seen.setdefault(stage, []).append((done, total)))
    assert list(seen)[:2] == ["Reading pictures", "Measuring this machine"]
    assert "Calibrating, round 1 of 5: choosing the memory bank" in seen
    for stage, steps in seen.items():
        assert steps == sorted(steps), stage
        assert len({total for _, total in steps}) == 1, stage


def test_that_a_survey_can_be_stopped(parts: Path, out: Path) -> None:
    with pytest.raises(CancelledError):
        survey_pictures(quick_job(parts, out), cancelled=lambda: True)


def test_that_a_method_that_learns_from_defects_asks_for_them(parts: Path, tmp_path: Path, out: Path) -> None:
    job = quick_job(parts, out, "student_teacher")
    labelled = {"parameters": {**job.parameters, "teacher": "labelled"}}
    with pytest.raises(TrainingError, match="defective parts"):
        run(job.model_copy(update=labelled))
    for folder in (tmp_path / "none", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        stages: list[str] = []
        with pytest.raises(TrainingError, match=folder.name):
            run(
                job.model_copy(update={**labelled, "defects": folder}),
                lambda stage, done, total, told=stages: told.append(stage),
            )
        assert set(stages) == {"Reading pictures"}


def test_that_defects_for_a_method_that_learns_from_good_parts_alone_are_refused(parts: Path, out: Path) -> None:
    with pytest.raises(TrainingError, match="good parts alone"):
        run(quick_job(parts, out, defects=parts))
