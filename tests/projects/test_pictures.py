"""Pictures of a project: where they come from, which are held out, what is decided on them, what the step lacks."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ml.errors import PictureError
from ml.generation.marking import Mark, encode_marked
from ml.pictures import encode_png
from station.core.verdict import Verdict
from station.history.filters import HistoryFilter
from station.history.records import InspectionRow, Review
from station.projects import picture_choices as choices
from station.projects.checking import findings_of
from station.projects.project import Finding, Project, ProjectPicture
from station.projects.sources import Offer, admit, from_history, from_paths, proposed_label
from station.projects.splitting import LEAST_NEW_PARTS, parts_of, split, unnamed
from station.projects.steps.pictures import readiness
from station.projects.store import ProjectError
from tests.ui.demo_history import open_demo_history

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def picture(number: int, **changes: object) -> ProjectPicture:
    fields = {
        "name": f"{number:03d}.png",
        "file": Path(f"/parts/{number:03d}.png"),
        "sha256": f"{number:064x}",
        "width_px": 64,
        "height_px": 48,
        "added_at": NOW,
    }
    return ProjectPicture.model_validate(fields | changes)


def project_of(*pictures: ProjectPicture, **changes: object) -> Project:
    fields = {"id": "0123456789ab", "name": "Seat", "pictures": pictures}
    return split(Project.model_validate(fields | changes))


def many(count: int, start: int = 0, **changes: object) -> list[ProjectPicture]:
    return [picture(number, **changes) for number in range(start, start + count)]


def held_out(project: Project) -> set[str]:
    return {one.name for one in project.pictures if one.use == "test"}


def write(path: Path, seed: int = 0, side: int = 64) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)))
    return path


# The split


def test_that_nothing_is_held_out_of_fewer_than_twenty_good_parts() -> None:
    assert not held_out(project_of(*many(19)))
    assert held_out(project_of(*many(20)))


def test_that_about_the_wanted_share_is_held_out() -> None:
    assert 25 <= len(held_out(project_of(*many(200)))) <= 55
    assert len(held_out(project_of(*many(200), test_share=0.0))) == 0


def test_that_what_is_held_out_stays_so_when_pictures_come_and_go() -> None:
    before = project_of(*many(60))
    more = choices.added(before, many(80, start=60))
    assert held_out(before) == held_out(more) & {one.name for one in before.pictures}
    fewer = choices.removed(more, [one.name for one in more.pictures if one.name not in held_out(before)])
    assert held_out(fewer) >= held_out(before)
    aside = choices.set_aside(before, [one.name for one in before.pictures][:50])
    assert held_out(aside) == held_out(before)


def test_that_another_project_draws_other_parts() -> None:
    assert held_out(project_of(*many(60))) != held_out(project_of(*many(60), id="ba9876543210"))


def test_that_no_part_is_split() -> None:
    shots = [picture(number, name=f"{number // 3:03d}-{number % 3}.png") for number in range(120)]
    project = project_of(*shots, group_by=r"^(\d+)-")
    uses: dict[str, set[str]] = {}
    for one, part in zip(project.pictures, parts_of(project), strict=True):
        uses.setdefault(part, set()).add(one.use)
    assert len(uses) == 40 and all(len(use) == 1 for use in uses.values())
    assert held_out(project)
    assert not held_out(project_of(*shots[:57], group_by=r"^(\d+)-")), "19 parts, though 57 pictures"


def test_that_repeats_of_a_picture_count_to_its_part() -> None:
    again = Finding(kind="near_duplicate", words="", other="001.png")
    project = project_of(*many(30), picture(40, sha256=f"{0:064x}"), picture(41, findings=(again,)))
    parts = parts_of(project)
    assert parts[30] == parts[0] and parts[31] == parts[1]


def test_that_a_repeat_stays_where_it_was_when_the_first_is_removed() -> None:
    repeats = [
        picture(100 + number, findings=(Finding(kind="near_duplicate", words="", other=f"{number:03d}.png"),))
        for number in range(40)
    ]
    whole = project_of(*many(40), *repeats)
    left = choices.removed(whole, [f"{number:03d}.png" for number in range(40)])
    assert held_out(left) == held_out(whole) & {one.name for one in repeats} != set()


def test_that_a_part_whose_defect_is_learnt_is_not_held_out() -> None:
    shots = [picture(number, name=f"{number // 2:03d}-{number % 2}.png") for number in range(120)]
    project = project_of(*shots, group_by=r"^(\d+)-")
    tested = sorted(held_out(project))
    project = choices.learnt_from(choices.labelled(project, tested[:1], "bad"), tested[:1], True)
    assert {one.use for one in project.pictures if one.name[:3] == tested[0][:3]} == {"learn"}


def test_that_names_without_a_part_are_named() -> None:
    project = project_of(picture(1, name="a-1.png"), picture(2, name="nothing.png"), group_by=r"-(\d)")
    assert unnamed(project) == ("nothing.png",)


def test_that_the_split_of_a_layout_is_left_alone() -> None:
    learnt = many(40, use_given=True)
    tests = many(5, start=100, use="test", use_given=True)
    assert held_out(project_of(*learnt, *tests)) == {one.name for one in tests}
    assert held_out(project_of(*many(40), *tests)) == {one.name for one in tests}, "tests came with the pictures"


def test_that_few_new_pictures_are_all_learnt_when_a_model_is_fine_tuned() -> None:
    base = many(50, start=500, origin="base", use_given=True)
    assert not held_out(project_of(*base, *many(LEAST_NEW_PARTS - 1), base_model="a" * 64))
    assert held_out(project_of(*base, *many(LEAST_NEW_PARTS), base_model="a" * 64))


def test_that_bad_pictures_test_unless_they_are_given_to_learn_from() -> None:
    project = choices.labelled(project_of(*many(5)), ["001.png", "002.png"], "bad")
    assert held_out(project) == {"001.png", "002.png"}
    assert held_out(choices.learnt_from(project, ["002.png", "003.png"], True)) == {"001.png"}
    assert not held_out(choices.labelled(project, ["001.png", "002.png"], "good"))


def test_that_a_defect_among_the_good_pictures_of_a_layout_tests() -> None:
    project = choices.labelled(project_of(*many(5, use_given=True)), ["001.png"], "bad")
    assert held_out(project) == {"001.png"}
    assert not held_out(choices.labelled(project, ["001.png"], "good"))
    seen = choices.labelled(project_of(*many(5, use_given=True, origin="base")), ["001.png"], "bad")
    assert not held_out(seen), "what the base has learnt cannot test"


def test_that_what_the_base_has_seen_keeps_its_use_whatever_it_is_labelled() -> None:
    learnt = picture(1, use_given=True, origin="base", label="bad")
    tested = picture(2, use_given=True, origin="base", label="unsure", use="test")
    project = project_of(learnt, tested, *many(60, start=10), base_model="a" * 64, test_share=0.5)
    for label in ("good", "bad", "unsure", "good"):
        project = choices.labelled(project, ["001.png", "002.png"], label)  # type: ignore[arg-type]
        for is_learnt in (True, False):
            project = choices.learnt_from(project, ["001.png", "002.png"], is_learnt)
            assert [(one.use, one.use_given) for one in project.pictures[:2]] == [("learn", True), ("test", True)]


# What is decided


def test_that_a_proposal_is_followed_refused_and_taken_back() -> None:
    blurred = Finding(kind="blurred", words="Blurred: focus 0.4 of the usual", figure=0.4)
    project = project_of(picture(1), picture(2, findings=(blurred,)), picture(3, findings=(blurred,)))
    assert [one.name for one in choices.proposed(project, "blurred")] == ["002.png", "003.png"]
    project = choices.kept(project, ["001.png", "002.png"])
    assert [one.kept for one in project.pictures] == [False, True, False]
    project = choices.proposed_set_aside(project)
    assert [one.set_aside for one in project.pictures] == ["", "", "as blurred"]
    assert not choices.proposed(project)
    project = choices.taken_back(project, ["003.png"])
    assert project.pictures[2].is_used and not choices.proposed(project)
    assert choices.set_aside(project, ["001.png"]).pictures[0].set_aside == choices.BY_HAND


def test_that_only_bad_pictures_have_a_kind() -> None:
    project = choices.labelled(project_of(*many(2)), ["001.png"], "bad")
    project = choices.with_kind(project, ["000.png", "001.png"], " crack ")
    assert [one.kind for one in project.pictures] == [None, "crack"]
    assert choices.labelled(project, ["001.png"], "unsure").pictures[1].kind is None


def test_that_findings_are_told_in_words_and_tests_come_before_what_repeats_them(tmp_path: Path) -> None:
    shown = [admit(Offer(f"{n}.png", write(tmp_path / f"{n}.png", n)), ()) for n in range(3)]
    copy = admit(Offer("0 again.png", write(tmp_path / "copy.png", 0), use="test", use_given=True), ())
    facts = {one.picture.sha256: one.examined.facts for one in (*shown, copy)}
    found = findings_of([one.picture for one in (*shown, copy)], facts, {"gone.png": "It is gone."})
    assert [one.words for one in found["0.png"]] == ["Same picture as 0 again.png"]
    assert found["0 again.png"] == () and found["gone.png"][0].kind == "unreadable"


# Sources


def test_that_kinds_of_defects_alone_are_a_layout_too(tmp_path: Path) -> None:
    (tmp_path / "test" / "crack").mkdir(parents=True)
    (tmp_path / "test" / "crack" / "1.png").write_bytes(encode_png(np.zeros((40, 50), np.uint8)))
    (offer,) = from_paths([tmp_path]).pictures
    assert (offer.label, offer.kind, offer.use) == ("bad", "crack", "test")
    write(tmp_path / "0.png")
    assert [(one.name, one.label) for one in from_paths([tmp_path]).pictures] == [
        ("0.png", "good"),
        ("test/crack/1.png", "bad"),
    ]


def test_that_a_plain_folder_holds_good_pictures(tmp_path: Path) -> None:
    for number in (10, 2):
        write(tmp_path / f"{number}.png")
    offers = from_paths([tmp_path]).pictures
    assert [(one.name, one.label, one.use_given) for one in offers] == [
        ("2.png", "good", False),
        ("10.png", "good", False),
    ]


def test_that_the_mvtec_layout_is_recognised(tmp_path: Path) -> None:
    write(tmp_path / "train" / "good" / "0.png")
    write(tmp_path / "test" / "good" / "1.png")
    write(tmp_path / "test" / "crack" / "2.png")
    mask = write(tmp_path / "ground_truth" / "crack" / "2_mask.png")
    found = {one.name: one for one in from_paths([tmp_path]).pictures}
    assert (found["train/good/0.png"].use, found["train/good/0.png"].label) == ("learn", "good")
    assert (found["test/good/1.png"].use, found["test/good/1.png"].label) == ("test", "good")
    bad = found["test/crack/2.png"]
    assert (bad.use, bad.label, bad.kind, bad.mask) == ("test", "bad", "crack", mask)


def test_that_a_folder_without_pictures_says_where_there_are_some(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="no pictures in"):
        from_paths([tmp_path])
    write(tmp_path / "line 2" / "0.png")
    with pytest.raises(ProjectError, match="line 2"):
        from_paths([tmp_path])


def test_that_names_are_unique(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a" / "0.png"), write(tmp_path / "b" / "0.png", 1)
    taken: set[str] = set()
    for file in (first, second, second):
        taken.add(admit(Offer(file.name, file), taken).picture.name)
    assert taken == {"0.png", "b/0.png", "b/0.png (2)"}


def test_that_generated_small_and_damaged_pictures_are_refused_in_words(tmp_path: Path) -> None:
    made = tmp_path / "made.png"
    made.write_bytes(encode_marked(np.full((64, 64), 90, np.uint8), Mark(generator="appearance")))
    strip = tmp_path / "strip.png"
    strip.write_bytes(encode_png(np.full((8, 64), 90, np.uint8)))
    damaged = write(tmp_path / "damaged.png")
    damaged.write_bytes(damaged.read_bytes()[:200])
    for file, words in ((made, "no camera took it"), (strip, "at least 32"), (damaged, "damaged")):
        with pytest.raises(PictureError, match=words):
            admit(Offer(file.name, file), ())


@pytest.fixture(scope="module")
def some_row(tmp_path_factory: pytest.TempPathFactory) -> InspectionRow:
    history = open_demo_history(tmp_path_factory.mktemp("one"), 1, side_px=64)
    try:
        return history.reader.recent(1)[0]
    finally:
        history.engine.dispose()


def test_that_pictures_come_from_the_history_with_the_reviews_label(tmp_path: Path) -> None:
    history = open_demo_history(tmp_path, 24, side_px=64)
    try:
        offers = from_history(history.reader, HistoryFilter())
        rows = {one.inspection.id: one for one in history.reader.each(HistoryFilter())}
        few = from_history(history.reader, HistoryFilter(), most=3)
    finally:
        history.engine.dispose()
    assert offers.pictures and len(few.pictures) <= 3
    for offer in offers.pictures:
        found = rows[offer.origin_id or ""]
        assert found.inspection.verdict is not Verdict.FAULT
        assert offer.label == proposed_label(found) and offer.file.is_file() and offer.origin == "history"


@pytest.mark.parametrize(
    ("verdict", "finding", "label"),
    [
        (Verdict.OK, None, "good"),
        (Verdict.NG, None, "unsure"),
        (Verdict.UNSURE, None, "unsure"),
        (Verdict.NG, "false_call", "good"),
        (Verdict.UNSURE, "false_call", "good"),
        (Verdict.NG, "confirmed", "bad"),
        (Verdict.OK, "confirmed", "good"),
        (Verdict.UNSURE, "confirmed", "unsure"),
        (Verdict.OK, "escape", "bad"),
    ],
)
def test_that_the_label_is_what_a_person_found(
    verdict: Verdict, finding: str | None, label: str, some_row: InspectionRow
) -> None:
    review = None
    if finding is not None:
        review = Review(some_row.inspection.id, NOW, "local", "supervisor", finding, None, "")  # type: ignore[arg-type]
    changed = InspectionRow(1, replace(some_row.inspection, verdict=verdict), review)
    assert proposed_label(changed) == label


# The step


def test_that_the_step_says_what_it_lacks_and_what_follows() -> None:
    assert "Add pictures" in readiness(project_of()).obstacle
    assert "checked" in readiness(project_of(picture(1, checked=False))).obstacle
    assert "good part yet" in readiness(project_of(picture(1, label="bad"))).obstacle
    assert "set aside" in readiness(project_of(picture(1, set_aside="by hand"))).obstacle
    lost = picture(1, findings=(Finding(kind="unreadable", words="gone"),))
    assert "001.png" in readiness(project_of(lost, picture(2))).obstacle
    one = readiness(project_of(picture(1)))
    assert not one.obstacle and one.consequence == "1 good. 30 or more good pictures are better"
    whole = project_of(
        *many(238, use_given=True),
        *many(40, start=300, use="test", use_given=True),
        *many(3, start=400, use_given=True, set_aside="as blurred"),
        *many(12, start=500, label="bad"),
    )
    assert readiness(whole).consequence == "238 good, 40 held out, 3 set aside as blurred, 12 bad"


def test_that_a_fine_tuning_needs_new_good_pictures() -> None:
    base = many(3, origin="base", use_given=True)
    assert "new picture" in readiness(project_of(*base, base_model="a" * 64)).obstacle
    ready = readiness(project_of(*base, *many(2, start=9), base_model="a" * 64))
    assert not ready.obstacle and ready.consequence.startswith("2 new good, 3 good learnt before. No old test pictures")


def test_that_a_fine_tuning_says_what_it_has_to_test_with_as_before() -> None:
    tests = [
        *many(4, start=100, origin="base", use="test", use_given=True),
        *many(2, start=200, origin="base", use="test", use_given=True, label="bad"),
    ]
    unlabelled = many(12, start=300, origin="base", use="test", use_given=True, label="unsure")
    known = project_of(*many(2), *tests, base_model="a" * 64)
    assert readiness(known).consequence == "2 new good, 0 good learnt before. To test with as before: 4 good, 2 bad"
    unknown = readiness(project_of(*many(2), *unlabelled, base_model="a" * 64)).consequence
    assert unknown.endswith("before. 12 old test pictures: label them to see what is still found")
