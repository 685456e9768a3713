"""Methods on small patches; each pitfall of their published code has a test that names it."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ml import methods
from ml.catalogue import parse_settings
from ml.catalogue.patchwise import PatchwiseParameters
from ml.errors import ParameterError, WeightsError
from ml.methods.patch_redrawing import mean_squared_difference
from ml.methods.patchwise import PATCHES_AT_ONCE, PatchwiseMethod
from ml.methods.tl_ganomaly import TlGanomaly
from ml.networks.ganomaly import Decoder
from ml.networks.pretrained_encoder import Trunk, build_trunk
from ml.patch_batches import RandomPatches, augmented
from ml.patch_expectation import Expectation, learn_expectation
from ml.patch_scores import GreyWindow, PatchLayout
from ml.training.loop import Lesson, Losses

NAMES = ("patch_ganomaly", "tl_ganomaly", "conv_autoencoder")
SMALL = {"width": 4, "latent": 8, "batch": 8, "steps": 2}
SIZE = (64, 80)


def _method(name: str, **settings: object) -> PatchwiseMethod:
    made = methods.create(name, parse_settings(name, {**SMALL, **settings}), "whole", SIZE)
    assert isinstance(made, PatchwiseMethod)
    return made


def _parts(count: int = 3, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [0.2 * torch.randn(1, 3, *SIZE, generator=random).clamp(-5, 5) for _ in range(count)]


class _NoLesson(Lesson):
    def __init__(self, networks: nn.Module) -> None:
        self.networks = networks
        self.optimisers = ()
        self.random = torch.Generator()

    def step(self, number: int) -> Losses:
        return {"nothing": 0.0}


class _Brightness(PatchwiseMethod):
    """Scores a patch by its mean, and keeps every patch it is shown."""

    name = "brightness"

    def __init__(self, size: tuple[int, int] = SIZE, **settings: object) -> None:
        super().__init__(PatchwiseParameters.model_validate({"steps": 1, **settings}), "whole", size)
        self.shown: list[Tensor] = []
        self.prepare_networks()

    def build_networks(self) -> nn.Module:
        return nn.Identity()

    def lesson(self, parts: Sequence[Tensor], validation: Sequence[Tensor], seed: int, steps: int) -> Lesson:
        return _NoLesson(self.networks)

    def patch_scores(self, patches: Tensor) -> Tensor:
        self.shown.append(patches.clone())
        return patches.mean((1, 2, 3))

    def fitted(self, parts: Sequence[Tensor] = ()) -> "_Brightness":
        self.fit(parts or [torch.zeros(1, 3, *self.input_size)], seed=0)
        self.shown.clear()
        return self


@pytest.mark.parametrize("name", NAMES)
def test_rule_05_the_decoder_is_not_linear(name: str) -> None:
    """Pitfall 1: `LeakyReLU(True)` has the slope 1."""
    decoder = next(part for part in _method(name).networks.modules() if isinstance(part, Decoder))
    first, second = torch.randn(2, 1, 8, 1, 1, generator=torch.Generator().manual_seed(0)).mul(100)

    def before_tanh(code: Tensor) -> Tensor:
        made: Tensor = decoder.last(decoder.features(code))
        return made

    with torch.no_grad():
        together = before_tanh(first + second) + before_tanh(torch.zeros_like(first))
        apart = before_tanh(first) + before_tanh(second)
    assert (together - apart).abs().max() > 0.05 * together.abs().max()


def test_rule_06_pretrained_weights_are_those_of_the_file_once_the_method_is_built() -> None:
    """Pitfall 2: weights that are drawn anew after they were loaded."""
    encoder = _trunk_state(_method("tl_ganomaly"))
    loaded = build_trunk("efficientnet_lite0", None, is_frozen=True).state_dict()
    assert encoder.keys() == loaded.keys()
    assert all(torch.equal(encoder[key], value) for key, value in loaded.items())


def test_rule_06_frozen_means_no_gradient_and_the_same_weights_after_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pitfall 2: `require_grad=False` freezes nothing."""
    monkeypatch.setattr("ml.methods.patch_redrawing.MEASURED_PATCHES", 64)
    method = _method("tl_ganomaly")
    before = _trunk_state(method)
    lesson = method.lesson(_parts(), (), 0, 2)
    lesson.networks.train()
    with torch.enable_grad():
        lesson.step(0)
    trunk = _trunk(method)
    assert all(weight.grad is None for weight in trunk.parameters())
    assert not any(part.training for part in trunk.modules())
    method.fit(_parts(), seed=0)
    after = _trunk_state(method)
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all(weight.requires_grad for name, weight in method.networks.named_parameters() if ".trunk." not in name)


