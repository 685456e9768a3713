"""Training: the order is complete or says what is missing, the run is followed, the model goes to a recipe."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from ml.catalogue import METHODS, parse_settings
from ml.catalogue.pipelines import PIPELINES
from ml.generation.catalogue import GENERATORS
from ml.generation.marking import Mark, encode_marked
from ml.job import Augmentation, TrainingJob
from ml.pictures import encode_png
from station.ui import theme
from station.ui.training.deploy_panel import DeployRequest
from station.ui.training.loss_curves import decade_ticks, is_logarithmic
from station.ui.training.page import TrainingPage
from station.ui.training.parameter_form import ParameterForm
from station.workers.estimate import Estimator
from station.workers.training import TrainingProcess
from tests.history.parts import frame
from tests.ui.demo_history import DemoHistory, open_demo_history, write_demo_model

CHILD = """
import base64, json, shutil, sys, time
from pathlib import Path
job = json.loads(Path(sys.argv[sys.argv.index("--job") + 1]).read_text())
def say(**event): print(json.dumps(event), flush=True)
say(event="started", pictures=4, skipped=[])
say(event="progress", stage="Describing pictures", done=1, total=4, eta_s=30)
if job["seed"] == 1:
    say(event="error", message="Too few pictures. Add more.")
    sys.exit(1)
if job["seed"] == 2:
    time.sleep(60)
kept = Path(job["out"] + ".resume")
if job["seed"] == 3 and not kept.is_file():
    kept.touch()
    for step in range(1, 6):
        say(event="losses", step=step, steps=9, losses={"total": 50 / step, "svdd": 0.1}, validation=1 / step)
    png = Path(__file__).with_name("samples.png").read_bytes()
    say(event="samples", step=5, png=base64.b64encode(png).decode())
    time.sleep(60)
assert ("--resume" in sys.argv) == kept.is_file()
kept.unlink(missing_ok=True)
shutil.copy(Path(__file__).with_name("ready.loupe"), job["out"])
plan = dict(seconds=240, done="2,000 steps, crop 128 px", published="70,000 steps")
say(event="plan", **plan)
say(event="result", file=job["out"], model_hash="ab" * 32, threshold=27, rule="conformal", n=60, seconds=3, plan=plan)
"""

ESTIMATE = """
import json, sys
from pathlib import Path
job = json.loads(Path(sys.argv[sys.argv.index("--job") + 1]).read_text())
def say(**event): print(json.dumps(event), flush=True)
say(event="started", pictures=5, skipped=[])
if job["preset"] == "thorough":
    say(event="error", message="Too little memory for this.")
    sys.exit(1)
seconds = 240 if job["method"] == "patchcore" else 30
say(event="plan", seconds=seconds, done="2,000 steps, crop 128", published="70,000 steps", parameters={})
"""


@pytest.fixture(autouse=True)
def dressed(qapp: QApplication) -> None:
    theme.apply(qapp, "light")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Five pictures of good parts and one file that is none."""
    folder = tmp_path / "valve seats"
    folder.mkdir()
    for number in range(5):
        (folder / f"part{number // 2}_{number}.png").write_bytes(encode_png(frame(number).pixels))
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


@pytest.fixture
def history(tmp_path: Path) -> Iterator[DemoHistory]:
    opened = open_demo_history(tmp_path / "stored", 0)
    yield opened
    opened.engine.dispose()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[TrainingProcess]:
    (tmp_path / "child.py").write_text(CHILD)
    (tmp_path / "samples.png").write_bytes(encode_png(frame(1).pixels))
    write_demo_model(tmp_path / "ready.loupe")
    made = TrainingProcess(tmp_path / "jobs", (sys.executable, str(tmp_path / "child.py")))
    yield made
    made.stop()


@pytest.fixture
def estimator(tmp_path: Path) -> Estimator:
    (tmp_path / "estimate.py").write_text(ESTIMATE)
    return Estimator((sys.executable, str(tmp_path / "estimate.py")))


@pytest.fixture
def page(process: TrainingProcess, estimator: Estimator, history: DemoHistory, qtbot: QtBot) -> Iterator[TrainingPage]:
    made = TrainingPage(process, estimator, history.recipes, "camera:1")
    qtbot.addWidget(made)
    made.resize(1216, 736)
    made.show()
    yield made
    made.close_down()


def choose_folder(page: TrainingPage, folder: Path, qtbot: QtBot) -> None:
    page._order.folder.choose(folder)
    qtbot.waitUntil(page._train.isEnabled)


