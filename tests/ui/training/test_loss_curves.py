"""Curves of losses: their axis."""

import numpy as np
import pytest

from station.ui.training.learning.loss_curves import decade_ticks, is_logarithmic


@pytest.mark.parametrize(
    ("values", "expected"), [([3, 2, 1], False), ([100, 1], True), ([100, 0], False), ([100, -1], False), ([], False)]
)
def test_that_losses_that_differ_much_are_drawn_logarithmically(values: list[float], expected: bool) -> None:
    assert is_logarithmic(np.array(values, float)) is expected


def test_that_a_logarithmic_axis_shows_figures_as_people_write_them() -> None:
    assert [words for _, words in decade_ticks(0.003, 20)] == ["0.001", "0.01", "0.1", "1", "10", "100"]
    assert [words for _, words in decade_ticks(1, 90)] == ["1", "2", "5", "10", "20", "50", "100", "200", "500"]
