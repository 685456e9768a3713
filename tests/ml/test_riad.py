import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from ml.catalogue.riad import INFO, RiadParameters
from ml.errors import ModelFileError
from ml.inpainting import disjoint_masks, paint_in
from ml.maps import ScoreMap
from ml.methods.base import Geometry
from ml.methods.riad import Riad, inpainting_losses
from ml.networks.unet import UNet

SIDE = 64
SMALL = {"width": 4, "crop_px": 32, "steps": 2, "batch": 2, "standardise": False}


def _riad(geometry: Geometry = "whole", size: tuple[int, int] = (SIDE, SIDE), **settings: object) -> Riad:
    return Riad(RiadParameters.model_validate({**SMALL, **settings}), geometry, size)


def _surface(seed: int = 0, height: int = SIDE, width: int = SIDE) -> Tensor:
    """A smooth surface within [-1, 1] under faint noise: (1, 3, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(99)) - 0.5
    smooth = functional.interpolate(coarse, size=(height, width), mode="bicubic")
    return (smooth + 0.004 * torch.randn(1, 3, height, width, generator=generator)).clamp(-1, 1)


def _fitted(steps: int = 2, **settings: object) -> Riad:
    riad = _riad(steps=steps, **settings)
    riad.fit([_surface(seed) for seed in range(4)], seed=0)
    return riad


@pytest.fixture(scope="module")
def trained() -> Riad:
    return _fitted(steps=70, width=8, crop_px=64, batch=1, learning_rate=0.01)


class _CopyOfWhatItSees(nn.Module):
    def forward(self, pictures: Tensor) -> Tensor:
        return pictures


@pytest.mark.parametrize(("height", "width", "cell_px"), [(32, 48, 4), (33, 50, 16), (7, 5, 2)])
def test_that_each_pixel_is_hidden_once_and_squares_are_dealt_evenly(height: int, width: int, cell_px: int) -> None:
    masks = disjoint_masks(height, width, cell_px, 3, torch.Generator().manual_seed(0))
    assert masks.shape == (3, height, width)
    assert (masks.sum(0) == 1).all()
    squares = functional.pad(masks, (0, -width % cell_px, 0, -height % cell_px))[:, ::cell_px, ::cell_px]
    counts = squares.sum((1, 2))
    assert counts.max() - counts.min() <= 1
    whole = squares.repeat_interleave(cell_px, 1).repeat_interleave(cell_px, 2)[:, :height, :width]
    assert (whole == masks).all()


def test_that_squares_are_dealt_anew_each_time() -> None:
    random = torch.Generator().manual_seed(0)
    assert not torch.equal(disjoint_masks(32, 32, 4, 3, random), disjoint_masks(32, 32, 4, 3, random))


def test_that_what_is_hidden_cannot_be_copied() -> None:
    hidden = disjoint_masks(32, 32, 4, 3, torch.Generator().manual_seed(0))[:, None, None]
    assert (paint_in(_CopyOfWhatItSees(), _surface()[..., :32, :32], hidden) == 0).all()


def test_that_a_square_is_painted_in_without_knowledge_of_itself() -> None:
    network = UNet(4).eval()
    hidden = disjoint_masks(32, 32, 8, 3, torch.Generator().manual_seed(0))[:, None, None]
    picture = _surface()[..., :32, :32]
    changed = picture.clone()
    changed[..., 8:16, 16:24] = 1
    with torch.no_grad():
        before, after = paint_in(network, picture, hidden), paint_in(network, changed, hidden)
    torch.testing.assert_close(before[..., 8:16, 16:24], after[..., 8:16, 16:24])
    assert not torch.allclose(before, after)


def test_that_the_published_network_has_the_published_size() -> None:
    with torch.device("meta"):
        count = sum(parameter.numel() for parameter in UNet(64).parameters())
    assert round(count / 1e6, 1) == 28.8


def test_that_the_network_is_fully_convolutional_and_paints_every_pixel() -> None:
    network = UNet(4).eval()
    painted = network(_surface(height=48, width=80))
    assert painted.shape == (1, 3, 48, 80)
    assert (painted != 0).all()
    assert painted.abs().max() <= 1


def test_that_losses_vanish_for_a_perfect_picture_and_only_then() -> None:
    picture = _surface(0)
    other = picture.roll(8, dims=3)
    for loss in inpainting_losses(picture, picture).values():
        assert float(loss) == pytest.approx(0, abs=1e-6)
    losses = inpainting_losses(other, picture)
    assert all(loss > 1e-4 for loss in losses.values())
    assert float(losses["squared_error"]) == pytest.approx(float((other - picture).square().mean()))


def test_that_the_map_is_the_plain_mean_over_the_sizes_of_squares() -> None:
    both = _fitted(cell_sides_px=(2, 16))
    alone = [_riad(cell_sides_px=(side,)) for side in (2, 16)]
    for riad in alone:
        riad.load_tensors(both.tensors())
    picture = _surface(9)
    expected = torch.stack([riad.score(picture).cells for riad in alone]).mean(0)
    torch.testing.assert_close(both.score(picture).cells, expected)


def test_that_scores_are_the_same_each_time_alone_and_in_any_batch(trained: Riad) -> None:
    pictures = torch.cat([_surface(seed) for seed in range(3)])
    cells = trained.score(pictures).cells
    assert torch.equal(trained.score(pictures).cells, cells)
    assert torch.equal(trained.score(pictures.flip(0)).cells.flip(0), cells)
    assert torch.equal(trained.score(pictures[1:2]).cells, cells[1:2])


@pytest.mark.parametrize("corner", [(24, 40), (0, 0), (56, 56), (56, 20)])
def test_that_a_bright_square_is_found_where_it_is(trained: Riad, corner: tuple[int, int]) -> None:
    top, left = corner
    picture = _surface(9)
    picture[..., top : top + 8, left : left + 8] = 0.9
    cells = trained.score(picture).cells[0].numpy()
    smooth = ScoreMap.over(cells, SIDE, SIDE).smoothed(trained.sigma_px)
    row, column = np.unravel_index(np.argmax(smooth.cells), smooth.cells.shape)
    assert abs(4 * row + 1.5 - (top + 3.5)) <= 4
    assert abs(4 * column + 1.5 - (left + 3.5)) <= 4
    good = ScoreMap.over(trained.score(_surface(9)).cells[0].numpy(), SIDE, SIDE).smoothed(trained.sigma_px)
    assert smooth.maximum > 1.3 * good.maximum


def test_that_training_lowers_the_loss_on_pictures_not_learnt_from() -> None:
    parts, validation = [_surface(seed) for seed in range(4)], [_surface(7)]
    before = _riad().lesson(parts, validation, 0, 1).validate()
    riad = _riad(steps=30, learning_rate=0.005)
    riad.fit(parts, seed=0, validation=validation)
    after = riad.lesson(parts, validation, 0, 1).validate()
    assert before is not None
    assert after is not None
    assert after < 0.8 * before


def test_that_the_same_seed_gives_the_same_tensors_and_another_others() -> None:
    first, again = _fitted().tensors(), _fitted().tensors()
    assert all(np.array_equal(value, again[key]) for key, value in first.items())
    other = _riad()
    other.fit([_surface(seed) for seed in range(4)], seed=1)
    assert any(not np.array_equal(value, first[key]) for key, value in other.tensors().items())


def test_that_stored_tensors_give_the_same_scores() -> None:
    riad, loaded = _fitted(), _riad()
    loaded.load_tensors(riad.tensors())
    assert torch.equal(loaded.score(_surface(5)).cells, riad.score(_surface(5)).cells)
    tensors = riad.tensors()
    del tensors["network.last.weight"]
    with pytest.raises(ModelFileError, match=r"network\.last\.weight"):
        _riad().load_tensors(tensors)


@pytest.mark.parametrize("size", [(50, 71), (32, 160), (33, 33)])
def test_that_sides_the_network_cannot_halve_are_padded(size: tuple[int, int]) -> None:
    height, width = size
    riad = _riad("patches", size, crop_px=64)
    parts = torch.cat([_surface(seed, height, width) for seed in range(3)])
    riad.fit([parts, parts], seed=0)
    cells = riad.score(parts).cells
    assert cells.shape == (3, -(-height // 4), -(-width // 4))
    assert torch.isfinite(cells).all()


def test_that_identical_and_blank_pictures_are_learnt_from() -> None:
    riad = _riad()
    riad.fit([torch.zeros(1, 3, SIDE, SIDE)] * 3, seed=0)
    assert torch.isfinite(riad.score(torch.zeros(1, 3, SIDE, SIDE)).cells).all()


def test_that_pictures_kept_by_inference_can_be_learnt_from() -> None:
    with torch.inference_mode():
        parts = [_surface(seed) for seed in range(3)]
    riad = _riad()
    riad.fit(parts, seed=0)
    with torch.inference_mode():
        assert torch.isfinite(riad.score(parts[0]).cells).all()


def test_that_places_are_judged_by_what_good_parts_show_there() -> None:
    plain, standardised = _fitted(), _fitted(standardise=True)
    usual, spread = (torch.from_numpy(standardised.tensors()[f"statistic.{name}"]) for name in ("usual", "spread"))
    expected = (plain.score(_surface(5)).cells - usual) / spread
    torch.testing.assert_close(standardised.score(_surface(5)).cells, expected)
    good = torch.cat([standardised.score(_surface(seed)).cells for seed in range(4)])
    assert abs(float(good.mean())) < 0.1
    assert good.abs().max() < 5


def test_that_patches_have_no_places() -> None:
    riad = _riad("patches", standardise=True)
    riad.fit([torch.cat([_surface(0), _surface(1)])] * 3, seed=0)
    assert not any(key.startswith("statistic.") for key in riad.tensors())


def test_that_the_papers_mean_filter_replaces_the_gaussian() -> None:
    gaussian, mean = _fitted(), _riad(smoothing="mean")
    mean.load_tensors(gaussian.tensors())
    assert gaussian.sigma_px == 7
    assert mean.sigma_px == 0
    raw, smooth = gaussian.score(_surface(5)).cells, mean.score(_surface(5)).cells
    assert smooth.max() < raw.max()
    assert float(smooth.mean()) == pytest.approx(float(raw.mean()), rel=0.1)


def test_that_squares_are_read_as_typed_and_crops_are_no_smaller_than_the_network_takes() -> None:
    assert RiadParameters.model_validate({"cell_sides_px": "4,16"}).cell_sides_px == (4, 16)
    for wrong in ({"cell_sides_px": "16,4"}, {"cell_sides_px": "3"}, {"crop_px": 16}, {"sets": 1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            RiadParameters.model_validate(wrong)


def test_that_every_rung_of_the_ladder_is_a_setting() -> None:
    for rung in INFO.ladder:
        parameters = RiadParameters.model_validate(dict(rung))
        assert parameters.width > 0
        assert parameters.crop_px > 0
