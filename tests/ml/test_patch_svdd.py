import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ml.catalogue.patch_svdd import PatchSvddParameters
from ml.errors import CancelledError, ModelFileError, ParameterError, TrainingError
from ml.methods.base import Geometry
from ml.methods.patch_svdd import PatchSvdd
from ml.networks.patch_svdd import PatchEncoder, PatchSide, PositionClassifier
from ml.position_lesson import PositionLesson, draw_pairs, refuse_collapse

SIDE = 64
SIDES: list[PatchSide] = [32, 64]


def _method(geometry: Geometry = "whole", side: int = SIDE, **settings: Any) -> PatchSvdd:
    quick = {"patch_px": 32, "steps": 1, "batch": 1, "bank_cap": 200}
    return PatchSvdd(PatchSvddParameters.model_validate({**quick, **settings}), geometry, (side, side))


def _pictures(count: int, side: int = SIDE, seed: int = 0, inputs: int = 1) -> list[Tensor]:
    """One smooth coloured surface under noise of each picture's own, in [0, 1]."""
    random = torch.Generator().manual_seed(7)
    surface = functional.interpolate(torch.rand(1, 3, 5, 5, generator=random), size=side, mode="bicubic").clamp(0, 1)
    random.manual_seed(seed)
    return [0.2 + 0.5 * surface + 0.02 * torch.randn(inputs, 3, side, side, generator=random) for _ in range(count)]


def _lesson(encoder: PatchEncoder, parts: list[Tensor], validation: list[Tensor], **settings: Any) -> PositionLesson:
    usual = {"seed": 0, "steps": 30, "windows": 2, "svdd_weight": 1e-3, "learning_rate": 1e-3}
    return PositionLesson(encoder, parts, validation, **{**usual, **settings})


def _embed_small_cut(encoder: PatchEncoder, patches: Tensor) -> Tensor:
    """As published: patches (n, 3, side, side), each cut out, one by one through the small encoder."""
    embedded = encoder.embed_small(patches)
    assert embedded.shape[1:] == (64, 1, 1)
    return embedded[..., 0, 0]


def _embed_large_cut(encoder: PatchEncoder, patches: Tensor) -> Tensor:
    """As published: the four quadrants of patches (n, 3, side, side) through the small encoder, then joined."""
    half = encoder.patch_px // 2
    quadrants = [
        _embed_small_cut(encoder, patches[..., top : top + half, left : left + half])
        for top in (0, half)
        for left in (0, half)
    ]
    square = torch.stack(quadrants, dim=2).unflatten(2, (2, 2))
    hidden = functional.leaky_relu(functional.conv2d(square, encoder.joining.weight, encoder.joining.bias), 0.1)
    return torch.tanh(encoder.large(hidden))[..., 0, 0]


def _cut(picture: Tensor, side: int, stride: int) -> Tensor:
    return picture.unfold(2, side, stride).unfold(3, side, stride).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


