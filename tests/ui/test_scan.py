"""Scanner or person: told apart by time alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.ui.inspect.scan import SCAN_GAP_S, ScanDetector


def typed(detector: ScanDetector, text: str, gap_s: float, start_s: float = 10.0) -> float:
    """Hold each character as the window's filter does; the time of the last one."""
    now_s = start_s
    for character in text:
        now_s += gap_s
        if not detector.continues(now_s):
            detector.release()
        detector.hold(character, now_s)
    return now_s


def test_that_fast_keys_ended_by_enter_are_a_code() -> None:
    detector = ScanDetector()
    last_s = typed(detector, "0042-118", 0.005)
    assert detector.finish(last_s + 0.005) == "0042-118"
    assert not detector.is_holding


def test_that_slow_keys_are_a_person() -> None:
    detector = ScanDetector()
    last_s = typed(detector, "0042", 0.08)
    assert detector.finish(last_s + 0.08) is None


def test_that_a_slow_enter_after_fast_keys_is_a_person() -> None:
    detector = ScanDetector()
    last_s = typed(detector, "0042", 0.005)
    assert detector.finish(last_s + 0.2) is None
    assert detector.release() == 4


def test_that_enter_alone_is_a_person() -> None:
    assert ScanDetector().finish(10.0) is None


def test_that_two_fast_keys_are_too_few_for_a_code() -> None:
    detector = ScanDetector()
    last_s = typed(detector, "12", 0.001)
    assert detector.finish(last_s + 0.001) is None


def test_that_the_scanners_prefix_is_wanted_and_taken_off() -> None:
    detector = ScanDetector(prefix="~")
    last_s = typed(detector, "~0042", 0.005)
    assert detector.finish(last_s + 0.005) == "0042"
    last_s = typed(detector, "0042", 0.005, start_s=20.0)
    assert detector.finish(last_s + 0.005) is None


def test_that_a_key_long_before_does_not_join_the_code() -> None:
    detector = ScanDetector()
    detector.hold("x", 1.0)
    last_s = typed(detector, "0042", 0.005)
    assert detector.finish(last_s) == "0042"


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=3, max_size=40), st.floats(0, SCAN_GAP_S))
def test_that_any_code_at_a_scanners_pace_arrives_whole(code: str, gap_s: float) -> None:
    detector = ScanDetector()
    last_s = typed(detector, code, gap_s * 0.99, start_s=0.0)
    assert detector.finish(last_s) == code


@pytest.mark.parametrize("gap_s", [0.031, 0.05, 1.0])
def test_that_no_more_than_one_key_is_held_at_a_persons_pace(gap_s: float) -> None:
    detector = ScanDetector()
    typed(detector, "anything", gap_s)
    assert detector.release() == 1
