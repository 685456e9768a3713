from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ml.catalogue.ganomaly import INFO, GanomalyParameters
from ml.errors import ModelFileError, ParameterError, TrainingError
from ml.maps import ScoreMap
from ml.methods.base import Geometry
from ml.methods.ganomaly import Ganomaly
from ml.networks.ganomaly import SIZES, Decoder, Discriminator, Encoder, Generator, check_size, initialise
from ml.similarity import structural_similarity

SIDE = 32
SMALL = {"width": 4, "latent": 8, "steps": 3, "batch": 4, "standardise": False, "score": "latent"}
NORMS = ("batch", "group", "instance")


def _method(geometry: Geometry = "whole", size: tuple[int, int] = (SIDE, SIDE), **settings: Any) -> Ganomaly:
    return Ganomaly(GanomalyParameters.model_validate({**SMALL, **settings}), geometry, size)


def _surface(seed: int) -> Tensor:
    """(1, 3, SIDE, SIDE): a slope of three colours under faint noise."""
    slope = torch.linspace(-0.5, 0.3, SIDE).expand(1, 3, SIDE, SIDE) * torch.tensor([1.0, 0.5, -0.5])[:, None, None]
    return slope + 0.02 * torch.randn(slope.shape, generator=torch.Generator().manual_seed(seed))


PARTS = [_surface(seed) for seed in range(5)]


def _fitted(**settings: Any) -> Ganomaly:
    method = _method(**settings)
    method.fit(PARTS, seed=0, validation=[_surface(9)])
    return method


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("size", "generator", "discriminator"), [(32, 3.2, 0.7), (64, 10.7, 2.8), (128, 38.4, 11.2), (256, 144.0, 44.7)]
)
def test_that_the_published_networks_have_the_published_size(size: int, generator: float, discriminator: float) -> None:
    with torch.device("meta"):
        assert round(_count(Generator(size, 3, 64, 100)) / 1e6, 1) == generator
        assert round(_count(Discriminator(size, 3, 64)) / 1e6, 1) == discriminator


def test_that_the_valve_seat_networks_have_their_size() -> None:
    with torch.device("meta"):
        assert round(_count(Generator(128, 3, 196, 500, extra_layers=1)) / 1e6) == 390
        assert round(_count(Discriminator(128, 3, 196, extra_layers=1)) / 1e6) == 105


