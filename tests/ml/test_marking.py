"""The mark of generated pictures: where it is found, what it survives, and who minds it."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.dataset import read_tests
from ml.errors import TrainingError
from ml.generation.marking import KEYWORD, UNKNOWN, Mark, encode_marked, mark_in, mark_of, refuse_generated
from ml.pictures import Pixels, decode_picture, encode_png
from ml.training.splits import hold_out, parts_of
from ml.training.survey import survey_pictures
from tests.ml.small_models import part, quick_job, write, write_parts

MARK = Mark(generator="appearance", settings={"strength": 1.0}, seed=3, number=7, kind="appearance", source="Tür 1.png")


def write_marked(path: Path, index: int, source_sha256: str | None = None, makes: str = "good") -> Path:
    mark = Mark.model_validate({**MARK.model_dump(), "source_sha256": source_sha256, "makes": makes})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_marked(part(index), mark))
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_that_a_marked_picture_decodes_to_the_same_pixels_and_gives_its_mark(
    dtype: type, shape: tuple[int, ...], tmp_path: Path
) -> None:
    pixels: Pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    data = encode_marked(pixels, MARK)
    (tmp_path / "x.png").write_bytes(data)

    assert np.array_equal(decode_picture(data, "x").pixels, pixels)
    assert mark_in(data) == mark_of(tmp_path / "x.png") == MARK


def test_that_any_reader_of_png_finds_the_mark() -> None:
    text = Image.open(io.BytesIO(encode_marked(part(0), MARK))).text  # type: ignore[attr-defined]

    assert Mark.model_validate_json(text[KEYWORD.decode()]) == MARK


def test_that_the_mark_stays_in_a_copy_under_another_name(tmp_path: Path) -> None:
    written = write_marked(tmp_path / "generated_appearance_0001.png", 0)

    assert mark_of(Path(shutil.copy(written, tmp_path / "part 5.PNG"))) == mark_of(written)


def test_that_captured_pictures_and_other_files_have_no_mark(tmp_path: Path) -> None:
    jpeg = io.BytesIO()
    Image.fromarray(part(0)).save(jpeg, "JPEG")

    assert [mark_in(data) for data in (encode_png(part(0)), jpeg.getvalue(), b"", b"\x89PNG\r\n\x1a\n")] == [None] * 4


def test_that_a_mark_is_found_behind_the_pixels_too() -> None:
    """Where other programs put text when they save a picture anew."""
    marked, plain = encode_marked(part(0), MARK), encode_png(part(0))
    chunk = marked[33 : 33 + len(marked) - len(plain)]

    assert mark_in(plain[:-12] + chunk + plain[-12:]) == MARK


def test_that_a_mark_that_cannot_be_read_is_still_a_mark() -> None:
    data = encode_marked(part(0), MARK).replace(b'"version"', b'"versiom{')

    found = mark_in(data)
    assert found is not None and found.generator == UNKNOWN


def test_that_a_mark_of_a_later_version_is_read(tmp_path: Path) -> None:
    later = Mark.model_construct(**{**MARK.model_dump(), "version": 9, "licence": "ours"})

    found = mark_in(encode_marked(part(0), later))
    assert found is not None and (found.version, found.generator) == (9, "appearance")


def test_that_a_file_cut_short_has_no_mark_and_raises_nothing() -> None:
    data = encode_marked(part(0), MARK)
    for length in range(0, 60):
        mark_in(data[:length])


def test_that_a_marked_picture_among_test_pictures_is_refused_in_words(tmp_path: Path) -> None:
    write_parts(tmp_path / "train/good", 3)
    write(tmp_path / "test/good/0.png", part(10))
    write_marked(tmp_path / "test/good/1.png", 11)

    with pytest.raises(TrainingError, match=r"1\.png was made by the generator 'appearance'.*test pictures"):
        read_tests(tmp_path)
    with pytest.raises(TrainingError, match="Take generated pictures out of the others"):
        refuse_generated([tmp_path / "test/good/1.png"], "others")


def test_that_a_survey_tells_marked_pictures_and_learns_no_looks_from_them(tmp_path: Path) -> None:
    write_parts(tmp_path, 3)
    mark = encode_marked(part(9, 200, 300), MARK)
    (tmp_path / "z.png").write_bytes(mark)

    survey = survey_pictures(quick_job(tmp_path, tmp_path / "m.loupe"))

    assert survey.captured == (0, 1, 2)
    assert {index: each.generator for index, each in survey.marks.items()} == {3: "appearance"}
    assert (survey.height_px, survey.has_one_size) == (96, True)


def test_that_a_made_defect_is_not_learnt_from_as_good(tmp_path: Path) -> None:
    write_parts(tmp_path, 3)
    write_marked(tmp_path / "z.png", 9, makes="defects")

    survey = survey_pictures(quick_job(tmp_path, tmp_path / "m.loupe"))

    assert len(survey.names) == 3
    assert "shows a defect" in survey.skipped[0].reason


def test_that_a_folder_of_marked_pictures_alone_is_refused(tmp_path: Path) -> None:
    write_marked(tmp_path / "a.png", 0)

    with pytest.raises(TrainingError, match=r"0 usable.*1 generated picture\(s\) do not count"):
        survey_pictures(quick_job(tmp_path, tmp_path / "m.loupe"))


@pytest.mark.parametrize("seed", range(5))
def test_that_a_marked_picture_is_learnt_from_or_left_out_but_never_held_out(tmp_path: Path, seed: int) -> None:
    """Left out where the part that it was made from is held out: the model would know that part."""
    write_parts(tmp_path, 8)
    plain = survey_pictures(quick_job(tmp_path, tmp_path / "m.loupe"))
    for index in range(8):
        write_marked(tmp_path / f"z{index}.png", 20 + index, plain.hashes[index])
    write_marked(tmp_path / "zz.png", 40, "0" * 64)

    survey = survey_pictures(quick_job(tmp_path, tmp_path / "m.loupe"))
    parts = parts_of(survey, None)
    split = hold_out(parts, seed, survey.marks)

    assert parts[8:16] == parts[:8] and parts[16] not in parts[:8]
    assert not {*split.validation, *split.calibration} & survey.marks.keys()
    assert not {parts[index] for index in split.learnt} & {parts[index] for index in split.calibration}
    assert 16 in split.learnt
    assert split == hold_out(parts, seed, survey.marks)
    without = hold_out(parts[:8], seed)
    assert (split.calibration, split.validation) == (without.calibration, without.validation)