def test_that_a_network_that_is_not_frozen_learns_and_starts_from_its_file_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ml.methods.patch_redrawing.MEASURED_PATCHES", 64)
    method = _method("tl_ganomaly", frozen=False)
    before = _trunk_state(method)
    method.fit(_parts(), seed=0)
    first = _trunk_state(method)
    method.fit(_parts(), seed=0)
    again = _trunk_state(method)
    assert any(not torch.equal(first[key], value) for key, value in before.items())
    assert all(torch.equal(again[key], value) for key, value in first.items())


@pytest.mark.parametrize("place", [(0, 0), (0, 40), (30, 0), (63, 79), (63, 0), (0, 79)])
def test_that_the_first_and_the_last_row_and_column_are_judged(place: tuple[int, int]) -> None:
    """Pitfall 3: the window moves before the first patch, and one patch too few is counted."""
    method = _Brightness(stride_px=12).fitted()
    picture = torch.zeros(1, 3, *SIZE)
    picture[..., place[0], place[1]] = 1.0
    cells = method.score(picture).cells[0]
    top, left = divmod(int(cells.argmax()), cells.shape[1])
    height, width = cells.shape
    assert abs(place[0] / SIZE[0] * height - top) <= 32 / SIZE[0] * height
    assert abs(place[1] / SIZE[1] * width - left) <= 32 / SIZE[1] * width
    assert cells.max() > 0


def test_that_the_map_is_not_shifted() -> None:
    """Pitfall 3: the published map lies one stride beside the picture."""
    method = _Brightness(stride_px=8).fitted()
    picture = torch.zeros(1, 3, *SIZE)
    picture[..., 28:36, 36:44] = 1.0
    cells = method.score(picture).cells[0]
    weights = cells / cells.sum()
    rows = (weights.sum(1) * (torch.arange(len(cells)) + 0.5)).sum() * SIZE[0] / len(cells)
    columns = (weights.sum(0) * (torch.arange(cells.shape[1]) + 0.5)).sum() * SIZE[1] / cells.shape[1]
    assert rows == pytest.approx(32, abs=1)
    assert columns == pytest.approx(40, abs=1)


def test_that_training_sees_every_place_about_as_often_borders_included() -> None:
    """Pitfall 4: a border as wide as a patch is left out. Pitfall 5: a place counts as new that was drawn before."""
    layout = PatchLayout(48, 56, 16, 16)
    pixels = torch.arange(48 * 56, dtype=torch.float32).reshape(1, 1, 48, 56).repeat(1, 3, 1, 1)
    patches = RandomPatches([pixels], layout, GreyWindow.everything(), 4096)(torch.Generator().manual_seed(0))
    seen = torch.bincount(patches[:, 0].flatten().long(), minlength=48 * 56)
    assert (seen > 0).all()
    corners = torch.bincount(patches[:, 0, 0, 0].long(), minlength=48 * 56).reshape(48, 56)[:33, :49]
    assert corners.sum() == 4096  # 56 is no multiple of 16: the last patches reach 8 columns past it
    assert (corners[:, :41] > 0).float().mean() > 0.85
    rows = corners.sum(1).float()
    assert rows.max() < 3 * rows.mean()


@pytest.mark.parametrize("name", NAMES)
def test_that_validation_pictures_are_measured_and_never_learnt_from(name: str) -> None:
    """Pitfall 6: validation and test sets are made with the argument `train`."""
    parts, validation = _parts(), [part + 10 for part in _parts(2, seed=9)]
    method = _method(name, augment=True)
    drawn = method.random_patches(parts, 64)(torch.Generator().manual_seed(0))
    assert drawn.abs().max() <= 1  # augmented, clipped
    measured = method.fixed_patches(validation, 16)
    assert measured.min() > 5  # as they are
    assert torch.equal(measured, method.fixed_patches(validation, 16))
    lesson = method.lesson(parts, validation, 0, 2)
    lesson.networks.eval()
    with torch.no_grad():
        assert lesson.validate() is not None
        assert method.lesson(parts, (), 0, 2).validate() is None


def test_that_scoring_shows_the_networks_what_training_shows_them() -> None:
    """Pitfall 7: two differently normalised tensors."""
    method = _Brightness(stride_px=16).fitted()
    parts = _parts(1)
    method.score(parts[0])
    scored = torch.cat(method.shown)
    drawn = method.random_patches(parts, 512)(torch.Generator().manual_seed(0))
    same = [(patch == scored).flatten(1).all(1).any() for patch in drawn]
    assert sum(same) > 0


