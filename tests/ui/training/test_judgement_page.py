"""The page Judgement by mouse and keyboard: the threshold moves matrix, number and project together."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ml.artifact import read_manifest
from ml.picture_list import ListedPicture, PictureList
from ml.region_rules import RegionRules, Section
from ml.score_sheet import ScoredRow
from ml.threshold_rules import LabelledParts, labelled_threshold
from station.core.verdict import Verdict
from station.history.archive import Archive
from station.projects.flow import Flow
from station.projects.judging import final_model
from station.projects.odd_good import OddGood
from station.projects.project import Candidate, Project, Step
from station.projects.store import ProjectError
from station.ui.training.judgement.page import JudgementPage
from station.ui.training.judgement.picture_strip import ITEM_ROLE
from station.ui.training.wizard_page import WizardPorts
from station.workers.scoring import ScoredSheet
from tests.history.parts import inspected
from tests.projects.evidence import scored, spotted_map, write_candidate, write_sheet
from tests.ui.training.conftest import OpenFlow

RECIPE = "Valve seat A"


def rows(folder: Path) -> tuple[ScoredRow, ...]:
    """Goods up to 25, defects from 12 on; the model as trained cuts just above 19."""
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "part.png"
    cv2.imwrite(str(picture), np.full((32, 32, 3), 90, np.uint8))
    found = [
        *(scored(f"good {score}", "good", float(score)) for score in (5, 8, 9, 12, 15, 25)),
        *(scored(f"scratch {score}", "bad", float(score), kind="scratch", spot_px=9) for score in (12, 17, 30, 33)),
        *(scored(f"dent {score}", "bad", float(score), kind="dent") for score in (22, 28)),
    ]
    return tuple(row.model_copy(update={"file": picture}) for row in found)


@pytest.fixture
def make_page(open_flow: OpenFlow, ports: WizardPorts, qtbot: QtBot) -> Iterator[Callable[..., JudgementPage]]:
    made: list[JudgementPage] = []

    def make(*titles: str, tested: bool = True, recipe: str | None = None, worst: float | None = None) -> JudgementPage:
        candidates = tuple(Candidate(title=title, order={}, state="trained", seconds=4.0) for title in titles)
        flow = open_flow(Project(name="Ring", step=Step.JUDGEMENT, candidates=candidates, recipe=recipe))
        for number, one in enumerate(candidates):
            model = flow.candidate_folder(one.id) / "model.loupe"
            manifest = write_candidate(model, fill=float(number))
            if tested:
                further = () if worst is None else (scored("hidden", "bad", worst),)
                write_sheet(model, manifest, (*rows(flow.folder), *further))
        page = JudgementPage(flow, ports)
        made.append(page)
        qtbot.addWidget(page)
        page.resize(992, 580)
        page.enter()
        page.show()
        qtbot.waitUntil(lambda: len(page._reader._known) == len(candidates), timeout=20_000)
        return page

    yield make
    for page in made:
        page.close_down()


def cells(page: JudgementPage) -> str:
    """tn fp / fn tp as the matrix shows them."""
    shown = page._scores.outcome._matrix._cells
    return f"{shown['tn'].text()} {shown['fp'].text()} / {shown['fn'].text()} {shown['tp'].text()}"


def stored(page: JudgementPage) -> Candidate:
    flow: Flow = page._flow
    found = flow.project.candidate(flow.project.chosen)
    assert found is not None
    return found


def settle(page: JudgementPage, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: not page._settle.isActive())


def drag(plot: object, start: QPointF, end: QPointF) -> None:
    """Press, move in steps, release, in the plot's own coordinates."""
    box = plot.getPlotItem().getViewBox()  # type: ignore[attr-defined]

    def at(point: QPointF) -> QPoint:
        return plot.mapFromScene(box.mapViewToScene(point))  # type: ignore[attr-defined, no-any-return]

    before = QPoint()
    while (now := at(start)) != before:  # until the layout has come to rest
        before = now
        QTest.qWait(60)
    viewport = plot.viewport()  # type: ignore[attr-defined]
    QTest.mousePress(viewport, Qt.MouseButton.LeftButton, pos=at(start))
    for step in range(1, 5):
        QTest.qWait(15)  # pyqtgraph leaves out moves that come faster than 100 a second
        here = at(start + (end - start) * step / 4)
        move = QMouseEvent(
            QEvent.Type.MouseMove, QPointF(here), QPointF(viewport.mapToGlobal(here)), Qt.MouseButton.NoButton,
            Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier,
        )  # fmt: skip
        QApplication.sendEvent(viewport, move)
    QTest.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=at(end))


