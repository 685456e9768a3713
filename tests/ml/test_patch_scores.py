"""Where small patches lie, which of them count, and one map from their scores."""

import time

import pytest
import torch
from torch import Tensor

from ml.patch_scores import GreyWindow, PatchLayout, Recombination, otsu_window

RECOMBINATIONS: tuple[Recombination, ...] = ("weighted", "mean", "majority")
SIZES = [(97, 203), (256, 1600), (33, 33)]


def _all(layout: PatchLayout, inputs: int = 1) -> Tensor:
    return torch.ones(inputs, layout.count, dtype=torch.bool)


@pytest.mark.parametrize("recombination", RECOMBINATIONS)
@pytest.mark.parametrize(("patch", "stride"), [(32, 8), (32, 12), (16, 16), (64, 24), (32, 5)])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_rule_07_a_constant_score_gives_a_constant_map_up_to_the_last_row_and_column(
    height: int, width: int, patch: int, stride: int, recombination: Recombination
) -> None:
    layout = PatchLayout(height, width, patch, stride)
    scores = torch.full((1, layout.count), 0.1)
    cells = layout.map_of(scores, _all(layout), recombination, threshold=0.05)
    assert cells.shape == (1, height // layout.unit_px, width // layout.unit_px)
    assert layout.unit_px * cells.shape[1] == height
    assert layout.unit_px * cells.shape[2] == width
    expected = 1.0 if recombination == "majority" else 0.1
    torch.testing.assert_close(cells, torch.full_like(cells, expected), rtol=0, atol=1e-7)


@pytest.mark.parametrize(("height", "width"), [*SIZES, (32, 32), (40, 64), (20, 300), (1, 5)])
@pytest.mark.parametrize("stride", [8, 32])
def test_that_patches_start_in_the_corner_and_the_last_ones_end_on_the_last_pixel_or_past_it(
    height: int, width: int, stride: int
) -> None:
    layout = PatchLayout(height, width, 32, stride)
    for length, count, covered in (
        (height, layout.grid.rows, layout.grid.covered_height),
        (width, layout.grid.columns, layout.grid.covered_width),
    ):
        assert count == -(-max(length - 32, 0) // stride) + 1
        assert length <= covered < max(length, 32) + stride
    pixels = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    patches = layout.patches(pixels, torch.arange(layout.count))
    assert patches[0, 0, 0, 0] == 0
    is_seen = torch.zeros(height * width, dtype=torch.bool)
    is_seen[patches.flatten().long()] = True
    assert is_seen.all()


def test_that_a_patch_shows_what_lies_at_its_place_of_its_input() -> None:
    layout = PatchLayout(70, 90, 32, 16)
    inputs = torch.rand(3, 3, 70, 90, generator=torch.Generator().manual_seed(0))
    index = 2 * layout.count + 1 * layout.grid.columns + 2
    patch = layout.patches(inputs, torch.tensor([index]))[0]
    torch.testing.assert_close(patch, inputs[2, :, 16:48, 32:64])


def test_that_what_lies_past_the_end_is_the_reflection_without_the_edge_itself() -> None:
    layout = PatchLayout(1, 5, 16, 16)
    row = layout.patches(torch.arange(5.0).reshape(1, 1, 1, 5), torch.tensor([0]))[0, 0, 7]
    assert row.tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1]


@pytest.mark.parametrize("recombination", ["weighted", "mean"])
def test_that_a_high_score_shows_where_its_patch_is_and_nowhere_else(recombination: Recombination) -> None:
    layout = PatchLayout(128, 128, 32, 16)
    scores = torch.zeros(1, layout.count)
    row, column = 2, 4
    scores[0, row * layout.grid.columns + column] = 1.0
    cells = layout.map_of(scores, _all(layout), recombination, 0.0)[0]
    touched = cells.nonzero() * layout.unit_px
    assert touched.amin(0).tolist() == [row * 16, column * 16]
    assert touched.amax(0).tolist() == [row * 16 + 32 - layout.unit_px, column * 16 + 32 - layout.unit_px]


def test_that_the_majority_is_the_share_of_patches_that_speak_against_a_place() -> None:
    layout = PatchLayout(32, 64, 32, 16)
    cells = layout.map_of(torch.tensor([[0.2, 0.5, 0.1]]), _all(layout), "majority", 0.5)[0]
    assert cells.tolist() == [[0.0, 0.5, 0.5, 0.0]] * 2


@pytest.mark.parametrize("recombination", ["weighted", "mean"])
def test_that_a_rejected_patch_does_not_move_the_score_of_what_it_shares_with_others(
    recombination: Recombination,
) -> None:
    """Pitfall: a score of 0 for rejected patches draws down their neighbours and counts as good background."""
    layout = PatchLayout(64, 128, 32, 16)
    scores = torch.full((1, layout.count), 3.0)
    accepted = _all(layout)
    accepted[0, 5:9] = False
    for nonsense in (0.0, 1e6, float("nan")):
        scores[0, 5:9] = nonsense
        cells = layout.map_of(scores, accepted, recombination, 0.0)
        torch.testing.assert_close(cells, torch.full_like(cells, 3.0))


def test_that_a_place_of_rejected_patches_alone_gets_the_lowest_value_of_its_own_input() -> None:
    layout = PatchLayout(32, 160, 32, 32)
    scores = torch.tensor([[9.0, 4.0, 5.0, 6.0, 0.0], [9.0, 7.0, 8.0, 9.0, 0.0]])
    accepted = torch.tensor([[True, True, True, True, False]] * 2)
    cells = layout.map_of(scores, accepted, "weighted", 0.0)
    assert cells[:, 0].tolist() == [[9, 4, 5, 6, 4], [9, 7, 8, 9, 7]]
    with pytest.raises(ValueError, match="accepted"):
        layout.map_of(scores, torch.zeros_like(accepted), "weighted", 0.0)


def test_that_inputs_are_recombined_apart() -> None:
    layout = PatchLayout(97, 203, 32, 12)
    scores = torch.rand(3, layout.count, generator=torch.Generator().manual_seed(1))
    accepted = torch.rand(3, layout.count, generator=torch.Generator().manual_seed(2)) > 0.3
    together = layout.map_of(scores, accepted, "weighted", 0.0)
    alone = [layout.map_of(scores[i : i + 1], accepted[i : i + 1], "weighted", 0.0) for i in range(3)]
    torch.testing.assert_close(torch.cat(alone), together)


def test_that_a_stride_that_leaves_gaps_is_refused() -> None:
    with pytest.raises(ValueError, match="gaps"):
        _ = PatchLayout(64, 64, 16, 24).grid


def test_that_recombination_takes_milliseconds() -> None:
    """The published one walks through 256 x 1600 x 64 votes in Python: minutes."""
    layout = PatchLayout(256, 1600, 32, 8)
    scores = torch.rand(1, layout.count)
    layout.map_of(scores, _all(layout), "weighted", 0.0)
    took = []
    for _ in range(5):
        began = time.perf_counter()
        layout.map_of(scores, _all(layout), "weighted", 0.0)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.05


def test_that_the_window_takes_patches_by_their_median_grey() -> None:
    window = GreyWindow(40 * 2 / 255 - 1, 210 * 2 / 255 - 1)
    counts = torch.tensor([0.0, 40.0, 41.0, 120.0, 209.0, 210.0, 255.0])
    patches = (counts * 2 / 255 - 1)[:, None, None, None].repeat(1, 3, 16, 16)
    patches[:, :, :4] = 1.0  # a quarter of glare does not move a median
    assert window.accepts(patches).tolist() == [False, False, True, True, True, False, False]
    assert GreyWindow.of(window.tensor()).accepts(patches).tolist() == window.accepts(patches).tolist()
    assert GreyWindow.everything().accepts(patches).all()
    assert GreyWindow.everything().accepts_everything
    assert not window.accepts_everything


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_that_otsu_keeps_the_side_that_the_outline_is_not_on(sign: float) -> None:
    random = torch.Generator().manual_seed(3)
    pictures = []
    for index in range(3):
        picture = -0.7 + 0.05 * torch.randn(1, 3, 64, 80, generator=random)
        picture[..., 16:48, 16 + index : 60] = 0.5 + 0.05 * torch.randn(1, 3, 32, 44 - index, generator=random)
        pictures.append(sign * picture)
    window = otsu_window(pictures)
    background, part = pictures[0][..., :16, :16], pictures[0][..., 20:36, 20:36]
    assert window.accepts(torch.cat([background, part])).tolist() == [False, True]
