"""Annotating: optional, stored at once, taken back step by step, exchanged with others."""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ml.annotation.annotation import Annotation, drawn, shape_region
from ml.annotation.formats import FORMATS, Format, read_annotations, write_annotations
from ml.errors import AnnotationError
from ml.inspection_area import Rectangle
from ml.pictures import encode_png, read_picture
from station.projects.annotating import AnnotatingDesk, Matched, annotated_pictures, matched, store_imported
from station.projects.flow import Flow
from station.projects.project import Project, ProjectPicture
from station.projects.steps.annotation import bad_pictures, is_outlined, mask_files, readiness
from station.projects.store import ProjectStore

HEIGHT, WIDTH = 40, 60
EMPTY = Annotation(height_px=HEIGHT, width_px=WIDTH)


def with_box(annotation: Annotation, x: int, y: int, side: int = 5, kind: str = "dent") -> Annotation:
    region = shape_region(annotation, Rectangle(x=x, y=y, width=side, height=side), kind)
    assert region is not None
    return drawn(annotation, region)


def picture(folder: Path, name: str, **fields: Any) -> ProjectPicture:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    seed = fields.pop("seed", sum(map(ord, name)))
    pixels = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    file.write_bytes(encode_png(pixels))
    fields = {"label": "bad", "use": "test"} | fields
    digest = sha256(file.read_bytes()).hexdigest()
    added = datetime(2026, 3, 1, tzinfo=UTC)
    return ProjectPicture(
        name=name, file=file, sha256=digest, width_px=WIDTH, height_px=HEIGHT, added_at=added, **fields
    )


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path = tmp_path / "mask.png"
    path.write_bytes(encode_png(with_box(with_box(EMPTY, 2, 3), 30, 20).mask().astype(np.uint8)))
    return path


@pytest.fixture
def flow(tmp_path: Path, mask: Path) -> Iterator[Flow]:
    folder = tmp_path / "pictures"
    pictures = (
        picture(folder, "good/1.png", label="good", use="learn"),
        picture(folder, "bad/1.png", kind="scratch"),
        picture(folder, "bad/2.png", imported_mask=mask, kind="dent"),
        picture(folder, "bad/3.png", set_aside="blurred"),
    )
    with Flow.begin(ProjectStore(tmp_path / "projects"), Project(name="Seat", pictures=pictures), {}) as opened:
        yield opened


def test_that_annotating_is_never_required() -> None:
    found = readiness(Project(name="Seat"))
    assert not found.obstacle and "No bad pictures" in found.consequence


def test_that_the_share_of_outlined_pictures_is_told(flow: Flow) -> None:
    assert readiness(flow.project).consequence.startswith("1 of 2 bad pictures are outlined: ")
    desk = AnnotatingDesk(flow)
    desk.put("bad/2.png", EMPTY)
    assert readiness(flow.project).consequence.startswith("0 of 2") and not readiness(flow.project).obstacle
    desk.put("bad/1.png", with_box(EMPTY, 4, 4))
    assert [is_outlined(one) for one in bad_pictures(flow.project)] == [True, False]


def test_that_masks_that_came_with_a_picture_are_regions_that_can_be_edited(flow: Flow, mask: Path) -> None:
    desk = AnnotatingDesk(flow)
    came = desk.open("bad/2.png")
    assert [region.kind for region in came.regions] == ["dent", "dent"]
    assert mask_files(flow.project, flow.annotations_folder) == {"bad/2.png": mask}
    desk.put("bad/2.png", with_box(came, 50, 5))
    files = mask_files(flow.project, flow.annotations_folder)
    assert np.array_equal(read_picture(files["bad/2.png"]).pixels > 0, with_box(came, 50, 5).mask())


def test_that_every_change_is_on_the_disk_at_once_and_can_be_taken_back(flow: Flow) -> None:
    desk, name = AnnotatingDesk(flow), "bad/1.png"
    once = with_box(desk.open(name), 4, 4)
    twice = with_box(once, 20, 20, kind="stain")
    for annotation in (once, twice):
        desk.put(name, annotation)
        assert AnnotatingDesk(flow).open(name) == annotation
    assert desk.kinds() == ("scratch", "dent", "stain")
    assert desk.undo(name) and desk.open(name) == once == AnnotatingDesk(flow).open(name)
    assert desk.undo(name) and not desk.undo(name) and not desk.can_undo(name)
    assert not is_outlined(flow.project.pictures[1])
    assert desk.redo(name) and desk.redo(name) and not desk.redo(name)
    assert AnnotatingDesk(flow).open(name) == twice


def test_that_a_change_that_cannot_be_stored_is_none(flow: Flow) -> None:
    desk, name = AnnotatingDesk(flow), "bad/1.png"
    before = desk.open(name)
    flow.annotations_folder.write_text("in the way")
    with pytest.raises(AnnotationError, match="cannot be saved"):
        desk.put(name, with_box(before, 4, 4))
    assert desk.open(name) == before and not desk.can_undo(name) and not is_outlined(flow.project.pictures[1])


