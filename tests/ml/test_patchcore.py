import math
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from torch import Tensor
from torch.nn import functional

from ml import methods
from ml.catalogue import parse_settings
from ml.catalogue.padim import PadimParameters
from ml.catalogue.patchcore import PatchcoreParameters
from ml.errors import CancelledError, ModelFileError, ParameterError, TrainingError
from ml.methods.base import Geometry, Method
from ml.methods.patchcore import FEW_SHOT_COPIES, Patchcore
from ml.training.perturbations import perturbed

SIDE = 64


def _patchcore(geometry: Geometry = "whole", **settings: object) -> Patchcore:
    parameters = PatchcoreParameters.model_validate(settings)
    built = methods.create("patchcore", parameters, geometry, (SIDE, SIDE))
    assert isinstance(built, Patchcore)
    return built


def _inputs(count: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def _parts(count: int = 6, channels: int = 152, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, channels, 8, 8, generator=generator) for _ in range(count)]


def _rows(embedded: Tensor) -> Tensor:
    return embedded.permute(0, 2, 3, 1).reshape(-1, embedded.shape[1]).double()


def test_that_the_map_is_the_distance_to_the_nearest_normal_vector() -> None:
    patchcore = _patchcore(coreset_ratio=1.0, standardise=False)
    patchcore.fit(_parts(), seed=0)
    probe = torch.cat(_parts(2, seed=9))
    expected = torch.cdist(_rows(probe), _rows(torch.cat(_parts()))).min(1).values.reshape(2, 8, 8)
    scored = patchcore.score(probe)
    torch.testing.assert_close(scored.cells, expected.float(), rtol=1e-4, atol=1e-4)
    assert scored.scores is None  # the detector takes the raw map's maximum
    assert patchcore.score_rule == "max_raw"


def test_that_no_feature_counts_more_for_being_large() -> None:
    large = torch.ones(1, 152, 1, 1)
    large[:, 7] = 1000.0
    plain, scaled = _patchcore(coreset_ratio=1.0), _patchcore(coreset_ratio=1.0)
    plain.fit(_parts(), seed=0)
    scaled.fit([part * large for part in _parts()], seed=0)
    probe = _parts(1, seed=9)[0]
    torch.testing.assert_close(scaled.score(probe * large).cells, plain.score(probe).cells, rtol=1e-3, atol=1e-3)


def test_that_a_feature_that_never_varied_stays_finite() -> None:
    parts = _parts()
    for part in parts:
        part[:, 3] = 0.5
    patchcore = _patchcore(coreset_ratio=1.0)
    patchcore.fit(parts, seed=0)
    assert torch.isfinite(patchcore.score(parts[0]).cells).all()


def test_that_several_neighbours_are_averaged() -> None:
    patchcore = _patchcore(coreset_ratio=1.0, neighbours=3, standardise=False)
    patchcore.fit(_parts(), seed=0)
    probe = _parts(1, seed=9)[0]
    nearest = torch.cdist(_rows(probe), _rows(torch.cat(_parts()))).sort(dim=1).values[:, :3]
    torch.testing.assert_close(
        patchcore.score(probe).cells, nearest.mean(1).reshape(1, 8, 8).float(), rtol=1e-4, atol=1e-4
    )


