"""The training child: what it says arrives as values, and whatever becomes of it is told and cleaned up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pytestqt.qtbot import QtBot

from ml.job import TrainingJob
from station.workers import child
from station.workers.child import parse_line
from station.workers.training import (
    TRAINING_EVENTS,
    SkippedPicture,
    TrainingLosses,
    TrainingOutcome,
    TrainingProcess,
    TrainingProgress,
    TrainingSamples,
    TrainingStarted,
)

HEAD = """
import json, os, signal, sys, time
from pathlib import Path
job = json.loads(Path(sys.argv[sys.argv.index("--job") + 1]).read_text())
out = Path(job["out"])
def say(**event): print(json.dumps(event), flush=True)
"""

GOOD = """
print("a line of a library", flush=True)
say(event="started", pictures=7, skipped=[{"file": "bad.png", "reason": "truncated"}])
say(event="progress", stage="Reading pictures", done=3, total=7, eta_s=1.5)
print("warming up", file=sys.stderr, flush=True)
out.write_bytes(b"model")
say(event="result", file=str(out), model_hash="ab" * 32, threshold=2.5, rule="conformal", n=7,
    held_out_scores=[1.0, 2.0], seconds=0.5)
"""


def make_process(folder: Path, qtbot: QtBot, body: str) -> TrainingProcess:
    script = folder / "child.py"
    script.write_text(HEAD + body)
    return TrainingProcess(folder / "jobs", (sys.executable, str(script)))


def job(folder: Path) -> TrainingJob:
    return TrainingJob(data=folder, out=Path("Valve seat.loupe"), name="Valve seat")


def run_folders(folder: Path) -> list[Path]:
    return sorted((folder / "jobs").glob("*"))


def test_that_a_run_tells_pictures_progress_words_and_the_model(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, GOOD)
    started: list[TrainingStarted] = []
    progress: list[TrainingProgress] = []
    words: list[str] = []
    process.started.connect(started.append)
    process.progressed.connect(progress.append)
    process.logged.connect(words.append)
    with qtbot.waitSignal(process.succeeded) as done:
        process.start(job(tmp_path))
    outcome = done.args[0]
    assert isinstance(outcome, TrainingOutcome)
    assert outcome.file.name == "Valve seat.loupe" and outcome.file.is_file()
    assert outcome.held_out_scores == (1.0, 2.0) and outcome.threshold == 2.5
    assert started == [TrainingStarted(7, (SkippedPicture("bad.png", "truncated"),))]
    assert progress == [TrainingProgress("Reading pictures", 3, 7, 1.5)]
    assert sorted(words) == ["a line of a library", "warming up"]
    assert not process.is_running


def test_that_the_job_file_carries_the_order(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, GOOD)
    with qtbot.waitSignal(process.succeeded):
        process.start(job(tmp_path))
    (folder,) = run_folders(tmp_path)
    written = json.loads((folder / "job.json").read_text())
    assert written["data"] == str(tmp_path) and written["out"] == str(folder / "Valve seat.loupe")


def test_that_the_childs_own_error_is_what_the_user_reads(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, 'say(event="error", message="Too few pictures."); sys.exit(1)')
    with qtbot.waitSignal(process.failed) as failed:
        process.start(job(tmp_path))
    assert failed.args == ["Too few pictures."]
    assert run_folders(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_that_a_killed_child_is_told_as_lack_of_memory_and_leaves_nothing(tmp_path: Path, qtbot: QtBot) -> None:
    body = 'out.write_bytes(b"half"); os.kill(os.getpid(), signal.SIGKILL)'
    process = make_process(tmp_path, qtbot, body)
    with qtbot.waitSignal(process.failed) as failed:
        process.start(job(tmp_path))
    assert "memory" in failed.args[0]
    assert run_folders(tmp_path) == []


@pytest.mark.parametrize(
    "body",
    [
        'print("\\xff{not json"); print("[1, 2]"); print(\'{"event": "result"}\')',
        'sys.stdout.buffer.write(b"\\x00\\xfe" * 70000)',
        "",
    ],
    ids=["garbage lines", "binary without a line end", "silence"],
)
def test_that_a_child_that_ends_without_a_model_is_a_failure(tmp_path: Path, qtbot: QtBot, body: str) -> None:
    process = make_process(tmp_path, qtbot, body)
    with qtbot.waitSignal(process.failed) as failed:
        process.start(job(tmp_path))
    assert "without a model" in failed.args[0]
    assert run_folders(tmp_path) == []


def test_that_a_result_whose_file_is_missing_is_a_failure(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, GOOD + "\nout.unlink()")
    with qtbot.waitSignal(process.failed):
        process.start(job(tmp_path))


def test_that_a_failing_exit_code_beats_a_result(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, GOOD + "\nsys.exit(7)")
    with qtbot.waitSignal(process.failed) as failed:
        process.start(job(tmp_path))
    assert "code 7" in failed.args[0]


def test_that_a_program_that_is_not_there_is_told(tmp_path: Path, qtbot: QtBot) -> None:
    process = TrainingProcess(tmp_path / "jobs", (str(tmp_path / "missing"),))
    with qtbot.waitSignal(process.failed) as failed:
        process.start(job(tmp_path))
    assert "cannot be started" in failed.args[0]
    assert run_folders(tmp_path) == []


def test_that_an_order_that_cannot_be_written_is_told(tmp_path: Path, qtbot: QtBot) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be")
    process = TrainingProcess(tmp_path / "jobs", (sys.executable,))
    with qtbot.waitSignal(process.failed) as failed:
        process.start(job(tmp_path))
    assert "cannot be written" in failed.args[0]


def test_that_cancelling_ends_the_child_and_leaves_nothing(tmp_path: Path, qtbot: QtBot) -> None:
    body = 'out.write_bytes(b"half"); say(event="started", pictures=1, skipped=[]); time.sleep(60)'
    process = make_process(tmp_path, qtbot, body)
    with qtbot.waitSignal(process.started):
        process.start(job(tmp_path))
    with qtbot.waitSignal(process.cancelled, timeout=2500):
        process.cancel()
    assert run_folders(tmp_path) == []
    assert not process.is_running


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_that_a_child_deaf_to_cancelling_is_killed(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "CANCEL_MS", 200)
    body = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + 'say(event="started", pictures=1); time.sleep(60)'
    process = make_process(tmp_path, qtbot, body)
    with qtbot.waitSignal(process.started):
        process.start(job(tmp_path))
    with qtbot.waitSignal(process.cancelled):
        process.cancel()


def test_that_stop_waits_until_the_child_is_gone(tmp_path: Path, qtbot: QtBot) -> None:
    body = 'say(event="progress", stage=str(os.getpid()), done=0, total=1); time.sleep(60)'
    process = make_process(tmp_path, qtbot, body)
    with qtbot.waitSignal(process.progressed) as progressed:
        process.start(job(tmp_path))
    pid = int(progressed.args[0].stage)
    process.stop()
    assert not psutil.pid_exists(pid)
    process.stop()  # harmless


@pytest.mark.skipif(sys.platform == "win32", reason="niceness")
def test_that_the_child_runs_at_low_priority(tmp_path: Path, qtbot: QtBot) -> None:
    body = 'time.sleep(0.3); say(event="progress", stage=str(os.nice(0)), done=0, total=1)' + GOOD
    process = make_process(tmp_path, qtbot, body)
    with qtbot.waitSignal(process.progressed) as progressed, qtbot.waitSignal(process.succeeded):
        process.start(job(tmp_path))
    assert int(progressed.args[0].stage) > os.nice(0)


def test_that_a_second_start_while_running_is_ignored(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, "time.sleep(0.3)" + GOOD)
    with qtbot.waitSignal(process.succeeded):
        process.start(job(tmp_path))
        process.start(job(tmp_path))
    assert len(run_folders(tmp_path)) == 1


def test_that_a_process_can_run_again_after_a_failure(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, "sys.exit(1)")
    with qtbot.waitSignal(process.failed):
        process.start(job(tmp_path))
    (tmp_path / "child.py").write_text(HEAD + GOOD)
    with qtbot.waitSignal(process.succeeded):
        process.start(job(tmp_path))


LESSON = """
resume = out.with_name(out.name + ".resume")
is_continued = "--resume" in sys.argv
say(event="losses", step=resume.is_file() and int(resume.read_text()) or 1, steps=9, losses={"total": 0.5, "svdd": 2})
say(event="samples", step=3, png="iVBORw0KGgo=")
if is_continued and resume.read_text() == "2":
    resume.unlink()
    out.write_bytes(b"model")
    say(event="result", file=str(out), model_hash="ab" * 32, threshold=2.5, rule="conformal", n=7)
    sys.exit(0)
