"""Method: what is recommended is chosen, everything can be changed, samples are looked at before they are used."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QWidget
from pytestqt.qtbot import QtBot

from ml.alignment import Alignment
from ml.catalogue import METHODS
from ml.catalogue.pipelines import PIPELINES
from ml.generation.catalogue import GENERATORS
from ml.recommendation import choose
from station.projects.flow import Flow
from station.projects.project import Project, Step
from station.ui import theme
from station.ui.training.method import page as method_page
from station.ui.training.method.page import MethodPage
from station.ui.training.method.parameter_form import ParameterForm
from station.ui.training.method.setting_groups import grouped
from station.ui.training.wizard_page import WizardPorts
from station.workers.estimate import Estimator
from station.workers.training import TrainingPlan
from tests.projects.pictures import project_of
from tests.ui.demo_history import write_demo_model
from tests.ui.training.conftest import OpenFlow
from tests.ui.training.fake_training import fake_command

SAMPLES = """
import json, shutil, sys
from pathlib import Path
if "strength=0.5" in sys.argv:
    print("loupe: appearance: no such strength", file=sys.stderr)
    sys.exit(2)
listed = json.loads(Path(sys.argv[1]).read_text())["pictures"]
out = Path(sys.argv[sys.argv.index("--out") + 1])
(out / "pictures").mkdir(parents=True)
entries = []
for number, one in enumerate(listed):
    shutil.copy(one["file"], out / f"pictures/{number}.png")
    entries.append({"file": f"pictures/{number}.png", "source": one["name"]})