# What is shown


def test_that_the_trained_candidate_is_chosen_and_judged(make_page: Callable[..., JudgementPage], qtbot: QtBot) -> None:
    page = make_page("PatchCore")
    assert page._flow.project.chosen == page._flow.project.candidates[0].id
    assert cells(page) == "5 1 / 2 4"
    assert "1 of 6 good parts would be called NG" in page._flow.readiness(Step.JUDGEMENT).consequence
    assert "4 of 6 defects found" in page._flow.readiness(Step.JUDGEMENT).consequence
    assert [one.kind for one in page._scores.kinds._bars._kinds] == ["scratch", "dent"]


def test_that_with_good_parts_alone_the_page_says_what_cannot_be_told(make_page: Callable[..., JudgementPage]) -> None:
    page = make_page("PatchCore", tested=False)
    assert cells(page) == "19 1 / 0 0"
    assert "gave the threshold" in page._scores.outcome._where_from.text()
    assert "cannot be told" in page._scores.outcome._where_from.text()
    model = page._threshold._rules.model()
    enabled = [model.item(row).isEnabled() for row in range(model.rowCount())]  # type: ignore[attr-defined]
    assert enabled == [True, False, False, False, False, True]
    assert page._scores.roc._ranking is not None and page._scores.roc._ranking.curves is None


def test_that_each_model_of_the_page_passes_qts_tester(make_page: Callable[..., JudgementPage]) -> None:
    page = make_page("PatchCore", "PaDiM")
    for model in (page._table._candidates, page._worst._strip._strip):
        tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
        assert tester.model() is model
    page._choose_candidate(page._flow.project.candidates[0].id)


# The threshold


def test_that_dragging_the_line_moves_matrix_number_curve_and_project(
    make_page: Callable[..., JudgementPage], qtbot: QtBot
) -> None:
    page = make_page("PatchCore")
    chart = page._scores.scores
    drag(chart.plot, QPointF(1.0, 0.5), QPointF(1.53, 0.5))  # 10.5 + 1.53 x 8.5 = 23.5
    settle(page, qtbot)
    assert cells(page) == "5 1 / 3 3"
    shown = page._threshold._at.value()
    assert shown == pytest.approx(1.53, abs=0.1)
    assert page._threshold._rules.currentData() == "manual"
    choice = stored(page).choice
    assert choice is not None and choice.rule == "manual"
    assert choice.threshold == pytest.approx(10.5 + 8.5 * shown, abs=0.01)
    point = page._scores.roc._point.pos()
    assert (point.x(), point.y()) == (pytest.approx(100 / 6), pytest.approx(50))
    counts = stored(page).judged
    assert counts is not None and (counts.false_alarms, counts.found) == (1, 3)


def test_that_dragging_the_point_of_the_roc_moves_the_threshold(
    make_page: Callable[..., JudgementPage], qtbot: QtBot
) -> None:
    page = make_page("PatchCore")
    start = page._scores.roc._point.pos()
    drag(page._scores.roc.plot, QPointF(start.x(), start.y()), QPointF(0, 50))
    settle(page, qtbot)
    assert cells(page) == "6 0 / 3 3"
    assert stored(page).choice is not None


def test_that_the_threshold_follows_keys_on_slider_and_number(
    make_page: Callable[..., JudgementPage], qtbot: QtBot
) -> None:
    page = make_page("PatchCore")
    before = page._threshold._at.value()
    QTest.keyClick(page._threshold._slider, Qt.Key.Key_PageUp)
    assert page._threshold._at.value() > before
    field = page._threshold._at
    field.selectAll()
    QTest.keyClicks(field, "1.6")
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(page, qtbot)
    assert cells(page) == "5 1 / 3 3"
    field.selectAll()
    QTest.keyClicks(field, "1.8")
    QTest.keyClick(field, Qt.Key.Key_Return)
    settle(page, qtbot)
    assert cells(page) == "6 0 / 3 3"
    choice = stored(page).choice
    assert choice is not None and choice.threshold == pytest.approx(10.5 + 1.8 * 8.5, abs=0.01)


