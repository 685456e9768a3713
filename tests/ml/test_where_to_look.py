"""Where to look, from training to verdict: what an area ignores never counts, each part is judged by itself."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ml.artifact import DataFingerprint, read_manifest
from ml.dataset import LabelledPicture
from ml.detector import Detector
from ml.errors import ParameterError, PartNotFoundError, PictureError, TrainingError
from ml.generation.marking import Mark, encode_marked
from ml.images import prepare
from ml.inspection_area import Annulus, InspectionArea, Rectangle
from ml.job import TrainingJob
from ml.maps import find_regions
from ml.preprocessing import Clahe, Preprocessing
from ml.training.labels import read_all
from ml.training.old_and_new import OldAndNew
from ml.training.part_search import find_parts
from ml.training.pipeline import run
from ml.training.splits import parts_of
from ml.training.survey import survey_pictures
from tests.ml.rings import SEARCH as RING
from tests.ml.rings import ring
from tests.ml.scenes import HEIGHT, THREE, WIDTH, Place, scene, search
from tests.ml.small_models import part, quick_job, write

LABEL = Rectangle(x=70, y=10, width=40, height=30)
"""A place where a serial number is printed."""
AREA = InspectionArea(width_px=128, height_px=96, look=(Rectangle(x=20, y=4, width=100, height=80),), ignore=(LABEL,))
GEOMETRIES = {
    "whole": {"geometry": "whole", "input_height": 64, "input_width": 64},
    "patches": {"geometry": "patches", "input_height": 32, "input_width": 32, "stride": 24},
}
geometries = pytest.mark.parametrize("geometry", GEOMETRIES)
OF_PARTS = search(angles_deg=15, count=3)


def preprocessing(geometry: str = "whole", **changes: Any) -> Preprocessing:
    plain = {"window_low": 20.0, "window_high": 255.0, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    return Preprocessing.model_validate({**GEOMETRIES[geometry], **plain, "area": AREA, **changes})


def printed(text: str, at: tuple[int, int] = (72, 34)) -> NDArray[np.uint8]:
    """The same part with a number upon it."""
    return cv2.putText(part(0), text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2)


def inputs_of(pixels: NDArray[Any], how: Preprocessing) -> torch.Tensor:
    prepared = prepare(pixels, how)
    return torch.from_numpy(prepared.inputs(0, prepared.count))


# --- what an area ignores ---


@geometries
@pytest.mark.parametrize(
    "changes", [{}, {"clahe": Clahe()}, {"region": (10, 2, 110, 90)}], ids=["plain", "clahe", "region"]
)
@pytest.mark.parametrize("kind", ["rgb", "grey", "16 bit"])
def test_that_what_is_ignored_reaches_no_input(geometry: str, changes: dict[str, Any], kind: str) -> None:
    how = preprocessing(geometry, **changes)

    def taken(pixels: NDArray[np.uint8]) -> NDArray[Any]:
        grey = pixels[..., 0] if kind != "rgb" else pixels
        return grey.astype(np.uint16) if kind == "16 bit" else grey

    first, second = (inputs_of(taken(printed(text)), how) for text in ("17", "84"))
    assert torch.equal(first, second)
    beside = inputs_of(taken(printed("17", (30, 70))), how)
    assert not torch.equal(first, beside)


@geometries
def test_that_inputs_show_the_box_of_the_area_and_nothing_else(geometry: str) -> None:
    prepared = prepare(part(0), preprocessing(geometry))
    assert (prepared.left, prepared.top, prepared.width, prepared.height) == (20, 4, 100, 80)
    with_region = prepare(part(0), preprocessing(geometry, region=(10, 2, 110, 90)))
    assert (with_region.left, with_region.top, with_region.width, with_region.height) == (10, 2, 110, 90)


def test_that_an_ignored_pixel_has_the_low_end_of_the_value_window() -> None:
    values = inputs_of(np.full((96, 128), 200, np.uint8), preprocessing(region=(10, 2, 110, 90)))[0]
    assert values.min() == pytest.approx(-1.0)
    assert float(values[0, 0, 0]) == pytest.approx(-1.0)
    assert float(values[0, 50, 20]) == pytest.approx(((200 - 20) / 235 - 0.5) / 0.5, abs=1e-5)


@geometries
@pytest.mark.parametrize("offset", [(0.0, 0.0), (3.0, -2.0)])
def test_that_ignored_cells_hold_the_lowest_value(geometry: str, offset: tuple[float, float]) -> None:
    prepared = prepare(part(0), preprocessing(geometry))
    joiner = prepared.joiner(offset)
    side = 16 if geometry == "whole" else 8
    cells = np.random.default_rng(0).uniform(5, 6, (prepared.count, side, side)).astype(np.float32)
    joiner.add(0, cells)
    for score_map in (joiner.score_map(), joiner.score_map().smoothed(6.0)):
        values = score_map.at_picture_size()
        assert (values[22:28, 84:96] == values.min()).all()
        assert values[60, 60] > values.min()
        assert len(score_map.scored) < score_map.cells.size


def test_that_a_mask_is_that_of_what_is_looked_at() -> None:
    mask = np.zeros((96, 128), bool)
    mask[15:20, 80:90] = True
    prepared = prepare(part(0), preprocessing())
    assert not prepared.masks(mask, 0, 1).any()
    mask[60:64, 60:64] = True
    assert prepared.masks(mask, 0, 1).any()


def test_that_a_picture_of_another_size_than_the_area_s_is_refused_in_words() -> None:
    with pytest.raises(PictureError, match=r"192 x 144 px, and the inspection area was drawn on 128 x 96 px"):
        prepare(part(0, 144, 192), preprocessing())


def test_that_an_area_on_a_ring_s_picture_ignores_a_part_of_the_ring() -> None:
    area = InspectionArea(width_px=240, height_px=200, ignore=(Rectangle(x=120, y=0, width=120, height=200),))
    how = preprocessing(ring=RING, area=area)
    prepared = prepare(ring(), how)
    assert prepared.height == prepared.width == 160  # that of the ring, not the box of the area
    joiner = prepared.joiner()
    joiner.add(0, np.random.default_rng(0).uniform(5, 6, (1, 32, 32)).astype(np.float32))
    values = joiner.score_map().at_picture_size()
    assert (values[:, 128:] == values.min()).all()
    assert values[100, 60] > values.min()
    np.testing.assert_array_equal(
        *(inputs_of(cv2.circle(ring(), at, 8, 255, -1), how) for at in ((180, 100), (176, 120)))
    )


def test_that_a_ring_that_is_ignored_as_a_whole_is_told() -> None:
    area = InspectionArea(width_px=240, height_px=200, look=(Annulus(centre_x=20, centre_y=20, inner=0, outer=9),))
    with pytest.raises(PartNotFoundError, match="ignores it as a whole"):
        prepare(ring(), preprocessing(ring=RING, area=area))


@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_printed_number_never_makes_a_part_ng_and_a_scratch_beside_it_does(
    geometry: str, tmp_path: Path
) -> None:
    for index in range(6):
        pixels = cv2.putText(
            part(index), str(10 + 7 * index), (72, 34), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (255, 255, 255), 2
        )
        write(tmp_path / f"parts/part{index}.png", pixels)
    write(tmp_path / "parts/smaller.png", part(9, 64, 64))
    result = run(quick_job(tmp_path / "parts", tmp_path / "m.loupe", geometry=geometry, area=AREA))
    assert [item.file for item in result.survey.skipped] == ["smaller.png"]
    assert "drawn on 128 x 96 px" in result.survey.skipped[0].reason
    detector = Detector.load(result.path, "cpu")
    calibration = detector.manifest.calibration
    known, other = (
        detector.score(cv2.putText(part(40), text, (72, 34), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2))
        for text in ("38", "WW")
    )
    np.testing.assert_array_equal(known.score_map.cells, other.score_map.cells)
    assert calibration.judge(other.score) == "OK"
    scratched = cv2.line(part(40), (30, 50), (60, 70), (255, 255, 255), 2)
    found = detector.score(scratched)
    assert calibration.judge(found.score) == "NG"
    values = found.score_map.at_picture_size()
    y, x = np.unravel_index(int(values.argmax()), values.shape)
    assert np.hypot(x - 45, y - 60) < 24


# --- parts ---


def places(seed: int) -> list[Place]:
    rng = np.random.default_rng(seed)
    return [(x + rng.uniform(-7, 7), y + rng.uniform(-7, 7), rng.uniform(-14, 14)) for x, y, _ in THREE]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four pictures with three parts each, and one with two."""
    folder = tmp_path_factory.mktemp("scenes")
    for index in range(4):
        write(folder / f"tray{index}.png", scene(places(index), seed=index))
    write(folder / "tray4.png", scene(places(4)[:2], seed=4))
    return folder


