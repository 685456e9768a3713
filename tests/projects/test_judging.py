"""What a candidate would have called NG: counted by hand, honest about where good parts come from."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ml.artifact import read_manifest
from ml.confusion import ConfusionMatrix
from ml.errors import TrainingError
from ml.judging import FoundRegions
from ml.region_rules import RegionRules, Section
from ml.score_curves import ScoreCurves
from ml.score_sheet import ScoredRow
from ml.threshold_choice import ThresholdChoice
from station.home import Home
from station.projects.evidence import Evidence, parts_of
from station.projects.flow import Flow
from station.projects.judgement_choices import calibration_of
from station.projects.judging import Judging, Ranking, Rate, final_model, in_order_of_trouble, judged
from station.projects.project import Candidate, JudgedCounts, Project
from station.projects.steps import RULES
from station.projects.steps.judgement import readiness
from station.projects.store import ProjectStore
from tests.projects.evidence import held_out, scored, spotted_map, write_candidate, write_sheet

ROWS = (
    scored("good 1", "good", 8.0),
    scored("good 2", "good", 15.0, spot_px=3),
    scored("good 3", "good", 25.0),
    scored("scratch 1", "bad", 30.0, kind="scratch", spot_px=10),
    scored("scratch 2", "bad", 12.0, kind="scratch", spot_px=10),
    scored("dent 1", "bad", 22.0, kind="dent", part="dent"),
    scored("dent 2", "bad", 9.0, kind="dent", part="dent"),
    scored("doubtful", "unsure", 50.0),
    scored("broken file", "bad", None, kind="dent"),
)
LARGE = RegionRules(verdict="rules", sections=(Section(reach=1, min_area_px=50),))
MANUAL_28 = ThresholdChoice(rule="manual", threshold=28.0, unsure_share=0.5)


def evidence(folder: Path, rows: tuple[ScoredRow, ...] = ROWS, rules: RegionRules | None = None) -> Evidence:
    model = folder / "ring.loupe"
    write_sheet(model, write_candidate(model, rules), rows)
    return Evidence.read(model)


def candidate(**changed: object) -> Candidate:
    return Candidate.model_validate({"title": "PatchCore", "order": {}, "state": "trained", **changed})


@pytest.fixture
def flow(tmp_path: Path) -> Iterator[Flow]:
    store = ProjectStore(Home(tmp_path / "home").projects)
    with Flow.begin(store, Project(name="Ring"), RULES) as opened:
        yield opened


# Counting


def test_that_verdicts_are_counted_in_parts_and_faults_and_doubtful_pictures_apart(tmp_path: Path) -> None:
    found = judged(evidence(tmp_path), candidate())  # the threshold lies just above 19
    assert found.matrix == ConfusionMatrix(tn=2, fp=1, fn=1, tp=2)
    assert found.evidence.faults == 1 and found.goods_from == "test"
    assert [(one.kind, one.found.events, one.found.trials) for one in found.kinds] == [
        ("scratch", 1, 2),
        ("dent", 1, 1),
    ]
    assert [one.kind for one in in_order_of_trouble(found.kinds)] == ["scratch", "dent"]
    assert found.counts == JudgedCounts(good=3, false_alarms=1, bad=3, found=2)


def test_that_unsure_is_normal_at_the_threshold_and_rejected_by_the_line(tmp_path: Path) -> None:
    found = judged(evidence(tmp_path), candidate(choice=MANUAL_28))  # UNSURE from just above 10 on
    assert found.matrix == ConfusionMatrix(tn=3, fp=0, fn=2, tp=1)
    assert found.matrix_line == ConfusionMatrix(tn=1, fp=2, fn=0, tp=3)
    assert found.unsure == 4


def test_that_region_rules_judge_from_the_stored_maps(tmp_path: Path) -> None:
    found = judged(evidence(tmp_path), candidate(rules=LARGE))
    assert found.matrix == ConfusionMatrix(tn=3, fp=0, fn=1, tp=2)  # both scratches, by their 100 px
    either = LARGE.model_copy(update={"verdict": "either"})
    assert judged(evidence(tmp_path), candidate(rules=either)).matrix == ConfusionMatrix(tn=2, fp=1, fn=0, tp=3)


def test_that_rules_of_the_training_hold_until_they_are_left_out(tmp_path: Path) -> None:
    trained = evidence(tmp_path, rules=LARGE)
    assert judged(trained, candidate()).rules == LARGE
    assert judged(trained, candidate(without_rules=True)).rules is None


def test_that_worst_pictures_come_in_order(tmp_path: Path) -> None:
    found = judged(evidence(tmp_path), candidate(choice=ThresholdChoice(rule="manual", threshold=13.0)))

    def names(rows: tuple[int, ...]) -> list[str]:
        return [found.evidence.rows[row].name for row in rows]

    assert names(found.false_calls()) == ["good 3", "good 2"]
    assert names(found.misses()) == ["scratch 2"]  # the dent is seen on the other picture of its part
    assert names(found.close_calls(2)) == ["scratch 2", "good 2"]


def test_that_held_out_parts_stand_in_where_no_good_part_was_tested(tmp_path: Path) -> None:
    found = judged(evidence(tmp_path, ROWS[3:]), candidate())
    assert found.goods_from == "held-out"
    assert found.matrix == ConfusionMatrix(tn=19, fp=1, fn=1, tp=2)
    assert found.counts.goods_held_out
    by_rules = judged(found.evidence, candidate(rules=LARGE))
    assert by_rules.matrix.fp == 0


def test_that_without_any_test_the_held_out_parts_are_all_there_is(tmp_path: Path) -> None:
    write_candidate(tmp_path / "ring.loupe")
    found = judged(Evidence.read(tmp_path / "ring.loupe"), candidate())
    assert found.matrix == ConfusionMatrix(tn=19, fp=1)
    assert found.found.share is None and found.found.interval is None and found.kinds == ()


def test_that_scores_of_another_model_are_refused(tmp_path: Path) -> None:
    model = tmp_path / "ring.loupe"
    write_sheet(model, write_candidate(model), ROWS)
    write_candidate(model, fill=1.0)
    read = Evidence.read(model)
    assert read.rows == () and "another model" in read.problem


def test_that_thousands_of_parts_are_judged_by_any_threshold_and_rules(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = tuple(
        scored(f"{number}", "bad" if number % 4 == 0 else "good", float(score), spot_px=8 if number < 400 else 0)
        for number, score in enumerate(rng.gamma(20, 1, 5000))
    )
    model = tmp_path / "ring.loupe"
    manifest = write_candidate(model)
    regions = {side: FoundRegions.of(spotted_map(side), manifest.calibration) for side in (0, 8)}
    found = tuple(regions[8 if number < 400 else 0] for number in range(5000))
    big = Evidence(model, manifest, 0, tmp_path, rows, found, parts_of(rows))
    for step in range(3):
        choice = ThresholdChoice(rule="manual", threshold=15.0 + step / 10)
        assert Judging.of(big, manifest.calibration.with_choice(choice), None).counts.bad == 1250
    assert Judging.of(big, manifest.calibration, LARGE).counts.found == 100


def test_that_rates_carry_exact_intervals() -> None:
    low, high = Rate(2, 51).interval or (0.0, 0.0)
    assert (round(low, 4), round(high, 4)) == (0.0048, 0.1346)


# Ranking


def test_that_the_ranking_is_that_of_the_highest_score_of_each_part(tmp_path: Path) -> None:
    ranking = Ranking.of(evidence(tmp_path))
    assert ranking.good.tolist() == [8.0, 15.0, 25.0] and ranking.bad.tolist() == [30.0, 12.0, 22.0]
    assert ranking.auroc == pytest.approx(6 / 9)
    low, high = ranking.auroc_interval or (1.0, 0.0)
    assert low < 6 / 9 < high


def test_that_a_ranking_without_defects_says_why_there_is_none(tmp_path: Path) -> None:
    ranking = Ranking.of(evidence(tmp_path, ROWS[:3]))
    assert ranking.auroc is None and "defect" in ranking.reason


def test_that_curves_count_scores_at_the_threshold_as_called() -> None:
    curves = ScoreCurves.of(np.array([1.0, 2.0, 2.0]), np.array([2.0, 3.0]))
    assert curves.thresholds.tolist() == [np.inf, 3.0, 2.0, 1.0]
    assert curves.recall.tolist() == [0, 0.5, 1, 1]
    assert curves.false_alarms.tolist() == pytest.approx([0, 0, 2 / 3, 1])
    assert curves.precision.tolist() == pytest.approx([1, 1, 0.5, 0.4])
    assert curves.threshold_at(0.0, 0.6) == 3.0


# The step, and what goes on to deployment


def test_that_the_step_needs_a_trained_candidate_that_is_chosen() -> None:
    project = Project(name="Ring")
    assert "Nothing is trained" in readiness(project).obstacle
    trained = candidate()
    project = project.with_candidate(trained).with_candidate(candidate(state="failed"))
    assert "Choose" in readiness(project).obstacle
    assert readiness(project.model_copy(update={"chosen": trained.id})).obstacle == ""


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        (
            JudgedCounts(good=51, false_alarms=2, bad=74, found=70),
            "At this threshold 2 of 51 good parts would be called NG (0.5 to 13 %), 70 of 74 defects found.",
        ),
        (
            JudgedCounts(good=31, false_alarms=0, bad=0, found=0, goods_held_out=True),
            "At this threshold 0 of 31 held-out good parts would be called NG (0 to 11 %), "
            "and nothing can be said of defects: no defective part was tested with.",
        ),
    ],
)
def test_that_the_consequence_says_what_the_threshold_does(counts: JudgedCounts, words: str) -> None:
    chosen = candidate(judged=counts)
    project = Project(name="Ring", chosen=chosen.id).with_candidate(chosen)
    assert readiness(project).consequence == words


def test_that_the_trained_model_goes_on_where_nothing_was_chosen(flow: Flow) -> None:
    one = candidate()
    model = flow.candidate_folder(one.id) / "ring.loupe"
    write_candidate(model)
    assert final_model(flow, one) == model


def test_that_a_choice_goes_on_as_a_version_of_its_own_and_only_the_last_one(flow: Flow) -> None:
    one = candidate(choice=MANUAL_28, rules=LARGE)
    model = flow.candidate_folder(one.id) / "ring.loupe"
    trained = write_candidate(model)
    version = final_model(flow, one)
    written = read_manifest(version)
    assert written.calibration == calibration_of(one, held_out()) and written.rules == LARGE
    assert written.model_hash != trained.model_hash and read_manifest(model) == trained
    before = version.stat().st_mtime_ns
    assert final_model(flow, one) == version and version.stat().st_mtime_ns == before
    again = final_model(flow, candidate(id=one.id, choice=MANUAL_28))
    assert read_manifest(again).rules is None and again == version
    assert final_model(flow, candidate(id=one.id)) == model


def test_that_a_model_that_is_gone_is_told(flow: Flow) -> None:
    with pytest.raises(TrainingError, match="Train this candidate again"):
        final_model(flow, candidate())
