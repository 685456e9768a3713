"""The supervised network on patches: what it is shown as defective, and what it makes of it."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ml import defect_patches, methods
from ml.catalogue import needs_defects, needs_masks, parse_settings
from ml.defect_patches import LabelledPatches, PaintedPatches, centred, with_defect
from ml.errors import TrainingError
from ml.generation.synthetic_defects import SyntheticDefects
from ml.methods.patch_cnn import ExamplesLesson, PatchCnn
from ml.networks.patch_cnn import PatchCnn as Network

SMALL = {"width": 4, "batch": 16, "steps": 2}
SIZE = (64, 96)


def _method(**settings: object) -> PatchCnn:
    made = methods.create("patch_cnn", parse_settings("patch_cnn", {**SMALL, **settings}), "whole", SIZE)
    assert isinstance(made, PatchCnn)
    return made


def _parts(count: int = 3, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [0.1 * torch.randn(1, 3, *SIZE, generator=random) for _ in range(count)]


def _random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _striped(parts: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Parts with a patch of fine stripes, which nothing painted resembles, and where it is."""
    defects, masks = [], []
    for number, part in enumerate(parts):
        defect, mask = part.clone(), torch.zeros(1, *SIZE, dtype=torch.bool)
        left = 20 + 8 * number
        mask[:, 20:44, left : left + 24] = True
        stripes = 0.15 * (torch.arange(96) % 2 * 2 - 1).float()
        defects.append(torch.where(mask[:, None], defect + stripes, defect))
        masks.append(mask)
    return defects, masks


# --- the network ---


def test_that_the_network_is_the_published_one_at_32_px_and_width_64() -> None:
    network = Network(32, 64)
    sizes = []
    values = torch.zeros(1, 3, 32, 32)
    for layer in network.layers:
        values = layer(values)
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            sizes.append(tuple(values.shape[1:]))
    assert sizes == [(64, 30, 30), (64, 28, 28), (128, 12, 12), (256, 4, 4), (1024,), (256,), (1,)]
    convolutions = 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 256) + 64 + 64 + 128 + 256
    connected = 4096 * 1024 + 1024 + 1024 * 256 + 256 + 256 + 1
    assert sum(weights.numel() for weights in network.parameters()) == convolutions + connected


@pytest.mark.parametrize("patch_px", [16, 32, 64])
def test_that_every_patch_size_is_learnt_and_scored(patch_px: int) -> None:
    method = _method(patch_px=patch_px, stride_px=patch_px // 2)
    method.fit(_parts(), seed=0, validation=_parts(1, seed=5))
    cells = method.score(_parts(1, seed=9)[0]).cells
    assert torch.isfinite(cells).all()
    assert (cells > 0).all()


def test_that_the_score_orders_as_the_probability_and_tells_apart_what_is_all_but_certain() -> None:
    method = _method()
    logits = torch.tensor([-30.0, -3.0, 0.0, 3.0, 30.0, 60.0])
    method.networks = torch.nn.Identity()
    scores = method.patch_scores(logits)
    assert (scores.diff() > 0).all()
    assert (torch.sigmoid(logits).diff() == 0).any()
    torch.testing.assert_close(scores[1:4], -torch.log1p(-torch.sigmoid(logits[1:4])))


# --- what it is shown ---


def test_that_a_patch_is_defective_where_its_centre_pixel_is_marked() -> None:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(96.0), indexing="ij")
    picture = torch.stack([rows, columns, torch.zeros(64, 96)])
    marked = torch.zeros(64, 96, dtype=torch.bool)
    for place in ((0, 0), (63, 95), (10, 90), (30, 40)):
        marked[place] = True
    patches = centred(picture, marked, 200, 32, _random())
    assert patches.shape == (200, 3, 32, 32)
    centres = {tuple(centre) for centre in patches[:, :2, 16, 16].int().tolist()}
    assert centres == {(0, 0), (63, 95), (10, 90), (30, 40)}
    # Beyond the border lies the reflection, the edge not repeated.
    (corner,) = [patch for patch in patches if patch[:2, 16, 16].tolist() == [0, 0]][:1]
    assert corner[0, :, 16].tolist() == [float(abs(row)) for row in range(-16, 16)]