def train(page: TrainingPage, folder: Path, qtbot: QtBot) -> None:
    choose_folder(page, folder, qtbot)
    with qtbot.waitSignal(page._queries.answered):
        page._train.click()


# The order


def test_that_the_button_waits_and_says_what_is_missing(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    assert not page._train.isEnabled() and "folder" in page._consequence.text()
    choose_folder(page, good, qtbot)
    assert "5 good pictures" in page._consequence.text() and "1 left out" in page._consequence.text()
    page._order._name.clear()
    assert not page._train.isEnabled() and "name" in page._consequence.text()


def test_that_unreadable_pictures_are_named(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    report = page._order._report
    assert report._unreadable.isVisible() and report._unreadable.toPlainText().startswith("broken.png")
    assert "64 × 48 px" in report._line.text()


def test_that_generated_pictures_are_told_from_captured_ones(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    pixels = frame(1).pixels
    (good / "z.png").write_bytes(encode_marked(pixels, Mark(generator="appearance")))
    (good / "zz.png").write_bytes(encode_marked(pixels, Mark(generator="synthetic_defects", makes="defects")))
    choose_folder(page, good, qtbot)
    report = page._order._report
    assert "6 pictures, 1 of them generated" in report._line.text()
    assert "zz.png was made by the generator" in report._unreadable.toPlainText()


@pytest.mark.parametrize("content", ["missing", "empty"])
def test_that_a_folder_that_cannot_be_used_is_told(
    page: TrainingPage, tmp_path: Path, qtbot: QtBot, content: str
) -> None:
    if content == "empty":
        (tmp_path / content).mkdir()
    with qtbot.waitSignal(page._survey.failed):
        page._order.folder.choose(tmp_path / content)
    assert content in page._order._report._line.text() and not page._train.isEnabled()


def test_that_a_folder_chosen_later_wins(page: TrainingPage, good: Path, tmp_path: Path, qtbot: QtBot) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for number in range(3):
        (other / f"{number}.png").write_bytes(encode_png(frame(number).pixels))
    page._order.folder.choose(good)
    choose_folder(page, other, qtbot)
    qtbot.wait(100)
    assert "3 good pictures" in page._consequence.text()


def test_that_a_dropped_folder_is_chosen(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(good))])
    drop = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    page.dropEvent(drop)
    assert page._order.folder.path() == good
    qtbot.waitUntil(page._train.isEnabled)


def test_that_the_order_carries_every_choice(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    order = page._order
    order.method.choose("padim", "fast")
    order._geometry_buttons["patches"].setChecked(True)
    order._patch.setValue(128)
    order._stride.setValue(96)
    order._advanced.setChecked(True)
    order._group_by.setText(r"part(\d)_")
    order._seed.setValue(9)
    order._alpha.setValue(2.5)
    order._parameters["padim"]._fields["channels"].setValue(50)  # type: ignore[attr-defined]
    assert order._groups.text() == "5 pictures show 3 parts"
    job = order.job()
    assert job == TrainingJob(
        data=good,
        out=Path("model.loupe"),
        name="valve seats",
        method="padim",
        preset="fast",
        parameters={"channels": 50},
        patch=128,
        stride=96,
        group_by=r"part(\d)_",
        alpha=0.025,
        seed=9,
    )


def test_that_a_preset_sets_the_size_and_the_settings(page: TrainingPage) -> None:
    page._order.method.choose("patchcore", "thorough")
    assert page._order._size.value() == METHODS["patchcore"].presets["thorough"].size_px
    form = page._order._parameters["patchcore"]
    assert form._fields["coreset_cap"].value() == 10_000  # type: ignore[attr-defined]
    assert form.settings() == {}


@pytest.mark.parametrize("pattern", ["(", "serial"])
def test_that_a_bad_grouping_is_told_beside_its_field(
    page: TrainingPage, good: Path, qtbot: QtBot, pattern: str
) -> None:
    choose_folder(page, good, qtbot)
    page._order._group_by.setText(pattern)
    assert page._order._group_problem.text() and not page._train.isEnabled()
    page._order._group_by.clear()
    assert page._train.isEnabled()


@pytest.mark.parametrize("name", list(METHODS))
def test_that_every_setting_of_a_method_has_its_field_and_default(qtbot: QtBot, name: str) -> None:
    form = ParameterForm(METHODS[name])
    qtbot.addWidget(form)
    assert set(form._fields) == set(METHODS[name].parameters.model_fields)
    assert form.settings() == {} and form.problem() == ""


def test_that_settings_that_do_not_go_together_are_told(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    form = page._order._parameters["patchcore"]
    form._fields["reweight"].setChecked(True)  # type: ignore[attr-defined]
    form._fields["score"].setCurrentText("top1")  # type: ignore[attr-defined]
    assert "reweight" in form.problem() and not page._train.isEnabled()


def test_that_the_time_is_told_before_the_start(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    estimate = page._order.method._estimate
    qtbot.waitUntil(lambda: estimate.text() == "About 4 min on this machine: 2,000 steps, crop 128")
    page._order.method.choose("padim")
    assert not estimate.text()
    qtbot.waitUntil(lambda: "30 s" in estimate.text())


def test_that_an_estimate_that_fails_says_why_and_holds_nothing_up(
    page: TrainingPage, good: Path, qtbot: QtBot
) -> None:
    choose_folder(page, good, qtbot)
    page._order.method.choose("patchcore", "thorough")
    qtbot.waitUntil(lambda: page._order.method._estimate.text() == "Too little memory for this.")
    assert page._train.isEnabled()


def test_that_a_method_is_recommended_and_the_choice_stays_the_users(
    page: TrainingPage, good: Path, qtbot: QtBot
) -> None:
    page._order.method.choose("padim")
    choose_folder(page, good, qtbot)
    advice = page._order.advice
    qtbot.waitUntil(advice.isVisible)
    assert page._order.method.method == "padim"
    assert advice.advice is not None and METHODS[advice.advice.method].title in advice._title.text()
    assert advice._use.isEnabled()
    advice._use.click()
    job = page._order.job()
    assert job.method == advice.advice.method
    assert {key: job.parameters[key] for key in advice.advice.settings} == advice.advice.settings
    assert not advice._use.isEnabled()


def test_that_the_advice_goes_with_its_folder(page: TrainingPage, good: Path, tmp_path: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    qtbot.waitUntil(page._order.advice.isVisible)
    (tmp_path / "empty").mkdir()
    page._order.folder.choose(tmp_path / "empty")
    assert page._order.advice.isHidden()


def test_that_settings_that_learn_from_defects_ask_for_a_folder_of_them(
    page: TrainingPage, good: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    choose_folder(page, good, qtbot)
    order = page._order
    order.method.choose("student_teacher")
    order._form().set_settings({"teacher": "labelled"})
    assert "defective" in page._consequence.text() and not page._train.isEnabled()
    order.extras.defects.choose(tmp_path)
    assert page._train.isEnabled()
    assert order.job().defects == tmp_path
    order.method.choose("patchcore")
    assert order.job().defects is None


def test_that_masks_generated_pictures_and_a_map_filter_go_into_the_order(
    page: TrainingPage, good: Path, tmp_path: Path, qtbot: QtBot
) -> None:
    choose_folder(page, good, qtbot)
    order, extras = page._order, page._order.extras
    assert [extras._generators.itemData(row) for row in range(3)] == [None, "appearance", "histaugan"]
    extras._generators.setCurrentIndex(1)
    extras._count.setValue(250)
    extras._filters.setCurrentIndex(2)
    job = order.job()
    assert job.augment == Augmentation(generator="appearance", count=250)
    assert job.conv_processing == 5 and job.defects is None
    extras.defects.choose(tmp_path)
    assert not page._train.isEnabled() and "masks" in page._consequence.text()
    extras.masks.choose(tmp_path / "masks")
    job = order.job()
    assert page._train.isEnabled() and (job.defects, job.defect_masks) == (tmp_path, tmp_path / "masks")
    extras._filters.setCurrentIndex(0)
    assert order.job().defects is None and order.job().defect_masks is None


def test_that_a_pipeline_fills_the_order_and_can_be_left(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    order = page._order
    for name, pipeline in PIPELINES.items():
        order.start.choose(name)
        assert order.start._words.text() == pipeline.summary
        base = {"data": good, "out": Path("model.loupe")}
        wanted = TrainingJob.checked({**base, **pipeline.fields})
        job = order.job()
        for field in ("method", "preset", "ring", "clahe", "rules", "augment", "conv_processing", "alpha"):
            assert getattr(job, field) == getattr(wanted, field), field
        assert wanted.size in (None, job.size)
        settings = {**METHODS[job.method].presets[job.preset].settings}
        assert parse_settings(job.method, {**settings, **job.parameters}) == parse_settings(
            wanted.method, {**settings, **wanted.parameters}
        )
    own = order.start.pipeline
    assert own is not None
    order.method.choose(own.fields["method"], "fast")  # another preset keeps what the pipeline says
    assert own.fields["parameters"].items() <= order._form().values().items()
    assert order.job().size == own.fields["size"]
    order.method.choose("padim")
    assert order.job().ring is not None and order.job().method == "padim"
    order.start.choose("")
    job = order.job()
    assert (job.method, job.ring, job.clahe, job.rules) == ("padim", None, None, None)


def test_that_choices_that_do_not_go_together_are_told(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    page._order._geometry_buttons["patches"].setChecked(True)
    page._order._patch.setValue(64)
    page._order._stride.setValue(128)
    assert not page._train.isEnabled() and "stride" in page._consequence.text()


def test_that_only_generators_of_good_parts_are_offered(page: TrainingPage) -> None:
    offered = [page._order.extras._generators.itemData(row) for row in range(page._order.extras._generators.count())]
    assert offered == [None, *(name for name, info in GENERATORS.items() if info.makes == "good")]


# The run


def test_that_a_run_ends_with_the_models_figures(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    with qtbot.waitSignal(page.model_trained):
        train(page, good, qtbot)
    assert page._side.currentWidget() is page._result
    assert "Valve seat" in page._result._title.text()
    assert page._result._histogram._plot is not None
    told = [figure.text() for _, figure in page._result._figures]
    assert "2,000 steps, crop 128 px\npublished: 70,000 steps" in told
    assert "About 4 min on this machine: 2,000 steps, crop 128 px" in page._run.log_text()
    assert page._train.isEnabled()


def test_that_the_histogram_follows_the_theme(page: TrainingPage, good: Path, qapp: QApplication, qtbot: QtBot) -> None:
    train(page, good, qtbot)
    theme.apply(qapp, "dark")
    plot = page._result._histogram._plot
    assert plot.backgroundBrush().color() == theme.colour("surface")


def test_that_progress_is_shown_and_the_order_rests_meanwhile(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    page._order._seed.setValue(2)
    with qtbot.waitSignal(page._process.progressed):
        page._train.click()
    assert page._run._stage.text() == "Describing pictures" and "30 s" in page._run._left.text()
    assert not page._order.isEnabled() and not page._train.isEnabled()
    page.hide()
    page.show()
    assert page._side.currentWidget() is page._run
    with qtbot.waitSignal(page._process.cancelled):
        page._run._cancel.click()
    assert "cancelled" in page._notice._title.text() and page._order.isEnabled()


def begin_learning(page: TrainingPage, folder: Path, qtbot: QtBot) -> None:
    choose_folder(page, folder, qtbot)
    page._order._seed.setValue(3)
    with qtbot.waitSignal(page._process.sampled):
        page._train.click()


def test_that_losses_and_reconstructions_are_shown_while_a_network_learns(
    page: TrainingPage, good: Path, qtbot: QtBot, qapp: QApplication
) -> None:
    begin_learning(page, good, qtbot)
    run = page._run
    assert run._views.currentWidget() is run._learning and not run._choice.isHidden()
    assert not run._learning._samples.is_empty and "5 steps" in run._learning._told.text()
    qtbot.waitUntil(lambda: run._learning.curves._plot is not None)
    plot = run._learning.curves._plot.getPlotItem()
    assert run._learning.curves._legend.words == ["total", "svdd", "held-out good parts"]
    assert len(plot.listDataItems()) == 3
    total = plot.listDataItems()[0].getData()[1]
    assert total[0] == pytest.approx(np.log10(50))  # beside 0.1
    theme.apply(qapp, "dark")
    assert run._learning.curves._plot.backgroundBrush().color() == theme.colour("surface")
    run._show_log.click()
    assert run._views.currentWidget() is run._log and "Describing pictures" in run.log_text()


def test_that_methods_that_learn_no_network_show_the_log_alone(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    begin_learning(page, good, qtbot)
    with qtbot.waitSignal(page._process.cancelled):
        page._run._cancel.click()
    page._order._seed.setValue(2)
    with qtbot.waitSignal(page._process.progressed):
        page._train.click()
    assert page._run._views.currentWidget() is page._run._log and page._run._choice.isHidden()
    assert page._run._learning._samples.is_empty


def test_that_an_interrupted_run_can_be_continued(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    begin_learning(page, good, qtbot)
    with qtbot.waitSignal(page._process.cancelled):
        page._run._cancel.click()
    assert page._notice._continue.isVisible() and "goes on from there" in page._notice._words.text()
    with qtbot.waitSignal(page.model_trained):
        page._notice._continue.click()
        assert page._side.currentWidget() is page._run
    page._process.start(page._order.job())  # of others
    page._continue()
    assert not page._notice._continue.isVisible()


def test_that_a_run_interrupted_before_the_station_was_closed_is_offered(
    page: TrainingPage, good: Path, qtbot: QtBot, estimator: Estimator, history: DemoHistory
) -> None:
    begin_learning(page, good, qtbot)
    page._process.stop()
    process = TrainingProcess(page._process._jobs_folder, page._process._child.command)
    later = TrainingPage(process, estimator, history.recipes)
    qtbot.addWidget(later)
    assert "valve seats" in later._notice._title.text() and not later._notice._continue.isHidden()
    later.close_down()


def test_that_a_cancelled_run_without_a_network_offers_no_continuation(
    page: TrainingPage, good: Path, qtbot: QtBot
) -> None:
    choose_folder(page, good, qtbot)
    page._order._seed.setValue(2)
    with qtbot.waitSignal(page._process.progressed):
        page._train.click()
    with qtbot.waitSignal(page._process.cancelled):
        page._run._cancel.click()
    assert page._notice._continue.isHidden() and "Nothing was kept" in page._notice._words.text()


@pytest.mark.parametrize(
    ("values", "expected"), [([3, 2, 1], False), ([100, 1], True), ([100, 0], False), ([100, -1], False), ([], False)]
)
def test_that_losses_that_differ_much_are_drawn_logarithmically(values: list[float], expected: bool) -> None:
    assert is_logarithmic(np.array(values, float)) is expected


def test_that_a_logarithmic_axis_shows_figures_as_people_write_them() -> None:
    assert [words for _, words in decade_ticks(0.003, 20)] == ["0.001", "0.01", "0.1", "1", "10", "100"]
    assert [words for _, words in decade_ticks(1, 90)] == ["1", "2", "5", "10", "20", "50", "100", "200", "500"]


def test_that_a_failed_run_tells_why_and_keeps_its_log(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    page._order._seed.setValue(1)
    with qtbot.waitSignal(page.training_failed):
        page._train.click()
    assert page._notice._words.text() == "Too few pictures. Add more."
    assert "Describing pictures" in page._notice._log.toPlainText()


def test_that_a_run_of_others_leaves_the_page_alone(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    choose_folder(page, good, qtbot)
    with qtbot.waitSignal(page._process.succeeded), qtbot.waitSignal(page._process.started):
        page._process.start(page._order.job())
    assert page._side.currentWidget() is page._notice and page._train.isEnabled()


# Deploying


def test_that_the_model_goes_to_a_new_recipe(page: TrainingPage, good: Path, qtbot: QtBot) -> None:
    train(page, good, qtbot)
    panel = page._result.deploy
    panel._recipe.setCurrentText("Valve seat B")
    assert "new recipe" in panel._consequence.text()
    panel._serial.setChecked(True)
    with qtbot.waitSignal(page.deploy_requested) as requested:
        panel._deploy.click()
    request = requested.args[0]
    assert isinstance(request, DeployRequest) and request.model_file.is_file()
    assert (request.recipe, request.source, request.acknowledge_ng, request.serial_required) == (
        "Valve seat B",
        "camera:1",
        False,
        True,
    )


def test_that_an_existing_recipe_keeps_its_source_and_rules(
    page: TrainingPage, history: DemoHistory, good: Path, qtbot: QtBot
) -> None:
    kept = history.recipes.save(history.recipe.model_copy(update={"source": "camera:3", "acknowledge_ng": True}))
    train(page, good, qtbot)
    panel = page._result.deploy
    row = panel._recipe.findText(kept.name)
    panel._recipe.setCurrentIndex(row)
    panel._recipe.activated.emit(row)
    assert panel._source.spec() == "camera:3" and panel._acknowledge.isChecked()
    assert f"Revision {kept.revision + 1}" in panel._consequence.text()
    page.show_deployed(kept)
    assert not panel._deploy.isEnabled() and kept.name in panel._consequence.text()


def test_that_a_deployment_that_failed_is_told_and_can_be_tried_again(
    page: TrainingPage, good: Path, qtbot: QtBot
) -> None:
    train(page, good, qtbot)
    page._result.deploy._deploy.click()
    page.show_deploy_problem("The disk is full. Free some space.")
    assert page._result.deploy._problem.text() and page._result.deploy._deploy.isEnabled()


# The whole


@pytest.mark.parametrize(("width", "height"), [(1216, 736), (3776, 2096)])
@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_nothing_in_the_form_is_cut(page: TrainingPage, width: int, height: int, geometry: str) -> None:
    page._order._geometry_buttons[geometry].setChecked(True)
    page._order._advanced.setChecked(True)
    page.resize(width, height)
    QApplication.processEvents()
    assert (page.width(), page.height()) == (width, height)
    assert page._order.minimumSizeHint().width() <= page._scroll.viewport().width()