def test_that_cosine_ignores_the_length_of_features() -> None:
    patchcore = _patchcore(coreset_ratio=1.0, metric="cosine")
    patchcore.fit(_parts(), seed=0)
    probe = _parts(1, seed=9)[0]
    torch.testing.assert_close(patchcore.score(probe).cells, patchcore.score(7 * probe).cells, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_that_a_normal_vector_of_the_bank_scores_nothing(metric: str) -> None:
    patchcore = _patchcore(coreset_ratio=1.0, metric=metric)
    patchcore.fit(_parts(), seed=0)
    assert patchcore.score(_parts()[2]).cells.max() < 0.02


def test_that_re_weighting_equals_the_hand_computed_example() -> None:
    """Bank on a line at 0, 1, 3, 10 (in the first feature), query at 4 and b = 2.

    The nearest row m* is 3 (s* = 1); its two nearest rows in the bank are itself and 1 (not 10, nor those nearest to
    the query); their distances to the query are 1 and 3: weight 1 - e^1 / (e^1 + e^3), for s* = 1.
    """
    patchcore = _patchcore(reweight=True, reweight_neighbours=2)
    bank = np.zeros((4, 152), np.float32)
    bank[:, 0] = (0, 1, 3, 10)
    patchcore.load_tensors({"bank": bank, "spread": np.ones(152, np.float32)})
    probe = torch.zeros(2, 152, 8, 8)  # all at a row of the bank
    probe[0, 0, 5, 6] = 4
    probe[1, 0, 0, 1] = 6  # s* = 3 from m* = 3; around m*: 3 and 1, 3 and 5 from the query
    scored = patchcore.score(probe)
    assert scored.scores is not None
    expected = [1 - math.e / (math.e + math.e**3), 3 * (1 - math.e**3 / (math.e**3 + math.e**5))]
    assert scored.scores.tolist() == pytest.approx(expected, rel=1e-4)
    assert float(scored.cells[0, 5, 6]) == pytest.approx(1)


def test_that_far_outliers_do_not_overflow_the_weights() -> None:
    patchcore = _patchcore(reweight=True)
    patchcore.fit(_parts(), seed=0)
    scored = patchcore.score(1000 * _parts(1)[0])
    assert scored.scores is not None
    assert scored.scores.isfinite().all()


def test_that_the_mean_embedding_is_the_finest_maps_mean_beside_the_deeper_ones() -> None:
    patchcore = _patchcore()
    inputs = _inputs(2)
    finest, deeper = patchcore.extractor(inputs)
    embedded = patchcore.embed(inputs)
    assert embedded.shape == (2, 152, 8, 8)
    torch.testing.assert_close(embedded[:, :40], functional.avg_pool2d(finest, 3, 1, 1), rtol=1e-4, atol=1e-3)
    standard = functional.interpolate(functional.avg_pool2d(deeper, 3, 1, 1), size=(8, 8), mode="bilinear")
    # Ours makes up for the maps' different offsets, a few pixels of 16.
    assert (embedded[:, 40:] - standard).norm() < 0.35 * standard.norm()


def test_that_the_published_embedding_equals_the_authors_steps() -> None:
    """patchify, resize the deeper patches to the finest grid, pool each to 32, stack, pool again: one cell by hand."""
    patchcore = _patchcore(embedding="published", feature_dim=32)
    inputs = _inputs()
    embedded = patchcore.embed(inputs)
    assert embedded.shape == (1, 32, 8, 8)
    finest, deeper = patchcore.extractor(inputs)
    row, column = 3, 5
    near = functional.pad(finest, (1, 1, 1, 1))[0, :, row : row + 3, column : column + 3].reshape(1, 1, -1)
    unfolded = functional.unfold(deeper, 3, padding=1).reshape(1, 112 * 9, 4, 4)
    resized = functional.interpolate(unfolded, size=(8, 8), mode="bilinear", align_corners=False)
    far = resized[0, :, row, column].reshape(1, 1, -1)
    both = torch.cat([functional.adaptive_avg_pool1d(vector, 32) for vector in (near, far)], dim=2)
    expected = functional.adaptive_avg_pool1d(both, 32).flatten()
    torch.testing.assert_close(embedded[0, :, row, column], expected, rtol=1e-4, atol=1e-3)


def test_that_the_published_embedding_is_fitted_scored_and_stored() -> None:
    patchcore = _patchcore(embedding="published", feature_dim=64)
    patchcore.fit([patchcore.embed(_inputs(seed=index)) for index in range(3)], seed=0)
    assert patchcore.tensors()["bank"].shape == (19, 64)
    assert patchcore.score(patchcore.embed(_inputs())).cells.shape == (1, 8, 8)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({"coreset_ratio": 0.1}, 38), ({"coreset_ratio": 0.5, "coreset_cap": 20}, 20), ({"candidates": 12}, 12)],
)
def test_that_ratio_cap_and_candidates_bound_the_bank(settings: dict[str, object], expected: int) -> None:
    patchcore = _patchcore(**settings)
    patchcore.fit(_parts(), seed=0)  # 384 vectors
    assert len(patchcore.tensors()["bank"]) == expected


def test_that_candidates_come_from_every_picture() -> None:
    parts = [torch.full((1, 152, 8, 8), 10.0 * index) + torch.randn(1, 152, 8, 8) for index in range(6)]
    patchcore = _patchcore(candidates=6, coreset_ratio=1.0, standardise=False)
    patchcore.fit(parts, seed=0)
    assert sorted((patchcore.tensors()["bank"].mean(1) / 10).round().tolist()) == [0, 1, 2, 3, 4, 5]


