"""The list of projects and the shell of the wizard, by mouse and keyboard; pages stand in for the real ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox, QPushButton, QToolButton
from pytestqt.qtbot import QtBot

from station.core.people import Person
from station.history.deployment import Deployment, deploy
from station.projects import steps
from station.projects.flow import Flow, Readiness
from station.projects.project import Project, Step
from station.ui import theme
from station.ui.training.projects_page import ProjectsPage
from station.ui.training.wizard import Wizard
from station.ui.training.wizard_page import WizardPage, WizardPorts
from tests.history.test_models import write


class Question(WizardPage):
    """A page that asks for notes before the next one."""

    closed = 0

    def question(self) -> str:
        return f"Question of {self._flow.project.step}?"

    def close_down(self) -> None:
        type(self).closed += 1


@pytest.fixture
def page(ports: WizardPorts, qtbot: QtBot, qapp: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProjectsPage]:
    def readiness(project: Project) -> Readiness:
        return Readiness("" if project.notes else "Notes are missing", "All is well")

    monkeypatch.setattr("station.ui.training.projects_page.RULES", {Step.PICTURES: readiness})
    theme.apply(qapp, "dark")  # type: ignore[arg-type]
    made = ProjectsPage(ports, dict.fromkeys(Step, Question))
    qtbot.addWidget(made)
    made.resize(1216, 736)
    made.show()
    made.activateWindow()
    qtbot.waitActive(made)
    yield made
    made.close_down()


def named(page: ProjectsPage, name: str) -> QPushButton:
    return next(one for one in page.findChildren(QPushButton) if name in (one.text().strip(), one.accessibleName()))


def opened(page: ProjectsPage) -> Wizard:
    assert page.wizard is not None
    return page.wizard


def begin(page: ProjectsPage, name: str = "Ring") -> Wizard:
    page.setFocus()
    QTest.keyClicks(page.start._name, name)
    QTest.keyClick(page.start._name, Qt.Key.Key_Return)
    return opened(page)


def test_that_a_typed_name_and_enter_begin_a_project(page: ProjectsPage) -> None:
    assert not named(page, "New part").isEnabled()
    wizard = begin(page)
    assert wizard._question.text() == "Question of pictures?"
    assert wizard._consequence.text() == "Notes are missing"
    assert not wizard._next.isEnabled()


def test_that_enter_goes_on_where_a_page_takes_no_keyboard(page: ProjectsPage) -> None:
    wizard = begin(page)
    assert wizard.focusWidget() is not named(page, "Next"), "it cannot be pressed yet"
    wizard.flow.change(notes="as agreed")
    wizard.go(Step.PICTURES)
    for step in (Step.AREA, Step.ANNOTATION):
        assert wizard.focusWidget() is named(page, "Next")
        QTest.keyClick(named(page, "Next"), Qt.Key.Key_Return)
        assert wizard.flow.project.step is step


def test_that_next_and_back_and_the_rail_lead_through_the_steps(page: ProjectsPage) -> None:
    wizard = begin(page)
    assert not wizard._rail._buttons[Step.METHOD].isEnabled()
    assert wizard._rail._buttons[Step.METHOD].toolTip() == "Notes are missing"
    wizard.flow.change(notes="new alloy")
    wizard._shown.changed.emit()  # type: ignore[union-attr]
    QTest.mouseClick(wizard._next, Qt.MouseButton.LeftButton)
    assert wizard.flow.project.step is Step.AREA
    QTest.mouseClick(wizard._rail._buttons[Step.DEPLOYMENT], Qt.MouseButton.LeftButton)
    assert wizard.flow.project.step is Step.DEPLOYMENT
    assert not wizard._next.isVisible()
    QTest.keyClick(wizard, Qt.Key.Key_Left, Qt.KeyboardModifier.AltModifier)
    assert wizard.flow.project.step is Step.JUDGEMENT


def test_that_a_closed_project_goes_on_at_the_same_step(page: ProjectsPage, qtbot: QtBot) -> None:
    wizard = begin(page)
    wizard.flow.change(notes="new alloy")
    wizard.go(Step.METHOD)
    QTest.mouseClick(named(page, "All projects"), Qt.MouseButton.LeftButton)
    assert page.wizard is None
    qtbot.waitUntil(lambda: bool([one for one in page.findChildren(QPushButton) if one.text() == "Go on"]))
    QTest.mouseClick(named(page, "Go on with Ring"), Qt.MouseButton.LeftButton)
    assert opened(page).flow.project.step is Step.METHOD


def test_that_a_project_open_elsewhere_is_not_opened(page: ProjectsPage, ports: WizardPorts, qtbot: QtBot) -> None:
    with Flow.begin(ports.projects, Project(name="Seat"), steps.RULES) as elsewhere:
        page.reopen(elsewhere.project.id)
        assert page.wizard is None
        assert "open in another window" in page.start._problem.text()


def test_that_a_project_is_removed_after_a_question(
    page: ProjectsPage, ports: WizardPorts, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(page)
    page.show_projects()

    def press(question: QMessageBox) -> int:
        question.buttons()[0 if question.buttons()[0].text() == "Remove" else 1].click()
        return 0

    monkeypatch.setattr(QMessageBox, "exec", press)

    def remove() -> QToolButton | None:
        buttons = page.start.findChildren(QToolButton)
        return next((one for one in buttons if one.accessibleName() == "Remove Ring"), None)

    qtbot.waitUntil(lambda: remove() is not None)
    QTest.mouseClick(remove(), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: ports.projects.list() == ())


def test_that_a_recipe_is_fine_tuned_from_the_model_that_it_uses(
    page: ProjectsPage, ports: WizardPorts, qtbot: QtBot, tmp_path: Path
) -> None:
    written = write(tmp_path / "ring.loupe")
    deploy(Deployment(tmp_path / "ring.loupe", "Ring", "demo"), ports.archive)
    page.start.read_anew()
    qtbot.waitUntil(named(page, "Fine-tune").isEnabled)
    QTest.mouseClick(named(page, "Fine-tune"), Qt.MouseButton.LeftButton)
    project = opened(page).flow.project
    assert (project.recipe, project.base_model) == ("Ring", written.model_hash)
    assert project.is_fine_tuning


def test_that_one_click_takes_a_recipe_back(
    page: ProjectsPage, ports: WizardPorts, qtbot: QtBot, tmp_path: Path
) -> None:
    hashes = []
    for seed in (1, 2):
        hashes.append(write(tmp_path / f"{seed}.loupe", seed=seed).model_hash)
        deploy(Deployment(tmp_path / f"{seed}.loupe", "Ring", "demo", by=Person("Engineer")), ports.archive)
    page.start.read_anew()
    qtbot.waitUntil(named(page, "Roll back").isEnabled)
    with qtbot.waitSignal(ports.deploying.deployed) as told:
        QTest.mouseClick(named(page, "Roll back"), Qt.MouseButton.LeftButton)
    assert told.args is not None
    assert (told.args[0].revision, told.args[0].model_hash) == (3, hashes[0])
    qtbot.waitUntil(lambda: not named(page, "Roll back").isEnabled())
