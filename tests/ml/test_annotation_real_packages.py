"""What we export opens in LabelMe and in pycocotools, and they see the very same masks.

Both are installed, in pinned versions, into an environment of their own in the user's cache: kept between runs, made
anew when the pins change. Where no package index can be reached the tests are skipped; any other failure to install
them fails.
"""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ml.annotation.exchange import AnnotatedPicture
from ml.annotation.formats import read_annotations, write_annotations
from tests.ml.annotated import HEIGHT, WIDTH, pictures
from tests.ml.other_programs.environment import python_with, run_there

pytestmark = [pytest.mark.real_packages, pytest.mark.timeout(600)]

PINS = ("labelme==6.3.1", "pycocotools==2.0.11")
SCRIPTS = Path(__file__).parent / "other_programs"
Seen = tuple[list[dict[str, Any]], dict[str, NDArray[np.bool_]]]


@pytest.fixture(scope="session")
def other_python() -> Path:
    """The interpreter of the environment with LabelMe and pycocotools."""
    return python_with(*PINS)


def see(python: Path, script: str, home: Path, *arguments: object) -> str:
    """Run a script there, in a home of its own; returns what it printed."""
    done = run_there(
        python, SCRIPTS / script, *arguments, HOME=str(home), USERPROFILE=str(home), QT_QPA_PLATFORM="offscreen"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def seen_in(path: Path) -> Seen:
    with np.load(path) as found:
        facts = json.loads(str(found["facts"]))
        return facts, {name: found[name] for name in found.files if name != "facts"}


@pytest.fixture
def made(tmp_path: Path) -> tuple[AnnotatedPicture, ...]:
    return pictures(tmp_path / "source")


def test_that_pycocotools_sees_every_mask_to_the_bit(
    other_python: Path, made: tuple[AnnotatedPicture, ...], tmp_path: Path
) -> None:
    write_annotations(made, "coco", tmp_path / "coco")
    see(other_python, "pycocotools_masks.py", tmp_path, tmp_path / "coco/annotations.json", tmp_path / "seen.npz")
    facts, masks = seen_in(tmp_path / "seen.npz")
    wanted = {f"images/{one.name}": one for one in made}
    assert len(facts) == len(masks) == 10
    for file, one in wanted.items():
        regions = one.annotation.regions if one.annotation else ()
        of_file = [fact for fact in facts if fact["file"] == file]
        assert [fact["kind"] for fact in of_file] == [region.kind for region in regions]
        for fact, region in zip(of_file, regions, strict=True):
            assert one.annotation is not None
            alone = one.annotation.model_copy(update={"regions": (region,)})
            assert np.array_equal(masks[str(fact["id"])], alone.mask())
            assert fact["same_code"] and fact["said"] == [fact["area"], fact["bbox"]]


def test_that_polygons_are_filled_as_pycocotools_does_but_for_pixels_on_the_edge(
    other_python: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(5)
    angles = np.sort(random.uniform(0, 2 * np.pi, (12, 9)), axis=1)
    reach = random.uniform(5, 22, (12, 9))
    points = np.stack([32 + reach * np.cos(angles), 24 + reach * np.sin(angles)], axis=2).round(2)
    image = {"id": 1, "file_name": "1.png", "height": HEIGHT, "width": WIDTH}
    regions = [
        {"id": number, "image_id": 1, "category_id": 1, "segmentation": [one.ravel().tolist()], "iscrowd": 0}
        for number, one in enumerate(points)
    ]
    document = {"images": [image], "annotations": regions, "categories": [{"id": 1, "name": "dent"}]}
    (tmp_path / "coco.json").write_text(json.dumps(document))
    see(other_python, "pycocotools_polygons.py", tmp_path, tmp_path / "coco.json", tmp_path / "seen.npz")
    (ours,) = read_annotations(tmp_path / "coco.json").pictures
    assert ours.annotation is not None
    with np.load(tmp_path / "seen.npz") as theirs:
        for number, region in enumerate(ours.annotation.regions):
            mask = ours.annotation.model_copy(update={"regions": (region,)}).mask()
            kernel = np.ones((3, 3), np.uint8)
            edge = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_GRADIENT, kernel).astype(bool)
            other = mask != theirs[str(number)]
            assert not (other & ~edge).any() and other.sum() < 0.15 * mask.sum()


def test_that_labelme_sees_every_mask_to_the_bit_and_what_it_saves_comes_back(
    other_python: Path, made: tuple[AnnotatedPicture, ...], tmp_path: Path
) -> None:
    write_annotations(made, "labelme", tmp_path / "labelme")
    files = [tmp_path / "labelme" / Path(one.name).with_suffix(".json") for one in made]
    see(other_python, "labelme_masks.py", tmp_path, tmp_path / "seen.npz", *files)
    facts, masks = seen_in(tmp_path / "seen.npz")
    regions = [(file, one, region) for file, one in zip(files, made, strict=True) for region in _regions(one)]
    assert {fact["type"] for fact in facts} == {"polygon", "mask"}
    for number, (fact, (file, one, region)) in enumerate(zip(facts, regions, strict=True)):
        assert (fact["file"], fact["kind"]) == (str(file), region.kind)
        assert one.annotation is not None
        alone = one.annotation.model_copy(update={"regions": (region,)})
        assert np.array_equal(masks[str(number)], alone.mask())
    for file in files:
        file.with_name(file.name + ".saved").replace(file)
    back = {one.name: one for one in read_annotations(tmp_path / "labelme").pictures}
    for one in made:
        found = back[one.name]
        assert (found.annotation, found.label, found.use, found.kind) == (one.annotation, one.label, one.use, one.kind)


def test_that_labelmes_window_opens_every_file(
    other_python: Path, made: tuple[AnnotatedPicture, ...], tmp_path: Path
) -> None:
    write_annotations(made, "labelme", tmp_path / "labelme")
    chosen = [one for one in made if _regions(one)]
    files = [tmp_path / "labelme" / Path(one.name).with_suffix(".json") for one in chosen]
    shown = [json.loads(line) for line in see(other_python, "labelme_window.py", tmp_path, *files).splitlines()]
    for line, one in zip(shown, chosen, strict=True):
        assert (line["width"], line["height"]) == (one.width_px, one.height_px)
        assert [kind for kind, _ in line["shapes"]] == [region.kind for region in _regions(one)]


def _regions(one: AnnotatedPicture) -> tuple[Any, ...]:
    return one.annotation.regions if one.annotation else ()