def test_that_a_picture_is_of_a_kind_that_its_defects_have(flow: Flow, tmp_path: Path) -> None:
    flow.change(pictures=(picture(tmp_path, "new.png"), picture(tmp_path, "other.png", kind="stain")))
    desk = AnnotatingDesk(flow)
    desk.put("new.png", with_box(EMPTY, 3, 3, kind="chip"))
    desk.put("other.png", with_box(EMPTY, 3, 3, kind="chip"))
    assert [one.kind for one in flow.project.pictures] == ["chip", "chip"]
    desk.put("other.png", with_box(with_box(EMPTY, 3, 3, kind="chip"), 20, 20, 9, kind="dent"))
    assert flow.project.pictures[1].kind == "chip"
    desk.put("other.png", EMPTY)
    assert flow.project.pictures[1].kind == "chip"


def test_that_the_same_file_under_two_names_has_one_annotation(flow: Flow, tmp_path: Path) -> None:
    flow.change(pictures=(picture(tmp_path, "a.png", seed=1), picture(tmp_path, "b.png", seed=1)))
    desk = AnnotatingDesk(flow)
    desk.open("b.png")
    desk.put("a.png", with_box(EMPTY, 3, 3))
    assert desk.open("b.png") == desk.open("a.png") and all(map(is_outlined, flow.project.pictures))


@pytest.mark.parametrize("form", FORMATS)
def test_that_a_project_goes_out_and_comes_back(flow: Flow, tmp_path: Path, form: Format) -> None:
    desk = AnnotatingDesk(flow)
    desk.put("bad/1.png", with_box(EMPTY, 7, 8, kind="scratch"))
    pictures = annotated_pictures(flow.project, desk.store)
    assert [one.name for one in pictures] == ["good/1.png", "bad/1.png", "bad/2.png"]
    write_annotations(pictures, form, tmp_path / "out")
    wanted = {name: desk.open(name) for name in ("bad/1.png", "bad/2.png")}
    for name in wanted:
        desk.put(name, EMPTY)
    found = matched(flow.project, read_annotations(tmp_path / "out"))
    assert not found.left_out
    desk.adopt(store_imported(flow.project, desk.store, found))
    assert {name: desk.open(name) for name in wanted} == wanted == {n: AnnotatingDesk(flow).open(n) for n in wanted}
    assert readiness(flow.project).consequence.startswith("2 of 2")
    assert desk.undo("bad/1.png") and desk.open("bad/1.png") == EMPTY


def test_that_what_does_not_fit_the_project_is_left_out_with_the_reason(flow: Flow, tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_annotations(annotated_pictures(flow.project, AnnotatingDesk(flow).store), "labelme", out)
    for file in out.rglob("*.png"):
        file.unlink()  # names alone are left to go by
    shape = {"label": "dent", "points": [[1, 1], [9, 9]], "shape_type": "rectangle"}
    for name, height in (("bad/2", 99), ("good/1", HEIGHT), ("bad/3", HEIGHT), ("strange", HEIGHT), ("bad/1", HEIGHT)):
        text = f'{{"imagePath": "{Path(name).name}.png", "imageWidth": {WIDTH}, "imageHeight": {height}, '
        text += f'"shapes": [{str(shape).replace(chr(39), chr(34))}]}}'
        (out / f"{name}.json").parent.mkdir(parents=True, exist_ok=True)
        (out / f"{name}.json").write_text(text)
    found = matched(flow.project, read_annotations(out))
    assert set(found.annotations) == {"bad/1.png"}
    reasons = dict(found.left_out)
    assert "99" in reasons["bad/2.png"] and "labelled good" in reasons["good/1.png"]
    assert "set aside" in reasons["bad/3.png"] and "no picture" in reasons["strange.png"]


def test_that_an_import_that_cannot_be_stored_changes_nothing_and_says_so(flow: Flow, tmp_path: Path) -> None:
    desk = AnnotatingDesk(flow)
    before = desk.open("bad/2.png")
    write_annotations(annotated_pictures(flow.project, desk.store), "coco", tmp_path / "out")
    found = matched(flow.project, read_annotations(tmp_path / "out"))
    flow.annotations_folder.write_text("in the way")
    imported = store_imported(flow.project, desk.store, found)
    desk.adopt(imported)
    assert not imported.now and "cannot be saved" in imported.left_out[0].why
    assert desk.open("bad/2.png") == before and not desk.can_undo("bad/2.png")


def test_that_an_import_passes_over_a_picture_that_was_removed_meanwhile(flow: Flow) -> None:
    desk = AnnotatingDesk(flow)
    one, other = "bad/1.png", "bad/2.png"
    wanted = {one: with_box(EMPTY, 3, 3), other: with_box(EMPTY, 9, 9)}
    imported = store_imported(flow.project, desk.store, Matched(wanted, ()))
    flow.change(pictures=tuple(each for each in flow.project.pictures if each.name != other))
    desk.adopt(imported)
    assert desk.open(one) == wanted[one] and is_outlined(bad_pictures(flow.project)[0])
