"""The Inspect page joined with the line and the history, both of them fakes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ml.confusion import ConfusionMatrix
from station.core.errors import StorageError
from station.core.inspection import PartView
from station.core.recipe import Recipe
from station.core.verdict import Verdict
from station.history.records import Counters, TruthMatrix
from station.ui import theme
from station.ui.inspect.page import InspectPage
from station.ui.inspect.presenter import InspectPresenter
from station.ui.inspect.view import InspectState, RecipeView
from station.workers.inspection import LoadedRecipe
from station.workers.latest import LatestSlot
from tests import fakes
from tests.ui import parts


class Worker(QObject):
    verdict_ready = Signal(object)
    preview_ready = Signal()
    busy_changed = Signal(bool)
    continuous_changed = Signal(bool, str)
    acknowledge_changed = Signal(bool)
    recipe_loaded = Signal(object)
    recipe_failed = Signal(str, str)
    bug_found = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.views: LatestSlot[PartView] = LatestSlot()


class Line(QObject):
    """Keeps what it was asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.worker = Worker()
        self.asked: list[tuple[Any, ...]] = []

    def load_recipe(self, recipe: Recipe, source: str) -> None:
        self.asked.append(("load", recipe.name, source))

    def open_source(self, spec: str) -> None:
        self.asked.append(("open", spec))

    def press(self, serial: str) -> None:
        self.asked.append(("press", serial))

    def set_continuous(self, is_on: bool, interval_ms: int) -> None:
        self.asked.append(("continuous", is_on, interval_ms))

    def acknowledge(self) -> None:
        self.asked.append(("acknowledge",))


class History:
    """Stands for the archive and everything in it."""

    def __init__(self) -> None:
        self.reader = self.recipes = self.reviews = self.models = self.pictures = self
        self.problem = ""
        self.counted = 0
        self.reviewed: list[tuple[str, str, str, str]] = []

    def recent(self, number: int) -> list[object]:
        return []

    def names(self) -> list[str]:
        return ["Fake seat", "Another"]

    def latest(self, name: str) -> Recipe | None:
        return fakes.recipe(name=name, source="its-own") if name in self.names() else None

    def matrix(self, wanted: object, truth: str) -> TruthMatrix:
        if self.problem:
            raise StorageError(self.problem)
        self.counted += 1
        nothing = ConfusionMatrix(0, 0, 0, 0)
        return TruthMatrix("given", nothing, nothing, 0, 0, 0)

    def counters(self, since: datetime, recipe: str) -> Counters:
        return Counters(ok=self.counted)

    def serial_seen(self, recipe: str, serial: str) -> datetime | None:
        return datetime(2026, 3, 1, tzinfo=UTC) if serial == "seen" else None

    def get(self, inspection_id: str) -> tuple[object, list[object]]:
        return replace(parts.inspection(Verdict.FAULT, inspection_id), picture_hash=None), []

    def add(self, inspection_id: str, finding: str, reviewer: str, role: str) -> Any:
        self.reviewed.append((inspection_id, finding, reviewer, role))
        return type("Review", (), {"inspection_id": inspection_id})

    def manifest(self, model_hash: str) -> object:
        return fakes.manifest()


class Screen:
    """The presenter between the page and its fakes."""

    def __init__(self, qtbot: QtBot) -> None:
        theme.apply(QApplication.instance(), "dark")  # type: ignore[arg-type]
        self.qtbot = qtbot
        self.page, self.line, self.history = InspectPage(), Line(), History()
        qtbot.addWidget(self.page)
        self.states: list[str] = []
        show_state = self.page.show_state

        def noting(state: InspectState) -> None:
            self.states.append(state.phase)
            show_state(state)

        self.page.show_state = noting  # type: ignore[method-assign]
        self.recipes: list[RecipeView] = []
        self.page.show_recipe = self.recipes.append  # type: ignore[method-assign]
        self.presenter = InspectPresenter(self.page, self.line, self.history, "local")  # type: ignore[arg-type]
        self.problems: list[str] = []
        self.sources: list[str] = []
        self.presenter.problem.connect(self.problems.append)
        self.presenter.source_changed.connect(self.sources.append)

    def load(self, name: str = "Fake seat", source: str = "fake") -> None:
        recipe = fakes.recipe(name=name)
        self.presenter.load(recipe, source)
        self.line.worker.recipe_loaded.emit(LoadedRecipe(recipe, fakes.manifest(), "Fake runtime 1.0"))


@pytest.fixture
def screen(qtbot: QtBot) -> Iterator[Screen]:
    made = Screen(qtbot)
    yield made
    made.presenter.close()


def test_that_a_recipe_is_ready_when_the_line_says_so(screen: Screen) -> None:
    screen.load()
    assert screen.states == ["loading", "ready"]
    assert screen.line.asked == [("load", "Fake seat", "fake")]
    assert screen.sources == ["fake"]
    screen.qtbot.waitUntil(lambda: screen.recipes[-1].names == ("Fake seat", "Another"))


