import itertools

import numpy as np
import pytest
import torch

from ml.errors import CancelledError, ParameterError, TrainingError
from ml.generation.catalogue.singan import SinganParameters
from ml.generation.colours import within_palette
from ml.generation.detail import detailed
from ml.generation.singan import Singan, scale_sizes
from ml.generation.singan_lesson import ScaleLesson, remembered
from ml.generation.structure import gradient_correlation
from ml.generation.value_window import Values, shrunk
from ml.networks.singan import Scale, ScaleCritic, ScaleGenerator
from ml.pictures import Pixels
from tests.ml.small_models import part

SMALL = {"size_px": 40, "coarsest_px": 16, "channels": 4, "steps": 3, "injection_scale": 1}


def _square(height: int = 60, width: int = 80) -> Pixels:
    """A light square on a dark, grained ground."""
    picture = part(0, height, width, noise=6) // 2
    picture[height // 4 : -height // 4, width // 4 : -width // 4] += 100
    return picture


def _fitted(pictures: list[Pixels] | None = None, seed: int = 0, **settings: object) -> Singan:
    singan = Singan(SinganParameters.model_validate({**SMALL, **settings}))
    singan.fit([_square(), part(1, 60, 80)] if pictures is None else pictures, seed)
    return singan


def _target(height: int = 24, width: int = 32) -> torch.Tensor:
    return torch.from_numpy(shrunk(_square() / np.float32(255), height, width)).permute(2, 0, 1)[None] * 2 - 1


def _lesson(steps: int = 1, **settings: object) -> ScaleLesson:
    torch.manual_seed(0)
    parameters = SinganParameters.model_validate({**SMALL, **settings})
    return ScaleLesson(Scale(8, 24, 32), (), _target(), parameters, 0, steps)


@pytest.fixture(scope="module")
def fitted() -> Singan:
    return _fitted(steps=25, channels=8, learning_rate=4e-3, source=0)


def test_that_scales_grow_by_about_the_factor_from_the_coarsest_side_to_the_size() -> None:
    sizes = scale_sizes(380, 550, SinganParameters())
    assert sizes[-1] == (66, 96)
    assert min(sizes[0]) == 25
    ratios = [fine[1] / coarse[1] for coarse, fine in itertools.pairwise(sizes)]
    assert all(1.2 < ratio < 1.4 for ratio in ratios)
    published = scale_sizes(250, 250, SinganParameters(size_px=250))
    assert 8 <= len(published) <= 10


def test_that_small_pictures_are_not_enlarged_and_narrow_ones_refused() -> None:
    assert scale_sizes(20, 60, SinganParameters(size_px=250)) == [(20, 60)]
    with pytest.raises(TrainingError, match="size_px"):
        scale_sizes(40, 2000, SinganParameters())


def test_that_the_published_networks_have_the_published_size_and_field_of_view() -> None:
    for network, last in ((ScaleGenerator(32), 3), (ScaleCritic(32), 1)):
        weights = sum(parameter.numel() for name, parameter in network.named_parameters() if name.endswith("weight"))
        assert weights == 9 * 32 * (3 + 3 * 32 + last) + 4 * 32
    assert ScaleCritic(4)(torch.zeros(1, 3, 11, 11)).shape == (1, 1, 1, 1)
    assert ScaleGenerator(4)(torch.zeros(1, 3, 12, 17), torch.zeros(1, 3, 12, 17)).shape == (1, 3, 12, 17)


def test_that_one_step_trains_generator_and_critic() -> None:
    lesson = _lesson()
    before = {name: value.clone() for name, value in lesson.networks.named_parameters()}
    lesson.step(0)
    after = lesson.networks.state_dict()
    for part_name in ("generator", "critic"):
        changed = [not torch.equal(value, after[name]) for name, value in before.items() if name.startswith(part_name)]
        assert sum(changed) >= len(changed) - 5, part_name  # before a normalisation a bias has no effect


def test_that_training_lowers_the_reconstruction_loss_and_no_loss_is_infinite() -> None:
    lesson = _lesson(30, learning_rate=4e-3)
    history = [{name: float(loss) for name, loss in lesson.step(number).items()} for number in range(30)]
    assert all(np.isfinite(loss) for losses in history for loss in losses.values())
    assert history[-1]["reconstruction"] < 0.5 * history[0]["reconstruction"]


def test_that_noise_is_as_strong_as_what_coarser_scales_lack() -> None:
    coarse = _lesson().networks
    fine = ScaleLesson(Scale(8, 48, 64), (coarse,), _target(48, 64), SinganParameters(), 0, 1).networks
    assert float(coarse.amplitude) == 1
    assert coarse.anchor.std() > 0.9
    assert not fine.anchor.any()
    before = remembered([coarse])
    assert before is not None
    missing = _target(48, 64) - torch.nn.functional.interpolate(before, (48, 64), mode="bicubic")
    assert float(fine.amplitude) == pytest.approx(0.1 * float(missing.square().mean().sqrt()), rel=1e-3)


def test_that_variants_keep_the_outline_and_differ(fitted: Singan) -> None:
    pictures = list(fitted.sample(4, 0))
    for picture in pictures:
        measured = gradient_correlation(picture.pixels, _square())
        assert picture.changes["gradient_correlation"] == pytest.approx(measured, abs=1e-4)
        assert measured >= 0.9 or picture.changes["looseness"] == 0
        assert picture.source == 0
        assert picture.kind == "singan"
        assert not picture.mask.any()
        assert picture.mask.shape == (60, 80)
    assert not np.array_equal(pictures[0].pixels, pictures[1].pixels)


def test_that_chance_from_the_coarsest_scale_on_changes_more(fitted: Singan) -> None:
    pyramid = fitted._pyramids[0]
    ways = ((0, 1.0), (1, 0.4), (1, 0.0), (2, 0.0))
    changes = [
        np.abs(pyramid.variant(scale, looseness, torch.Generator().manual_seed(7)) - pyramid.small).mean()
        for scale, looseness in ways
    ]
    assert changes == sorted(changes, reverse=True)


def test_that_a_variant_that_leaves_the_outline_is_drawn_nearer_to_the_source() -> None:
    free, bound = (_fitted(looseness=1.0, least_correlation=least, source=0) for least in (0.0, 0.95))
    loose, tight = next(free.sample(1, 0)), next(bound.sample(1, 0))
    assert loose.changes["looseness"] == 1
    assert loose.changes["gradient_correlation"] < 0.95
    assert tight.changes["looseness"] < 1
    assert tight.changes["gradient_correlation"] > loose.changes["gradient_correlation"]


def test_that_several_pictures_are_learnt_when_asked_for() -> None:
    pictures = [part(index, 60, 80) for index in range(4)]
    singan = _fitted(pictures, sources=3, steps=1, injection_scale=0)
    assert len({picture.source for picture in singan.sample(12, 0)}) == 3
    assert {picture.source for picture in _fitted(pictures, source=2, steps=1, injection_scale=0).sample(3, 0)} == {2}


def test_that_detail_moves_with_what_it_belongs_to() -> None:
    large: Values = np.zeros((160, 160, 3), np.float32)
    large[48:112, 48:112] = 0.2
    large[48:112:4, 48:112] = 0.9
    small = shrunk(large, 40, 40)
    assert np.abs(detailed(small, small, large) - large).max() < 0.01
    moved = detailed(np.roll(small, 1, axis=1), small, large)
    wanted = np.roll(large, 4, axis=1)
    assert np.abs(moved - wanted).mean() < 0.5 * np.abs(large - wanted).mean()


def test_that_variants_have_no_colours_that_the_picture_does_not_have() -> None:
    brown = (np.random.default_rng(0).uniform(0.2, 0.6, (20, 30, 1)) * (1, 0.7, 0.5)).astype(np.float32)
    stained = brown.copy()
    stained[5:9, 5:9] = (0.1, 0.4, 0.1)
    drawn = within_palette(stained, brown)
    assert np.array_equal(drawn[10:], brown[10:])
    assert (drawn[5:9, 5:9, 0] > drawn[5:9, 5:9, 1]).all()


def test_that_sources_and_scales_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ParameterError, match="source=7"):
        _fitted(source=7)
    with pytest.raises(ParameterError, match="injection_scale=9"):
        _fitted(injection_scale=9)
    with pytest.raises(TrainingError):
        _fitted([])
    with pytest.raises(RuntimeError, match="fitted"):
        next(Singan(SinganParameters()).sample(1, 0))


def test_that_training_tells_where_it_stands_over_all_scales_and_stops_when_asked() -> None:
    told: list[tuple[str, int, int]] = []
    singan = Singan(SinganParameters.model_validate({**SMALL, "sources": 2, "steps": 1}))
    singan.fit([_square(), part(1, 40, 90)], 0, progress=lambda *stands: told.append(stands))
    for stage in ("Training, picture 1 of 2", "Training, picture 2 of 2"):
        done = [done for at, done, _ in told if at == stage]
        (total,) = {total for at, _, total in told if at == stage}
        assert done == sorted(done)
        assert done[-1] == total
    with pytest.raises(CancelledError):
        singan.fit([_square()], 0, cancelled=lambda: True)


def test_that_a_picture_of_a_single_scale_varies_with_the_looseness_alone() -> None:
    singan = _fitted([part(1, 18, 80)], coarsest_px=25, size_px=96, steps=1, injection_scale=1)
    assert len(singan._pyramids[0].scales) == 1
    assert next(singan.sample(1, 0)).changes["injection_scale"] == 1