@pytest.mark.parametrize("patch_px", SIDES)
@torch.inference_mode()
def test_that_the_dense_maps_equal_patches_cut_out_one_by_one(patch_px: PatchSide) -> None:
    encoder = PatchEncoder(patch_px)
    encoder.standardise_by(_pictures(2))
    picture = torch.rand(1, 3, patch_px + 20, patch_px + 36)
    patches = _cut(picture, patch_px, encoder.cell_px)
    large = _embed_large_cut(encoder, patches)
    small = _embed_small_cut(encoder, patches[..., : patch_px // 2, : patch_px // 2])
    dense = encoder.embed_small(picture)
    dense_large = encoder.embed_large(dense)
    rows, columns = dense_large.shape[2:]
    assert (rows, columns) == (20 // encoder.cell_px + 1, 36 // encoder.cell_px + 1)
    torch.testing.assert_close(dense_large.flatten(2)[0].T, large, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(dense[0, :, :rows, :columns].flatten(1).T, small, rtol=1e-4, atol=1e-5)
    assert torch.equal(encoder.embed_large(dense, 4), dense_large[..., ::4, ::4])


def test_that_the_encoder_has_the_published_layers() -> None:
    encoder = PatchEncoder(64)
    assert [tuple(layer.weight.shape[:3]) for layer in encoder.small] == [
        (32, 3, 3), (64, 32, 3), (128, 64, 3), (128, 128, 3), (64, 128, 3), (32, 64, 3), (32, 32, 3), (64, 32, 3)
    ]  # fmt: skip
    parameters = sum(weight.numel() for weight in encoder.parameters())
    assert parameters == pytest.approx(0.40e6, rel=0.02)


def test_that_the_last_layer_of_the_position_classifier_learns() -> None:
    classifier = PositionClassifier()
    logits = classifier(torch.rand(5, 64), torch.rand(5, 64))
    torch.autograd.backward(functional.cross_entropy(logits, torch.arange(5)))
    assert classifier.last.weight.grad is not None
    assert classifier.last.weight.grad.abs().max() > 0
    before = classifier.last.weight.detach().clone()
    here, there = torch.rand(3, 64), torch.rand(3, 64)
    expected = classifier(here, there)
    with torch.no_grad():
        classifier.last.weight.copy_(before * torch.linspace(1, 2, 128))  # only the columns' directions count
    torch.testing.assert_close(classifier(here, there), expected)


@pytest.mark.parametrize(("cells", "nearest", "farthest"), [(49, 12, 15), (33, 24, 31), (33, 1, 1)])
def test_that_pairs_lie_on_the_map_in_the_direction_they_are_named(cells: int, nearest: int, farthest: int) -> None:
    pairs = draw_pairs(4000, cells, nearest, farthest, torch.Generator().manual_seed(0))
    offsets = pairs.second - pairs.first
    for corners in (pairs.first, pairs.second):
        assert corners.min() == 0
        assert corners.max() == cells - 1
    compass = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    assert [compass[place] for place in pairs.place.tolist()] == [tuple(o) for o in offsets.sign().tolist()]
    assert sorted(set(pairs.place.tolist())) == list(range(8))
    assert sorted(set(offsets.abs().flatten().tolist())) == [0, *range(nearest, farthest + 1)]


def test_that_both_patches_of_a_pair_have_noise_and_colour_of_their_own() -> None:
    lesson = _lesson(PatchEncoder(32), _pictures(3), [])
    flat = torch.full((200, 3, 64, 64), 0.5)
    once, again = (lesson._noisy(flat, lesson.random) - 0.5 for _ in range(2))
    assert not torch.equal(once, again)
    assert float(once.mean((2, 3)).std()) == pytest.approx(0.02, rel=0.1)
    assert float((once - once.mean((2, 3), keepdim=True)).std()) == pytest.approx(0.02, rel=0.1)


def test_that_windows_come_from_everywhere_and_are_not_scaled() -> None:
    side = 96
    ramp = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")).float()
    picture = torch.cat((ramp, torch.full((1, side, side), 5.0)))[None]
    lesson = _lesson(PatchEncoder(32), [picture], [])
    windows = lesson._draw_windows([picture], 300, lesson.random)
    assert windows.shape == (300, 3, 64, 64)
    for axis in (0, 1):
        corners = windows[:, axis, 0, 0]
        assert (corners.min(), corners.max()) == (0, side - 64)
        assert torch.equal(windows[:, axis, 63, 63], corners + 63)


def test_that_the_encoder_learns_where_patches_lie() -> None:
    """A wide gradient: after a few steps the classifier does better than guessing one place in eight."""
    ramp = torch.linspace(0, 1, 96)
    pictures = [torch.stack((ramp.expand(96, 96), ramp.expand(96, 96).T, torch.full((96, 96), 0.5)))[None]] * 2
    encoder = PatchEncoder(32)
    lesson = _lesson(encoder, pictures, pictures, steps=20, windows=1)
    before = lesson.validate()
    for number in range(20):
        losses = lesson.step(number)
    assert before > 1.8 * math.log(8)
    assert lesson.validate() < 0.8 * before
    assert float(losses["position_small"]) < 0.9 * math.log(8)


def test_that_validation_is_the_same_question_each_time() -> None:
    lesson = _lesson(PatchEncoder(32), _pictures(2), _pictures(2, seed=5))
    with torch.no_grad():
        assert lesson.validate() == lesson.validate()
        other = _lesson(PatchEncoder(32), _pictures(2), _pictures(2, seed=6))
        other.networks.load_state_dict(lesson.networks.state_dict())
        assert lesson.validate() != other.validate()


def test_that_a_collapsed_embedding_never_becomes_a_model() -> None:
    random = torch.Generator().manual_seed(0)
    refuse_collapse(0.1 * torch.randn(50, 64, generator=random), 1e-3)
    for constant in (torch.ones(50, 64), torch.full((50, 64), torch.nan)):
        with pytest.raises(TrainingError, match=r"collapsed.*Lower lambda \(svdd_weight, now 0\.5\)"):
            refuse_collapse(constant, 0.5)
    with pytest.raises(TrainingError, match="not blank"):
        _method().fit([torch.full((1, 3, SIDE, SIDE), 0.5)] * 3, seed=0)
    lesson = _lesson(PatchEncoder(32), _pictures(2), [])
    with torch.no_grad():
        lesson.networks["encoder"].small[-1].weight.zero_()
        with pytest.raises(TrainingError, match="collapsed"):
            lesson.validate()


@pytest.mark.parametrize(("patch_px", "side"), [(32, 64), (64, 128)])
def test_that_scoring_equals_the_published_way_of_cutting_every_patch(patch_px: PatchSide, side: int) -> None:
    """Repeat the edge, cut every patch, embed it, find the nearest in the bank, add that to the pixels it holds."""
    method = _method(side=side, patch_px=patch_px)
    method.fit(_pictures(3, side), seed=0)
    probe = _pictures(1, side, seed=9)[0]
    probe[..., 20:30, 40:50] = 1
    maps = {}
    for name, patch, stride, embed in (
        ("small", patch_px // 2, patch_px // 16, _embed_small_cut),
        ("large", patch_px, patch_px // 4, _embed_large_cut),
    ):
        pad = patch - stride
        with torch.inference_mode():
            embedded = embed(method.networks, _cut(functional.pad(probe, (pad,) * 4, mode="replicate"), patch, stride))
        bank = torch.from_numpy(method.tensors()[f"bank.{name}"])
        distances = torch.cdist(embedded.double(), bank.double()).min(1).values
        length = side + 2 * pad
        columns = distances[None, None].expand(1, patch * patch, -1)
        summed = functional.fold(columns, length, patch, stride=stride)
        counted = functional.fold(torch.ones_like(columns), length, patch, stride=stride)
        maps[name] = (summed / counted)[0, 0, pad : pad + side, pad : pad + side]
    expected = (maps["small"] * maps["large"]).float()
    cells = method.score(probe).cells[0]
    pixels = cells.repeat_interleave(patch_px // 16, 0).repeat_interleave(patch_px // 16, 1)
    torch.testing.assert_close(pixels, expected, rtol=1e-3, atol=1e-5)


def test_that_the_map_is_the_product_or_sum_or_one_of_both() -> None:
    fitted = _method()
    fitted.fit(_pictures(3), seed=0)
    found = {}
    for kind in ("small", "large", "product", "sum"):
        method = _method(map=kind)
        method.load_tensors(fitted.tensors())
        found[kind] = method.score(_pictures(1, seed=9)[0]).cells
    torch.testing.assert_close(found["product"], found["small"] * found["large"])
    torch.testing.assert_close(found["sum"], found["small"] + found["large"])


def test_that_patches_of_the_bank_score_nothing_and_the_cap_holds() -> None:
    method = _method(bank_cap=10_000)
    pictures = _pictures(3)
    method.fit(pictures, seed=0)
    tensors = method.tensors()
    assert tensors["bank.small"].shape == (3 * (SIDE // 2 + 7) ** 2, 64)
    assert tensors["bank.large"].shape == (3 * (SIDE // 8 + 3) ** 2, 64)
    assert method.score(pictures[1]).cells.max() < 1e-4
    assert method.score(_pictures(1, seed=9)[0]).cells.min() > 1e-3
    capped = _method(bank_cap=100)
    capped.fit(pictures, seed=0)
    assert len(capped.tensors()["bank.small"]) == len(capped.tensors()["bank.large"]) == 100


@pytest.mark.parametrize(
    ("geometry", "patch_px", "side"), [("whole", 64, 160), ("patches", 64, 160), ("whole", 32, 96)]
)
def test_that_a_bright_square_is_found_where_it_is_at_borders_too(
    geometry: Geometry, patch_px: PatchSide, side: int
) -> None:
    method = _method(geometry, side, patch_px=patch_px)
    method.fit(_pictures(4, side, inputs=2 if geometry == "patches" else 1), seed=0)
    size = 8
    last = side - size
    blank = method.score(_pictures(1, side, seed=9)[0]).cells[0]
    for top, left in [(last // 2, last // 3), (0, last // 2), (last, last), (last // 3, 0)]:
        probe = _pictures(1, side, seed=9)[0]
        probe[..., top : top + size, left : left + size] = 1.0
        cells = method.score(probe).cells[0]
        assert cells.max() > 1.5 * blank.max()
        change = (cells - blank).clamp(min=0)
        change = change * (change > 0.9 * change.max())
        pitch = side / len(cells)
        for axis, corner, offset in zip((1, 0), (top, left), method.offset_px, strict=True):
            centre = float((change.sum(axis) / change.sum()) @ torch.arange(len(cells)).float())
            assert abs((centre + 0.5) * pitch - 0.5 + offset - (corner + size / 2 - 0.5)) <= pitch + patch_px / 16


def test_that_the_same_seed_gives_the_same_model_and_alters_nothing_outside() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first, second, other = _method(), _method(), _method()
    with torch.inference_mode():
        kept = [picture.clone() for picture in _pictures(3)]
    first.fit(kept, seed=1, validation=_pictures(1, seed=4))
    second.fit(_pictures(3), seed=1, validation=_pictures(1, seed=4))
    other.fit(_pictures(3), seed=2, validation=_pictures(1, seed=4))
    assert torch.equal(before, torch.get_rng_state())
    assert all(np.array_equal(value, second.tensors()[key]) for key, value in first.tensors().items())
    assert not np.array_equal(first.tensors()["bank.small"], other.tensors()["bank.small"])
    assert all(np.array_equal(kept[index], picture) for index, picture in enumerate(_pictures(3)))


def test_that_an_input_scores_the_same_alone_in_a_batch_and_after_storing() -> None:
    method = _method("patches")
    method.fit(_pictures(2, inputs=2), seed=0)
    batch = torch.cat(_pictures(3, seed=9))
    together = method.score(batch).cells
    assert together.shape == (3, SIDE // 2, SIDE // 2)
    stored = method.tensors()
    again = _method("patches")
    again.load_tensors({**stored, "of_somebody_else": np.zeros(3)})
    assert all(np.array_equal(value, again.tensors()[key]) for key, value in stored.items())
    for index in (2, 0, 1):
        assert torch.equal(again.score(batch[index : index + 1]).cells[0], together[index])


def test_that_unusable_requests_are_refused_with_a_reason() -> None:
    with pytest.raises(ParameterError, match=r"multiples of 16 from 128 up.*patch_px=32"):
        _method(patch_px=64, side=112)
    with pytest.raises(ParameterError, match="multiples of 8 from 64 up"):
        _method(side=100)
    with pytest.raises(TrainingError):
        _method().fit([], seed=0)
    with pytest.raises(CancelledError):
        _method().fit(_pictures(2), seed=0, cancelled=lambda: True)
    method = _method()
    method.fit(_pictures(2), seed=0)
    stored = method.tensors()
    with pytest.raises(ModelFileError, match=r"'bank\.large' has the shape"):
        _method().load_tensors({**stored, "bank.large": np.zeros((5, 7), np.float32)})
    with pytest.raises(ModelFileError, match="'network"):
        _method(patch_px=64, side=128).load_tensors(stored)