def test_that_the_same_seed_gives_the_same_bank() -> None:
    first, second, other = _patchcore(), _patchcore(), _patchcore()
    first.fit(_parts(), seed=3)
    second.fit(_parts(), seed=3)
    other.fit(_parts(), seed=4)
    assert np.array_equal(first.tensors()["bank"], second.tensors()["bank"])
    assert not np.array_equal(first.tensors()["bank"], other.tensors()["bank"])


@pytest.mark.parametrize("settings", [{}, {"reweight": True}, {"metric": "cosine"}, {"neighbours": 3}])
def test_that_an_input_scores_the_same_alone_and_in_a_batch(settings: dict[str, object]) -> None:
    patchcore = _patchcore(**settings)
    patchcore.fit(_parts(), seed=0)
    batch = torch.cat(_parts(4, seed=5))
    together = patchcore.score(batch)
    for index in range(4):
        alone = patchcore.score(batch[index : index + 1])
        torch.testing.assert_close(together.cells[index : index + 1], alone.cells, rtol=1e-4, atol=1e-4)
        if alone.scores is not None and together.scores is not None:
            torch.testing.assert_close(together.scores[index : index + 1], alone.scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_that_a_stored_model_scores_the_same(metric: str) -> None:
    patchcore = _patchcore(metric=metric)
    patchcore.fit([patchcore.embed(_inputs(seed=index)) for index in range(3)], seed=0)
    stored = patchcore.tensors()
    again = methods.create("patchcore", patchcore.parameters, "whole", (SIDE, SIDE), state=stored)
    again.load_tensors({**stored, "of_somebody_else": np.zeros(3)})
    probe = _inputs(2, seed=9)
    assert torch.equal(again.score(again.embed(probe)).cells, patchcore.score(patchcore.embed(probe)).cells)
    assert all(np.array_equal(value, again.tensors()[key]) for key, value in stored.items())


@pytest.mark.parametrize("name", ["padim", "patchcore"])
@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_bright_square_is_found_where_it_is(name: str, geometry: Geometry) -> None:
    side = 128
    parameters = PadimParameters() if name == "padim" else PatchcoreParameters()
    method: Method = methods.create(name, parameters, geometry, (side, side))
    generator = torch.Generator().manual_seed(0)

    def textured(count: int) -> Tensor:
        return 0.3 * torch.randn(count, 3, side, side, generator=generator)

    method.fit([method.embed(textured(2 if geometry == "patches" else 1)) for _ in range(12)], seed=0)
    for top, left in [(24, 80), (61, 43), (90, 90)]:
        probe = textured(1)
        probe[..., top : top + 12, left : left + 12] = 1.5
        cells = method.score(method.embed(probe)).cells[0]
        row, column = divmod(int(cells.argmax()), cells.shape[1])
        pitch = side / cells.shape[0]
        for cell, offset, corner in zip((row, column), method.offset_px, (top, left), strict=True):
            assert abs((cell + 0.5) * pitch - 0.5 + offset - (corner + 5.5)) <= pitch + 1.5


def test_that_unusable_requests_are_refused_with_a_reason() -> None:
    with pytest.raises(ParameterError, match="multiples of 16"):
        methods.create("patchcore", PatchcoreParameters(), "whole", (100, 100))
    with pytest.raises(ParameterError, match="PatchCore does not take PadimParameters"):
        methods.create("patchcore", PadimParameters(), "whole", (SIDE, SIDE))
    with pytest.raises(ParameterError, match="unknown method 'nothing'"):
        methods.create("nothing", PadimParameters(), "whole", (SIDE, SIDE))
    with pytest.raises(TrainingError):
        _patchcore().fit([], seed=0)
    with pytest.raises(CancelledError):
        _patchcore().fit(_parts(), seed=0, cancelled=lambda: True)
    with pytest.raises(ModelFileError, match="'bank' has the shape"):
        _patchcore().load_tensors({"bank": np.zeros((5, 7), np.float32)})


@pytest.mark.cuda
def test_that_a_gpu_gives_the_cpus_scores() -> None:
    patchcore = _patchcore()
    patchcore.fit([patchcore.embed(_inputs(seed=index)) for index in range(3)], seed=0)
    probe = _inputs(2, seed=9)
    expected = patchcore.score(patchcore.embed(probe)).cells
    patchcore.to("cuda")
    found = patchcore.score(patchcore.embed(probe.cuda())).cells.cpu()
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-1)


