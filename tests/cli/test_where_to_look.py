"""`loupe train --area FILE --parts FILE`: where to look, from files that other programs may have written."""

from pathlib import Path

import pytest

from ml.artifact import read_manifest
from ml.inspection_area import InspectionArea, Rectangle
from tests.cli.conftest import Loupe


def test_that_an_area_is_taken_from_its_file(loupe: Loupe, parts: Path, tmp_path: Path) -> None:
    area = InspectionArea(width_px=96, height_px=96, ignore=(Rectangle(x=0, y=0, width=20, height=20),))
    file, out = tmp_path / "area.json", tmp_path / "a.loupe"
    file.write_text(area.model_dump_json())

    assert loupe("train", parts, "--out", out, "--method", "padim", "--size", "64", "--area", file).code == 0
    assert read_manifest(out).preprocessing.area == area


@pytest.mark.parametrize("option", ["--area", "--parts"])
@pytest.mark.parametrize(
    ("text", "said"), [(None, "cannot be read"), ("{", "is no JSON file"), ('{"height_px": "x"}', "_p")]
)
def test_that_a_file_that_does_not_say_where_to_look_is_named(
    loupe: Loupe, parts: Path, tmp_path: Path, option: str, text: str | None, said: str
) -> None:
    file = tmp_path / "where.json"
    if text is not None:
        file.write_text(text)

    outcome = loupe("train", parts, "--out", tmp_path / "a.loupe", option, file, "--json")

    assert outcome.code == 2
    (last,) = outcome.json_lines
    assert option in last["message"]
    assert said in last["message"]