def test_that_a_rule_by_labels_moves_the_threshold_and_shows_its_honest_estimate(
    make_page: Callable[..., JudgementPage], qtbot: QtBot
) -> None:
    page = make_page("PatchCore")
    page._threshold._rules.setFocus()
    QTest.keyClick(page._threshold._rules, Qt.Key.Key_Down)
    settle(page, qtbot)
    choice = stored(page).choice
    assert choice is not None and (choice.rule, choice.cost_miss, choice.cost_false_alarm) == ("cost", 10, 1)
    known = next(iter(page._reader._known.values()))
    parts = LabelledParts.of(known.evidence.manifest.calibration, known.evidence.rows)
    assert choice.threshold == labelled_threshold(choice, parts, 10.5)
    assert "folds" in page._threshold._estimate.text() and "Only 6 defective" in page._threshold._estimate.text()
    page._threshold._miss.setValue(0.1)
    settle(page, qtbot)
    dearer = stored(page).choice
    assert dearer is not None and dearer.cost_miss == 0.1 and dearer.threshold > choice.threshold


def test_that_a_miss_rate_that_no_threshold_reaches_is_told(
    make_page: Callable[..., JudgementPage], qtbot: QtBot
) -> None:
    page = make_page("PatchCore", worst=9.0)
    page._threshold._rules.setCurrentIndex(2)
    assert "finds more than 85.7 %" in page._threshold._estimate.text()
    page._threshold._recall.setValue(80)
    assert "finds more" not in page._threshold._estimate.text()


def test_that_going_back_to_what_was_trained_leaves_nothing_chosen(
    make_page: Callable[..., JudgementPage], qtbot: QtBot
) -> None:
    page = make_page("PatchCore")
    alpha = page._threshold._alpha.value()
    page._threshold._alpha.setValue(alpha + 10)
    settle(page, qtbot)
    assert stored(page).choice is not None
    page._threshold._alpha.setValue(alpha)
    settle(page, qtbot)
    assert stored(page).choice is None


def test_that_the_band_can_be_moved_and_switched_off(make_page: Callable[..., JudgementPage], qtbot: QtBot) -> None:
    page = make_page("PatchCore")
    assert page._judging is not None and page._judging.unsure == 4
    page._threshold._share.setValue(25)
    assert page._judging.unsure == 1  # from just above 16 on
    page._threshold._band.click()
    settle(page, qtbot)
    assert page._judging.unsure == 0
    choice = stored(page).choice
    assert choice is not None and choice.unsure_share is None and choice.rule == "false_alarms"


# Region rules


def test_that_region_rules_are_added_changed_and_removed(make_page: Callable[..., JudgementPage], qtbot: QtBot) -> None:
    page = make_page("PatchCore")
    card = page._rules
    card._use.click()
    settle(page, qtbot)
    assert cells(page) == "5 1 / 0 6"  # the scratches' regions of 81 px
    card._verdict.setCurrentIndex(card._verdict.findData("rules"))
    settle(page, qtbot)
    assert cells(page) == "6 0 / 2 4"
    card._limits[0].area.setValue(500)
    settle(page, qtbot)
    assert cells(page) == "6 0 / 6 0"
    card._more.click()
    assert [one.reach.value() for one in card._limits] == [50, 100]
    card._limits[0].remove.click()
    settle(page, qtbot)
    assert stored(page).rules == RegionRules(
        verdict="rules", sections=(Section(reach=1, min_area_px=500, min_strength=1.0),)
    )
    assert "find 0 of 6 defects" in card._effect.text()
    card._use.click()
    settle(page, qtbot)
    assert stored(page).rules is None and cells(page) == "5 1 / 2 4"


# Candidates


def test_that_each_candidate_keeps_its_own_threshold(make_page: Callable[..., JudgementPage], qtbot: QtBot) -> None:
    page = make_page("PatchCore", "PaDiM")
    first, second = page._flow.project.candidates
    assert page._flow.project.chosen == second.id  # the last that was trained
    page._threshold._at.setValue(2.5)
    page._table.setFocus()
    QTest.keyClick(page._table, Qt.Key.Key_Up)
    assert page._flow.project.chosen == first.id
    assert page._threshold._at.value() == pytest.approx(1.0, abs=0.001)
    kept = page._flow.project.candidate(second.id)
    assert kept is not None and kept.choice is not None
    second_row = page._table._candidates.index(1, 2).data()
    assert second_row.startswith("1 of 6")


