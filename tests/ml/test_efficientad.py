import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ml.backbones import build_backbone
from ml.catalogue.efficientad import INFO, EfficientadParameters
from ml.errors import CancelledError, ParameterError
from ml.methods.base import Geometry
from ml.methods.efficientad import Efficientad, MimicryLesson, hardest_mean
from ml.networks.pdn import Autoencoder, padding_px, patch_description_network, reflect_padded

SIDE = 64
QUICK = {"width": 8, "channels": 16, "crop_px": 32, "autoencoder_px": 64, "steps": 4, "learning_rate": 1e-3}


def _efficientad(geometry: Geometry = "whole", size: tuple[int, int] = (SIDE, SIDE), **settings: object) -> Efficientad:
    return Efficientad(EfficientadParameters.model_validate({**QUICK, **settings}), geometry, size)


def _parts(count: int = 5, side: int = SIDE, inputs: int = 1, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [0.3 * torch.randn(inputs, 3, side, side, generator=random) for _ in range(count)]


def _lesson(method: Efficientad, parts: list[Tensor]) -> MimicryLesson:
    method.prepare_networks()
    lesson = method.lesson(parts, (), 0, method.parameters.steps)
    assert isinstance(lesson, MimicryLesson)
    return lesson


@pytest.mark.parametrize("grid_stride", [4, 8])
@pytest.mark.parametrize("size", ["small", "medium"])
def test_that_the_student_answers_on_the_whole_grid(size: str, grid_stride: int) -> None:
    network = patch_description_network(size, 4, 6, grid_stride)  # type: ignore[arg-type]
    assert network(reflect_padded(torch.zeros(2, 3, 64, 96), grid_stride)).shape == (
        2,
        6,
        64 // grid_stride,
        96 // grid_stride,
    )


def test_that_the_published_networks_have_their_published_sizes() -> None:
    """The unofficial teachers' parameters, layer by layer."""
    small, medium = patch_description_network("small", 128, 384, 4), patch_description_network("medium", 256, 384, 4)
    shapes = [tuple(value.shape) for key, value in small.state_dict().items() if key.endswith("weight")]
    assert shapes == [(128, 3, 4, 4), (256, 128, 4, 4), (256, 256, 3, 3), (384, 256, 4, 4)]
    assert list(small.state_dict())[::2] == ["0.weight", "3.weight", "6.weight", "8.weight"]
    shapes = [tuple(value.shape) for key, value in medium.state_dict().items() if key.endswith("weight")]
    assert shapes[2:] == [(512, 512, 1, 1), (512, 512, 3, 3), (384, 512, 4, 4), (384, 384, 1, 1)]
    assert small(torch.zeros(1, 3, 256, 256)).shape == (1, 384, 56, 56)


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("grid_stride", [4, 8])
def test_that_a_cell_of_the_student_looks_at_its_own_place(grid_stride: int, quick: bool) -> None:
    """Its field of view, found by gradients, is centred on the cell within half a pixel."""
    network = patch_description_network("small", 4, 1, grid_stride, quick).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.constant_(layer.weight, 1.0)
    pictures = torch.ones(1, 3, 128, 128, requires_grad=True)
    network(reflect_padded(pictures, grid_stride))[0, 0, 6, 8].backward()
    assert pictures.grad is not None
    for axis, cell in ((1, 6), (0, 8)):
        seen = pictures.grad[0, 0].sum(axis).nonzero().flatten()
        assert abs(float(seen.min() + seen.max()) / 2 - ((cell + 0.5) * grid_stride - 0.5)) <= 0.5
        assert int(seen.max() - seen.min()) + 1 == {4: 33, 8: 49}[grid_stride] - quick


@pytest.mark.parametrize("side_px", [64, 128, 256])
def test_that_the_autoencoder_takes_any_picture(side_px: int) -> None:
    autoencoder = Autoencoder(5, (9, 30), side_px)
    assert autoencoder(torch.randn(1, 3, 72, 240)).shape == (1, 5, 9, 30)
    with pytest.raises(ParameterError, match="must be 32, 64, 128 or 256"):
        Autoencoder(5, (9, 30), 100)


def test_that_the_published_autoencoder_has_its_published_stages() -> None:
    autoencoder = Autoencoder(384, (56, 56), 256)
    widths = [layer.out_channels for layer in autoencoder.encoder if isinstance(layer, torch.nn.Conv2d)]
    assert widths == [32, 32, 64, 64, 64, 64]
    assert autoencoder._sizes == [3, 8, 15, 32]  # 63 and 127 are finer than the answer


def test_that_the_teacher_is_standardised_over_the_good_pictures() -> None:
    for channels in (384, 20):  # all of the backbone's, and a projection
        method = _efficientad(channels=channels)
        parts = _parts()
        method._standardise_teacher(parts)
        said = torch.cat([method.ask_teacher(part) for part in parts]).transpose(0, 1).flatten(1)
        assert len(said) == min(channels, 152)
        torch.testing.assert_close(said.mean(1), torch.zeros(len(said)), atol=1e-3, rtol=0)
        torch.testing.assert_close(said.std(1), torch.ones(len(said)), atol=1e-2, rtol=0)


def test_that_the_frozen_teacher_does_not_learn() -> None:
    method = _efficientad()
    method.fit(_parts(), seed=0)
    fresh = build_backbone("efficientnet_lite0", (8, 16))
    assert method.extractor.weights_hash == fresh.weights_hash
    learning = {id(value) for value in method.networks.parameters()}
    assert not learning & {id(value) for value in method.extractor.parameters()}


def test_that_the_hard_loss_is_the_mean_of_the_largest_errors() -> None:
    errors = torch.arange(2000.0).reshape(2, 1000)
    assert float(hardest_mean(errors, 0.001)) == pytest.approx(1998.5)
    assert float(hardest_mean(errors[:, :3], 0.001)) == 1002  # never none at all
    assert float(hardest_mean(errors, 1.0)) == pytest.approx(999.5)


def test_that_a_crop_is_answered_as_the_whole_is() -> None:
    """The student learns from crops what it will be asked of whole inputs, at the border too."""
    method = _efficientad(size=(96, 128))
    lesson = _lesson(method, [torch.randn(1, 3, 96, 128)])
    picture, student = torch.randn(1, 3, 96, 128), method.networks["student"]
    with torch.no_grad():
        whole = student(reflect_padded(picture, 8))
        for top, left in ((0, 0), (3, 5), (8, 12)):
            crop = student(lesson._cut(picture, top, left))
            assert crop.shape[-2:] == (4, 4)
            torch.testing.assert_close(crop, whole[..., top : top + 4, left : left + 4], atol=1e-5, rtol=1e-4)


def test_that_all_losses_fall_and_reach_both_networks() -> None:
    method = _efficientad(steps=40, hard_after=0)
    lesson = _lesson(method, _parts(2))
    method.networks.train()
    losses = [lesson.step(number) for number in range(40)]
    assert set(losses[0]) == {"total", "hard", "penalty", "autoencoder", "agreement"}
    for name in ("hard", "autoencoder"):
        assert sum(float(one[name]) for one in losses[-10:]) < sum(float(one[name]) for one in losses[:10])
    assert all(value.grad is not None and value.grad.any() for value in method.networks.parameters())


def test_that_the_rate_falls_to_a_tenth_for_the_last_twentieth() -> None:
    method = _efficientad(steps=20, learning_rate=1e-4, schedule="late_drop")
    lesson = _lesson(method, _parts(2))
    rates = []
    for number in range(20):
        lesson.step(number)
        rates.append(lesson.optimisers[0].param_groups[0]["lr"])
    assert rates == pytest.approx([1e-4] * 19 + [1e-5])


def test_that_the_loss_narrows_from_all_errors_to_the_hardest() -> None:
    lesson = _lesson(_efficientad(steps=100, hard_share=0.01, hard_after=0.5), _parts(1))
    assert [lesson._hard_share(number) for number in (0, 25, 50, 99)] == pytest.approx([1, 0.1, 0.01, 0.01])
    assert _lesson(_efficientad(hard_share=0.01, hard_after=0), _parts(1))._hard_share(0) == pytest.approx(0.01)


def test_that_textures_do_not_change_the_good_pictures_statistics() -> None:
    method = _efficientad()
    lesson = _lesson(method, _parts(1))
    method.networks.train()
    before = {key: value.clone() for key, value in method.networks.named_buffers()}
    assert before
    lesson._penalty()
    assert all(torch.equal(value, before[key]) for key, value in method.networks.named_buffers())
    assert method.networks["student"].training


def test_that_whitened_differences_have_mean_square_one_in_every_direction() -> None:
    method = _efficientad(steps=10)
    parts = _parts()
    method.fit(parts, seed=0)
    with torch.no_grad():
        both = [torch.cat([method._differences(part)[index] for part in parts]) for index in range(2)]
    for difference, matrix in zip(both, method.statistics["whitening"], strict=True):
        rows = matrix @ difference.transpose(0, 1).flatten(1)
        moments = rows @ rows.T / rows.shape[1]
        assert float(moments.diag().min()) > 0.4  # the rest is what keeps directions without any difference quiet
        assert float(moments.diag().max()) < 1 + 1e-3
        assert float((moments - moments.diag().diag()).abs().max()) < 0.2


def test_that_a_map_which_explains_nothing_has_no_say() -> None:
    method = _efficientad()
    method.statistics["explained"] = torch.tensor([0.6, 0.0])
    assert method.weights().tolist() == [1.0, 0.0]
    method.statistics["explained"] = torch.tensor([0.6, 0.2])
    assert method.weights().tolist() == pytest.approx([0.75, 0.25])
    method.statistics["explained"] = torch.zeros(2)
    assert method.weights().tolist() == [0.5, 0.5]
    published = _efficientad(branches="equal")
    published.statistics["explained"] = torch.tensor([0.6, 0.0])
    assert published.weights().tolist() == [0.5, 0.5]


def test_that_the_published_form_can_be_had() -> None:
    networks = {"student": "published", "channels": 384, "batch": 1, "schedule": "late_drop"}
    losses = {"hard_after": 0, "hard_share": 0.001, "differences": "squares", "branches": "equal"}
    settings = EfficientadParameters.model_validate({**QUICK, **networks, **losses})
    method = Efficientad(settings, "whole", (SIDE, SIDE))
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in method.networks.modules())
    method.fit(_parts(), seed=0)
    one = _parts(1, seed=9)[0]
    with torch.inference_mode():
        for difference, cells in zip(method._differences(one), method._maps(one), strict=True):
            torch.testing.assert_close(cells, difference.square().mean(1))