(out / "generated.json").write_text(json.dumps({"pictures": entries}))
"""


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> None:
    theme.apply(qapp, "light")


@pytest.fixture
def quick(ports: WizardPorts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WizardPorts]:
    """Ports whose children take moments."""
    (tmp_path / "samples.py").write_text(SAMPLES)
    monkeypatch.setattr(method_page, "GENERATE_COMMAND", (sys.executable, str(tmp_path / "samples.py")))
    monkeypatch.setattr("station.workers.estimate.PAUSE_MS", 10)
    estimator = Estimator((*fake_command(tmp_path), "--estimate"))
    yield replace(ports, estimator=estimator)
    estimator.close()
    estimator.deleteLater()


def shown(qtbot: QtBot, flow: Flow, ports: WizardPorts) -> MethodPage:
    flow.change(step=Step.METHOD)
    page = MethodPage(flow, ports)
    qtbot.addWidget(page, before_close_func=lambda _: page.close_down())  # which keeps it alive until then
    page.resize(990, 560)
    page.show()
    page.enter()
    return page


def advised(qtbot: QtBot, page: MethodPage) -> None:
    qtbot.waitUntil(lambda: bool(page._flow.project.order))


def test_that_the_recommendation_is_chosen_with_its_reason(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in")), quick)
    advised(qtbot, page)
    advice = page.form.advice
    assert advice.isVisible() and advice.advice is not None and advice._reason.text() == advice.advice.reason
    assert not advice._use.isEnabled() and page._flow.project.order["method"] == advice.advice.method
    assert page._flow.readiness(Step.METHOD).obstacle == ""
    page.form.method.choose("dfr")
    assert page._flow.project.order["method"] == "dfr"
    qtbot.keyClick(advice._use, Qt.Key.Key_Space)
    assert page._flow.project.order["method"] == advice.advice.method


def test_that_a_choice_made_before_is_left_alone(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    order = {"method": "padim", "preset": "fast", "patch": 128, "stride": 64, "seed": 4, "alpha": 0.02}
    order |= {"parameters": {"sigma_px": 2.0}, "conv_processing": 5}
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order=order)), quick)
    qtbot.waitUntil(lambda: page.form.advice.advice is not None)
    assert page._flow.project.order == order == page.form.order()


def test_that_the_keyboard_begins_at_the_presets(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "padim"})), quick)
    page.activateWindow()
    qtbot.waitActive(page)
    page.setFocus()
    qtbot.waitUntil(lambda: page.focusWidget() is page.form.method._chips["balanced"])
    qtbot.keyClick(page.form.method._chips["fast"], Qt.Key.Key_Space)
    assert page._flow.project.order["preset"] == "fast"


def test_that_the_time_is_told_per_candidate(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "padim"})), quick)
    qtbot.waitUntil(lambda: page.estimate.text().startswith("About 4 min"))
    assert "About 4 min" in page.queue._takes.text()
    qtbot.mouseClick(page.queue.add_another, Qt.MouseButton.LeftButton)
    (one,) = page._flow.project.candidates
    assert one.estimated_s == 240 and not page.queue.add_another.isEnabled()
    page.form.method.choose("dfr", "fast")
    assert page.queue.add_another.isEnabled() and page.estimate.text() == ""
    qtbot.mouseClick(page.queue.add_another, Qt.MouseButton.LeftButton)
    assert [each.title for each in page._flow.project.candidates] == ["PaDiM, balanced", "DFR, fast"]
    qtbot.mouseClick(page.queue.rows[0].remove, Qt.MouseButton.LeftButton)
    assert [each.title for each in page._flow.project.candidates] == ["DFR, fast"]


def test_that_a_candidate_carries_only_what_is_not_usual(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "patchcore"})), quick)
    page.form._toggle.click()
    assert page.form.advanced.isVisible()
    page.form.advanced.form.set_settings({"coreset_ratio": 0.2})
    page.form.advanced._seed.setValue(7)
    page.form.looks.look_in_patches(128)
    assert page._flow.project.order == {
        "method": "patchcore", "preset": "balanced", "parameters": {"coreset_ratio": 0.2}, "seed": 7,
        "patch": 128, "stride": 96,
    }  # fmt: skip


def test_that_tiles_are_offered_by_methods_that_have_them(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "patchcore"})), quick)
    looks, order = page.form.looks, lambda: page._flow.project.order
    qtbot.keyClick(looks.tiles, Qt.Key.Key_Space)
    assert order() == {"method": "patchcore", "preset": "balanced", "tiles": True}
    page.form.method.choose("dfr")
    assert looks.tiles.isVisible() and order()["tiles"]
    page.form.method.choose("riad")
    assert not looks.tiles.isVisible() and looks.patches.isChecked()
    assert "tiles" not in order() and order()["patch"] == 256


def test_that_a_network_that_looks_at_its_whole_input_gives_tiles_up(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    tiled = {"method": "patchcore", "preset": "balanced", "tiles": True}
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order=tiled)), quick)
    assert page.form.looks.tiles.isChecked() and page.form.order() == tiled
    page.form.advanced.form.set_settings({"backbone": "timm:vit_small_patch14_dinov2.lvd142m"})
    assert not page.form.looks.tiles.isVisible()
    assert "tiles" not in page.form.order() and page.form.order()["patch"] == 256


def test_that_advice_for_large_pictures_is_followed_into_tiles(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in")), quick)
    advised(qtbot, page)
    advice = choose(Alignment("aligned", 0.5, 0.6, 0.1, 0.0, 40), 40, 4000)
    page.form.show_advice(advice)
    assert page.form.advice._use.isEnabled()
    page.form.follow(advice)
    assert page._flow.project.order["tiles"] and page.form.looks.tiles.isChecked()
    assert not page.form.advice._use.isEnabled()


def test_that_settings_that_do_not_go_together_hold_up(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "patchcore"})), quick)
    page.form.advanced.form.set_settings({"strides": [14]})
    assert page.form.problem() and page._flow.readiness(Step.METHOD).obstacle
    assert not page.queue.add_another.isEnabled()


def test_that_what_a_pipeline_set_is_told_and_can_be_left_out(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "padim"})), quick)
    page.form.start.choose("valve_seat")
    assert page._flow.project.order["rules"] == PIPELINES["valve_seat"].fields["rules"]
    page.form.method.choose("padim")
    kept = page._flow.project.order
    assert "ring" in kept and kept["method"] == "padim" and "round part" in page.form._kept.text()
    qtbot.mouseClick(page.form._drop, Qt.MouseButton.LeftButton)
    assert "ring" not in page._flow.project.order and not page.form._kept.isVisible()


def test_that_samples_are_approved_only_once_they_were_seen(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "padim"})), quick)
    card = page.samples
    offered = {card.generators.itemData(row) for row in range(card.generators.count())} - {""}
    assert offered == {name for name, info in GENERATORS.items() if info.makes == "good"}
    card.generators.setCurrentIndex(card.generators.findData("appearance"))
    card.count.setValue(30)
    assert not card.approve.isEnabled()
    qtbot.mouseClick(card.preview, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(card._strip.isVisible)
    assert page._flow.project.approved is None
    qtbot.keyClick(card.approve, Qt.Key.Key_Space)
    approved = page._flow.project.approved
    assert approved is not None and approved.count == 30 and approved.settings == {"strength": 1.0}
    card.strength.setValue(1.2)
    assert page._flow.project.approved is None and not card.approve.isEnabled() and not card.approve.isChecked()


def test_that_samples_that_cannot_be_made_are_told(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", order={"method": "padim"})), quick)
    card = page.samples
    card.generators.setCurrentIndex(card.generators.findData("appearance"))
    card.strength.setValue(0.5)
    qtbot.mouseClick(card.preview, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: card._problem.text() == "appearance: no such strength")
    assert card.preview.isEnabled() and not card.approve.isEnabled()


def test_that_fine_tuning_keeps_method_and_settings(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    write_demo_model(tmp_path / "base.loupe")
    manifest = quick.archive.models.add(tmp_path / "base.loupe")
    project: Project = project_of(tmp_path / "in", base_model=manifest.model_hash)
    page = shown(qtbot, open_flow(project), quick)
    qtbot.waitUntil(lambda: "Valve seat: PatchCore" in page.base._model.text())
    assert not page.form.isVisible() and page._flow.project.order == {}
    qtbot.waitUntil(lambda: "About 4 min" in page.queue._takes.text())
    assert "About 4 min" in page.estimate.text() and not page.queue.add_another.isVisible()


@pytest.mark.parametrize("name", ["patchcore", "student_teacher", "patch_ganomaly"])
def test_that_every_setting_says_what_it_is_and_does(name: str, qtbot: QtBot) -> None:
    form = ParameterForm(METHODS[name])
    qtbot.addWidget(form)
    schemas = METHODS[name].parameters.model_json_schema()["properties"]
    told = {label.text() for label in form.findChildren(QLabel)}
    for setting, schema in schemas.items():
        field = form.findChild(QWidget, setting)
        assert field is not None and setting in field.toolTip() and field.accessibleName()
        assert schema["description"] in told
    assert sorted(name for names in grouped(schemas).values() for name in names) == sorted(schemas)


def test_that_the_estimate_lists_only_what_is_learnt_from(
    quick: WizardPorts, open_flow: OpenFlow, tmp_path: Path, qtbot: QtBot
) -> None:
    page = shown(qtbot, open_flow(project_of(tmp_path / "in", bad=2, order={"method": "padim"})), quick)
    with qtbot.waitSignal(quick.estimator.estimated) as estimated:
        pass
    assert isinstance(estimated.args[0], TrainingPlan)
    listed = json.loads((page._flow.folder / method_page.ESTIMATE_LIST).read_text())["pictures"]
    assert {one["use"] for one in listed} == {"learn"} and len(listed) == 6
