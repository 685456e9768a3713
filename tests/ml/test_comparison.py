"""Comparisons: cells as processes of their own, what is kept of them, the table and the page."""

import faulthandler
import json
import os
import shutil
import signal
import sys
import time
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import psutil
import pytest
from PIL import Image

from ml.catalogue import METHODS
from ml.comparison import cell as cell_process
from ml.comparison import charts
from ml.comparison.cell import carry_out
from ml.comparison.fingerprint import cell_key, data_fingerprint
from ml.comparison.measures import MEASURES
from ml.comparison.order import Comparison, DataSet, data_sets, methods_named, settings_by_method
from ml.comparison.records import CellJob, CellOutcome, DoneCell, FailedCell, OutcomeFile, PictureScore
from ml.comparison.report import page, results
from ml.comparison.run import Cell, Watcher, compare
from ml.comparison.store import CellStore
from ml.comparison.table import markdown, table_of
from ml.comparison.thumbnails import OUTLINE_RGB
from ml.dataset import Truth
from ml.errors import ComparisonError, ParameterError, PictureError, TrainingError
from ml.generation.marking import Mark, encode_marked
from tests.ml.small_models import QUICK, part, write, write_parts

QUICK_SETTINGS: dict[str, dict[str, object]] = {"patchcore": {**QUICK["patchcore"]}}


def write_data_set(folder: Path, good: int = 6) -> Path:
    """An MVTec layout of plain parts; a defect is a bright square, with its mask."""
    write_parts(folder / "train" / "good", good)
    for index in range(3):
        write(folder / f"test/good/{index}.png", part(100 + index))
        defective, mask = part(200 + index), np.zeros((96, 128), np.uint8)
        defective[30:50, 40:60], mask[30:50, 40:60] = 255, 255
        write(folder / f"test/square/{index}.png", defective)
        write(folder / f"ground_truth/square/{index}_mask.png", mask)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data_set(tmp_path_factory.mktemp("sets") / "parts")


@pytest.fixture
def comparison(data: Path) -> Comparison:
    return Comparison(data_sets([data]), ("patchcore",), 1, {"preset": "fast", "size": 64}, QUICK_SETTINGS)


@pytest.fixture(scope="module")
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> DoneCell:
    """A cell carried out in this process."""
    order = Comparison(data_sets([data]), ("patchcore",), 1, {"preset": "fast", "size": 64}, QUICK_SETTINGS)
    (job,) = order.jobs()
    training = job.training.model_copy(update={"out": tmp_path_factory.mktemp("cell") / "model.loupe"})
    found = OutcomeFile(outcome=carry_out(job.model_copy(update={"training": training})))
    outcome = OutcomeFile.model_validate_json(found.model_dump_json()).outcome  # as it comes out of files
    assert isinstance(outcome, DoneCell)
    return outcome


Child = Callable[[str], tuple[str, ...]]


@pytest.fixture
def child(tmp_path: Path) -> Child:
    """A process in a cell's place: `child(code)` is its command, run with JOB and OUT as its arguments."""

    def command(code: str) -> tuple[str, ...]:
        script = tmp_path / "child.py"
        script.write_text(f"import json, os, signal, sys, time\njob, out = sys.argv[-2:]\n{code}\n")
        return (sys.executable, str(script))

    return command


def writes(outcome: CellOutcome, folder: Path) -> str:
    """Code of a child that leaves `outcome` behind."""
    file = folder / "canned.json"
    file.write_text(OutcomeFile(outcome=outcome).model_dump_json())
    return f"import shutil; shutil.copy({str(file)!r}, out)"


def never_started(child: Child) -> tuple[str, ...]:
    return child("sys.exit('no cell should have been computed')")


# Cells