def test_that_jitter_changes_one_thing_by_a_fifth_at_most() -> None:
    method = _efficientad()
    lesson = _lesson(method, _parts(1))
    mean, std = lesson._mean, lesson._std
    plain = (torch.full((1, 3, SIDE, SIDE), 0.5) - mean) / std  # grey of one tone: only brightness can change it
    for _ in range(20):
        changed = lesson._jittered(plain) * std + mean
        assert float(changed.min()) == pytest.approx(float(changed.max()), abs=1e-5)
        assert 0.4 - 1e-5 <= float(changed.mean()) <= 0.6 + 1e-5
    busy = (torch.rand(1, 3, SIDE, SIDE) - mean) / std
    assert all(0 <= float(value) <= 1 for value in (lesson._jittered(busy) * std + mean).aminmax())


def test_that_what_the_teacher_said_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    method = _efficientad(steps=12)
    lesson = _lesson(method, _parts(3))
    asked: list[int] = []
    ask = method.ask_teacher

    def counted(inputs: Tensor) -> Tensor:
        asked.append(len(inputs))
        return ask(inputs)

    monkeypatch.setattr(method, "ask_teacher", counted)
    for number in range(12):
        lesson.step(number)
    assert 0 < len(asked) <= 3


def test_that_both_maps_are_scaled_by_their_quantiles_over_pictures_not_learnt_from() -> None:
    method = _efficientad(branches="equal")
    validation = _parts(4, seed=9)
    method.fit(_parts(), seed=0, validation=validation)
    low, high = method.statistics["quantiles"].unbind(1)
    with torch.no_grad():
        maps = [method._maps(one) for one in validation]
    for index in range(2):
        values = torch.stack([both[index] for both in maps]).flatten()
        assert float(low[index]) == pytest.approx(float(values.quantile(0.9)), rel=1e-3)
        assert float(high[index]) == pytest.approx(float(values.quantile(0.995)), rel=1e-3)
    scored = method.score(validation[0])
    expected = sum(0.05 * (values - low[index]) / (high[index] - low[index]) for index, values in enumerate(maps[0]))
    torch.testing.assert_close(scored.cells, expected)
    assert scored.scores is None
    assert method.score_rule == "max_raw"


