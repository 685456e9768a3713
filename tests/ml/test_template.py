"""The golden template, perturbed copies, and templates by pair."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ml.artifact import read_manifest
from ml.catalogue import parse_settings
from ml.catalogue.template import TemplateParameters
from ml.detector import Detector
from ml.errors import ModelFileError, ParameterError, TrainingError
from ml.golden_template import UNREGISTERED
from ml.maps import Detection
from ml.methods.template import Template
from ml.template_pairs import PairedDetector, evaluate_pairs
from ml.training.embedded import EmbeddedPictures
from ml.training.perturbations import WAVE_PX, Perturbation, perturbed
from ml.training.pipeline import run
from tests.ml.small_models import part, quick_job, write

SIDE = 128
Board = NDArray[np.uint8]


def _board(seed: int = 0) -> Board:
    """Strictly two grey levels: dark tracks and pads on white."""
    random = np.random.default_rng(seed)
    board = np.full((SIDE, SIDE), 255, np.uint8)
    for _ in range(7):
        points = random.integers(10, SIDE - 10, (3, 2)).astype(np.int32)
        cv2.polylines(board, [points], False, 0, 6)
        cv2.rectangle(board, points[0].tolist(), (points[0] + 12).tolist(), 0, -1)
    return board


def _edges_moved(board: Board, seed: int = 5) -> Board:
    """The same drawing with every edge up to a pixel elsewhere, and JPEG's own marks."""
    random = np.random.default_rng(seed)
    waves = [cv2.resize(random.uniform(-1, 1, (24, 24)).astype(np.float32), (SIDE, SIDE)) for _ in range(2)]
    columns, rows = np.meshgrid(np.arange(SIDE, dtype=np.float32), np.arange(SIDE, dtype=np.float32))
    moved = cv2.remap(board, columns + waves[0], rows + waves[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return cv2.imdecode(cv2.imencode(".jpg", moved)[1], cv2.IMREAD_GRAYSCALE)


def _input(pixels: NDArray[Any]) -> torch.Tensor:
    planes = np.stack([pixels] * 3) if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(planes.astype(np.float32) / 127.5 - 1)[None]


def _fitted(*pictures: NDArray[Any], **settings: Any) -> Template:
    parameters = TemplateParameters(**{"gallery": 4, **settings})
    method = Template(parameters, "whole", pictures[0].shape[:2])
    method.fit([_input(picture) for picture in pictures], seed=0)
    return method


def _map(method: Template, pixels: NDArray[Any]) -> NDArray[np.float32]:
    return method.score(_input(pixels)).cells[0].numpy()


@pytest.fixture(scope="module")
def on_board() -> Template:
    return _fitted(_board())


def test_that_the_template_itself_scores_nothing(on_board: Template) -> None:
    assert _map(on_board, _board()).max() < 0.5


def test_that_edges_may_lie_a_pixel_beside_those_of_the_template(on_board: Template) -> None:
    moved = _edges_moved(_board())
    assert np.mean((moved > 127) != (_board() > 127)) > 0.005  # a plain difference would see it
    assert _map(on_board, moved).max() < 5


@pytest.mark.parametrize("ground", [0, 255])
def test_that_a_pin_hole_and_a_speck_are_found_where_they_are(on_board: Template, ground: int) -> None:
    board = _board()
    room = cv2.distanceTransform((board == ground).astype(np.uint8), cv2.DIST_L2, 3)
    y, x = np.unravel_index(np.argmax(room[8:-8, 8:-8]), (SIDE - 16, SIDE - 16))
    cv2.circle(board, (int(x) + 8, int(y) + 8), 2, 255 - ground, -1)
    cells = cv2.GaussianBlur(_map(on_board, board), (0, 0), on_board.sigma_px)
    assert cells.max() > 8
    assert np.abs(np.unravel_index(np.argmax(cells), cells.shape) - np.array([y + 8, x + 8])).max() <= 1


def test_that_a_line_thinner_than_the_tolerance_is_missed_when_it_is_gone() -> None:
    """The range of the template around a thin line holds its ground: only the comparison in return sees the gap."""
    board = _board()
    board[60:63, :] = 0
    broken = board.copy()
    broken[60:63, 100:112] = 255
    assert _map(_fitted(board), broken)[58:65, 98:114].max() > 8


def test_that_a_moved_and_turned_part_is_compared_in_the_coordinates_of_its_picture(on_board: Template) -> None:
    board = _board()
    room = cv2.distanceTransform((board == 255).astype(np.uint8), cv2.DIST_L2, 3)
    y, x = np.unravel_index(np.argmax(room[20:-20, 20:-20]), (SIDE - 40, SIDE - 40)) + np.array([20, 20])
    cv2.circle(board, (int(x), int(y)), 3, 0, -1)
    matrix = cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), 8, 1.0)
    matrix[:, 2] += 5, -3
    moved = cv2.warpAffine(board, matrix, (SIDE, SIDE), borderValue=255)
    cells = cv2.GaussianBlur(_map(on_board, moved), (0, 0), on_board.sigma_px)
    there = matrix @ [x, y, 1]
    highest = np.unravel_index(np.argmax(cells), cells.shape)
    np.testing.assert_allclose(highest, there[::-1], atol=1.5)