@pytest.mark.parametrize("size", SIZES)
def test_that_the_sizes_that_halve_down_to_four_are_taken(size: int) -> None:
    with torch.device("meta"):
        made = Generator(size, 1, 2, 3)(torch.empty(2, 1, size, size))
        verdict = Discriminator(size, 1, 2)(made.pictures)
    assert made.pictures.shape == (2, 1, size, size)
    assert made.latent.shape == made.latent_again.shape == (2, 3)
    assert verdict.logits.shape == (2,)
    assert verdict.features.shape == (2, 2 * size // 8, 4, 4)


@pytest.mark.parametrize("size", [-32, 0, 8, 48, 96, 100, 1024])
def test_rule_16_other_sizes_are_refused_at_once(size: int) -> None:
    for build in (check_size, lambda side: Encoder(side, 3, 4, 8), lambda side: Decoder(side, 3, 4, 8)):
        with pytest.raises(ParameterError, match=f"16, 32, 64, 128, 256 or 512 px, not of {size} px"):
            build(size)


@pytest.mark.parametrize("norm", NORMS)
def test_that_the_networks_are_built_of_the_published_layers(norm: Any) -> None:
    """Slopes of 0.2; no normalisation after the first and the last convolution; none has a bias."""
    encoder, decoder = Encoder(64, 3, 8, 10, 2, norm), Decoder(64, 3, 8, 10, 2, norm)
    slopes = [layer.negative_slope for layer in encoder.modules() if isinstance(layer, nn.LeakyReLU)]
    assert slopes == [0.2] * 6
    kinds = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d)
    assert sum(isinstance(layer, kinds) for layer in encoder.modules()) == 5
    assert not isinstance(encoder.features[1], kinds)
    assert sum(isinstance(layer, kinds) for layer in decoder.modules()) == 6
    assert sum(isinstance(layer, nn.ReLU) for layer in decoder.modules()) == 6
    convolutions = [
        layer
        for net in (encoder, decoder)
        for layer in net.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    assert all(layer.bias is None for layer in convolutions)
    assert [layer.kernel_size for layer in convolutions].count((3, 3)) == 4


def test_rule_05_encoder_and_decoder_are_not_linear() -> None:
    torch.manual_seed(0)
    for network, shape in ((Encoder(32, 3, 4, 8), (2, 3, 32, 32)), (Decoder(32, 3, 4, 8), (2, 8))):
        first, second = torch.randn(shape), torch.randn(shape)
        network.eval()
        joined, apart = network(first + second), network(first) + network(second)
        assert (joined - apart).abs().max() > 0.01 * apart.abs().max()


def test_rule_09_the_decoder_writes_every_pixel_of_every_channel() -> None:
    decoder = Decoder(32, 3, 4, 8)
    made = decoder(torch.randn(1, 8))
    assert (made != 0).all()
    assert made.abs().max() <= 1


def test_that_weights_start_as_published() -> None:
    generator = Generator(32, 3, 32, 50)
    initialise(generator, torch.Generator().manual_seed(3))
    first = {key: value.clone() for key, value in generator.state_dict().items()}
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.1)
            assert abs(float(layer.weight.detach().mean())) < 0.002
        if isinstance(layer, nn.BatchNorm2d):
            assert float(layer.weight.detach().mean()) == pytest.approx(1, abs=0.02)
            assert (layer.bias == 0).all()
    initialise(generator, torch.Generator().manual_seed(3))
    assert all(torch.equal(value, first[key]) for key, value in generator.state_dict().items())


@pytest.mark.parametrize("size", [(96, 96), (48, 48), (32, 64)])
@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_size_is_refused_with_those_that_are_allowed(geometry: Geometry, size: tuple[int, int]) -> None:
    with pytest.raises(ParameterError, match=r"ganomaly: .*16, 32, 64, 128, 256 or 512 px, not") as caught:
        _method(geometry, size)
    assert ("patch" if geometry == "patches" else "size") in str(caught.value)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("score", ["latent", "residual", "both"])
def test_that_a_score_is_the_same_alone_and_in_any_batch(norm: str, score: str) -> None:
    method = _fitted(norm=norm, score=score)
    pictures = torch.cat([_surface(seed) for seed in (20, 21, 22)])
    pictures[1, :, 8:16, 8:16] = 1
    together = method.score(pictures)
    turned = method.score(pictures.flip(0))
    assert together.scores is not None
    assert turned.scores is not None
    torch.testing.assert_close(turned.scores.flip(0), together.scores)
    for index, scored in enumerate(method.score(picture[None]) for picture in pictures):
        assert scored.scores is not None
        torch.testing.assert_close(scored.scores[0], together.scores[index])
        torch.testing.assert_close(scored.cells[0], together.cells[index])


def test_that_the_layout_of_an_input_in_memory_changes_no_bit() -> None:
    method, picture = _fitted(score="both"), _surface(20)
    other = picture.contiguous(memory_format=torch.channels_last)
    assert torch.equal(method.score(other).scores, method.score(picture).scores)  # type: ignore[arg-type]


def test_that_the_networks_rest_outside_of_training() -> None:
    method = _fitted()
    assert not any(module.training for module in method.networks.modules())
    state = {key: value.clone() for key, value in method.networks.state_dict().items()}
    method.score(torch.cat(PARTS))
    assert all(torch.equal(value, state[key]) for key, value in method.networks.state_dict().items())