def test_that_patches_are_scored_in_batches_of_a_bounded_size() -> None:
    """Pitfall 8: one call per patch."""
    method = _Brightness(size=(128, 400), stride_px=8).fitted()
    method.score(torch.zeros(2, 3, 128, 400))
    patches = 2 * method.layout.count
    assert [len(shown) for shown in method.shown[:-1]] == [PATCHES_AT_ONCE] * (patches // PATCHES_AT_ONCE)
    assert sum(map(len, method.shown)) == patches
    assert all(shown.is_contiguous(memory_format=torch.channels_last) for shown in method.shown)


def test_that_background_neither_scores_nor_moves_the_score_of_its_neighbours() -> None:
    """Pitfall 9: rejected patches that score 0."""
    picture = torch.full((1, 3, *SIZE), 0.2)
    picture[..., :32, :] = -1.0
    kept = _Brightness(background="window", background_high=255).fitted()
    cells = kept.score(picture).cells[0]
    assert all(shown.flatten(1).median(1).values.gt(-0.68).all() for shown in kept.shown)
    torch.testing.assert_close(cells[-2:], torch.full_like(cells[-2:], 0.2))
    assert cells.max() == pytest.approx(0.2)
    assert cells[:1].min() == cells.min()


def test_that_a_picture_of_nothing_but_background_is_judged_as_a_whole() -> None:
    method = _Brightness(background="window").fitted()
    black, part = torch.full((1, 3, *SIZE), -1.0), torch.full((1, 3, *SIZE), 0.2)
    cells = method.score(torch.cat([black, part])).cells
    assert set(cells[0].flatten().tolist()) == {-1.0}
    torch.testing.assert_close(cells[1], method.score(part).cells[0])


def test_that_otsu_is_learnt_from_good_parts_and_kept_in_the_model_file() -> None:
    part = torch.full((1, 3, *SIZE), -0.9)
    part[..., 16:, 16:64] = 0.5
    method = _Brightness(background="otsu").fitted([part, part])
    other = _Brightness(background="otsu")
    other.load_tensors(method.tensors())
    assert torch.equal(other.statistics["grey_window"], method.statistics["grey_window"])
    assert method.statistics["grey_window"][0] > -0.9
    dark = torch.full((1, 3, *SIZE), -0.95)
    dark[..., 32:, :] = 0.5
    assert other.score(dark).cells.max() == pytest.approx(0.5, abs=1e-6)


def test_that_training_learns_from_no_background() -> None:
    part = torch.full((1, 3, *SIZE), -1.0)
    part[..., 40:, :] = 0.2
    batches = _Brightness(background="window").random_patches([part], 64)
    patches = batches(torch.Generator().manual_seed(0))
    assert patches.shape == (64, 3, 32, 32)
    assert patches.flatten(1).median(1).values.eq(0.2).all()
    nothing = RandomPatches([part], PatchLayout(*SIZE, 32, 16), GreyWindow(0.9, 1.0), 8)
    assert nothing(torch.Generator().manual_seed(0)).shape == (8, 3, 32, 32)


def test_that_the_majority_counts_patches_beyond_95_percent_of_the_good_ones() -> None:
    held_out = [torch.full((1, 3, *SIZE), value / 100) for value in range(24)]
    method = _Brightness(recombination="majority")
    method.fit([torch.zeros(1, 3, *SIZE)], 0, validation=held_out)
    assert method.statistics["patch_threshold"] == pytest.approx(0.21, abs=0.011)
    cells = method.score(torch.cat([held_out[10], held_out[23]])).cells
    assert set(cells[0].flatten().tolist()) == {0.0}
    assert set(cells[1].flatten().tolist()) == {1.0}


@pytest.mark.parametrize("picture_score", ["max", "top1"])
def test_that_the_settings_say_how_a_pictures_score_comes_of_the_map(picture_score: str) -> None:
    rule = _Brightness(picture_score=picture_score).score_rule
    assert rule == {"max": "max_smoothed", "top1": "top1_raw"}[picture_score]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"patch_px": 48}, "patch_px=48 is not allowed"),
        ({"patch_px": 16, "stride_px": 24}, "gaps"),
        ({"stride_px": 2}, "stride_px=2 is not allowed"),
        ({"background_low": 220}, "below"),
    ],
)
def test_that_settings_that_make_no_sense_are_refused(name: str, settings: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        parse_settings(name, settings)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("patch_px", [16, 64])
def test_that_every_patch_size_is_learnt_and_scored(name: str, patch_px: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.methods.patch_redrawing.MEASURED_PATCHES", 64)
    method = _method(name, patch_px=patch_px, stride_px=16)
    method.fit(_parts(), seed=0, validation=_parts(1, seed=5))
    cells = method.score(_parts(1)[0]).cells
    assert cells.shape == (1, SIZE[0] // 16, SIZE[1] // 16)
    assert torch.isfinite(cells).all()


@pytest.mark.parametrize("score", ["latent", "residual", "both"])
@pytest.mark.parametrize("standardise", [True, False])
def test_that_good_patches_score_about_one_per_term(standardise: bool, score: str) -> None:
    method = _method("patch_ganomaly", score=score, standardise=standardise)
    method.fit(_parts(), seed=0, validation=_parts(2, seed=5))
    expected = 2.0 if score == "both" else 1.0
    assert float(method.score(torch.cat(_parts(10, seed=6))).cells.mean()) == pytest.approx(expected, rel=0.3)


def test_that_a_patch_is_judged_by_good_ones_that_look_alike() -> None:
    """Rough patches are redrawn worse than plain ones; neither is odd for that."""
    random = torch.Generator().manual_seed(0)
    roughness = torch.rand(800, 1, 1, 1, generator=random) * 0.4 + 0.02
    patches = roughness * torch.randn(800, 1, 16, 16, generator=random).expand(-1, 3, -1, -1)
    scores = roughness[:, :, 0, 0].square() * torch.exp(0.1 * torch.randn(800, 2, generator=random))
    by_look = learn_expectation(patches[:600], scores[:600], by_look=True)
    alike = learn_expectation(patches[:600], scores[:600], by_look=False)
    judged = scores[600:] / by_look.terms(patches[600:])
    assert judged.std(0).max() < 0.2
    assert (scores[600:] / alike.terms(patches[600:])).std(0).min() > 0.8
    stored = Expectation.of(by_look.tensor())
    assert torch.equal(stored.terms(patches), by_look.terms(patches))
    blank = torch.cat([torch.full((1, 3, 16, 16), value) for value in (-1.0, 0.0, 1.0)])
    assert (
        by_look.terms(blank) <= by_look.terms(patches[:600]).amax(0) * 1.001
    ).all()  # no look is beyond what was learnt
    assert torch.isfinite(learn_expectation(blank[1:2].repeat(9, 1, 1, 1), torch.zeros(9, 1), True).weights).all()


def test_that_grain_counts_less_where_differences_are_averaged_over_squares() -> None:
    grain = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 0.1
    flat = torch.full((4, 3, 32, 32), 0.1)
    nothing = torch.zeros(4, 3, 32, 32)
    assert mean_squared_difference(grain, nothing, 8).max() < 0.05 * mean_squared_difference(grain, nothing, 1).min()
    torch.testing.assert_close(mean_squared_difference(flat, nothing, 8), mean_squared_difference(flat, nothing, 1))


def test_that_gradnorm_can_weigh_the_losses() -> None:
    method = _method("patch_ganomaly", gradnorm=True)
    method.fit(_parts(), seed=0)
    assert torch.isfinite(method.score(_parts(1)[0]).cells).all()


def test_that_augmentation_keeps_the_range_and_grey_patches_grey_and_treats_each_patch_its_own_way() -> None:
    grey = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)).repeat(16, 3, 1, 1) * 1.2 - 0.6
    made = augmented(grey, torch.Generator().manual_seed(1))
    assert made.abs().max() <= 1
    torch.testing.assert_close(made[:, 0], made[:, 2], atol=2e-3, rtol=0)
    assert len({round(float(one.mean()), 4) for one in made}) == 16
    assert torch.equal(made, augmented(grey, torch.Generator().manual_seed(1)))
    plain = torch.zeros(64, 3, 32, 32)
    lit = augmented(plain, torch.Generator().manual_seed(2)).mean((1, 2, 3))
    assert lit.min() == pytest.approx(-0.2, abs=0.03)  # half of full scale, 0.8 to 1.2 times
    assert lit.max() == pytest.approx(0.2, abs=0.03)


def test_that_vgg16_is_cut_behind_its_convolution_5_2_and_takes_torchvisions_names(tmp_path: Path) -> None:
    random = build_trunk("vgg16", None, is_frozen=True, is_pretrained=False)
    entries = {key.removeprefix("network."): value for key, value in random.state_dict().items()}
    assert list(entries)[-1] == "features.26.bias"  # of 28 layers: an activation follows
    assert entries["features.26.weight"].shape == (512, 512, 3, 3)
    save_file({**entries, "classifier.0.bias": torch.zeros(1)}, tmp_path / "vgg16.safetensors")
    loaded = build_trunk("vgg16", tmp_path / "vgg16.safetensors", is_frozen=True)
    patches = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert loaded(patches).shape == (2, 512, 2, 2)
        torch.testing.assert_close(loaded(patches), random(patches))
        assert loaded(patches[..., :16, :16]).shape == (2, 512, 2, 2)  # enlarged


def test_that_vgg16_without_its_file_says_what_to_do() -> None:
    with pytest.raises(WeightsError, match="--weights"):
        _method("tl_ganomaly", backbone="vgg16")


def _trunk(method: PatchwiseMethod) -> Trunk:
    assert isinstance(method, TlGanomaly)
    return next(part for part in method.networks.modules() if isinstance(part, Trunk))


def _trunk_state(method: PatchwiseMethod) -> dict[str, Tensor]:
    return {key: value.clone() for key, value in _trunk(method).state_dict().items()}