def test_that_a_refused_recipe_leaves_the_one_before_ready_with_its_source(screen: Screen) -> None:
    screen.load()
    screen.presenter.load(fakes.recipe(name="Another"), "elsewhere")
    screen.line.worker.recipe_failed.emit("Another", "Another window.")
    assert screen.states[-1] == "ready"
    assert screen.presenter.source == "fake"
    screen.presenter.reload()
    assert screen.line.asked[-1] == ("load", "Fake seat", "fake")


def test_that_a_stopped_line_stays_stopped_where_its_recipe_cannot_be_loaded_again(screen: Screen) -> None:
    screen.load()
    screen.line.worker.bug_found.emit("Loupe failed.")
    screen.presenter.reload()
    screen.line.worker.recipe_failed.emit("Fake seat", "The model file is gone.")
    assert screen.states[-1] == "stopped"


def test_that_the_recipe_asked_for_last_wins(screen: Screen) -> None:
    first, last = fakes.recipe(name="Fake seat"), fakes.recipe(name="Another")
    screen.presenter.load(first, "one")
    screen.presenter.load(last, "two")
    screen.line.worker.recipe_loaded.emit(LoadedRecipe(first, fakes.manifest(), "Fake runtime 1.0"))
    assert screen.states[-1] == "loading"
    screen.line.worker.recipe_loaded.emit(LoadedRecipe(last, fakes.manifest(), "Fake runtime 1.0"))
    assert (screen.states[-1], screen.presenter.source) == ("ready", "two")


def test_that_choosing_a_recipe_takes_its_own_source(screen: Screen) -> None:
    screen.load()
    screen.page.recipe_requested.emit("Another")
    screen.qtbot.waitUntil(lambda: ("load", "Another", "its-own") in screen.line.asked)


def test_that_a_recipe_that_is_gone_is_told(screen: Screen) -> None:
    screen.load()
    screen.page.recipe_requested.emit("Gone")
    screen.qtbot.waitUntil(lambda: bool(screen.problems))
    assert screen.states[-1] == "ready"


def test_that_choosing_the_source_in_use_opens_it_again(screen: Screen) -> None:
    screen.load()
    screen.page.source_requested.emit("fake")
    assert screen.line.asked[-1] == ("open", "fake")


def test_that_a_following_part_s_picture_is_not_marked_as_missing(screen: Screen) -> None:
    screen.load()
    following = parts.judged_part(Verdict.OK, "second")
    screen.line.worker.views.put(parts.view(following.inspection))  # judged before the window saw the first
    screen.line.worker.verdict_ready.emit(parts.judged_part(Verdict.FAULT, "first"))
    screen.line.worker.verdict_ready.emit(following)
    assert not screen.page._frame.view._is_stale


def test_that_counting_follows_the_parts_and_survives_a_failure(screen: Screen) -> None:
    screen.load()
    screen.qtbot.waitUntil(lambda: screen.history.counted > 0)
    screen.history.problem = "The disk is gone."
    screen.line.worker.verdict_ready.emit(parts.judged_part())
    screen.qtbot.waitUntil(lambda: screen.problems == ["The disk is gone."])
    screen.history.problem, before = "", screen.history.counted
    screen.line.worker.verdict_ready.emit(parts.judged_part())
    screen.qtbot.waitUntil(lambda: screen.history.counted > before)


def test_that_looking_back_at_a_part_without_picture_says_so(screen: Screen) -> None:
    screen.load()
    screen.page.look_back_requested.emit("part")
    screen.qtbot.waitUntil(lambda: bool(screen.problems))
    assert "Camera lost" in screen.problems[0]


def test_that_an_operator_s_review_is_stored_as_the_operator_s(screen: Screen) -> None:
    screen.page.review_requested.emit("part", "false_call")
    screen.qtbot.waitUntil(lambda: screen.history.reviewed == [("part", "false_call", "local", "operator")])


def test_that_keys_reach_the_line(screen: Screen) -> None:
    screen.load()
    screen.presenter.set_pace(0.25)
    screen.page.inspect_requested.emit("S-1")
    screen.page.continuous_requested.emit(True)
    screen.page.acknowledge_requested.emit()
    assert screen.line.asked[-3:] == [("press", "S-1"), ("continuous", True, 250), ("acknowledge",)]


def test_that_a_serial_seen_before_is_noted(screen: Screen) -> None:
    screen.load()
    notes: list[str] = []
    screen.page.show_serial_note = notes.append  # type: ignore[method-assign]
    screen.page._header.serial.setText("seen")
    screen.page.scanned.emit("seen")
    screen.qtbot.waitUntil(lambda: bool(notes))
    assert "Inspected before" in notes[0]
