import torch
from torch import Tensor

from ml.foreground import Foreground, learn_foreground


def _picture(seed: int, top: int = 4, size: int = 8, hole: bool = False) -> Tensor:
    """16 x 16 cells of 6 features: a square part that differs from its background in all of them."""
    features = 0.2 * torch.randn(1, 6, 16, 16, generator=torch.Generator().manual_seed(seed))
    features[:, :, top : top + size, 4 : 4 + size] += 2.0
    if hole:
        features[:, :, top + 3, 4 + 3] -= 2.0
    return features


def _learnt() -> Foreground:
    return learn_foreground([_picture(seed) for seed in range(6)])


def test_that_the_part_is_judged_and_the_rest_is_not() -> None:
    judged = _learnt().cells(_picture(50, top=5))[0]
    expected = torch.zeros(16, 16, dtype=torch.bool)
    expected[5:13, 4:12] = True
    assert torch.equal(judged, expected)


def test_that_a_dark_part_on_a_light_background_is_the_part_all_the_same() -> None:
    judged = learn_foreground([-_picture(seed) for seed in range(6)]).cells(-_picture(50))[0]
    assert judged[8, 8]
    assert not judged[0, 0]


def test_that_a_hole_which_looks_like_background_is_judged() -> None:
    assert _learnt().cells(_picture(50, hole=True))[0, 7, 7]


def test_that_a_missing_part_never_passes_as_background() -> None:
    empty = 0.2 * torch.randn(1, 6, 16, 16, generator=torch.Generator().manual_seed(3))
    assert _learnt().cells(empty).all()
    assert _learnt().cells(_picture(50, size=3)).all()


def test_that_a_surface_without_background_is_judged_everywhere() -> None:
    generator = torch.Generator().manual_seed(0)
    surface = [torch.randn(1, 6, 16, 16, generator=generator) for _ in range(4)]
    assert learn_foreground(surface).cells(surface[0]).all()
    assert learn_foreground([torch.ones(1, 6, 16, 16)]).cells(surface[0]).all()


def test_that_a_background_which_is_not_the_outline_is_no_background() -> None:
    halves = []
    for seed in range(4):
        half = 0.2 * torch.randn(1, 6, 16, 16, generator=torch.Generator().manual_seed(seed))
        half[:, :, :8] += 2.0
        halves.append(half)
    assert learn_foreground(halves).cells(halves[0]).all()


def test_that_it_is_stored_without_loss_and_answers_each_input_by_itself() -> None:
    learnt = _learnt()
    batch = torch.cat([_picture(50), _picture(51, size=2), _picture(52, top=1)])
    again = Foreground.of(learnt.tensor()).cells(batch)
    assert torch.equal(again, learnt.cells(batch))
    assert torch.equal(again[1:2], learnt.cells(batch[1:2]))