def test_that_half_of_each_batch_is_defective_and_good_ones_come_from_good_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[tuple[Tensor, Tensor]] = []
    loss = ExamplesLesson._loss

    def showing(self: ExamplesLesson, good: Tensor, defective: Tensor) -> Tensor:
        shown.append((good, defective))
        return loss(self, good, defective)

    monkeypatch.setattr(ExamplesLesson, "_loss", showing)
    _method(batch=17).fit([torch.zeros(1, 3, *SIZE)], seed=0)
    for good, defective in shown:
        assert (len(good), len(defective)) == (9, 8)
        assert (good == 0).all()
        assert (defective != 0).flatten(1).any(1).all()


def test_that_each_step_may_draw_a_new_defect_and_that_a_continued_run_paints_the_same_ones() -> None:
    source = PaintedPatches(_parts(), 32, 8, seed=3)
    draws = [source(number, _random(7)) for number in range(6)]
    assert draws[0].shape == (8, 3, 32, 32)
    assert not torch.equal(draws[0], draws[5])
    continued = PaintedPatches(_parts(), 32, 8, seed=3)
    assert torch.equal(continued(5, _random(7)), draws[5])
    assert not torch.equal(PaintedPatches(_parts(), 32, 8, seed=4)(5, _random(7)), draws[5])


def test_that_no_more_squares_are_kept_than_are_drawn_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defect_patches, "KEPT_SQUARES", 4)
    source = PaintedPatches(_parts(), 16, 8, seed=0, pictures=2)
    for number in range(12):
        source(number, _random(number))
    assert len(source._squares) == 4


def test_that_a_grey_part_gets_a_grey_defect_and_keeps_its_range() -> None:
    grey = _parts(1)[0][0, :1].expand(3, *SIZE)
    for seed in range(12):
        painted, marked = with_defect(grey, SyntheticDefects(), seed)
        assert marked.any()
        assert (painted[0] == painted[1]).all()
        assert painted.abs().max() <= 1
        torch.testing.assert_close(painted[:, ~marked], grey[:, ~marked])


def test_that_large_defects_count_no_more_than_small_ones() -> None:
    """Patches are shared out by picture: a scratch of ten pixels counts as much as half a surface."""
    small, large = torch.zeros(1, *SIZE, dtype=torch.bool), torch.ones(1, *SIZE, dtype=torch.bool)
    small[0, 30, 40:50] = True
    source = LabelledPatches([torch.zeros(1, 3, *SIZE), torch.ones(1, 3, *SIZE)], [small, large], 32, 8)
    random = _random()
    of_large = torch.cat([source(0, random) for _ in range(60)]).mean()
    assert float(of_large) == pytest.approx(0.5, abs=0.15)


def test_that_inputs_without_any_marked_pixel_are_passed_over_and_none_at_all_is_told() -> None:
    inputs, masks = torch.zeros(3, 3, *SIZE), torch.zeros(3, *SIZE, dtype=torch.bool)
    masks[1, 5, 5], inputs[1] = True, 1
    assert (LabelledPatches([inputs], [masks], 32, 8)(0, _random()) == 1).all()
    with pytest.raises(TrainingError, match="mark no defect"):
        LabelledPatches([inputs], [torch.zeros_like(masks)], 32, 8)


def test_that_painted_defects_may_be_mixed_with_labelled_ones() -> None:
    method = _method(defects="labelled", synthetic_share=0.25, batch=32)
    method.labelled_defects, method.labelled_masks = _striped(_parts(2))
    counts = [len(draw(0, _random())) for draw in method._defective(_parts(), 16, 0.25, 0, 8)]
    assert counts == [12, 4]
    method.fit(_parts(), seed=0)


# --- what it learns ---


def test_that_labelled_defects_are_learnt_which_nothing_painted_resembles() -> None:
    defects, masks = _striped(_parts(6, seed=1))
    unseen, places = _striped(_parts(1, seed=2))
    method = _method(defects="labelled", width=8, steps=60, batch=32, learning_rate=0.005)
    method.labelled_defects, method.labelled_masks = defects[1:], masks[1:]
    method.fit(_parts(6), seed=0, validation=_parts(2, seed=4))
    cells = functional.interpolate(method.score(unseen[0]).cells[None], size=SIZE)[0, 0]
    marked = places[0][0]
    assert cells[marked].mean() > 2 * cells[~marked].mean()
    assert cells.max() > method.score(_parts(1, seed=8)[0]).cells.max()


def test_that_only_labelled_defects_need_labels() -> None:
    painted, labelled = (parse_settings("patch_cnn", {"defects": kind}) for kind in ("synthetic", "labelled"))
    assert not needs_defects(painted) and not needs_masks(painted)
    assert needs_defects(labelled) and needs_masks(labelled)