def test_that_a_cell_in_a_process_of_its_own_finds_the_same(
    comparison: Comparison, done: DoneCell, tmp_path: Path
) -> None:
    stages: list[str] = []

    class Following(Watcher):
        def progressed(self, number: int, total: int, job: CellJob, stage: str, done: int, of: int) -> None:
            assert (number, total) == (1, 1) and 0 <= done <= of
            stages.append(stage)

    (cell,) = compare(comparison.jobs(), CellStore(tmp_path / "cells"), watcher=Following())

    assert isinstance(cell.outcome, DoneCell), cell.outcome.message
    assert cell.outcome.model_hash == done.model_hash
    assert cell.outcome.pictures == done.pictures
    assert {"Reading pictures", "Scoring"} <= set(stages)
    assert [path.suffix for path in (tmp_path / "cells").iterdir()] == [".json"]


def test_that_a_foreseen_failure_is_the_outcome_with_its_own_words(
    comparison: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> DoneCell:
        raise TrainingError("parts: too few pictures")

    monkeypatch.setattr(cell_process, "carry_out", refused)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # these are the whole process's, here pytest's
    monkeypatch.setattr(faulthandler, "enable", lambda: None)
    job, out = tmp_path / "job.json", tmp_path / "out.json"
    job.write_text(comparison.jobs()[0].model_dump_json())

    assert cell_process.main(job, out) == 0
    outcome = OutcomeFile.model_validate_json(out.read_bytes()).outcome
    assert isinstance(outcome, FailedCell)
    assert outcome.message == "parts: too few pictures"


def test_that_a_cell_has_every_figure_its_pictures_and_its_machine(done: DoneCell) -> None:
    for measure in MEASURES:
        assert measure.value(done) is not None, measure.key
    assert done.matrix.total == len(done.pictures) == 6
    assert (done.training_pictures, done.skipped_pictures) == (6, 0)
    assert done.peak_memory_bytes > 50e6
    assert done.machine.cpu and done.machine.threads >= 1 and "torch" in done.machine.versions
    assert [each.picture.truth for each in done.lowest_defects] == ["anomaly"] * 3
    for shown, rising in ((done.lowest_defects, True), (done.highest_good, False)):
        scores = [each.picture.normalised for each in shown]
        assert scores == sorted(scores, reverse=not rising)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_that_a_killed_process_is_that_cells_failure_alone(
    comparison: Comparison, child: Child, done: DoneCell, tmp_path: Path
) -> None:
    code = "if json.load(open(job))['training']['seed'] == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
    jobs = replace(comparison, seeds=2).jobs()

    killed, after = compare(jobs, CellStore(tmp_path / "cells"), command=child(code + writes(done, tmp_path)))

    assert isinstance(killed.outcome, FailedCell)
    assert "SIGKILL" in killed.outcome.message and "memory" in killed.outcome.message
    assert after.outcome == done


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("print('loading'); raise MemoryError('17 GiB')", "out of memory"),
        ("raise ValueError('a bug of ours')", "a bug of ours"),
        ("sys.exit(3)", "said nothing"),
        ("sys.exit(0)", "without a result"),
        ("open(out, 'w').write('{')", "without a result"),
    ],
)
def test_that_any_other_end_of_the_process_is_told(
    comparison: Comparison, child: Child, tmp_path: Path, code: str, named: str
) -> None:
    (cell,) = compare(comparison.jobs(), CellStore(tmp_path / "cells"), command=child(code))

    assert isinstance(cell.outcome, FailedCell)
    assert named in cell.outcome.message
    if "raise" in code:
        assert any("Traceback" in line for line in cell.outcome.log)