@pytest.mark.parametrize("other", [_board(77), np.zeros((SIDE, SIDE), np.uint8), np.full((SIDE, SIDE), 255, np.uint8)])
def test_that_a_part_that_cannot_be_registered_is_never_passed(on_board: Template, other: Board) -> None:
    assert _map(on_board, other).min() >= UNREGISTERED


def test_that_a_darker_exposure_is_taken_out_and_a_change_of_colour_is_not() -> None:
    good = part(1, SIDE, SIDE, noise=0)
    method = _fitted(good)
    darker = np.round(good * 0.9).astype(np.uint8)
    redder = good.copy()
    redder[..., 0] = np.minimum(redder[..., 0] + 40.0, 255).astype(np.uint8)
    assert _map(method, darker).max() < 1
    assert _map(method, redder).max() > 2
    assert _map(_fitted(good, equalise=False), darker).max() > _map(method, darker).max()


def test_that_several_pictures_teach_where_a_part_varies() -> None:
    """A label that says something else on every part is not a defect; the same mark elsewhere is."""
    pictures = []
    for index in range(5):
        picture = _board()
        picture[50:60, 50:70] = 255
        picture[50:60, 50 + 4 * index : 54 + 4 * index] = 90
        pictures.append(picture)
    new = pictures[0].copy()
    new[50:60, 50:70] = 255
    new[50:60, 60:64] = 60
    one, several = _fitted(pictures[0]), _fitted(*pictures)
    place = np.s_[50:60, 50:70]
    assert _map(several, new)[place].max() < 0.5 * _map(one, new)[place].max()


def test_that_pictures_of_which_some_show_another_part_are_refused_in_words() -> None:
    with pytest.raises(TrainingError, match="cannot be registered"):
        _fitted(_board(), _board(), _board(), _board(77))


def test_that_parts_that_nothing_registers_are_compared_where_they_lie() -> None:
    textures = [np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE)).astype(np.uint8) for seed in range(8)]
    method = _fitted(*textures, gallery=0)
    assert not method.tensors()["registers"][0]
    assert _map(method, np.random.default_rng(50).integers(0, 255, (SIDE, SIDE)).astype(np.uint8)).max() < UNREGISTERED


def test_that_the_tensors_bring_the_scores_back_and_wrong_ones_are_refused(on_board: Template) -> None:
    again = Template(on_board.parameters, "whole", (SIDE, SIDE))
    again.load_tensors(on_board.tensors())
    moved = _edges_moved(_board())
    np.testing.assert_array_equal(_map(again, moved), _map(on_board, moved))
    with pytest.raises(ModelFileError, match="variation"):
        again.load_tensors({**on_board.tensors(), "variation": np.zeros((4, 4), np.float32)})
    with pytest.raises(ModelFileError, match="channels"):
        again.load_tensors({**on_board.tensors(), "template": np.zeros((2, SIDE, SIDE), np.float32)})


def test_that_patches_are_refused_with_the_reason() -> None:
    with pytest.raises(ParameterError, match="whole"):
        Template(TemplateParameters(), "patches", (SIDE, SIDE))


def test_that_a_colour_picture_is_compared_with_a_grey_template_and_the_other_way_round() -> None:
    colour = part(1, SIDE, SIDE, noise=0)
    grey = colour.mean(axis=2).astype(np.uint8)
    assert np.isfinite(_map(_fitted(grey), colour)).all()
    assert np.isfinite(_map(_fitted(colour), grey)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(64, 80), (64, 80, 3), (1, 300)])
def test_that_copies_are_seeded_and_of_the_pictures_own_kind(dtype: Any, shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 200, shape).astype(dtype)
    first, again, other = (list(perturbed(pixels, 3, seed)) for seed in (4, 4, 5))
    for copy, same, different in zip(first, again, other, strict=True):
        assert copy.shape == pixels.shape
        assert copy.dtype == pixels.dtype
        np.testing.assert_array_equal(copy, same)
        assert (copy != different).any()


