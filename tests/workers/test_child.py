"""Children that speak JSON: their events arrive as values, and every end of theirs is told in words."""

import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pydantic import TypeAdapter
from pytestqt.qtbot import QtBot

from station.workers import child
from station.workers.child import ChildEnd, Ending, JsonChild, considerate_threads

HEAD = """
import json, os, signal, sys, time
def say(**event): print(json.dumps(event), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Count:
    number: int


EVENTS = {"count": TypeAdapter(Count)}


def make_child(folder: Path, body: str) -> JsonChild:
    (folder / "child.py").write_text(HEAD + body)
    return JsonChild((sys.executable, str(folder / "child.py")), EVENTS, "Counting")


def ended(process: JsonChild, qtbot: QtBot, *arguments: str) -> ChildEnd:
    with qtbot.waitSignal(process.ended) as end:
        process.start(*arguments)
    found = end.args[0]
    assert isinstance(found, ChildEnd) and not process.is_running
    return found


def test_that_events_arrive_as_values_and_all_else_as_words(tmp_path: Path, qtbot: QtBot) -> None:
    body = """
say(event="count", number=int(sys.argv[1])); print("a library speaks"); say(event="count", number="many"); print("[1]")
print("at last", file=sys.stderr); sys.stdout.write(json.dumps({"event": "count", "number": 9}))
"""
    process = make_child(tmp_path, body)
    told: list[Count] = []
    words: list[str] = []
    process.told.connect(told.append)
    process.logged.connect(words.append)
    end = ended(process, qtbot, "7")
    assert end.ending is Ending.DONE and end.words == ""
    assert told == [Count(7), Count(9)]
    assert {"a library speaks", "[1]", "at last"} < set(words) and len(words) == 4


def test_that_the_childs_own_error_is_its_reason(tmp_path: Path, qtbot: QtBot) -> None:
    end = ended(make_child(tmp_path, 'say(event="error", message="Too few."); sys.exit(1)'), qtbot)
    assert end == ChildEnd(Ending.FAILED, "Too few.", "Too few.", "", 1)


def test_that_an_exit_code_is_told_with_the_last_words(tmp_path: Path, qtbot: QtBot) -> None:
    end = ended(make_child(tmp_path, 'print("no such file"); sys.exit(3)'), qtbot)
    assert end.words == "Counting failed with code 3: no such file. The log tells more."


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_that_a_killed_child_is_told_as_lack_of_memory(tmp_path: Path, qtbot: QtBot) -> None:
    end = ended(make_child(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)"), qtbot)
    assert end.ending is Ending.CRASHED and "memory" in end.words and end.words.startswith("Counting")


def test_that_a_program_that_is_not_there_is_told(tmp_path: Path, qtbot: QtBot) -> None:
    end = ended(JsonChild((str(tmp_path / "missing"),), EVENTS, "Counting"), qtbot)
    assert end.ending is Ending.NOT_STARTED and "cannot be started" in end.words


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_that_a_child_deaf_to_cancelling_is_killed(
    tmp_path: Path, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "CANCEL_MS", 100)
    body = 'signal.signal(signal.SIGTERM, signal.SIG_IGN); say(event="count", number=1); time.sleep(60)'
    process = make_child(tmp_path, body)
    with qtbot.waitSignal(process.told):
        process.start()
    with qtbot.waitSignal(process.ended) as end:
        process.cancel()
    assert end.args[0].ending is Ending.CANCELLED and end.args[0].words == ""


def test_that_stop_waits_until_the_child_is_gone(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_child(tmp_path, 'say(event="count", number=os.getpid()); time.sleep(60)')
    with qtbot.waitSignal(process.told) as told:
        process.start()
    process.stop()
    assert not psutil.pid_exists(told.args[0].number)
    process.stop()  # harmless


@pytest.mark.skipif(sys.platform != "linux", reason="how Linux tells it")
def test_that_children_come_last_at_the_processor_and_the_disk(tmp_path: Path, qtbot: QtBot) -> None:
    process = make_child(tmp_path, 'time.sleep(0.2); say(event="count", number=os.getpid()); time.sleep(60)')
    with qtbot.waitSignal(process.told) as told:
        process.start()
    seen = psutil.Process(told.args[0].number)
    assert seen.nice() >= child.LOW_NICENESS and seen.ionice().value == child.LOWEST_IO
    process.kill()
    process.stop()


def test_that_children_leave_the_line_a_core_unless_the_user_says_otherwise() -> None:
    assert set(considerate_threads({})) == {"OMP_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"}
    assert int(considerate_threads({})["OMP_NUM_THREADS"]) >= 1
    assert "OMP_NUM_THREADS" not in considerate_threads({"OMP_NUM_THREADS": "3"})
