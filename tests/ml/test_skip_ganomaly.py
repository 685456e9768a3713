from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ml.catalogue.skip_ganomaly import INFO, SkipGanomalyParameters
from ml.errors import ModelFileError, ParameterError, TrainingError
from ml.maps import ScoreMap
from ml.methods.base import Geometry
from ml.methods.skip_ganomaly import SkipGanomaly
from ml.networks.ganomaly import SIZES, check_size
from ml.networks.skip_ganomaly import SkipDiscriminator, SkipGenerator

SIDE = 32
SMALL = {"width": 4, "latent": 8, "steps": 3, "batch": 4, "standardise": False, "residual": "mean"}
NORMS = ("batch", "group", "instance")


def _method(geometry: Geometry = "whole", size: tuple[int, int] = (SIDE, SIDE), **settings: Any) -> SkipGanomaly:
    return SkipGanomaly(SkipGanomalyParameters.model_validate({**SMALL, **settings}), geometry, size)


def _surface(seed: int) -> Tensor:
    """(1, 3, SIDE, SIDE): a slope under faint noise."""
    slope = torch.linspace(-0.5, 0.3, SIDE).expand(1, 3, SIDE, SIDE)
    return slope + 0.02 * torch.randn(slope.shape, generator=torch.Generator().manual_seed(seed))


PARTS = [_surface(seed) for seed in range(5)]


def _fitted(**settings: Any) -> SkipGanomaly:
    method = _method(**settings)
    method.fit(PARTS, seed=0, validation=[_surface(9)])
    return method


def _scores(method: SkipGanomaly, pictures: Tensor) -> Tensor:
    scores = method.score(pictures).scores
    assert scores is not None
    return scores


def test_that_the_generator_is_the_published_u_net() -> None:
    """54.4 million parameters at 256 px: pix2pix's of eight levels."""
    with torch.device("meta"):
        generator = SkipGenerator(256, 3, 64)
    assert round(sum(parameter.numel() for parameter in generator.parameters()) / 1e6, 2) == 54.41
    assert [name for name, _ in generator.named_parameters() if name.endswith("bias") and "norm" not in name][-1] == (
        "last.bias"
    )


@pytest.mark.parametrize("size", SIZES)
def test_that_the_sizes_that_can_be_halved_are_taken(size: int) -> None:
    with torch.device("meta"):
        made = SkipGenerator(size, 1, 2)(torch.empty(2, 1, size, size))
        verdict = SkipDiscriminator(size, 1, 2, 7)(made)
    assert made.shape == (2, 1, size, size)
    assert verdict.logits.shape == (2,)
    assert verdict.features.shape == (2, 7, 1, 1)


@pytest.mark.parametrize("size", [0, 8, 48, 96])
def test_rule_16_other_sizes_are_refused_at_once(size: int) -> None:
    for build in (lambda: SkipGenerator(size, 3, 4), lambda: SkipDiscriminator(size, 3, 4), lambda: check_size(size)):
        with pytest.raises(ParameterError, match="16, 32, 64, 128, 256 or 512"):
            build()
    with pytest.raises(ParameterError, match=r"skip_ganomaly: .*16, 32, 64, 128, 256 or 512"):
        _method(size=(size, size))


def test_that_a_discriminators_leaky_activations_have_the_published_slope() -> None:
    layers = SkipDiscriminator(64, 3, 4).modules()
    assert [layer.negative_slope for layer in layers if isinstance(layer, nn.LeakyReLU)] == [0.2] * 4


def test_rule_09_the_generator_writes_every_pixel_of_every_channel() -> None:
    made = SkipGenerator(32, 3, 4)(torch.randn(1, 3, 32, 32))
    assert (made != 0).all()
    assert made.abs().max() <= 1


@pytest.mark.parametrize("dropped", [0, 1, 3, 8])
@pytest.mark.parametrize("norm", NORMS)
def test_that_skip_connections_can_be_left_out_and_all_weights_learn(dropped: int, norm: Any) -> None:
    generator = SkipGenerator(32, 3, 4, dropped, norm).eval()
    generator(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())


def test_that_detail_passes_by_the_code_through_skip_connections_only() -> None:
    """With all of them dropped a pixel matters through one code alone: the Jacobian has no more rank than it."""
    ranks = []
    for dropped in (0, 8):
        torch.manual_seed(0)
        generator = SkipGenerator(16, 1, 1, dropped, "group").eval()
        picture = torch.randn(1, 1, 16, 16)
        slopes = torch.autograd.functional.jacobian(generator, picture).reshape(256, 256)
        ranks.append(int(torch.linalg.matrix_rank(slopes.double(), rtol=1e-6)))
    assert ranks[1] <= 8
    assert ranks[0] > 20


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("scale_terms", [True, False])
def test_that_a_score_is_the_same_alone_and_in_any_batch(norm: str, scale_terms: bool) -> None:
    method = _fitted(norm=norm, scale_terms=scale_terms)
    pictures = torch.cat([_surface(seed) for seed in (20, 21, 22)])
    pictures[1, :, 8:16, 8:16] = 1
    together = _scores(method, pictures)
    torch.testing.assert_close(_scores(method, pictures.flip(0)).flip(0), together)
    torch.testing.assert_close(torch.cat([_scores(method, picture[None]) for picture in pictures]), together)