def test_that_copies_of_a_12_bit_picture_stay_within_12_bits() -> None:
    pixels = np.full((64, 64), 4000, np.uint16)
    assert max(int(copy.max()) for copy in perturbed(pixels, 8, 0)) <= 4095


def test_that_a_copy_without_changes_is_the_picture() -> None:
    values = np.random.default_rng(0).random((40, 50, 3), dtype=np.float32)
    same = Perturbation((0, 0), 0, 1, 0, 1, 0, 1, 0, 0, seed=0).of(values)
    np.testing.assert_allclose(same, values, atol=1e-6)


def test_that_waves_stay_near_their_size() -> None:
    ramp = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (200, 1))
    waved = Perturbation((0, 0), 0, 1, WAVE_PX, 1, 0, 1, 0, 0, seed=3).of(ramp)
    assert np.abs(waved - ramp)[:, 5:-5].max() * 199 <= 1.5 * WAVE_PX


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained from a folder with one picture."""
    folder = tmp_path_factory.mktemp("one")
    write(folder / "parts/board.png", _board(3))
    return run(quick_job(folder / "parts", folder / "m.loupe", "template", size=SIDE)).path


def test_that_one_picture_makes_a_model_at_its_own_size_with_a_threshold_from_its_copies(model: Path) -> None:
    manifest = read_manifest(model)
    assert manifest.calibration.source == "perturbations"
    assert (manifest.preprocessing.input_height, manifest.preprocessing.input_width) == (SIDE, SIDE)
    detector = Detector.load(model, "cpu")
    assert manifest.calibration.judge(detector.score(_edges_moved(_board(3))).score) != "NG"
    assert manifest.calibration.judge(detector.score(_board(4)).score) == "NG"


def test_that_a_pair_is_judged_by_its_own_template(model: Path) -> None:
    paired = PairedDetector.load(model, "cpu")
    template, picture = _board(8), _edges_moved(_board(8))
    detection, calibration = paired.score(template, picture)
    assert calibration.judge(detection.score) != "NG"
    assert calibration.source == "perturbations"
    defective = picture.copy()
    defective[60:68, :] = 255 - defective[60:68, :]
    assert paired.score_normalised(template, defective).score >= 1
    assert paired.score_normalised(template, defective).score_map.maximum >= 1


def test_that_a_template_whose_copies_are_not_found_makes_no_threshold(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paired = PairedDetector.load(model, "cpu")
    monkeypatch.setattr(Template, "failed_score", 1e-9)
    with pytest.raises(TrainingError, match="changed copies"):
        paired.learn(_board(8))


def test_that_a_model_that_learns_from_many_pictures_takes_no_pairs(model: Path, parts_folder: Path) -> None:
    few = run(quick_job(parts_folder, model.with_name("p.loupe"), "patchcore")).path
    with pytest.raises(ParameterError, match="one template"):
        PairedDetector.load(few, "cpu")


def test_that_pairs_are_evaluated_by_name_and_a_missing_template_is_a_fault(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.template_pairs.PERTURBED_COPIES", 8)
    for index in (0, 1):
        write(tmp_path / f"templates/{index}.png", _board(20 + index))
        write(tmp_path / f"data/test/good/{index}.png", _edges_moved(_board(20 + index)))
    broken = _edges_moved(_board(21))
    broken[40:50, 40:50] = 255 - broken[40:50, 40:50]
    write(tmp_path / "templates/cut/9.png", _board(21))
    write(tmp_path / "data/test/cut/9.png", broken)
    write(tmp_path / "data/test/cut/alone.png", broken)
    faults: list[str] = []
    report = evaluate_pairs(
        PairedDetector.load(model, "cpu"),
        tmp_path / "data",
        tmp_path / "templates",
        on_fault=lambda path, reason: faults.append(reason),
    )
    assert (report.normal, report.anomalous, report.faults) == (2, 1, 1)
    assert "no template 'alone'" in faults[0]
    assert report.threshold == 1
    assert report.image_auroc == 1


def test_that_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ParameterError, match="edge_px"):
        parse_settings("template", {"edge_px": -1})


def test_that_a_good_part_that_is_not_found_cannot_make_the_threshold(tmp_path: Path) -> None:
    for index in range(6):
        write(tmp_path / f"parts/part{index}.png", part(index))
    job = quick_job(tmp_path / "parts", tmp_path / "m.loupe", "template")
    lost = Detection(2 * Template.failed_score, Detector.load(run(job).path, "cpu").score(part(0)).score_map)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(EmbeddedPictures, "detect", lambda self, index: lost)
        with pytest.raises(TrainingError, match=r"part\d\.png could not be brought"):
            run(job)
