"""A sheet of scores: what was written is what is read, and anything else is told in words."""

from pathlib import Path

import numpy as np
import pytest

from ml.errors import PictureError, TrainingError
from ml.maps import ScoreMap
from ml.score_sheet import SHEET_FILE, ScoredRow, ScoreSheet, read_row_map, refuse_other_files

HASH = "a" * 64
ROWS = (
    ScoredRow(name="a", file=Path("/p/a.png"), sha256=HASH, label="good", score=1.5, map_maximum=2.0, map="00000.map"),
    ScoredRow(name="b", file=Path("/p/b.png"), label="bad", kind="dent", mask=Path("/m/b.png"), fault="b is damaged."),
)


def test_that_a_sheet_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    sheet = ScoreSheet(model_hash=HASH, rows=ROWS)
    sheet.save(tmp_path)
    assert ScoreSheet.load(tmp_path) == sheet
    assert [path.name for path in tmp_path.iterdir()] == [SHEET_FILE]


def test_that_the_map_of_a_row_is_read_from_the_sheets_own_folder(tmp_path: Path) -> None:
    cells = np.linspace(-3, 5, 12, dtype=np.float32).reshape(3, 4)
    (tmp_path / "00000.map").write_bytes(ScoreMap.over(cells, 30, 40).to_bytes())
    for name in ("00000.map", "../elsewhere/00000.map"):
        read = read_row_map(tmp_path, ROWS[0].model_copy(update={"map": name}))
        assert read is not None
        assert read.cells == pytest.approx(cells, abs=8 / 4096)
        assert read.maximum == cells.max()  # exact, as thresholds are held against it
    assert read_row_map(tmp_path, ROWS[1]) is None
    (tmp_path / "00000.map").write_bytes(b"cut")
    with pytest.raises(PictureError, match="damaged"):
        read_row_map(tmp_path, ROWS[0])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"model_hash": "0", "rows": []}'])
def test_that_a_file_that_is_no_sheet_is_told_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(TrainingError, match=r"cannot read the scores: No such file"):
        ScoreSheet.load(tmp_path)
    (tmp_path / SHEET_FILE).write_text(text)
    with pytest.raises(TrainingError, match="not a sheet of scores"):
        ScoreSheet.load(tmp_path)


def test_that_a_folder_of_anything_else_is_not_written_over(tmp_path: Path) -> None:
    refuse_other_files(tmp_path / "new")
    refuse_other_files(tmp_path)
    (tmp_path / "00000.map").write_bytes(b"")
    with pytest.raises(TrainingError, match="holds other files"):
        refuse_other_files(tmp_path)
    ScoreSheet(model_hash=HASH).save(tmp_path)
    refuse_other_files(tmp_path)
    (tmp_path / "holiday.png").write_bytes(b"")
    with pytest.raises(TrainingError, match="holds other files"):
        refuse_other_files(tmp_path)
    with pytest.raises(TrainingError, match="cannot be looked into"):
        refuse_other_files(tmp_path / "holiday.png")