def test_that_what_was_chosen_is_in_the_model_that_goes_on(
    make_page: Callable[..., JudgementPage], qtbot: QtBot
) -> None:
    page = make_page("PatchCore")
    page._threshold._at.setValue(2.0)
    page.leave()
    file = final_model(page._flow, stored(page))
    assert read_manifest(file).calibration.choice == stored(page).choice


def test_that_a_model_that_is_gone_is_told_and_the_page_stays(
    open_flow: OpenFlow, ports: WizardPorts, qtbot: QtBot
) -> None:
    flow = open_flow(
        Project(name="Ring", step=Step.JUDGEMENT, candidates=(Candidate(title="Gone", order={}, state="trained"),))
    )
    page = JudgementPage(flow, ports)
    qtbot.addWidget(page)
    page.enter()
    page.show()
    qtbot.waitUntil(page._problem.isVisible)
    assert "Train this candidate again" in page._problem.text() and not page._tabs.isEnabled()
    page.close_down()


def test_that_missing_scores_are_told_and_can_be_made(
    make_page: Callable[..., JudgementPage], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = make_page("PatchCore", tested=False)
    folder = page._flow.candidate_folder(stored(page).id)
    listed = ListedPicture(name="a", file=rows(page._flow.folder)[0].file, use="test")
    PictureList(pictures=(listed,)).save(folder / "pictures.json")
    page._reader._asked.clear()
    page.enter()
    qtbot.waitUntil(page._score.isVisible)
    started: list[tuple[Path, ...]] = []
    monkeypatch.setattr(page._reader._process, "start", lambda *files: started.append(files))
    page._score.click()
    assert started == [(folder / "model.loupe", folder / "pictures.json", folder / "model.scores")]
    manifest = read_manifest(folder / "model.loupe")
    write_sheet(folder / "model.loupe", manifest, rows(page._flow.folder))
    page._reader._process.succeeded.emit(ScoredSheet(folder / "model.scores", manifest.model_hash, 12))
    qtbot.waitUntil(lambda: cells(page) == "5 1 / 2 4")
    assert not page._score.isVisible() and not page._problem.isVisible()


def test_that_a_choice_that_cannot_be_stored_is_told_and_stored_with_the_next_one(
    make_page: Callable[..., JudgementPage], qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = make_page("PatchCore")
    with monkeypatch.context() as broken:
        broken.setattr(page._flow, "replace", _full_disk)
        page._threshold._at.setValue(1.7)
        settle(page, qtbot)
    assert "Free some space" in page._problem.text() and stored(page).choice is None
    page._threshold._at.setValue(1.8)
    settle(page, qtbot)
    assert not page._problem.isVisible() and stored(page).choice is not None


def _full_disk(project: Project) -> Project:
    raise ProjectError("The project cannot be saved. Free some space.")


# Pictures


def test_that_the_worst_pictures_are_shown_with_their_overlay(
    make_page: Callable[..., JudgementPage], qtbot: QtBot
) -> None:
    page = make_page("PatchCore")
    page._tabs.setCurrentWidget(page._worst)
    worst = page._worst
    assert [worst._group.button(number).text() for number in range(3)] == [
        "False alarms  1", "Missed defects  2", "Close calls  12",
    ]  # fmt: skip
    QTest.mouseClick(worst._group.button(1), Qt.MouseButton.LeftButton)
    names = [worst._strip._strip.index(row).data(ITEM_ROLE).title for row in range(2)]
    assert names == ["scratch 12", "scratch 17"]
    qtbot.waitUntil(lambda: "scratch 12" in worst._view._caption.text())
    assert worst._view._picture.has_picture() and len(worst._view._picture._regions) == 1
    worst._strip.setFocus()
    QTest.keyClick(worst._strip, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: "scratch 17" in worst._view._caption.text())


# Past parts


def write_past(archive: Archive, *verdicts: Verdict) -> list[str]:
    ids = []
    with archive.writer(min_free_gb=0) as writer:
        for number, verdict in enumerate(verdicts):
            part = inspected(verdict, number, seed=number)
            part = replace(part, inspection=replace(part.inspection, recipe=RECIPE))
            writer.record(part)
            ids.append(part.inspection.id)
    return ids


def test_that_past_parts_whose_verdict_would_flip_are_listed_and_follow_the_threshold(
    make_page: Callable[..., JudgementPage], ports: WizardPorts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    ng, ok = write_past(ports.archive, Verdict.NG, Verdict.OK)
    page = make_page("PatchCore", recipe=RECIPE)
    panel = page._flips
    page._tabs.setCurrentWidget(panel)
    qtbot.waitUntil(lambda: "Judge the newest parts" in panel._words.text())
    started: list[tuple[Path, ...]] = []
    monkeypatch.setattr(panel._scoring, "start", lambda *files: started.append(files))
    panel._start.click()
    qtbot.waitUntil(lambda: bool(started))
    model, pictures, out = started[0]
    listed = PictureList.load(pictures)
    assert {one.name for one in listed.pictures} == {ng, ok}
    new = [scored(ng, "unsure", 8.0), scored(ok, "unsure", 8.0)]
    by_name = {one.name: one.file for one in listed.pictures}
    write_sheet(model, read_manifest(model), ())  # the folder's name is another: see below
    out.mkdir()
    for row in new:
        (out / (row.map or "")).write_bytes(spotted_map(0).to_bytes())
    from ml.score_sheet import ScoreSheet

    new = [row.model_copy(update={"file": by_name[row.name]}) for row in new]
    ScoreSheet(model_hash=read_manifest(model).model_hash, rows=tuple(new)).save(out)
    panel._scoring.succeeded.emit(ScoredSheet(out, read_manifest(model).model_hash, 2))
    qtbot.waitUntil(lambda: "1 of 2 parts" in panel._words.text())
    assert panel._directions.button(1).text() == "Would pass  1"
    assert panel._strip.current_key() == ng
    qtbot.waitUntil(panel._new._picture.has_picture)
    assert "was NG" in panel._old_title.text() and "would be OK" in panel._new_title.text()
    QTest.mouseClick(panel._directions.button(2), Qt.MouseButton.LeftButton)
    assert panel._strip.current_key() is None
    panel._directions.button(0).click()
    page._threshold._band.click()
    page._threshold._at.setValue(0.001)
    settle(page, qtbot)
    qtbot.waitUntil(lambda: "1 of 2 parts" in panel._words.text())


def test_that_an_order_to_judge_past_parts_outlives_the_threshold_and_not_its_stop(
    make_page: Callable[..., JudgementPage], ports: WizardPorts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_past(ports.archive, Verdict.NG)
    page = make_page("PatchCore", recipe=RECIPE)
    panel = page._flips
    page._tabs.setCurrentWidget(panel)
    qtbot.waitUntil(lambda: "Judge the newest parts" in panel._words.text())
    started: list[tuple[Path, ...]] = []
    monkeypatch.setattr(panel._scoring, "start", lambda *files: started.append(files))
    panel._start.click()
    panel._stop.click()
    assert panel._start.isVisible() and not panel._stop.isVisible()
    qtbot.waitUntil(lambda: "Judge the newest parts" in panel._words.text())  # asked behind the order
    assert not started
    panel._start.click()
    page._settled()
    qtbot.waitUntil(lambda: bool(started))


def test_that_a_recipe_without_past_parts_says_so(make_page: Callable[..., JudgementPage], qtbot: QtBot) -> None:
    page = make_page("PatchCore", recipe=RECIPE)
    page._tabs.setCurrentWidget(page._flips)
    page._flips._start.click()
    qtbot.waitUntil(lambda: "no judged part" in page._flips._words.text())
    assert page._flips._start.isVisible()


@pytest.mark.parametrize(("width", "height"), [(992, 580), (1632, 940)])
def test_that_the_page_fits_the_window(make_page: Callable[..., JudgementPage], width: int, height: int) -> None:
    page = make_page("PatchCore", "PaDiM", recipe=RECIPE)
    page.resize(width, height)
    page._rules._use.click()
    page._rules._more.click()
    QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)
    assert (page.width(), page.height()) == (width, height), "the page's own minimum is too large"
    form = page._controls.widget()
    assert form.minimumSizeHint().width() <= page._controls.viewport().width()


def test_that_the_picture_that_a_threshold_rests_on_is_named(
    make_page: Callable[..., JudgementPage], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.ui.training.judgement.page.odd_good", lambda manifest: OddGood("normal-31.jpg", 0.57))
    page = make_page("PatchCore")
    assert "rests on 'normal-31.jpg' alone: without it, it would be 0.57" in page._threshold._odd.text()
    assert not page._threshold._odd.isHidden()
