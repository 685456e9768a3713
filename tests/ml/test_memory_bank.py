import math

import pytest
import torch
from torch import Tensor

from ml.errors import CancelledError
from ml.memory_bank import MemoryBank, draw_rows, greedy_coreset


def _rows(count: int, size: int, seed: int, mean: float = 0.0) -> Tensor:
    return torch.randn(count, size, generator=torch.Generator().manual_seed(seed)) + mean


def _brute_force(queries: Tensor, rows: Tensor, metric: str) -> Tensor:
    queries, rows = queries.double(), rows.double()
    if metric == "l2":
        return (queries[:, None] - rows[None]).square().sum(2).sqrt()  # the channels, not the rows, are summed
    return 1 - (queries @ rows.T) / queries.norm(dim=1)[:, None] / rows.norm(dim=1)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("mean", [0.0, 30.0])
@pytest.mark.parametrize("k", [1, 5])
def test_that_nearest_equals_brute_force(metric: str, mean: float, k: int) -> None:
    queries, rows = _rows(301, 24, 1, mean), _rows(97, 24, 2, mean)
    expected = _brute_force(queries, rows, metric).sort(dim=1)
    distances, indices = MemoryBank(rows, metric).nearest(queries, k)  # type: ignore[arg-type]
    torch.testing.assert_close(distances, expected.values[:, :k].float(), rtol=1e-4, atol=1e-5)
    if mean == 0:  # far from the origin all cosines are alike
        assert torch.equal(indices, expected.indices[:, :k])
    torch.testing.assert_close(MemoryBank(rows, metric).distances(queries), distances[:, 0])  # type: ignore[arg-type]


@pytest.mark.parametrize("tile_rows", [1, 2, 7, 50])
def test_that_tiles_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch, tile_rows: int) -> None:
    queries, rows = _rows(4097, 8, 1), _rows(50, 8, 2)
    whole = MemoryBank(rows).distances(queries)
    three = MemoryBank(rows).nearest(queries, 3)
    monkeypatch.setattr("ml.memory_bank.TILE_QUERIES", 33)
    monkeypatch.setattr("ml.memory_bank.TILE_VALUES", 33 * tile_rows)
    torch.testing.assert_close(MemoryBank(rows).distances(queries), whole)
    torch.testing.assert_close(MemoryBank(rows).nearest(queries, 3)[0], three[0])
    assert torch.equal(MemoryBank(rows).nearest(queries, 3)[1], three[1])


def test_that_a_row_of_the_bank_has_no_distance() -> None:
    rows = _rows(500, 32, 1, mean=100.0)
    assert MemoryBank(rows).distances(rows).max() < 0.02  # of distances near 8: rounding of the squares
    assert not MemoryBank(rows).distances(rows).isnan().any()


def test_that_k_above_the_bank_gives_all_rows() -> None:
    distances, indices = MemoryBank(_rows(3, 4, 1)).nearest(_rows(2, 4, 2), 9)
    assert distances.shape == indices.shape == (2, 3)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_that_distances_to_chosen_rows_equal_brute_force(metric: str) -> None:
    queries, rows = _rows(5, 6, 1), _rows(20, 6, 2)
    chosen = torch.tensor([[0, 3], [19, 1], [2, 2], [7, 8], [5, 4]])
    expected = _brute_force(queries, rows, metric).gather(1, chosen).float()
    torch.testing.assert_close(MemoryBank(rows, metric).distances_to(queries, chosen), expected)  # type: ignore[arg-type]


def test_that_the_coreset_is_the_greedy_one() -> None:
    rows = _rows(60, 5, 3)
    chosen = greedy_coreset(rows, 12, seed=4).tolist()
    pairs = _brute_force(rows, rows, "l2")
    for step in range(1, 12):
        nearest_chosen = pairs[:, chosen[:step]].min(1).values
        assert chosen[step] == int(nearest_chosen.argmax())


@pytest.mark.parametrize("kind", ["scattered", "clustered", "repeated"])
def test_that_looking_at_few_points_at_a_time_changes_no_choice(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    rows = _rows(1003, 24, 3)
    if kind == "clustered":
        rows += 5 * _rows(6, 24, 4)[torch.arange(1003) % 6]
    elif kind == "repeated":
        rows = rows[:100].repeat(10, 1)
    expected = _every_distance_at_every_step(rows, 150, seed=4)
    assert greedy_coreset(rows, 150, seed=4).tolist() == expected
    monkeypatch.setattr("ml.memory_bank.POOL", 32)
    monkeypatch.setattr("ml.memory_bank.CACHED_POINTS", 96)
    monkeypatch.setattr("ml.memory_bank.APPLIED_AT_ONCE", 5)
    assert greedy_coreset(rows, 150, seed=4).tolist() == expected


def _every_distance_at_every_step(rows: Tensor, count: int, seed: int) -> list[int]:
    """The plain algorithm, in float32 as the quick one."""
    farthest = int(torch.randint(len(rows), (), generator=torch.Generator().manual_seed(seed)))
    norms, best = rows.square().sum(1), torch.full((len(rows),), torch.inf)
    chosen = []
    for _ in range(count):
        chosen.append(farthest)
        best = torch.minimum(best, torch.mv(rows, rows[farthest]).mul(-2).add(norms).add(norms[farthest]))
        best[farthest] = -torch.inf
        farthest = int(best.argmax())
    return chosen


def test_that_the_coreset_answers_to_its_seed() -> None:
    rows = _rows(400, 200, 3)
    assert torch.equal(greedy_coreset(rows, 30, seed=1), greedy_coreset(rows, 30, seed=1))
    assert not torch.equal(greedy_coreset(rows, 30, seed=1), greedy_coreset(rows, 30, seed=2))


def test_that_the_coreset_never_repeats_a_row_even_among_identical_ones() -> None:
    assert len(set(greedy_coreset(torch.ones(20, 4), 20, seed=0).tolist())) == 20
    assert len(greedy_coreset(_rows(7, 4, 1), 50, seed=0)) == 7


def test_that_a_projected_coreset_covers_nearly_as_well() -> None:
    rows = _rows(800, 256, 5)
    pairs = _brute_force(rows, rows, "l2")
    full = pairs[:, greedy_coreset(rows, 80, 0, projection=256)].min(1).values.max()
    projected = pairs[:, greedy_coreset(rows, 80, 0, projection=64)].min(1).values.max()
    assert projected < 1.1 * full


def test_that_the_coreset_tells_its_progress_and_can_be_stopped() -> None:
    seen: list[int] = []
    greedy_coreset(_rows(1000, 4, 1), 500, 0, progress=lambda stage, done, total: seen.append(done))
    assert len(seen) == 101
    assert seen == sorted(seen)
    assert seen[-1] == 500

    asked = iter([False, False, True])
    with pytest.raises(CancelledError):
        greedy_coreset(_rows(1000, 4, 1), 500, 0, cancelled=lambda: next(asked))


def test_that_drawing_keeps_order_and_takes_all_of_few() -> None:
    rows = torch.arange(50.0)[:, None]
    drawn = draw_rows(rows, 10, torch.Generator().manual_seed(0))
    assert drawn.shape == (10, 1)
    assert torch.equal(drawn, drawn.sort(dim=0).values)
    assert draw_rows(rows, 50, torch.Generator()) is rows


def test_that_distances_scale_with_the_square_root_of_the_sum() -> None:
    bank = MemoryBank(torch.zeros(1, 4))
    assert float(bank.distances(torch.ones(1, 4))) == pytest.approx(math.sqrt(4))
