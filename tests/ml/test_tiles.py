"""Tiles: as large as pays, alike whatever their size, from the middle outward, and none that nobody looks at."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ml import methods
from ml.artifact import read_manifest, read_model
from ml.catalogue import METHODS, parameters_of, parse_settings
from ml.detector import Detector
from ml.errors import ParameterError
from ml.images import PreparedPicture, prepare
from ml.inspection_area import InspectionArea, Mask, Rectangle
from ml.job import TrainingJob
from ml.maps import Detection, ScoreMap
from ml.preprocessing import Preprocessing
from ml.runtime.batches import Batches
from ml.runtime.scores import CellScores, ScoreRule
from ml.runtime.torch_runtime import TorchRuntime
from ml.scoring import assemble
from ml.tiles import LONGEST_PX, MARGIN_PX, has_tiles, methods_with_tiles, tile_side
from ml.training.pipeline import run
from tests.ml.small_models import part, quick_job, write_parts

HEIGHT, WIDTH = 160, 200
CORNER = InspectionArea(
    width_px=WIDTH,
    height_px=HEIGHT,
    look=(Rectangle(x=0, y=0, width=WIDTH, height=32), Rectangle(x=0, y=0, width=41, height=HEIGHT)),
)
"""The box around it is the whole picture, most of which it ignores. It ends where a tile begins, above."""


@dataclass(frozen=True)
class Means:
    """A network that answers with each cell's mean, and counts how often it is asked."""

    score_rule: ScoreRule = "max_raw"
    sigma_px: float = 8.0
    offset_px: tuple[float, float] = (0.0, 0.0)
    cell_px: int = 8

    def cells(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        count, _, height, width = inputs.shape
        cells = inputs[:, 0].reshape(count, height // self.cell_px, self.cell_px, width // self.cell_px, -1)
        return np.asarray(cells.mean(axis=(2, 4), dtype=np.float32))

    def detect(
        self, prepared: PreparedPicture, on_partial: Callable[[ScoreMap], None] | None = None
    ) -> tuple[Detection, int]:
        asked: list[int] = []

        def work(inputs: NDArray[np.float32]) -> CellScores:
            asked.append(len(inputs))
            return CellScores(self.cells(inputs))

        scored = Batches(1, lambda: None).run(prepared, work)
        return assemble(self, prepared, scored, on_partial), sum(asked)


def tiled(core: int = 32, margin: int = 16, **changes: Any) -> Preprocessing:
    """Tiles of which `core` px a side count."""
    side = core + 2 * margin
    plain = {"window_low": 0.0, "window_high": 255.0, "mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
    sizes = {"geometry": "patches", "input_height": side, "input_width": side, "stride": core, "margin": margin}
    return Preprocessing.model_validate(plain | sizes | changes)


def picture() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH), dtype=np.uint8)


# --- how large ---


@pytest.mark.parametrize(("height", "width"), [(40, 40), (160, 200), (768, 576), (2048, 2048), (3000, 4096), (1, 9000)])
def test_that_tiles_cover_any_picture_with_no_more_pixels_than_smaller_or_larger_ones(height: int, width: int) -> None:
    def pixels(side: int) -> int:
        counting = side - 2 * MARGIN_PX
        return -(-height // counting) * -(-width // counting) * side**2

    side = tile_side(height, width)
    assert side % 32 == 0
    assert 2 * MARGIN_PX < side <= LONGEST_PX + 2 * MARGIN_PX
    assert all(pixels(side) <= pixels(other) for other in range(2 * MARGIN_PX + 32, LONGEST_PX + 2 * MARGIN_PX + 1, 32))


def test_that_margins_are_dropped_from_the_map() -> None:
    """What the margins' cells say is nowhere on it, however loud."""
    preprocessing = tiled()
    prepared = prepare(picture(), preprocessing)
    joiner = prepared.joiner()
    cells = np.full((prepared.count, 8, 8), 99, np.float32)
    cells[:, 2:-2, 2:-2] = np.arange(prepared.count)[:, None, None]
    joiner.add(0, cells)
    score_map = joiner.score_map()
    assert score_map.cells.shape == (HEIGHT // 8, WIDTH // 8)
    assert set(np.unique(score_map.cells)) == set(range(prepared.count))


def test_that_a_margin_between_two_cells_is_refused() -> None:
    prepared = prepare(picture(), tiled(margin=12))
    with pytest.raises(ValueError, match="whole number of cells"):
        prepared.joiner().add(0, np.zeros((1, 7, 7), np.float32))


def test_that_margins_that_leave_pixels_out_are_refused() -> None:
    with pytest.raises(ValueError, match="never be seen"):
        tiled(stride=40)


def test_that_a_model_without_margins_says_nothing_of_them() -> None:
    """Its hash is that from before there were any."""
    without = tiled(margin=0)
    assert "margin" not in without.model_dump()
    assert "margin" not in without.model_dump_json()
    assert Preprocessing.model_validate(without.model_dump()) == without
    assert Preprocessing.model_validate(tiled().model_dump()).margin == 16


# --- the same whatever their size ---


def test_that_a_network_that_sees_no_farther_than_the_margin_gives_one_map_for_all_sizes() -> None:
    maps = [Means().detect(prepare(picture(), tiled(core)))[0].score_map.cells for core in (32, 64, 160, 224)]
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], rtol=1e-5, atol=1e-6)


def tiles_job(data: Path, out: Path, **fields: Any) -> TrainingJob:
    return quick_job(data, out, **{"size": None, "tiles": True, **fields})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PatchCore, trained with tiles."""
    folder = tmp_path_factory.mktemp("tiles")
    data = write_parts(folder / "parts", 6, HEIGHT, WIDTH)
    return run(tiles_job(data, folder / "model.loupe")).path


def test_that_tiles_of_all_sizes_give_the_same_map_within_a_twentieth_of_the_score_range(model: Path) -> None:
    """Of the range from a usual good part, 0, to the threshold, 1; half of all cells differ by less.

    Not by nothing: each layer widens what a network sees, and faintly the zeros around a tile reach past any margin. So
    a hundredth of the cells may differ by up to a fifth, on good ground; a defect's score by a hundredth of itself.
    """
    manifest, tensors = read_model(model)
    info, calibration = METHODS[manifest.method], manifest.calibration
    pixels = part(77, HEIGHT, WIDTH)
    pixels[60:84, 90:120] = 230

    def detected(core: int) -> tuple[float, NDArray[np.floating]]:
        side = core + 2 * MARGIN_PX
        size = {"input_height": side, "input_width": side, "stride": core}
        method = methods.create(
            info.name,
            parameters_of(info, manifest.parameters),
            "patches",
            (side, side),
            state=tensors,
            margin=MARGIN_PX,
        )
        method.load_tensors(tensors)
        runtime = TorchRuntime(method, "cpu")
        prepared = prepare(pixels, manifest.preprocessing.model_copy(update=size))
        found = assemble(method, prepared, Batches(1, runtime.release).run(prepared, runtime.score))
        return calibration.normalise(found.score), calibration.normalise_map(found.score_map.at_picture_size())

    score, whole = detected(224)
    for core in (64, 128):
        other, pieces = detected(core)
        differences = np.abs(pieces - whole)
        assert np.median(differences) < 0.05
        assert np.quantile(differences, 0.99) < 0.2
        assert other == pytest.approx(score, rel=0.01)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("patchcore", {}),
        ("patchcore", {"embedding": "published", "feature_dim": 64, "reweight": True}),
        ("padim", {"channels": 20}),
        ("dfr", {"steps": 4, "batch": 64}),
        ("student_teacher", {"steps": 2, "batch": 1, "min_area_px": 16}),
    ],
)
def test_that_what_shows_only_surroundings_is_neither_learnt_nor_compared(name: str, settings: dict[str, Any]) -> None:
    side, margin = 128, 32
    method = methods.create(name, parse_settings(name, settings), "patches", (side, side), margin=margin)
    inputs = torch.randn(5, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        embedded = method.embed(inputs)
    method.fit([embedded[:2], embedded[2:4]], 0)
    scored = method.score(embedded[4:])
    outermost = scored.cells.shape[-1] * margin // side
    counting = scored.cells[:, outermost:-outermost, outermost:-outermost]
    torch.testing.assert_close(scored.cells, functional.pad(counting, [outermost] * 4, mode="replicate"))
    if name != "student_teacher":  # which learns from pictures
        assert embedded.shape[-2:] == counting.shape[-2:]
    if scored.scores is not None:  # no place outside has a say in it
        assert scored.scores.max() <= counting.max()


def test_that_the_graph_leaves_the_margin_out_too(model: Path) -> None:
    by_graph = Detector.load(model, "cpu", runtime="onnx").score(part(78, HEIGHT, WIDTH))
    by_torch = Detector.load(model, "cpu", runtime="torch").score(part(78, HEIGHT, WIDTH))
    assert by_graph.score == pytest.approx(by_torch.score, rel=1e-4)
    np.testing.assert_allclose(by_graph.score_map.cells, by_torch.score_map.cells, rtol=1e-3, atol=1e-3)


# --- what nobody looks at ---


@pytest.mark.parametrize("offset_px", [(0.0, 0.0), (3.5, 3.5), (-3.5, -7.5)])
@pytest.mark.parametrize("preprocessing", [tiled(), tiled(margin=0), tiled(margin=0, stride=24)])
def test_that_patches_wholly_in_the_ignored_area_are_not_computed_and_not_missed(
    preprocessing: Preprocessing, offset_px: tuple[float, float]
) -> None:
    network = Means(offset_px=offset_px, sigma_px=0.0)
    looked_at: Mask = CORNER.mask()
    pixels = np.where(looked_at, picture(), np.uint8(0))
    prepared = prepare(pixels, preprocessing)
    everything, _ = network.detect(prepared)
    found, asked = network.detect(prepare(picture(), preprocessing.model_copy(update={"area": CORNER})))
    assert asked < 0.7 * prepared.count
    inside = found.score_map.inside
    assert inside is not None
    np.testing.assert_allclose(found.score_map.cells[inside], everything.score_map.cells[inside], rtol=1e-6)
    assert found.score == pytest.approx(everything.score_map.cells[inside].max())


@pytest.mark.parametrize("preprocessing", [tiled(), tiled(margin=0, stride=24)])
def test_that_patches_of_one_colour_are_computed_once_in_a_picture(preprocessing: Preprocessing) -> None:
    network, pixels = Means(), np.zeros((HEIGHT, WIDTH), np.uint8)
    black, asked = network.detect(prepare(pixels, preprocessing))
    assert asked == 1 and black.score_map.cells.std() == pytest.approx(0, abs=1e-6)
    pixels[60:100, 80:90] = picture()[60:100, 80:90]
    pixels[:, 150:] = 255
    prepared = prepare(pixels, preprocessing)
    found, asked = network.detect(prepared)
    assert asked < 0.8 * prepared.count
    joiner = prepared.joiner()
    joiner.add(0, network.cells(prepared.inputs(0, prepared.count)))
    np.testing.assert_allclose(found.score_map.cells, joiner.score_map().smoothed(8.0).cells, rtol=1e-6)


# --- from the middle outward ---


def test_that_the_middle_is_shown_first_and_the_corners_last() -> None:
    partials: list[ScoreMap] = []
    prepared = prepare(picture(), tiled(), outward=True)
    Means(sigma_px=0.0).detect(prepared, partials.append)
    done = [one.cells > one.cells.min() for one in partials]
    rows, columns = np.nonzero(done[0])
    assert (rows.min() + rows.max()) / 2 == pytest.approx(HEIGHT / 16, abs=2)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(WIDTH / 16, abs=2)
    reach = [np.hypot(*(np.argwhere(one) - np.array(one.shape) / 2).T).max() for one in done]
    assert reach == sorted(reach)


def test_that_it_is_the_middle_of_the_region_of_interest() -> None:
    partials: list[ScoreMap] = []
    prepared = prepare(picture(), tiled(region=(100, 64, 96, 96)), outward=True)
    Means(sigma_px=0.0).detect(prepared, partials.append)
    rows, columns = np.nonzero(partials[0].cells > partials[0].cells.min())
    y, x = partials[0].cell_centres()
    assert (y[rows].mean(), x[columns].mean()) == pytest.approx((64 + 48, 100 + 48), abs=2)


@pytest.mark.parametrize("preprocessing", [tiled(), tiled(margin=0, stride=24), tiled(area=CORNER)])
def test_that_the_order_changes_no_result(preprocessing: Preprocessing) -> None:
    outward, _ = Means().detect(prepare(picture(), preprocessing, outward=True))
    in_rows, _ = Means().detect(prepare(picture(), preprocessing))
    assert outward.score == pytest.approx(in_rows.score, rel=1e-6)
    np.testing.assert_allclose(outward.score_map.cells, in_rows.score_map.cells, rtol=1e-6, atol=1e-6)


# --- what has them ---


def test_that_methods_on_features_have_tiles_unless_their_network_looks_at_its_whole_input() -> None:
    assert {"patchcore", "padim", "student_teacher", "dfr"} <= set(methods_with_tiles())
    assert has_tiles("patchcore", {})
    assert has_tiles("padim", {"backbone": "resnet18"})
    assert not has_tiles("patchcore", {"backbone": "timm:vit_small_patch14_dinov2.lvd142m"})
    assert not has_tiles("ganomaly", {})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"patch": 64}, "leave size, patch and stride out"),
        ({"size": 64}, "leave size, patch and stride out"),
        ({"stride": 64}, "leave size, patch and stride out"),
        ({"aspect": "keep"}, "give aspect or tiles"),
        ({"method": "ganomaly", "parameters": {}}, "ganomaly with these settings cannot be computed in tiles"),
        ({"parameters": {"backbone": "timm:vit_small_patch14_dinov2.lvd142m"}}, "cannot be computed in tiles"),
    ],
)
def test_that_what_does_not_go_with_tiles_is_refused(fields: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=said):
        tiles_job(tmp_path, tmp_path / "model.loupe", **fields)


def test_that_fine_tuning_keeps_tiles(model: Path, tmp_path: Path) -> None:
    data = write_parts(tmp_path / "further", 5, HEIGHT, WIDTH, first=50)
    order = {"data": data, "out": tmp_path / "tuned.loupe", "base": model}
    result = run(TrainingJob.checked(order))
    tuned, base = (read_manifest(path).preprocessing for path in (result.path, model))
    assert (tuned.margin, tuned.stride, tuned.input_width) == (MARGIN_PX, base.stride, base.input_width)