resume.write_text("2" if is_continued else "1")
"""


def test_that_losses_and_reconstructions_arrive_as_values(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, LESSON + GOOD)
    losses: list[TrainingLosses] = []
    samples: list[TrainingSamples] = []
    process.measured.connect(losses.append)
    process.sampled.connect(samples.append)
    with qtbot.waitSignal(process.succeeded):
        process.start(job(tmp_path))
    assert losses == [TrainingLosses(1, 9, {"total": 0.5, "svdd": 2.0}, None)]
    assert samples == [TrainingSamples(3, b"\x89PNG\r\n\x1a\n")]


@pytest.mark.parametrize("ending", ["sys.exit(1)", 'say(event="started", pictures=1); time.sleep(60)'])
def test_that_a_projects_run_is_kept_and_continued_in_its_folder(tmp_path: Path, qtbot: QtBot, ending: str) -> None:
    process = make_process(tmp_path, qtbot, LESSON + ending)
    folder = tmp_path / "candidate"
    folder.mkdir()
    wanted = job(tmp_path).model_copy(update={"out": folder / "model.loupe"})
    process.started.connect(process.cancel)
    with qtbot.waitSignal(process.failed if "exit" in ending else process.cancelled):
        process.train(wanted, "Valve seat")
        assert process.running_in == folder and process.running_title == "Valve seat"
    assert wanted.resume_file.is_file() and process.running_in is None and process.running_title == ""
    process.deleteLater()
    later = TrainingProcess(tmp_path / "jobs", process._child.command)  # the station was started again meanwhile
    later.started.connect(later.cancel)
    with qtbot.waitSignal(later.failed if "exit" in ending else later.cancelled):
        later.train(wanted, "Valve seat", resume=True)
    with qtbot.waitSignal(later.succeeded) as done:
        later.train(wanted, "Valve seat", resume=True)
    assert done.args[0].file == folder / "model.loupe" and run_folders(tmp_path) == []


def test_that_a_training_begun_anew_is_not_continued(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, 'assert "--resume" not in sys.argv' + GOOD)
    wanted = job(tmp_path).model_copy(update={"out": tmp_path / "model.loupe"})
    wanted.resume_file.touch()
    with qtbot.waitSignal(process.succeeded):
        process.train(wanted, "Valve seat")


def test_that_warnings_are_lines_of_the_log(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_process(tmp_path, qtbot, 'say(event="warning", message="Little memory is left.")' + GOOD)
    words: list[str] = []
    process.logged.connect(words.append)
    with qtbot.waitSignal(process.succeeded):
        process.start(job(tmp_path))
    assert "Little memory is left." in words


OWNER = """
import sys, pathlib
from PySide6.QtCore import QCoreApplication
from ml.job import TrainingJob
from station.workers.training import TrainingProcess
folder = pathlib.Path(sys.argv[1])
application = QCoreApplication([])
process = TrainingProcess(folder / "jobs", (sys.executable, str(folder / "child.py")))
process.progressed.connect(lambda progress: print(progress.stage, flush=True))
process.start(TrainingJob(data=folder, out=pathlib.Path("m.loupe")))
application.exec()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_that_the_child_ends_at_its_next_line_when_its_owner_was_killed(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text(
        HEAD + 'while True: say(event="progress", stage=str(os.getpid()), done=0, total=1); time.sleep(0.1)'
    )
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.send_signal(signal.SIGKILL)
    owner.wait(10)
    owner.stdout.close()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the training child outlives its killed owner"
        time.sleep(0.05)


def test_that_foreign_lines_are_no_events() -> None:
    for line in (b"", b"null", b"3", b"{", b'{"event": "unknown"}', b'{"event": "progress", "stage": 3}', b"\xff"):
        assert parse_line(line, TRAINING_EVENTS) is None


@pytest.mark.parametrize("ending", ["sys.exit(1)", 'say(event="started", pictures=1); time.sleep(60)'])
def test_that_a_finished_model_of_a_project_stays_whatever_follows_it(
    tmp_path: Path, qtbot: QtBot, ending: str
) -> None:
    finished = 'out.write_bytes(b"model")\nsay(event="result", file=str(out), model_hash="ab" * 32, threshold=2, '
    process = make_process(tmp_path, qtbot, f'{finished}rule="conformal", n=7)\n{ending}')
    folder = tmp_path / "candidate"
    folder.mkdir()
    process.started.connect(process.cancel)
    with qtbot.waitSignal(process.succeeded) as done:
        process.train(job(tmp_path).model_copy(update={"out": folder / "model.loupe"}), "Valve seat")
    assert done.args[0].file == folder / "model.loupe"
