"""Which past parts would change their verdict: from a real history, with sheets written by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.region_rules import RegionRules, Section
from ml.score_sheet import ScoredRow, ScoreSheet
from station.core.verdict import Verdict
from station.database import open_database
from station.history import HistoryReader, HistoryWriter, PictureStore, ReviewLog
from station.projects.flips import Flip, PastPart, as_list, find_flips, past_parts
from tests.history.parts import inspected, without_picture
from tests.projects.evidence import held_out, scored, spotted_map

CALIBRATION = held_out()  # NG from just above 19, UNSURE from just above 10
PASSES, FAILS = 8.0, 25.0


class History:
    """A small one to write to and read from."""

    def __init__(self, folder: Path) -> None:
        self.engine = open_database(folder / "loupe.db")
        self.store = PictureStore(folder / "pictures")
        self.reader = HistoryReader(self.engine, self.store)
        self.reviews = ReviewLog(self.engine)
        self._count = 0

    def add(self, verdict: Verdict, finding: str | None = None, role: str = "supervisor", **changed: object) -> str:
        self._count += 1
        part = inspected(verdict, self._count, seed=self._count, **changed)
        with HistoryWriter(self.engine, self.store, min_free_bytes=0) as writer:
            writer.record(part)
        if finding is not None:
            self.reviews.add(part.inspection.id, finding, "someone", role, "")
        return part.inspection.id


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    made = History(tmp_path)
    yield made
    made.engine.dispose()


def write_new_scores(folder: Path, scores: dict[str, float | None], spot_px: int = 0) -> Path:
    rows: list[ScoredRow] = [scored(name, "unsure", score, spot_px=spot_px) for name, score in scores.items()]
    folder.mkdir()
    for row in rows:
        if row.map is not None:
            (folder / row.map).write_bytes(spotted_map(spot_px).to_bytes())
    ScoreSheet(model_hash="0" * 64, rows=tuple(rows)).save(folder)
    return folder


def flips(history: History, folder: Path, scores: dict[str, float | None]) -> tuple[Flip, ...]:
    parts = past_parts(history.reader, "Valve seat A")
    return find_flips(parts, write_new_scores(folder, scores), CALIBRATION, None)


def test_that_only_judged_parts_of_the_recipe_with_a_picture_are_looked_at(history: History) -> None:
    kept = history.add(Verdict.OK)
    history.add(Verdict.FAULT)
    history.add(Verdict.OK, recipe="Another")
    with HistoryWriter(history.engine, history.store, min_free_bytes=0) as writer:
        writer.record(without_picture(Verdict.OK, 9))
    assert [part.inspection.id for part in past_parts(history.reader, "Valve seat A")] == [kept]


def test_that_the_newest_come_first_and_no_more_than_asked(history: History) -> None:
    ids = [history.add(Verdict.OK) for _ in range(4)]
    assert [part.inspection.id for part in past_parts(history.reader, "Valve seat A", 2)] == [ids[3], ids[2]]


def test_that_parts_are_listed_by_their_stored_pictures_and_lost_ones_are_counted(history: History) -> None:
    history.add(Verdict.OK)
    history.add(Verdict.NG)
    parts = past_parts(history.reader, "Valve seat A")
    history.store.path(parts[0].inspection.picture_hash or "").unlink()
    listed, gone = as_list(parts, history.store)
    assert gone == 1
    (one,) = listed.pictures
    assert one.name == parts[1].inspection.id and one.file.is_file() and one.sha256 == parts[1].inspection.picture_hash
    assert one.label == "unsure"


@pytest.mark.parametrize(
    ("verdict", "finding", "truth"),
    [
        (Verdict.NG, "confirmed", "bad"),
        (Verdict.NG, "false_call", "good"),
        (Verdict.OK, "escape", "bad"),
        (Verdict.OK, "confirmed", "good"),
        (Verdict.UNSURE, "confirmed", None),
        (Verdict.OK, None, None),
    ],
)
def test_that_a_review_tells_the_truth(
    history: History, verdict: Verdict, finding: str | None, truth: str | None
) -> None:
    history.add(verdict, finding)
    (part,) = past_parts(history.reader, "Valve seat A")
    assert part.truth == truth and part.is_confirmed == (truth is not None)


def test_that_what_came_with_the_part_counts_where_nobody_looked(history: History) -> None:
    history.add(Verdict.OK, given_truth="anomaly")
    (part,) = past_parts(history.reader, "Valve seat A")
    assert part == PastPart(part.inspection, "bad", is_confirmed=False)


def test_that_a_confirmed_bad_part_that_would_pass_stands_first(history: History, tmp_path: Path) -> None:
    unknown = history.add(Verdict.NG)
    rejected_good = history.add(Verdict.OK, "confirmed")
    rejected_bad = history.add(Verdict.OK, "escape")
    passing_bad = history.add(Verdict.NG, "confirmed")
    same = history.add(Verdict.OK)
    found = flips(
        history,
        tmp_path / "past",
        {unknown: PASSES, rejected_good: FAILS, rejected_bad: FAILS, passing_bad: PASSES, same: PASSES},
    )
    assert [flip.part.inspection.id for flip in found] == [passing_bad, rejected_good, unknown, rejected_bad]
    assert [flip.is_worse for flip in found] == [True, True, False, False]
    first = found[0]
    assert (first.old, first.new, first.direction) == (Verdict.NG, Verdict.OK, "passes")
    assert first.old_score == 2.0 and first.new_score == pytest.approx(CALIBRATION.normalise(PASSES))


def test_that_rejected_parts_that_stay_rejected_have_a_direction_of_their_own(history: History, tmp_path: Path) -> None:
    unsure = history.add(Verdict.UNSURE)
    (flip,) = flips(history, tmp_path / "past", {unsure: FAILS})
    assert (flip.new, flip.direction) == (Verdict.NG, "other")


def test_that_a_part_that_can_no_longer_be_scored_is_a_fault(history: History, tmp_path: Path) -> None:
    part = history.add(Verdict.OK)
    (flip,) = flips(history, tmp_path / "past", {part: None})
    assert flip.new is Verdict.FAULT and flip.direction == "rejected" and flip.new_score is None


def test_that_region_rules_flip_too(history: History, tmp_path: Path) -> None:
    part = history.add(Verdict.OK)
    folder = write_new_scores(tmp_path / "past", {part: PASSES}, spot_px=8)
    rules = RegionRules(sections=(Section(reach=1, min_area_px=30),))
    parts = past_parts(history.reader, "Valve seat A")
    assert find_flips(parts, folder, CALIBRATION, None) == ()
    (flip,) = find_flips(parts, folder, CALIBRATION, rules)
    assert flip.new is Verdict.NG