def test_that_the_same_seed_gives_the_same_networks_and_leaves_other_randomness_alone() -> None:
    first, second, other = _efficientad(), _efficientad(), _efficientad()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first.fit(_parts(), seed=3)
    assert torch.equal(torch.rand(3), expected)
    second.fit(_parts(), seed=3)
    other.fit(_parts(), seed=4)
    assert all(np.array_equal(value, second.tensors()[key]) for key, value in first.tensors().items())
    assert any(not np.array_equal(value, other.tensors()[key]) for key, value in first.tensors().items())


@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_stored_model_scores_the_same(geometry: Geometry) -> None:
    method = _efficientad(geometry)
    method.fit(_parts(inputs=2 if geometry == "patches" else 1), seed=0)
    stored = method.tensors()
    again = Efficientad(method.parameters, geometry, (SIDE, SIDE), state=stored)
    again.load_tensors({**stored, "of_somebody_else": np.zeros(3)})
    probe = _parts(1, inputs=2, seed=9)[0]
    assert torch.equal(again.score(probe).cells, method.score(probe).cells)


@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_bright_square_is_found_where_it_is_and_at_the_border(geometry: Geometry) -> None:
    """The published network is blind for 16 px along the border; and no map may be shifted."""
    side, square = 128, 12
    method = _efficientad(geometry, (side, side), steps=60, crop_px=64, channels=128)
    method.fit(_parts(6, side, inputs=2 if geometry == "patches" else 1), seed=0)
    corners = [(24, 80), (61, 43), (90, 90), (0, 0), (0, 60), (side - square, 30), (50, side - square)]
    for top, left in corners:
        probe = _parts(1, side, seed=9)[0]
        probe[..., top : top + square, left : left + square] = 2.0
        cells = method.score(probe).cells[0]
        row, column = divmod(int(cells.argmax()), cells.shape[1])
        pitch = side / cells.shape[0]
        for cell, offset, corner in zip((row, column), method.offset_px, (top, left), strict=True):
            assert abs((cell + 0.5) * pitch - 0.5 + offset - (corner + square / 2 - 0.5)) <= 1.5 * pitch