def test_that_scores_are_distances_of_codes_or_heights_of_the_map_or_both() -> None:
    latent = _fitted()
    others = {score: _method(score=score) for score in ("residual", "both")}
    for method in others.values():
        method.load_tensors(latent.tensors())
    pictures = torch.cat([_surface(seed) for seed in (20, 21)])
    with torch.no_grad():
        made = latent.networks(pictures)
    distances = (made.latent - made.latent_again).square().mean(1)
    assert torch.equal(latent.score(pictures).scores, distances)  # type: ignore[arg-type]
    maps = latent.score(pictures).cells
    peaks = torch.tensor([ScoreMap.over(cells.numpy(), SIDE, SIDE).smoothed(2).maximum for cells in maps])
    torch.testing.assert_close(others["residual"].score(pictures).scores, peaks)
    terms = torch.stack([peaks, distances], dim=1)
    in_spreads = (terms - latent.statistics["middle"]) / latent.statistics["spread"]
    expected = 0.9 * in_spreads[:, 0] + 0.1 * in_spreads[:, 1]
    torch.testing.assert_close(others["both"].score(pictures).scores, expected)
    mean = _method(score="residual", residual="mean")
    mean.load_tensors(latent.tensors())
    torch.testing.assert_close(mean.score(pictures).scores, maps.mean((1, 2)))


def test_that_both_terms_count_in_spreads_of_good_parts() -> None:
    method = _fitted(score="both")
    with torch.no_grad():
        residual, latent = method.in_spreads(method.terms(torch.cat([_surface(9), *PARTS])))
    for term in (residual, latent):
        assert float(term.mean()) == pytest.approx(0, abs=1e-3)
        assert 0.2 < float(term.std(correction=0)) <= 1


def test_that_places_are_judged_by_what_good_parts_show_there() -> None:
    plain, standardised = _fitted(), _fitted(standardise=True)
    usual, places = standardised.statistics["usual"], standardised.statistics["places"]
    expected = (plain.score(_surface(20)).cells - usual) / places
    torch.testing.assert_close(standardised.score(_surface(20)).cells, expected)
    good = standardised.score(torch.cat([_surface(9), *PARTS])).cells
    assert abs(float(good.mean())) < 1e-3
    assert not _method("patches", standardise=True).statistics.keys() & {"usual", "places"}


def test_rule_03_changes_of_two_channels_do_not_cancel_each_other() -> None:
    method = _fitted()
    picture = _surface(20)
    with torch.no_grad():
        made = method.networks(picture).pictures
    torch.testing.assert_close(method.score(picture).cells, (picture - made).abs().sum(1))
    assert (method.score(picture).cells > (picture - made).sum(1).abs() + 1e-3).any()


def test_that_structural_similarity_adds_to_the_map_where_it_is_asked_for() -> None:
    plain, method = _fitted(), _method(ssim_weight=2.0)
    method.load_tensors(plain.tensors())
    picture = _surface(20)
    with torch.no_grad():
        made = plain.networks(picture).pictures
    alike = structural_similarity((picture + 1) / 2, (made + 1) / 2).mean(1)
    torch.testing.assert_close(method.score(picture).cells, plain.score(picture).cells + 2 * (1 - alike))


def test_that_grey_networks_see_lightness_only() -> None:
    method = _method(channels="grey")
    embedded = method.embed(torch.tensor([1.0, -1.0, 0.0])[None, :, None, None].expand(1, 3, SIDE, SIDE))
    assert embedded.shape == (1, 1, SIDE, SIDE)
    assert float(embedded.mean()) == pytest.approx(0.299 - 0.587)
    parts = [method.embed(part) for part in PARTS]
    method.fit(parts, seed=0)
    assert method.score(parts[0]).cells.shape == (1, SIDE, SIDE)


def test_that_training_makes_reconstructions_of_unseen_good_parts_better() -> None:
    method = _fitted(steps=30, batch=8)
    after = method.lesson(PARTS, [_surface(9)], 0, 1).validate()
    method.prepare_networks(0)
    before = method.lesson(PARTS, [_surface(9)], 0, 1).validate()
    assert before is not None
    assert after is not None
    assert after < 0.7 * before