@pytest.mark.parametrize(
    "geometry", [{"size": 64}, {"size": None, "patch": 32, "stride": 16}], ids=["whole", "patches"]
)
def test_that_a_scratch_on_the_second_of_three_parts_is_found_where_it_is(
    geometry: dict[str, Any], scenes: Path, tmp_path: Path
) -> None:
    result = run(quick_job(scenes, tmp_path / "m.loupe", parts=OF_PARTS, **geometry))
    names = [f"tray{index}.png#{number}" for index in range(4) for number in (1, 2, 3)]
    manifest = read_manifest(result.path)
    assert [name for name, _ in manifest.data.files] == names
    assert manifest.data.skipped == ("tray4.png",)
    assert manifest.calibration.n == 12
    reference = manifest.reference
    assert (reference.height_px, reference.width_px) == (HEIGHT, WIDTH)

    detector = Detector.load(result.path, "cpu")
    lie = places(77)
    good = scene(lie, seed=77)
    passed = detector.score(good)
    assert manifest.calibration.judge(passed.score) != "NG"
    assert passed.score_map.at_picture_size().shape == good.shape
    x, y, angle = lie[1]
    turn = np.radians(angle)
    at = x - 20 * np.cos(turn), y - 20 * np.sin(turn)  # on its left side
    scratched = cv2.circle(good.copy(), (round(at[0]), round(at[1])), 4, 255, -1)
    partial: list[float] = []
    found = detector.score(scratched, lambda score_map: partial.append(score_map.maximum))
    assert manifest.calibration.judge(found.score) == "NG"
    assert partial[-1] == found.score_map.maximum and len(partial) == 3
    (worst, *_) = find_regions(found.score_map, manifest.calibration.pixel_threshold)
    assert np.hypot(worst.centre_x - at[0], worst.centre_y - at[1]) < 16

    with pytest.raises(PartNotFoundError, match=r"^2 of 3 parts are found"):
        detector.score(scene(lie[:2]))