def test_that_the_arrangement_is_judged_even_where_every_spot_looks_usual() -> None:
    """Only the autoencoder knows where things belong: a good spot in a wrong place raises its map."""
    side = 64
    good = functional.pad(torch.full((1, 3, 16, 16), 1.0), (8, 40, 24, 24))
    moved = good.flip(3)
    method = _efficientad(size=(side, side), steps=150)
    parts = [
        good + 0.05 * torch.randn(good.shape, generator=torch.Generator().manual_seed(index)) for index in range(4)
    ]
    method.fit(parts, seed=0)
    with torch.inference_mode():
        usual, unusual = method._maps(good)[1], method._maps(moved)[1]
    assert float(unusual.max()) > 2 * float(usual.max())


def test_that_training_stops_when_asked_and_the_settings_are_checked() -> None:
    with pytest.raises(CancelledError):
        _efficientad().fit(_parts(), seed=0, cancelled=lambda: True)
    with pytest.raises(ParameterError, match="multiples of 16"):
        _efficientad(size=(100, 100))
    assert EfficientadParameters.model_validate({"grid_stride": "4", "autoencoder_px": "256"}).grid_stride == 4
    named = {key for rung in INFO.ladder for key in rung}
    assert all(INFO.parameters.model_fields[key].default == 0 for key in named)


def test_that_many_inputs_are_sampled_evenly_for_the_statistics() -> None:
    method = _efficientad()
    parts = [torch.full((300, 3, SIDE, SIDE), float(index)) for index in range(4)]
    seen = [float(one[0, 0, 0, 0]) for one in method._some_inputs(parts)]
    assert len(seen) == 200
    assert sorted(set(seen)) == [0, 1, 2, 3]
    assert padding_px(8) == 41


@pytest.mark.cuda
def test_that_a_gpu_gives_the_cpus_scores() -> None:
    method = _efficientad()
    method.fit(_parts(), seed=0)
    probe = _parts(1, inputs=2, seed=9)[0]
    expected = method.score(probe).cells
    found = method.to("cuda").score(probe.cuda()).cells.cpu()
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=1e-2)
