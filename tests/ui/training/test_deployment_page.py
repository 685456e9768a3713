"""Deployment: the model as it was judged, to a recipe of its own or the next revision, approved, and taken back."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from station.projects.flow import Flow
from station.projects.project import Candidate, Project, Step
from station.settings import Settings
from station.ui import theme
from station.ui.training.deployment.page import DeploymentPage
from station.ui.training.wizard_page import WizardPorts
from tests.history.test_models import write
from tests.ui.training.conftest import OpenFlow

ShowPage = Callable[..., DeploymentPage]


@pytest.fixture
def flow(open_flow: OpenFlow) -> Flow:
    """A project whose chosen candidate is trained."""
    candidate = Candidate(title="PatchCore, balanced", order={"method": "patchcore"}, state="trained")
    flow = open_flow(Project(name="Ring", step=Step.DEPLOYMENT, candidates=(candidate,), chosen=candidate.id))
    folder = flow.candidate_folder(candidate.id)
    folder.mkdir(parents=True)
    write(folder / "model.loupe", name="Ring")
    return flow


@pytest.fixture
def show_page(flow: Flow, ports: WizardPorts, qtbot: QtBot, qapp: object) -> Iterator[ShowPage]:
    shown: list[DeploymentPage] = []

    def show(**settings: object) -> DeploymentPage:
        theme.apply(qapp, "dark")  # type: ignore[arg-type]
        asked = WizardPorts(**{**_fields(ports), "settings": lambda: Settings(**settings)})  # type: ignore[arg-type]
        page = DeploymentPage(flow, asked)
        shown.append(page)
        qtbot.addWidget(page)
        page.resize(1000, 640)
        page.show()
        page.activateWindow()
        qtbot.waitActive(page)
        page.enter()
        qtbot.waitUntil(page.form.isEnabled)
        return page

    yield show
    for page in shown:
        page.close_down()


def _fields(ports: WizardPorts) -> dict[str, object]:
    return {name: getattr(ports, name) for name in WizardPorts.__dataclass_fields__}


def test_that_the_chosen_model_becomes_a_recipe_with_its_notes(
    show_page: ShowPage, flow: Flow, ports: WizardPorts, qtbot: QtBot
) -> None:
    page = show_page()
    assert page._values["candidate"].text() == "PatchCore, balanced"
    assert page._values["computing"].text().startswith("PyTorch: made before")
    QTest.keyClicks(page.form._notes, "first model")
    with qtbot.waitSignal(ports.deploying.deployed):
        QTest.mouseClick(page.form._deploy, Qt.MouseButton.LeftButton)
    (version,) = ports.archive.versions.of_recipe("Ring")
    assert (version.revision, version.deployed_by, version.notes) == (1, "local", "first model")
    assert (flow.project.deployed_revision, flow.project.notes) == (1, "first model")
    qtbot.waitUntil(lambda: any("Computed by PyTorch" in label.text() for label in page.versions.findChildren(QLabel)))
    assert page.form._deploy.text() == "Deployed"
    assert not page.form._deploy.isEnabled()
    assert page.focusWidget() is page.form._inspect
    with qtbot.waitSignal(ports.deploying.inspect_requested) as wanted:
        QTest.mouseClick(page.form._inspect, Qt.MouseButton.LeftButton)
    assert wanted.args is not None
    assert wanted.args[0].name == "Ring"
    assert flow.readiness(Step.DEPLOYMENT).consequence == "Deployed as revision 1 of 'Ring'"


def test_that_a_second_person_is_asked_for_where_the_settings_say_so(
    show_page: ShowPage, ports: WizardPorts, qtbot: QtBot
) -> None:
    page = show_page(approval_required=True)
    assert not page.form._deploy.isEnabled(), "nobody has said who deploys"
    page.form._deployer.setText("Engineer")
    for name, told in (("", "second person"), (" engineer ", "cannot be the second person")):
        page.form._approver.setText(name)
        with qtbot.waitSignal(ports.deploying.failed):
            QTest.mouseClick(page.form._deploy, Qt.MouseButton.LeftButton)
        assert told in page.form._problem.text()
        assert ports.archive.recipes.names() == []
    page.form._approver.setText("Second")
    with qtbot.waitSignal(ports.deploying.deployed):
        QTest.mouseClick(page.form._deploy, Qt.MouseButton.LeftButton)
    (version,) = ports.archive.versions.of_recipe("Ring")
    assert version.deployed_by == "Engineer"
    assert [one.approver for one in ports.archive.versions.approvals(version.model_hash)] == ["Second"]


def test_that_a_model_file_that_is_gone_is_told_and_nothing_is_deployed(
    flow: Flow, ports: WizardPorts, qtbot: QtBot, tmp_path: Path
) -> None:
    (flow.candidate_folder(flow.project.chosen or "") / "model.loupe").unlink()
    page = DeploymentPage(flow, ports)
    qtbot.addWidget(page)
    page.enter()
    qtbot.waitUntil(lambda: bool(page.form._problem.text()))
    assert "the trained model is gone" in page.form._problem.text()
    assert not page.form._deploy.isEnabled()
    page.close_down()


def test_that_a_model_that_was_read_late_is_not_offered(show_page: ShowPage) -> None:
    page = show_page()
    read, candidate = page._choice, page._shown_candidate
    assert read is not None and candidate is not None
    page._choice = None
    page._show(candidate.model_copy(update={"title": "Chosen before"}), read)
    assert page._choice is None and page._values["candidate"].text() == candidate.title


def test_that_a_model_is_exported_and_what_came_of_it_is_told(
    show_page: ShowPage, flow: Flow, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"event": "exported", "files": [str(tmp_path / "ring.xml"), str(tmp_path / "ring.bin")]}
    said["agreement"] = {"pictures": 7, "score": 1e-6, "map": 1e-5, "flips": 0}
    child = f"import json, sys; assert 'openvino' in sys.argv and '--force' in sys.argv; print({json.dumps(said)!r})"
    monkeypatch.setattr(
        "station.workers.exporting.Exporter.__init__.__defaults__", ((sys.executable, "-c", child), None)
    )
    page = show_page()
    row = page.export_row
    assert row._button.isEnabled()
    with qtbot.waitSignal(page._exporter.exported, timeout=20_000):
        row.export_to(tmp_path / "ring.xml")
        assert not row._button.isEnabled(), "one at a time"
    assert "ring.xml and an example" in row._told.text()
    assert "the same verdict on all" in row._told.text()
    assert row._button.isEnabled()


def test_that_a_failed_export_says_why(
    show_page: ShowPage, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = "import json, sys; print(json.dumps({'event': 'error', 'message': 'no room'})); sys.exit(1)"
    monkeypatch.setattr(
        "station.workers.exporting.Exporter.__init__.__defaults__", ((sys.executable, "-c", child), None)
    )
    page = show_page()
    with qtbot.waitSignal(page._exporter.failed, timeout=20_000):
        page.export_row.export_to(tmp_path / "ring")
    assert page.export_row._problem.text() == "no room"
    assert page.export_row._button.isEnabled()
