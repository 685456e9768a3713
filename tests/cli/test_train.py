"""`loupe train`: the JSON lines that the Training page reads, and a stop at any time that leaves nothing behind."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.artifact import read_manifest
from ml.catalogue import method, parse_settings
from ml.catalogue.pipelines import PIPELINES, Pipeline
from ml.job import Augmentation, TrainingJob
from ml.methods.riad import InpaintingLesson
from ml.pictures import decode_picture
from ml.training.resources import Shortage
from station.commands import train
from station.workers.child import parse_line
from station.workers.training import (
    TRAINING_EVENTS,
    TrainingLosses,
    TrainingOutcome,
    TrainingSamples,
    TrainingStarted,
)
from tests.cli.conftest import Loupe

Start = Callable[..., "subprocess.Popen[str]"]

QUICK = ("--method", "padim", "--size", "64")


def test_that_json_lines_tell_start_progress_and_result(loupe: Loupe, parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "a model ü.loupe"

    outcome = loupe("train", parts, "--out", out, *QUICK, "--json")

    assert outcome.code == 0
    assert outcome.err == ""
    lines = outcome.json_lines
    kinds = [line["event"] for line in lines]
    assert set(kinds) == {"started", "plan", "progress", "result"}
    assert (kinds.count("started"), kinds.count("plan")) == (1, 1)
    assert kinds[-1] == "result"
    started = next(line for line in lines if line["event"] == "started")
    assert started == {"event": "started", "pictures": 6, "skipped": []}
    for line in lines:
        if line["event"] == "progress":
            assert set(line) == {"event", "stage", "done", "total", "eta_s"}
            assert 0 <= line["done"] <= line["total"]
            assert line["eta_s"] is None or line["eta_s"] >= 0
    result = lines[-1]
    assert {"file", "model_hash", "threshold", "rule", "n", "held_out_scores", "seconds"} <= set(result)
    assert result["file"] == str(out)
    assert result["n"] == len(result["held_out_scores"]) == 6
    assert result["model_hash"] == read_manifest(out).model_hash


def test_that_the_training_page_understands_every_line(loupe: Loupe, parts: Path, tmp_path: Path) -> None:
    outcome = loupe("train", parts, "--out", tmp_path / "a.loupe", *QUICK, "--json")

    events = [parse_line(line.encode(), TRAINING_EVENTS) for line in outcome.out.splitlines()]

    assert None not in events
    assert any(isinstance(event, TrainingStarted) for event in events)
    assert isinstance(events[-1], TrainingOutcome)


def test_that_a_job_file_gives_the_same_model_as_the_options(
    loupe: Loupe, parts: Path, tmp_path: Path, model: Path
) -> None:
    job = tmp_path / "job.json"
    TrainingJob(data=parts, out=tmp_path / "a.loupe", method="padim", size=64).save(job)

    outcome = loupe("train", "--job", job, "--json")

    assert outcome.code == 0
    assert outcome.json_lines[-1]["model_hash"] == read_manifest(model).model_hash


@pytest.mark.parametrize("arguments", [["--set", "bogus=1"], ["--size", "250"], ["--group-by", "("]])
def test_that_a_failure_is_a_json_line_too(loupe: Loupe, parts: Path, tmp_path: Path, arguments: list[str]) -> None:
    outcome = loupe("train", parts, "--out", tmp_path / "a.loupe", *arguments, "--json")

    assert outcome.code == 2
    last = outcome.json_lines[-1]
    assert last["event"] == "error"
    assert last["message"] in outcome.err


def test_that_a_machine_without_room_is_told_before_the_work(
    loupe: Loupe, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "look_for_shortage", lambda job: Shortage(obstacle="The disk is full."))
    refused = loupe("train", parts, "--out", tmp_path / "a.loupe", *QUICK, "--json")
    assert refused.code == 1
    assert refused.json_lines == [{"event": "error", "message": "The disk is full."}]

    monkeypatch.setattr(train, "look_for_shortage", lambda job: Shortage(warning="Memory is scarce."))
    warned = loupe("train", parts, "--out", tmp_path / "a.loupe", *QUICK, "--json")
    assert warned.code == 0
    assert warned.json_lines[0] == {"event": "warning", "message": "Memory is scarce."}
    assert warned.json_lines[-1]["event"] == "result"
    told = loupe("train", parts, "--out", tmp_path / "a.loupe", *QUICK)
    assert told.err.splitlines()[0] == "Memory is scarce."


def test_that_a_bad_job_file_is_a_json_line_too(loupe: Loupe, tmp_path: Path) -> None:
    job = tmp_path / "job.json"
    job.write_text('{"version": 99}')

    outcome = loupe("train", "--job", job, "--json")

    assert outcome.code != 0
    assert outcome.json_lines == [{"event": "error", "message": outcome.json_lines[0]["message"]}]
    assert "99" in outcome.json_lines[0]["message"]


def test_that_a_person_reads_what_was_left_out_and_how_the_threshold_was_found(
    loupe: Loupe, parts: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "good parts"
    folder.mkdir()
    for picture in sorted((parts / "train" / "good").iterdir()):
        (folder / picture.name).write_bytes(picture.read_bytes())
    (folder / "no\npicture.png").write_text("hello")

    outcome = loupe("train", folder, "--out", tmp_path / "a.loupe", *QUICK)

    assert outcome.code == 0
    assert outcome.out == ""
    plan, *lines = outcome.err.splitlines()
    assert "on this machine" in plan
    assert len(lines) == 4
    assert "left out" in lines[0] and "picture.png" in lines[0]
    assert "6 pictures (1 left out)" in lines[1]
    assert "threshold" in lines[2] and "false-alarm rate" in lines[2]
    assert "graph for ONNX Runtime" in lines[3]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["Reading pictures", "Calibrating"])
def test_that_a_stop_exits_130_with_one_line_and_leaves_nothing(
    loupe_process: Start, parts: Path, tmp_path: Path, number: signal.Signals, stage: str
) -> None:
    before = {"an older model": b"stays"}
    out = tmp_path / "a.loupe"
    out.write_bytes(before["an older model"])

    with loupe_process("train", parts, "--out", out, "--size", "256", "--json") as process:
        assert process.stdout is not None and process.stderr is not None
        for line in process.stdout:
            if stage in line:
                break
        process.send_signal(number)
        said = process.stderr.read()
        code = process.wait(60)

    assert code == 130
    assert said == "Stopped; nothing was left half-written.\n"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.loupe": b"stays"}


@pytest.mark.skipif(sys.platform == "win32", reason="a broken pipe is told otherwise on Windows")
def test_that_a_reader_who_leaves_ends_training_quietly(loupe_process: Start, parts: Path, tmp_path: Path) -> None:
    with loupe_process("train", parts, "--out", tmp_path / "a.loupe", *QUICK, "--json") as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        code = process.wait(60)

    assert code == 1
    assert said == ""
    assert not list(tmp_path.iterdir())


RIAD = ("--method", "riad", "--size", "64", "--set", "width=4", "--set", "crop_px=64", "--set", "batch=2")


def test_that_losses_and_reconstructions_are_told_line_by_line(loupe: Loupe, parts: Path, tmp_path: Path) -> None:
    outcome = loupe("train", parts, "--out", tmp_path / "a.loupe", *RIAD, "--set", "steps=24", "--json")

    assert outcome.code == 0
    events = [parse_line(line.encode(), TRAINING_EVENTS) for line in outcome.out.splitlines()]
    assert None not in events
    losses = [event for event in events if isinstance(event, TrainingLosses)]
    assert [event.step for event in losses] == list(range(1, 25))
    assert {event.steps for event in losses} == {24}
    assert all("total" in event.losses for event in losses)
    assert sum(event.validation is not None for event in losses) == 12
    samples = [event for event in events if isinstance(event, TrainingSamples)]
    assert len(samples) == 12
    assert all(decode_picture(event.png, "samples").pixels.shape[0] == 2 * 64 for event in samples)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
def test_that_a_training_that_was_stopped_is_continued_by_resume(
    loupe: Loupe, loupe_process: Start, parts: Path, tmp_path: Path
) -> None:
    out, kept = tmp_path / "a.loupe", tmp_path / "a.loupe.resume"
    order = ("train", parts, "--out", out, *RIAD, "--set", "steps=2000", "--name", "a")
    with loupe_process(*order, "--json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if '"losses"' in line:
                break
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    assert [path.name for path in tmp_path.iterdir()] == [kept.name]

    other = loupe(*order, "--seed", "1", "--resume")
    assert other.code == 1
    assert "differs in seed" in other.err and "without --resume" in other.err

    with loupe_process(*order, "--resume", "--json") as process:
        assert process.stdout is not None
        steps = []
        for line in process.stdout:
            event = parse_line(line.encode(), TRAINING_EVENTS)
            steps += [event.step] if isinstance(event, TrainingLosses) else []
            if len(steps) > 3:
                break
        process.kill()
        process.communicate()
    assert steps == [10, 20, 30, 40]


def test_that_a_person_is_told_of_an_interrupted_training_and_how_to_go_on(
    loupe: Loupe, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, kept = tmp_path / "a.loupe", tmp_path / "a.loupe.resume"
    order = ("train", parts, "--out", out, *RIAD, "--set", "steps=30")
    validate = InpaintingLesson.validate  # called in the training alone, not while its time is measured

    def interrupted(lesson: InpaintingLesson) -> float:
        signal.raise_signal(signal.SIGINT)
        return validate(lesson)

    monkeypatch.setattr(InpaintingLesson, "validate", interrupted)
    stopped = loupe(*order, "--resume")
    assert "begins anew" in stopped.err
    assert stopped.code == 130 and "--resume continues it" in stopped.err
    assert kept.is_file() and not out.exists()
    monkeypatch.undo()

    continued = loupe(*order, "--resume")
    assert continued.code == 0 and out.is_file() and not kept.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--conv-processing", "4"], "--conv-processing"),
        (["--defect-masks", "masks"], "give defects too"),
        (["--augment", "apearance"], "did you mean appearance"),
        (["--augment", "synthetic_defects"], "learns from good parts only"),
        (["--augment", "appearance", "--augment-set", "strenth=1"], "did you mean strength"),
        (["--augment", "appearance", "--augment-set", "strength"], "--augment-set strength: write it as key=value"),
        (["--augment-count", "5"], "belong to --augment"),
    ],
)
def test_that_options_that_go_wrong_together_are_told(
    loupe: Loupe, parts: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    outcome = loupe("train", parts, "--out", tmp_path / "a.loupe", *QUICK, *options)
    assert outcome.code == 2
    assert words in outcome.err


def test_that_generated_pictures_are_learnt_from_and_told_in_the_model(
    loupe: Loupe, parts: Path, tmp_path: Path
) -> None:
    generated = ("--augment", "appearance", "--augment-count", "3", "--augment-set", "strength=0.5")
    outcome = loupe("train", parts, "--out", tmp_path / "a.loupe", *QUICK, *generated, "--json")
    assert outcome.code == 0
    assert len(read_manifest(tmp_path / "a.loupe").data.generated) == 3


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> list[TrainingJob]:
    """The orders that would have been carried out."""
    orders: list[TrainingJob] = []
    monkeypatch.setattr(train, "train_for_a_person", lambda job, console, **options: orders.append(job))
    return orders


def test_that_a_pipeline_is_a_start_that_options_overrule(
    loupe: Loupe, ordered: list[TrainingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = {"method": "dfr", "preset": "fast", "alpha": 0.05, "ring": {}, "parameters": {"steps": 9, "batch": 64}}
    monkeypatch.setitem(PIPELINES, "rings", Pipeline("rings", "Rings", "Looks at rings.", fields))  # type: ignore[misc]
    start = ("train", "parts", "--out", "a.loupe", "--pipeline", "rings")
    assert loupe(*start).code == 0
    assert loupe(*start, "--preset", "balanced", "--alpha", "0.01", "--set", "steps=20").code == 0
    assert loupe(*start, "--method", "padim").code == 0
    as_is, overruled, other = ordered
    base = {"data": Path("parts"), "out": Path("a.loupe")}
    assert as_is == TrainingJob.checked({**base, **fields})
    assert overruled == TrainingJob.checked(
        {**base, "method": "dfr", "ring": {}, "parameters": {"steps": "20", "batch": 64}}
    )
    assert other == TrainingJob.checked({**base, **fields, "method": "padim", "parameters": {}})


def test_that_patches_take_the_place_of_a_pipelines_size(loupe: Loupe, ordered: list[TrainingJob]) -> None:
    assert loupe("train", "parts", "--out", "a.loupe", "--pipeline", "valve_seat", "--patch", "128").code == 0
    (job,) = ordered
    assert (job.size, job.patch) == (None, 128)


def test_that_tiles_are_ordered_and_take_the_place_of_a_pipelines_size(
    loupe: Loupe, ordered: list[TrainingJob]
) -> None:
    assert loupe("train", "parts", "--out", "a.loupe", "--tiles").code == 0
    assert (
        loupe("train", "parts", "--out", "a.loupe", "--pipeline", "valve_seat", "--tiles", "--method", "padim").code
        == 0
    )
    assert [(job.tiles, job.patch, job.size) for job in ordered] == [(True, None, None)] * 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--patch", "256"], "leave size, patch and stride out"),
        (["--size", "256"], "leave size, patch and stride out"),
        (["--aspect", "keep"], "give aspect or tiles, not both"),
        (["--method", "ganomaly"], "ganomaly with these settings cannot be computed in"),
        (["--backbone", "timm:vit_small_patch14_dinov2.lvd142m"], "give a patch instead, or take one of patchcore"),
    ],
)
def test_that_what_does_not_go_with_tiles_is_told(
    loupe: Loupe, ordered: list[TrainingJob], options: list[str], words: str
) -> None:
    outcome = loupe("train", "parts", "--out", "a.loupe", "--tiles", *options)
    assert outcome.code == 2 and not ordered
    assert words in " ".join(outcome.err.split())


def test_that_every_pipeline_is_a_training_order(loupe: Loupe, ordered: list[TrainingJob]) -> None:
    for name in PIPELINES:
        assert loupe("train", "parts", "--out", "a.loupe", "--pipeline", name).code == 0
    for job in ordered:
        parse_settings(job.method, {**method(job.method).presets[job.preset].settings, **job.parameters})
    unknown = loupe("train", "parts", "--out", "a.loupe", "--pipeline", "nothing")
    assert unknown.code == 2 and ", ".join(PIPELINES) in unknown.err


def test_that_the_options_of_labels_and_generated_pictures_go_into_the_order(
    loupe: Loupe, ordered: list[TrainingJob]
) -> None:
    labels = ("--defects", "bad", "--defect-masks", "masks", "--conv-processing", "5")
    generated = ("--augment", "histaugan", "--augment-count", "7", "--augment-set", "minutes=2")
    assert loupe("train", "parts", "--out", "a.loupe", *labels, *generated).code == 0
    (job,) = ordered
    assert (job.defects, job.defect_masks, job.conv_processing) == (Path("bad"), Path("masks"), 5)
    assert job.augment == Augmentation(generator="histaugan", count=7, settings={"minutes": "2"})
