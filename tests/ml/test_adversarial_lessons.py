import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ml.adversarial_lessons import (
    AdversarialLesson,
    DrawnInputs,
    GanomalyLesson,
    Opposed,
    SkipGanomalyLesson,
    as_pixels,
    spread_inputs,
)
from ml.catalogue.adversarial import AdversarialParameters
from ml.gradnorm import GradNorm
from ml.networks.ganomaly import Discriminator, Generator
from ml.networks.skip_ganomaly import SkipDiscriminator, SkipGenerator
from ml.training.snapshot import capture, restore

SIDE = 16
CPU = torch.device("cpu")


def _picture(seed: int) -> Tensor:
    """(1, 3, SIDE, SIDE): a slope under faint noise."""
    slope = torch.linspace(-0.8, 0.6, SIDE).expand(1, 3, SIDE, SIDE)
    return slope + 0.05 * torch.randn(slope.shape, generator=torch.Generator().manual_seed(seed))


PARTS = [_picture(seed) for seed in range(4)]
HELD_OUT = torch.cat([_picture(seed) for seed in (7, 8)])


def _lesson(kind: str = "ganomaly", held_out: Tensor = HELD_OUT, **settings: Any) -> AdversarialLesson:
    noise = settings.pop("noise", 0.0)
    parameters = AdversarialParameters.model_validate({"learning_rate": 2e-3, **settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        common = (DrawnInputs(PARTS, 4), held_out, parameters, 0, 20, CPU)
        if kind == "ganomaly":
            return GanomalyLesson(Generator(SIDE, 3, 4, 8), Discriminator(SIDE, 3, 4), *common)
        return SkipGanomalyLesson(SkipGenerator(SIDE, 3, 4), SkipDiscriminator(SIDE, 3, 4, 8), *common, noise=noise)


def _taught(lesson: AdversarialLesson, steps: int) -> list[dict[str, float]]:
    lesson.networks.train()
    return [{name: float(loss) for name, loss in lesson.step(number).items()} for number in range(steps)]


both_kinds = pytest.mark.parametrize("kind", ["ganomaly", "skip_ganomaly"])


@both_kinds
def test_that_every_loss_is_told_by_name_and_the_total_is_their_weighted_sum(kind: str) -> None:
    losses = _taught(_lesson(kind, adversarial_weight=2, contextual_weight=30, latent_weight=5), 1)[0]
    assert list(losses) == ["total", "adversarial", "contextual", "latent", "discriminator"]
    expected = 2 * losses["adversarial"] + 30 * losses["contextual"] + 5 * losses["latent"]
    assert losses["total"] == pytest.approx(expected, rel=1e-5)


@both_kinds
@pytest.mark.parametrize("name", ["adversarial", "contextual", "latent"])
def test_that_each_loss_of_the_generator_falls_where_it_alone_counts(kind: str, name: str) -> None:
    weights = {f"{other}_weight": float(other == name) for other in ("adversarial", "contextual", "latent")}
    settings = {"learning_rate": 0.01, "discriminator_learning_rate": 1e-9, **weights}
    losses = [step[name] for step in _taught(_lesson(kind, **settings), 25)]
    # Against a discriminator that has learnt nothing there is little for the cross-entropy to fall by.
    least = 0.98 if (kind, name) == ("skip_ganomaly", "adversarial") else 0.7
    assert np.mean(losses[-3:]) < least * np.mean(losses[:3])


@both_kinds
def test_that_the_discriminator_learns_to_tell_what_is_made(kind: str) -> None:
    settings = {"learning_rate": 1e-9, "discriminator_learning_rate": 0.02}
    losses = [step["discriminator"] for step in _taught(_lesson(kind, **settings), 25)]
    assert np.mean(losses[-3:]) < 0.9 * np.mean(losses[:3])


@both_kinds
def test_that_gradients_reach_every_weight_of_both_networks(kind: str) -> None:
    lesson = _lesson(kind)
    _taught(lesson, 1)
    for name, parameter in lesson.networks.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@both_kinds
def test_that_each_network_is_stepped_by_its_own_losses_alone(kind: str) -> None:
    """With the other's rate next to nothing its weights stay, although the graph runs through it."""
    for still, moving in (("generator", "discriminator"), ("discriminator", "generator")):
        rate = "learning_rate" if still == "generator" else "discriminator_learning_rate"
        lesson = _lesson(kind, **{rate: 1e-12})
        before = {name: parameter.detach().clone() for name, parameter in lesson.networks.named_parameters()}
        _taught(lesson, 2)
        moved = {name: not torch.allclose(p, before[name]) for name, p in lesson.networks.named_parameters()}
        assert all(moved[name] for name in moved if name.startswith(moving))
        assert not any(moved[name] for name in moved if name.startswith(still))


@both_kinds
def test_that_a_discriminator_that_has_won_starts_anew(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lesson = _lesson(kind)
    _taught(lesson, 2)
    discriminator: Any = lesson.networks["discriminator"]
    won = copy.deepcopy(discriminator.state_dict())
    losses = lesson.losses

    def nothing_left(pictures: Tensor) -> Opposed:
        opposed = losses(pictures)
        return opposed._replace(discriminator=opposed.discriminator * 1e-9)

    monkeypatch.setattr(lesson, "losses", nothing_left)
    _taught(lesson, 1)
    assert not torch.allclose(discriminator.classifier.weight, won["classifier.weight"], atol=0.01)
    norms = [layer for layer in discriminator.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert norms
    assert all((layer.running_mean == 0).all() for layer in norms)


def test_that_frozen_weights_of_a_generator_stay_as_they_are() -> None:
    generator = Generator(SIDE, 3, 4, 8)
    generator.encoder.requires_grad_(False)
    before = copy.deepcopy(generator.encoder.last.weight)
    lesson = GanomalyLesson(
        generator, Discriminator(SIDE, 3, 4), DrawnInputs(PARTS, 4), HELD_OUT, AdversarialParameters(), 0, 9, CPU
    )
    _taught(lesson, 2)
    assert torch.equal(generator.encoder.last.weight, before)
    assert generator.encoder.last.weight.grad is None


@both_kinds
def test_that_gradients_are_shortened_where_it_is_asked_for(kind: str) -> None:
    lesson = _lesson(kind, clip_norm=0.01)
    _taught(lesson, 1)
    for network in ("generator", "discriminator"):
        lengths = [p.grad.norm() for p in lesson.networks[network].parameters() if p.grad is not None]
        assert float(torch.stack(lengths).norm()) == pytest.approx(0.01, rel=1e-3)


@both_kinds
@pytest.mark.parametrize(
    "settings", [{}, {"gradnorm": True, "decay": "linear"}, {"noise": 0.1, "clip_norm": 1.0}], ids=str
)
def test_that_a_run_goes_on_from_its_states_as_if_it_had_never_stopped(kind: str, settings: dict[str, Any]) -> None:
    whole = _lesson(kind, **settings)
    expected = _taught(whole, 6)[4:]
    stopped, resumed = _lesson(kind, **settings), _lesson(kind, **settings)
    _taught(stopped, 4)
    restore(resumed, capture(stopped))
    resumed.networks.train()
    assert [{name: float(loss) for name, loss in resumed.step(number).items()} for number in (4, 5)] == expected
    for key, value in resumed.networks.state_dict().items():
        assert torch.equal(value, whole.networks.state_dict()[key]), key


@both_kinds
def test_that_all_randomness_comes_from_the_lessons_own_generator(kind: str) -> None:
    first = _taught(_lesson(kind, noise=0.1), 2)
    state = torch.random.get_rng_state()
    torch.rand(3)
    assert _taught(_lesson(kind, noise=0.1), 2) == first
    torch.random.set_rng_state(state)


def test_that_learning_rates_fall_to_nothing_over_the_second_half() -> None:
    lesson = _lesson(decay="linear")
    rates = []
    lesson.networks.train()
    for number in range(20):
        lesson.step(number)
        rates.append(lesson.optimisers[0].param_groups[0]["lr"])
    assert rates[:10] == [2e-3] * 10
    assert rates[14] == pytest.approx(1e-3)
    assert rates[-1] == 0


@both_kinds
def test_that_the_state_is_chosen_by_the_difference_on_held_out_good_pictures(kind: str) -> None:
    lesson = _lesson(kind)
    lesson.networks.eval()
    with torch.no_grad():
        expected = float((lesson.reconstructed(HELD_OUT) - HELD_OUT).abs().mean())
    assert lesson.validate() == pytest.approx(expected, rel=1e-5)
    assert _lesson(kind, held_out=torch.empty(0)).validate() is None


@both_kinds
@pytest.mark.parametrize("held_out", [HELD_OUT, torch.empty(0)], ids=["held out", "none"])
def test_that_pictures_are_shown_beside_what_is_made_of_them(kind: str, held_out: Tensor) -> None:
    lesson = _lesson(kind, held_out=held_out)
    lesson.networks.eval()
    drawn = lesson.random.get_state()
    shown = lesson.samples()
    assert torch.equal(lesson.random.get_state(), drawn)
    assert shown.originals.dtype == shown.made.dtype == np.uint8
    assert shown.originals.shape == shown.made.shape == (len(held_out) or 4, SIDE, SIDE, 3)
    if len(held_out):
        assert np.array_equal(shown.originals, as_pixels(HELD_OUT))


def test_that_grey_pictures_are_shown_in_three_channels_and_values_are_clipped() -> None:
    pixels = as_pixels(torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])[None, None, None])
    assert pixels.shape == (1, 1, 5, 3)
    assert pixels[0, 0, :, 1].tolist() == [0, 0, 128, 255, 255]


def test_that_patience_of_none_is_endless() -> None:
    assert _lesson().patience is None
    assert _lesson(patience=3).patience == 3


def test_that_a_processor_computes_in_full_precision() -> None:
    lesson = _lesson(mixed_precision=True)
    with lesson._autocast():
        assert lesson.reconstructed(HELD_OUT).dtype == torch.float32


@pytest.mark.cuda
@both_kinds
def test_that_a_graphics_card_computes_in_half_precision_and_keeps_losses_in_full(kind: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    lesson = _lesson(kind)
    lesson.networks.to("cuda")
    lesson._device = torch.device("cuda")
    lesson.networks.train()
    assert all(torch.as_tensor(loss).dtype == torch.float32 for loss in lesson.step(0).values())


def test_that_weights_of_losses_that_train_at_a_like_pace_equalise_their_gradients() -> None:
    """Two losses of one shared weight, one of ten times the gradient: GradNorm weighs it a tenth."""
    shared = nn.Parameter(torch.ones(2))
    balance = GradNorm(2)
    optimiser = torch.optim.Adam(balance.parameters(), lr=0.02)
    for _ in range(200):
        losses = torch.stack([10 * shared[0], shared[1]])
        optimiser.zero_grad()
        balance.balance(losses, [shared]).backward()
        optimiser.step()
        balance.renormalise()
    assert shared.grad is None
    first, second = balance.weights.tolist()
    assert first + second == pytest.approx(2)
    assert 10 * first == pytest.approx(second, rel=0.3)
    assert float(balance(torch.tensor([1.0, 1.0]))) == pytest.approx(2)


def test_that_a_loss_that_lags_behind_is_favoured() -> None:
    shared = nn.Parameter(torch.ones(2))
    balance = GradNorm(2)
    balance.balance(shared.clone(), [shared])  # the first losses: 1 and 1
    loss = balance.balance(torch.stack([shared[0] - 0.9, shared[1]]), [shared])  # 0.1 and 1, gradients alike
    loss.backward()
    assert balance.weights.grad is not None
    assert balance.weights.grad[0] > 0 > balance.weights.grad[1]


@both_kinds
def test_that_gradnorm_keeps_the_sum_of_the_three_weights(kind: str) -> None:
    lesson = _lesson(kind, gradnorm=True)
    _taught(lesson, 5)
    weights: Any = lesson.networks["balance"].weights
    assert float(weights.detach().sum()) == pytest.approx(3)
    assert (weights > 0).all()
    assert not torch.allclose(weights, torch.ones(3))


def test_that_inputs_are_drawn_as_the_generator_says_and_changed_only_where_asked_for() -> None:
    def drawn(seed: int, **changes: Any) -> Tensor:
        return DrawnInputs(PARTS, 8, **changes)(torch.Generator().manual_seed(seed))

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert all(any(torch.equal(one[None], part) for part in PARTS) for one in drawn(1))
    flipped = drawn(1, flip=True)
    assert all(any(torch.equal(one[None], p) or torch.equal(one[None].flip(-1), p) for p in PARTS) for one in flipped)
    assert any(any(torch.equal(one[None].flip(-1), part) for part in PARTS) for one in flipped)
    assert drawn(1, shift_px=3).shape == (8, 3, SIDE, SIDE)
    assert not all(any(torch.equal(one[None], part) for part in PARTS) for one in drawn(1, shift_px=3))


def test_that_inputs_to_look_at_are_spread_over_pictures_and_over_each() -> None:
    parts = [torch.full((5, 1, 2, 2), float(index)) + torch.arange(5)[:, None, None, None] / 10 for index in range(10)]
    few = spread_inputs(parts, 4)[:, 0, 0, 0]
    assert few.tolist() == pytest.approx([0, 3, 6, 9])
    many = spread_inputs(parts[:2], 6)[:, 0, 0, 0]
    assert many.tolist() == pytest.approx([0, 0.2, 0.4, 1, 1.2, 1.4])
    assert len(spread_inputs([], 4)) == 0
