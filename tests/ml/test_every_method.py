"""What every method of the catalogue must do beside the rules of test_regression_rules.py."""

from pathlib import Path

import pytest

from ml.catalogue import METHODS
from ml.detector import Detector
from ml.errors import LoupeError, ParameterError, TrainingError
from ml.training.pipeline import run
from tests.ml.small_models import ONLY_WHOLE, QUICK, part, quick_job, write


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


def test_that_every_method_has_quick_settings() -> None:
    assert set(QUICK) == set(METHODS)