def test_that_with_an_area_each_part_is_looked_at_there_only(scenes: Path, tmp_path: Path) -> None:
    area = InspectionArea(width_px=96, height_px=64, look=(Rectangle(x=40, y=0, width=56, height=64),))
    result = run(quick_job(scenes, tmp_path / "m.loupe", parts=OF_PARTS, area=area))
    detector = Detector.load(result.path, "cpu")
    lie = [(70.0, 60.0, 0.0), (190.0, 75.0, 0.0), (120.0, 160.0, 0.0)]
    clean = scene(lie)
    left = cv2.circle(clean.copy(), (190 - 42, 75), 3, 255, -1)
    right = cv2.circle(clean.copy(), (190 + 30, 75), 4, 255, -1)
    scores = [detector.score(pixels).score for pixels in (clean, left, right)]
    assert scores[1] == pytest.approx(scores[0], rel=0.02)  # the mark moves the pose by a fraction of a pixel
    assert scores[2] > 1.2 * scores[0]


def test_that_parts_of_one_picture_are_different_and_those_of_copies_the_same(scenes: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.png").write_bytes((scenes / "tray0.png").read_bytes())
    job = TrainingJob(data=tmp_path, out=tmp_path / "m.loupe", parts=OF_PARTS)
    survey = find_parts(job, survey_pictures(job), lambda *_: None, lambda: False)
    parts = parts_of(survey, None)
    assert len(set(parts)) == 3
    assert parts[:3] == parts[3:]


def test_that_generated_pictures_are_not_searched_and_too_many_without_parts_are_told(
    scenes: Path, tmp_path: Path
) -> None:
    job = TrainingJob(data=tmp_path, out=tmp_path / "m.loupe", parts=OF_PARTS)
    (tmp_path / "a.png").write_bytes((scenes / "tray0.png").read_bytes())
    mark = Mark(generator="appearance", makes="good", seed=0)
    (tmp_path / "g.png").write_bytes(encode_marked(scene(places(0)), mark))
    survey = find_parts(job, survey_pictures(job), lambda *_: None, lambda: False)
    assert survey.names == ("a.png#1", "a.png#2", "a.png#3")
    assert [item.file for item in survey.skipped] == ["g.png"]
    write(tmp_path / "b.png", scene([]))
    with pytest.raises(TrainingError, match=r"missing in 1 of 2 pictures\. b\.png: No part is found"):
        find_parts(job, survey_pictures(job), lambda *_: None, lambda: False)


def test_that_of_a_labelled_picture_the_part_with_the_defect_is_learnt_from(tmp_path: Path) -> None:
    lie = places(5)
    picture = write(tmp_path / "bad.png", scene(lie))
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(mask, (round(lie[1][0]), round(lie[1][1])), 5, 255, -1)
    labelled = LabelledPicture(picture, "anomaly", "scratch", write(tmp_path / "mask.png", mask))
    (defective,) = read_all([labelled], OF_PARTS)
    assert defective.pixels.shape == (64, 96)
    assert defective.mask is not None and defective.mask[32, 48] and not defective.mask[:20].any()
    with pytest.raises(TrainingError, match=r"shows 3 parts, and no mask tells"):
        list(read_all([LabelledPicture(picture, "anomaly", "scratch", None)], OF_PARTS))
    write(
        tmp_path / "mask.png",
        np.where(np.arange(HEIGHT)[:, np.newaxis] < 4, np.uint8(255), np.uint8(0)).repeat(WIDTH, 1),
    )
    with pytest.raises(TrainingError, match="on none of the parts"):
        list(read_all([labelled], OF_PARTS))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"region": {"x": 0, "y": 0, "width": 64, "height": 64}}, "give parts or region, not both"),
        ({"ring": {}}, "give parts or ring, not both"),
        ({"area": AREA.model_dump()}, "draw it on 96 x 64 px"),
    ],
)
def test_that_what_does_not_go_with_parts_is_refused_in_words(
    fields: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=words):
        TrainingJob.checked({"data": tmp_path, "out": tmp_path / "m.loupe", "parts": OF_PARTS.model_dump(), **fields})


def test_that_of_one_picture_s_parts_some_may_be_known_as_held_out(scenes: Path, tmp_path: Path) -> None:
    """A model that goes on learning must not find its threshold on parts that it learnt from."""
    (tmp_path / "new name.png").write_bytes((scenes / "tray0.png").read_bytes())
    job = TrainingJob(data=tmp_path, out=tmp_path / "m.loupe", parts=OF_PARTS)
    survey = find_parts(job, survey_pictures(job), lambda *_: None, lambda: False)
    files = tuple((f"tray0.png#{number}", survey.hashes[0]) for number in (1, 2))
    known = OldAndNew.of(survey, DataFingerprint(files=files, held_out=("tray0.png#2",)))
    assert (known.learnt, known.held_out, known.new) == ((0,), (1,), (2,))