def _on_background(seed: int) -> Tensor:
    features = 0.2 * torch.randn(1, 152, 8, 8, generator=torch.Generator().manual_seed(seed))
    features[:, :, 2:6, 2:6] += 2.0
    return features


@pytest.mark.parametrize("settings", [{}, {"reweight": True}, {"score": "top1"}])
def test_that_background_is_not_judged_where_asked(settings: dict[str, object]) -> None:
    everywhere, part_only = _patchcore(**settings), _patchcore(foreground=True, **settings)
    for patchcore in (everywhere, part_only):
        patchcore.fit([_on_background(seed) for seed in range(6)], seed=0)
    probe = _on_background(9)
    probe[0, ::2, 0, 0] += 3.0  # dirt on the table, no more like the part than the table is
    probe[0, 1::2, 0, 0] -= 3.0
    cells = everywhere.score(probe).cells
    assert cells[0, 0, 0] == cells.max()
    scored = part_only.score(probe)
    assert scored.cells[0, 0, 0] == 0
    assert scored.cells[0, 4, 4] > 0
    if scored.scores is not None:
        assert scored.scores[0] <= scored.cells.max()
    again = _patchcore(foreground=True, **settings)
    again.load_tensors(part_only.tensors())
    assert torch.equal(again.score(probe).cells, scored.cells)


def test_that_a_picture_without_its_part_is_not_good() -> None:
    patchcore = _patchcore(foreground=True)
    patchcore.fit([_on_background(seed) for seed in range(6)], seed=0)
    empty = 0.2 * torch.randn(1, 152, 8, 8, generator=torch.Generator().manual_seed(9))
    assert patchcore.score(empty).cells.max() > 1.5 * patchcore.score(_on_background(9)).cells.max()


def test_that_a_foreground_is_refused_patch_by_patch() -> None:
    with pytest.raises(ParameterError, match="foreground=true needs the whole picture"):
        _patchcore("patches", foreground=True)


def test_that_rotations_are_further_pictures_to_fit_on() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)
    assert list(_patchcore().variants(pixels, 0)) == []
    assert len(list(_patchcore(rotations=8).variants(pixels, 0))) == 7


def test_that_few_shots_keep_every_vector_of_the_picture_and_its_copies() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    patchcore = _patchcore(few_shot=True)
    copies = list(patchcore.variants(pixels, 0))
    assert len(copies) == FEW_SHOT_COPIES
    assert not any(np.array_equal(copy, other) for copy in copies for other in perturbed(pixels, FEW_SHOT_COPIES, 0))
    patchcore.fit([torch.cat(_parts(1 + len(copies)))], seed=0)
    assert len(patchcore.tensors()["bank"]) == 64 * (1 + len(copies))
    assert patchcore.min_parts == 1
    assert _patchcore().min_parts == 3


def test_that_a_vision_transformer_makes_it_anomaly_dino(tmp_path: Path) -> None:
    """DINOv2's architecture with random weights from a file, which already tells a bright square from a surface."""
    name, side = "vit_small_patch14_dinov2.lvd142m", 140
    torch.manual_seed(0)
    weights = tmp_path / "vit.safetensors"
    safetensors.torch.save_file(timm.create_model(name, pretrained=False).state_dict(), weights)
    settings = {"strides": "14", "embedding": "plain", "standardise": False, "metric": "cosine", "score": "top1"}
    parameters = parse_settings("patchcore", {**settings, "backbone": f"timm:{name}", "few_shot": True})
    dino = methods.create("patchcore", parameters, "whole", (side, side), weights=weights)
    generator = torch.Generator().manual_seed(0)
    same = torch.randn(1, 3, side, side, generator=generator)
    surface = [same + 0.05 * torch.randn(1, 3, side, side, generator=generator) for _ in range(3)]
    dino.fit([dino.embed(picture) for picture in surface[:2]], seed=0)
    probe = surface[2].clone()
    probe[..., 42:70, 84:112] = 1.5
    cells = dino.score(dino.embed(probe)).cells[0]
    assert cells.shape == (10, 10)
    row, column = divmod(int(cells.argmax()), 10)
    assert 3 <= row <= 4
    assert 6 <= column <= 7
    again = methods.create("patchcore", parameters, "whole", (side, side), state=dino.tensors())
    again.load_tensors(dino.tensors())
    assert torch.equal(again.score(again.embed(probe)).cells[0], cells)