def test_that_a_stop_ends_the_process_and_keeps_the_finished_cells(
    comparison: Comparison, child: Child, done: DoneCell, tmp_path: Path
) -> None:
    pid_file = tmp_path / "pid"
    code = (
        f"if json.load(open(job))['training']['seed'] == 0: {writes(done, tmp_path)}; sys.exit()\n"
        f"open({str(pid_file)!r}, 'w').write(str(os.getpid()))\n"
        "print(json.dumps({'stage': 'Fitting', 'done': 1, 'total': 2}), flush=True)\ntime.sleep(60)"
    )

    class Impatient(Watcher):
        def progressed(self, number: int, total: int, job: CellJob, stage: str, done: int, of: int) -> None:
            raise KeyboardInterrupt

    jobs, store = replace(comparison, seeds=3).jobs(), CellStore(tmp_path / "cells")
    with pytest.raises(KeyboardInterrupt):
        compare(jobs, store, watcher=Impatient(), command=child(code))

    assert not psutil.pid_exists(int(pid_file.read_text()))
    assert len(list(store.folder.iterdir())) == 1


def test_that_a_child_that_does_not_end_when_asked_is_killed(
    comparison: Comparison, child: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml.comparison.child.TERMINATE_S", 0.2)
    code = (
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(json.dumps({'stage': 'Fitting', 'done': 1, 'total': 2}), flush=True)\ntime.sleep(60)"
    )

    class Impatient(Watcher):
        def progressed(self, number: int, total: int, job: CellJob, stage: str, done: int, of: int) -> None:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        compare(comparison.jobs(), CellStore(tmp_path / "cells"), watcher=Impatient(), command=child(code))
    assert time.monotonic() - began < 20


def test_that_a_cell_profits_from_no_features_of_earlier_trainings_and_leaves_none(
    comparison: Comparison, child: Child, tmp_path: Path
) -> None:
    store = CellStore(tmp_path / "cells")
    code = "folder = os.environ['LOUPE_FEATURES']; os.mkdir(folder); sys.exit(folder)"

    (cell,) = compare(comparison.jobs(), store, command=child(code))

    assert isinstance(cell.outcome, FailedCell)
    assert Path(cell.outcome.log[-1]).is_relative_to(store.folder)
    assert not [path for path in store.folder.iterdir() if path.is_dir()]


def test_that_what_a_killed_run_left_is_removed_a_day_later(
    comparison: Comparison, child: Child, tmp_path: Path
) -> None:
    store = CellStore(tmp_path / "cells")
    for name, age_s in (("cell-old", 2 * 86400), ("cell-running", 60)):
        (store.folder / name / "features").mkdir(parents=True)
        os.utime(store.folder / name, (time.time() - age_s,) * 2)

    compare(comparison.jobs(), store, command=child("sys.exit('failed')"))

    assert [path.name for path in store.folder.iterdir() if path.is_dir()] == ["cell-running"]


# What is kept


def test_that_a_finished_cell_is_not_computed_again(
    comparison: Comparison, child: Child, done: DoneCell, tmp_path: Path
) -> None:
    store = CellStore(tmp_path / "cells")
    compare(comparison.jobs(), store, command=child(writes(done, tmp_path)))
    told: list[bool] = []

    class Following(Watcher):
        def ended(self, number: int, total: int, job: CellJob, outcome: CellOutcome, is_stored: bool) -> None:
            told.append(is_stored)

    (cell,) = compare(comparison.jobs(), store, command=never_started(child), watcher=Following())

    assert cell.outcome == done
    assert told == [True]


def test_that_a_failed_cell_is_only_tried_again_when_asked(
    comparison: Comparison, child: Child, done: DoneCell, tmp_path: Path
) -> None:
    store = CellStore(tmp_path / "cells")
    compare(comparison.jobs(), store, command=child("sys.exit('first')"))

    (kept,) = compare(comparison.jobs(), store, command=child(writes(done, tmp_path)))
    (tried,) = compare(comparison.jobs(), store, command=child(writes(done, tmp_path)), retry=True)

    assert isinstance(kept.outcome, FailedCell)
    assert tried.outcome == done


@pytest.mark.parametrize("content", [b"", b"{}", b"\x00\xff"])
def test_that_a_damaged_cell_is_computed_again(
    comparison: Comparison, child: Child, done: DoneCell, tmp_path: Path, content: bytes
) -> None:
    store = CellStore(tmp_path / "cells")
    compare(comparison.jobs(), store, command=child("sys.exit('first')"))
    for file in store.folder.iterdir():
        file.write_bytes(content)

    (cell,) = compare(comparison.jobs(), store, command=child(writes(done, tmp_path)))

    assert cell.outcome == done


def test_that_a_cells_key_follows_pictures_masks_settings_and_seed_but_no_place(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another name"
    shutil.copytree(data, copy)

    def key(folder: Path, **changed: Any) -> str:
        fields = {"preset": "fast", "size": 64, **changed}
        seed = fields.pop("seed", 0)
        order = Comparison(data_sets([folder]), ("patchcore",), seed + 1, fields, QUICK_SETTINGS)
        return cell_key(order.jobs()[seed], data_fingerprint(folder))

    before = key(data)
    assert key(copy) == before
    others = {key(data, size=96), key(data, seed=1), key(data, alpha=0.05), key(data, preset="balanced")}
    for name, pixels in (
        ("ground_truth/square/0_mask.png", np.full((96, 128), 255, np.uint8)),
        ("test/good/0.png", part(900)),
        ("test/square/new.png", part(901)),
        ("train/good/part0.png", part(902)),
    ):
        write(copy / name, pixels)
        others.add(key(copy))
    assert before not in others
    assert len(others) == 8


def test_that_a_folder_that_cannot_be_written_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("hello")
    with pytest.raises(ComparisonError, match="file"):
        CellStore(tmp_path / "file" / "cells")


# What is ordered


def test_that_two_folders_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="same name"):
        data_sets([tmp_path / "a" / "parts", tmp_path / "b" / "parts"])
    assert len(data_sets([tmp_path / "a", tmp_path / "a" / ".." / "a"])) == 1


def test_that_a_pattern_counts_for_all_data_sets_or_for_the_named_one(tmp_path: Path) -> None:
    folders = [tmp_path / "seats", tmp_path / "tiles"]
    assert [each.group_by for each in data_sets(folders, [r"(?=x)(\d+)"])] == [r"(?=x)(\d+)"] * 2
    assert [each.group_by for each in data_sets(folders, [r"tiles=exp(\d+)=", "seats=a"])] == ["a", r"exp(\d+)="]
    with pytest.raises(ParameterError, match="twice for 'seats'"):
        data_sets(folders, ["a", "seats=b"])


def test_that_methods_are_read_by_name_or_all() -> None:
    assert methods_named(" padim , patchcore,padim") == ("padim", "patchcore")
    assert methods_named("all") == tuple(METHODS)
    assert methods_named("padim+conv_processing + appearance") == ("padim+appearance+conv_processing",)
    assert methods_named("padim,spade+appearance", "appearance") == ("padim", "padim+appearance", "spade+appearance")
    assert methods_named("all", "singan")[:2] == ("patchcore", "patchcore+singan")
    with pytest.raises(ParameterError, match="did you mean patchcore"):
        methods_named("padim,patchcoer")
    with pytest.raises(ParameterError, match="names no method"):
        methods_named(" ,")
    with pytest.raises(ParameterError, match=r"no extra 'appearence' \(did you mean appearance\?\).*conv_processing"):
        methods_named("padim+appearence")
    with pytest.raises(ParameterError, match="no extra 'synthetic_defects'"):  # learnt from, they would pass as good
        methods_named("padim", "synthetic_defects")
    with pytest.raises(ParameterError, match="one generator at a time"):
        methods_named("padim+appearance+singan")


def test_that_variants_are_cells_and_rows_of_their_own(comparison: Comparison, done: DoneCell) -> None:
    names = ("patchcore", "patchcore+appearance", "patchcore+appearance+conv_processing")
    order = replace(comparison, methods=names, settings={**comparison.settings, "appearance": {"strength": "1.2"}})
    jobs = order.jobs()

    assert [job.variant for job in jobs] == list(names)
    assert [job.training.conv_processing for job in jobs] == [None, None, 5]
    assert len({cell_key(job, "data") for job in jobs}) == 3
    assert all(job.training.parameters == jobs[0].training.parameters for job in jobs)
    augment = jobs[1].training.augment
    assert augment is not None and augment.settings == {"strength": "1.2"}

    cells = [Cell(cell_key(job, "data"), job, done) for job in jobs]
    assert [row.method for row in table_of(cells)] == list(names)
    assert "| patchcore+appearance |" in markdown(table_of(cells)).replace("\\", "")
    assert [row["method"] for row in results(cells)["table"]] == list(names)
    html = page(cells)
    assert "PatchCore + Appearance + map filter" in html and "100 pictures generated by appearance" in html


def test_that_a_variant_with_a_wrong_setting_of_its_generator_shows_before_the_first_cell(
    comparison: Comparison,
) -> None:
    wrong = replace(comparison, methods=("patchcore+appearance",), settings={"appearance": {"strength": "7"}})
    with pytest.raises(ParameterError, match="strength=7 is not allowed"):
        wrong.check()


def test_that_generated_test_pictures_are_refused_before_the_first_cell(comparison: Comparison, data: Path) -> None:
    made = data / "test/good/generated.png"
    made.write_bytes(encode_marked(part(7), Mark(generator="appearance")))
    try:
        with pytest.raises(TrainingError, match=r"generated\.png was made by the generator"):
            comparison.check()
    finally:
        made.unlink()


def test_that_settings_belong_to_a_method_that_is_compared() -> None:
    assert settings_by_method(["padim.channels=50"], ["padim"]) == {"padim": {"channels": "50"}}
    for wrong in ("channels=50", "padim.channels", ".channels=50"):
        with pytest.raises(ParameterError, match=r"method\.key=value"):
            settings_by_method([wrong], ["padim"])
    variants = settings_by_method(["padim.channels=50", "appearance.strength=1.2"], ["padim+appearance"])
    assert variants == {"padim": {"channels": "50"}, "appearance": {"strength": "1.2"}}
    with pytest.raises(ParameterError, match="'patchcore' is not compared"):
        settings_by_method(["patchcore.coreset_cap=5"], ["padim"])


def test_that_everything_wrong_shows_before_the_first_cell(comparison: Comparison, data: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no pictures"):
        (tmp_path / "empty" / "test").mkdir(parents=True)
        replace(comparison, data_sets=data_sets([tmp_path / "empty"])).check()
    with pytest.raises(TrainingError, match="no folder test"):
        replace(comparison, data_sets=data_sets([write_parts(tmp_path / "plain")])).check()
    with pytest.raises(ParameterError, match="did you mean coreset_cap"):
        replace(comparison, settings={"patchcore": {"coreset_cup": "5"}}).check()
    with pytest.raises(ParameterError, match="finds no part"):
        replace(comparison, data_sets=(DataSet("parts", data, "seat"),)).check()
    with pytest.raises(PictureError, match="nowhere"):
        replace(comparison, template_dir=tmp_path / "nowhere").check()
    with pytest.raises(ParameterError, match="not both"):
        replace(comparison, fields={"size": 64, "patch": 64}).check()


# The table


def with_figures(done: DoneCell, auroc: float | None, fit_s: float = 2.0) -> DoneCell:
    return done.model_copy(update={"report": {**done.report, "image_auroc": auroc}, "fit_s": fit_s})


def cell(comparison: Comparison, outcome: CellOutcome, method: str = "patchcore", seed: int = 0) -> Cell:
    (job,) = replace(comparison, methods=(method,)).jobs()
    training = job.training.model_copy(update={"seed": seed})
    return Cell(f"{method}{seed}", job.model_copy(update={"training": training}), outcome)


def test_that_the_table_has_mean_and_spread_over_seeds_and_marks_the_best(
    comparison: Comparison, done: DoneCell
) -> None:
    rows = table_of(
        [
            cell(comparison, with_figures(done, 0.8, 10)),
            cell(comparison, with_figures(done, 0.9, 10), seed=1),
            cell(comparison, with_figures(done, 0.84999, 30), "padim"),
            cell(comparison, FailedCell(message="killed"), "padim", seed=1),
        ]
    )

    patchcore, padim = rows
    figure = patchcore.figures["image_auroc"]
    assert figure is not None and figure.mean == pytest.approx(0.85)
    assert figure.spread == pytest.approx(0.0707, abs=1e-4)  # sample standard deviation
    assert "image_auroc" in patchcore.best & padim.best  # both are shown as 0.850
    assert "fit_s" in patchcore.best - padim.best
    other = padim.figures["image_auroc"]
    assert other is not None and other.spread is None
    assert padim.note == "failed (seed 1): killed"


def test_that_pictures_that_could_not_be_judged_are_told(comparison: Comparison, done: DoneCell) -> None:
    report = {**done.report, "faults": 1, "fault_pictures": ["spot/7.png"]}
    faulty = cell(comparison, done.model_copy(update={"report": report}))

    (row,) = table_of([faulty])

    assert row.note == "1 test picture(s) are FAULT and in no figure (seed 0; the first is spot/7.png)"
    assert "spot/7.png" in page([faulty])


def test_that_the_written_table_cannot_be_broken_by_names(comparison: Comparison, done: DoneCell) -> None:
    named = replace(comparison, data_sets=(DataSet("a|b\n# *x*", comparison.data_sets[0].folder),))

    text = markdown(table_of([cell(named, with_figures(done, None)), cell(named, FailedCell(message="|"), "padim")]))

    assert "## a\\|b \\# \\*x\\*\n" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in table} == {len(MEASURES) + 2}
    assert "| patchcore | - |" in text
    assert "| padim | failed |" in text


def test_that_what_was_trained_stands_beside_what_is_published(comparison: Comparison, done: DoneCell) -> None:
    lesson = done.model_copy(update={"trained": "5,000 steps, width 32", "published": "70,000 steps, width 128"})
    made = [cell(comparison, lesson)]

    for text in (markdown(table_of(made)), page(made)):
        assert "Trained here: 5,000 steps, width 32." in text
        assert "Published: 70,000 steps, width 128." in text


# The page


def scored(truth: Truth, normalised: float, name: str = "x.png") -> PictureScore:
    return PictureScore(
        name=name,
        truth=truth,
        kind=None,
        score=normalised,
        normalised=normalised,
        verdict="NG" if normalised >= 1 else "OK",
    )


def test_that_the_page_loads_nothing_and_escapes_every_name(comparison: Comparison, done: DoneCell) -> None:
    evil = '<script>alert("1")</script>'
    shown = done.lowest_defects[0]
    bad = done.model_copy(
        update={
            "lowest_defects": (shown.model_copy(update={"picture": scored("anomaly", 0.2, evil)}),),
            "trained": evil,
            "published": evil,
        }
    )
    named = replace(comparison, data_sets=(DataSet(evil, comparison.data_sets[0].folder),))

    html = page([cell(named, bad), cell(named, FailedCell(message=evil, log=(evil,)), "padim")])

    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 6
    assert "http" not in html.replace("http-equiv", "")
    assert html.count("src=") == html.count('src="data:image/png;base64,')
    assert "url(" not in html.replace("url(#heat)", "")


def test_that_the_page_shows_curves_histograms_matrices_pictures_and_failures(
    comparison: Comparison, done: DoneCell
) -> None:
    html = page(
        [
            cell(comparison, done),
            cell(comparison, done, seed=1),
            cell(comparison, FailedCell(message="ended by SIGKILL", log=("last words",)), "padim"),
        ]
    )

    drawings = [ElementTree.fromstring(f"<svg{text.split('</svg>')[0]}</svg>") for text in html.split("<svg")[1:]]
    labels = [drawing.get("aria-label") for drawing in drawings]
    assert labels.count("ROC curves") == 1
    assert labels.count("histogram of normalised scores") == 1
    roc = drawings[labels.index("ROC curves")]
    assert len(roc.findall(".//polyline")) == 2  # one per seed
    assert "<img" in html and "truth \\ verdict" in html
    assert "ended by SIGKILL" in html and "last words" in html
    assert done.machine.cpu in html and "of this machine" in html
    assert "oracle" in html


def test_that_a_data_set_without_good_test_pictures_still_has_its_page(comparison: Comparison, done: DoneCell) -> None:
    only_defects = with_figures(done, None).model_copy(
        update={
            "pictures": tuple(picture for picture in done.pictures if picture.truth == "anomaly"),
            "highest_good": (),
            "report": {**done.report, "image_auroc": None, "confusion_matrix": {"tn": 0, "fp": 0, "fn": 1, "tp": 2}},
        }
    )

    html = page([cell(comparison, only_defects)])

    assert "No method could be ranked" in html
    assert "ROC curves" not in html
    assert "1 method on" in " ".join(html.split())


def test_that_results_are_json_without_pictures(comparison: Comparison, done: DoneCell) -> None:
    document = results([cell(comparison, done), cell(comparison, FailedCell(message="killed"), "padim")])

    text = json.dumps(document, allow_nan=False)
    assert "png" not in text.replace(".png", "")
    first, second = document["cells"]
    assert first["outcome"]["report"]["image_auroc"] == done.report["image_auroc"]
    assert second["outcome"]["message"] == "killed"
    assert document["table"][0]["image_auroc"]["mean"] == done.report["image_auroc"]


def test_that_a_score_at_the_threshold_stands_right_of_its_line() -> None:
    chart = charts.histogram([scored("normal", 0.9999), scored("anomaly", 1.0), scored("anomaly", 99.0)], 0.8)

    (good,), (at_threshold, beyond) = chart.good, chart.defective
    assert good.x + good.width <= chart.threshold_x <= at_threshold.x
    assert beyond.x + beyond.width <= charts.HISTOGRAM_WIDTH
    assert chart.unsure_x is not None and chart.unsure_x < chart.threshold_x


def test_that_the_histogram_of_no_picture_is_empty() -> None:
    chart = charts.histogram([], None)
    assert (chart.good, chart.defective, chart.unsure_x) == ((), (), None)


def test_that_the_roc_curve_runs_from_corner_to_corner_and_needs_both_kinds() -> None:
    side = charts.ROC_SIDE
    perfect = charts.roc_points([scored("normal", 0.1), scored("anomaly", 2.0)])
    assert perfect is not None
    assert perfect.split() == [f"0.0,{side}", "0.0,0.0", f"{side},0.0"]
    assert charts.roc_points([scored("normal", 0.1)]) is None
    assert charts.operating_point([scored("normal", 0.1)]) is None
    assert charts.operating_point([scored("normal", 0.1), scored("anomaly", 0.2)]) == (0, side)


def test_that_a_heat_map_lies_on_the_fixed_scale_and_the_true_defect_is_outlined(done: DoneCell) -> None:
    for each in (*done.lowest_defects, *done.highest_good):
        plain, heat = (
            np.array(Image.open(BytesIO(b64decode(png))).convert("RGB")).astype(int)
            for png in (each.plain_png, each.heat_png)
        )
        assert plain.shape == heat.shape == (each.height_px, each.width_px, 3)
        has_outline = (np.abs(plain - OUTLINE_RGB).max(axis=2) < 30).any()
        assert has_outline == (each.picture.truth == "anomaly")
        if each.picture.truth == "normal":  # a good picture stays itself: no scale of its own that makes it glow
            assert np.abs(plain - heat).mean() < 12
        else:
            assert np.abs(plain - heat)[25:60, 35:65].mean() > 30