@pytest.fixture(scope="module")
def trained() -> Ganomaly:
    return _fitted(steps=30, batch=8, standardise=True, score="residual")


@pytest.mark.parametrize("corner", [(2, 3), (20, 22), (0, 24)])
def test_that_a_bright_square_stands_out_where_it_is(trained: Ganomaly, corner: tuple[int, int]) -> None:
    method, (top, left) = trained, corner
    picture = _surface(20)
    picture[..., top : top + 6, left : left + 6] = 1
    smooth = ScoreMap.over(method.score(picture).cells[0].numpy().copy(), SIDE, SIDE).smoothed(method.sigma_px)
    row, column = np.unravel_index(int(smooth.cells.argmax()), smooth.cells.shape)
    assert abs(row - (top + 2.5)) <= 3.5
    assert abs(column - (left + 2.5)) <= 3.5
    good = method.score(_surface(21)).scores
    found = method.score(picture).scores
    assert good is not None
    assert found is not None
    assert found > good


def test_that_the_same_seed_gives_the_same_tensors_and_another_others() -> None:
    first, again = _fitted().tensors(), _fitted().tensors()
    assert all(np.array_equal(value, again[key]) for key, value in first.items())
    other = _method()
    other.fit(PARTS, seed=1)
    assert any(not np.array_equal(value, first[key]) for key, value in other.tensors().items())


def test_that_the_model_holds_the_generator_alone_and_comes_back_from_its_tensors() -> None:
    method, loaded = _fitted(score="both"), _method(score="both")
    tensors = method.tensors()
    assert not any("discriminator" in key for key in tensors)
    loaded.load_tensors(tensors)
    assert torch.equal(loaded.score(PARTS[0]).scores, method.score(PARTS[0]).scores)  # type: ignore[arg-type]
    del tensors["network.decoder.last.weight"]
    with pytest.raises(ModelFileError, match=r"network\.decoder\.last\.weight"):
        _method().load_tensors(tensors)


def test_that_blank_and_identical_pictures_are_learnt_from() -> None:
    for score in ("latent", "residual", "both"):
        method = _method(score=score)
        method.fit([torch.zeros(1, 3, SIDE, SIDE)] * 3, seed=0)
        scores = method.score(torch.zeros(1, 3, SIDE, SIDE)).scores
        assert scores is not None
        assert torch.isfinite(scores).all()


def test_that_a_training_that_diverges_says_so() -> None:
    with pytest.raises(TrainingError, match="diverged"):
        _method().fit([torch.full((1, 3, SIDE, SIDE), float("nan"))] * 3, seed=0)


def test_that_patches_are_learnt_from_as_pictures_are() -> None:
    method = _method("patches", steps=2)
    parts = [torch.cat([_surface(seed), _surface(seed + 50)]) for seed in range(3)]
    method.fit(parts, seed=0)
    scores = method.score(parts[0]).scores
    assert scores is not None
    assert scores.shape == (2,)


def test_that_the_valve_seat_settings_can_be_asked_for() -> None:
    parameters = GanomalyParameters.model_validate(
        {
            "width": "196",
            "latent": "500",
            "extra_layers": "1",
            "learning_rate": "0.00001",
            "discriminator_learning_rate": "0.00001",
            "beta1": "0.43",
            "batch": "8",
            "adversarial_weight": "1",
            "contextual_weight": "120",
            "latent_weight": "1.5",
        }
    )
    assert parameters.latent == 500


def test_that_every_rung_of_the_ladder_is_a_setting_that_is_open_by_default() -> None:
    for rung in INFO.ladder:
        for name, value in rung.items():
            assert getattr(GanomalyParameters(), name) == 0
            assert getattr(GanomalyParameters.model_validate(dict(rung)), name) == value > 0


def test_that_every_preset_has_a_size_that_the_networks_take() -> None:
    assert all(check_size(preset.size_px) for preset in INFO.presets.values())