def test_that_lambda_weighs_the_picture_against_the_features() -> None:
    plain = _fitted(scale_terms=False, residual_share=0.7)
    scaled = _method(scale_terms=True, residual_share=0.7)
    scaled.load_tensors(plain.tensors())
    pictures = torch.cat([_surface(20), _surface(21)])
    with torch.no_grad():
        made = plain.networks.generator(pictures)
        features, again = (plain.networks.discriminator(seen).features for seen in (pictures, made))
    residual = (pictures - made).square().mean((1, 2, 3))
    latent = (features - again).square().mean((1, 2, 3))
    torch.testing.assert_close(_scores(plain, pictures), 0.7 * residual + 0.3 * latent)
    terms = torch.stack([residual, latent], dim=1)
    in_spreads = (terms - plain.statistics["middle"]) / plain.statistics["spread"]
    torch.testing.assert_close(_scores(scaled, pictures), 0.7 * in_spreads[:, 0] + 0.3 * in_spreads[:, 1])
    torch.testing.assert_close(plain.score(pictures).cells, (pictures - made).abs().mean(1))


def test_that_the_highest_place_of_the_map_may_stand_for_the_picture() -> None:
    method = _fitted(residual="peak", standardise=True, residual_share=1, scale_terms=False)
    picture = _surface(20)
    maps = method.score(picture).cells
    smooth = ScoreMap.over(maps[0].numpy().copy(), SIDE, SIDE).smoothed(method.sigma_px)
    assert float(_scores(method, picture)) == pytest.approx(smooth.maximum)


def test_that_noise_is_added_while_learning_and_never_when_scoring() -> None:
    quiet, noisy = _fitted(), _fitted(noise=0.3)
    assert any(not np.array_equal(value, quiet.tensors()[key]) for key, value in noisy.tensors().items())
    assert torch.equal(_scores(noisy, PARTS[0]), _scores(noisy, PARTS[0]))


def test_that_training_makes_reconstructions_of_unseen_good_parts_better() -> None:
    method = _fitted(steps=20)
    after = method.lesson(PARTS, [_surface(9)], 0, 1).validate()
    method.prepare_networks(0)
    before = method.lesson(PARTS, [_surface(9)], 0, 1).validate()
    assert before is not None
    assert after is not None
    assert after < 0.5 * before


def test_that_the_same_seed_gives_the_same_tensors_and_another_others() -> None:
    first, again = _fitted(noise=0.1).tensors(), _fitted(noise=0.1).tensors()
    assert all(np.array_equal(value, again[key]) for key, value in first.items())
    other = _method(noise=0.1)
    other.fit(PARTS, seed=1)
    assert any(not np.array_equal(value, first[key]) for key, value in other.tensors().items())


def test_that_a_model_comes_back_from_its_tensors() -> None:
    method, loaded = _fitted(), _method()
    tensors = method.tensors()
    loaded.load_tensors(tensors)
    assert torch.equal(_scores(loaded, PARTS[0]), _scores(method, PARTS[0]))
    del tensors["network.generator.last.weight"]
    with pytest.raises(ModelFileError, match=r"network\.generator\.last\.weight"):
        _method().load_tensors(tensors)


def test_that_grey_and_blank_pictures_are_learnt_from() -> None:
    method = _method(channels="grey")
    parts = [method.embed(torch.zeros(1, 3, SIDE, SIDE))] * 3
    method.fit(parts, seed=0)
    assert method.score(parts[0]).cells.shape == (1, SIDE, SIDE)
    assert torch.isfinite(_scores(method, parts[0])).all()


def test_that_a_training_that_diverges_says_so() -> None:
    with pytest.raises(TrainingError, match="diverged"):
        _method().fit([torch.full((1, 3, SIDE, SIDE), float("nan"))] * 3, seed=0)


def test_that_every_rung_of_the_ladder_is_a_setting_that_is_open_by_default() -> None:
    for rung in INFO.ladder:
        for name, value in rung.items():
            assert getattr(SkipGanomalyParameters(), name) == 0
            assert getattr(SkipGanomalyParameters.model_validate(dict(rung)), name) == value > 0


def test_that_every_preset_has_a_size_that_the_networks_take() -> None:
    assert all(check_size(preset.size_px) for preset in INFO.presets.values())
