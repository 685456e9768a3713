"""Figures of a model in words: what is said of a threshold is true of the one that judges."""

import pytest

from ml.artifact import Agreement, GraphRecord
from ml.threshold_choice import ThresholdChoice
from station.ui.training.words import computing_words, false_alarm_words, percent, rule_words
from tests import fakes
from tests.projects.evidence import held_out


def test_that_a_trained_threshold_tells_its_rule_and_its_rate() -> None:
    trained = held_out()
    assert rule_words(trained).startswith("exact bound")
    assert false_alarm_words(trained).startswith("10 % wanted; between")


def test_that_a_threshold_set_by_hand_promises_no_rate() -> None:
    by_hand = held_out().with_choice(ThresholdChoice(rule="manual", threshold=15.0))
    assert rule_words(by_hand) == "set by hand"
    assert "wanted" not in false_alarm_words(by_hand)
    assert "between" in false_alarm_words(by_hand)


def test_that_a_rate_chosen_in_judging_replaces_the_one_of_the_training() -> None:
    chosen = held_out().with_choice(ThresholdChoice(rule="false_alarms", alpha=0.2, threshold=17.0))
    assert "by the rate of false alarms" in rule_words(chosen)
    assert false_alarm_words(chosen).startswith("20 % wanted")


@pytest.mark.parametrize(
    ("share", "words"), [(0.005, "0.5 %"), (0.01, "1 %"), (0.117, "12 %"), (0.998, "100 %"), (1.0, "100 %")]
)
def test_that_a_share_reads_as_people_write_it(share: float, words: str) -> None:
    assert percent(share) == words


@pytest.mark.parametrize(("flips", "told"), [(0, "the same verdict on all"), (1, "another verdict on 1")])
def test_that_a_graph_is_told_with_what_it_was_held_against(flips: int, told: str) -> None:
    agreement = Agreement(pictures=8, largest_difference=1e-6, flips=flips)
    graph = GraphRecord(sha256="c" * 64, offset_px=(0, 0), sigma_px=4, score_rule="max_raw", agreement=agreement)
    assert computing_words(fakes.manifest(graph=graph)) == f"ONNX Runtime; held against PyTorch on 8 pictures: {told}"


def test_that_a_model_without_a_graph_says_why() -> None:
    assert computing_words(fakes.manifest(graph_refused="It differs.")) == "PyTorch: It differs."
    assert "before models had a graph" in computing_words(fakes.manifest())
