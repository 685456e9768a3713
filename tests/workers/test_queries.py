"""Questions in the background: every answer carries its number, and after closing there is none."""

import threading

from pytestqt.qtbot import QtBot

from station.core.errors import StorageError
from station.workers.queries import Queries


def test_that_answers_carry_the_number_of_their_question(qtbot: QtBot) -> None:
    queries = Queries()
    answers: list[tuple[int, object]] = []
    queries.answered.connect(lambda number, answer: answers.append((number, answer)))
    first, second = queries.ask(lambda: "a"), queries.ask(lambda: "b")
    qtbot.waitUntil(lambda: len(answers) == 2)
    assert answers == [(first, "a"), (second, "b")]
    assert queries.is_latest(second) and not queries.is_latest(first)
    queries.close()


def test_that_a_foreseen_failure_is_told_in_its_own_words(qtbot: QtBot) -> None:
    queries = Queries()

    def fail() -> None:
        raise StorageError("The disk is gone.")

    with qtbot.waitSignal(queries.failed) as failed:
        number = queries.ask(fail)
    assert failed.args == [number, "The disk is gone."]
    queries.close()


def test_that_questions_that_wait_can_be_withdrawn(qtbot: QtBot) -> None:
    queries = Queries()
    gate = threading.Event()
    answers: list[object] = []
    queries.answered.connect(lambda number, answer: answers.append(answer))
    queries.ask(lambda: gate.wait(5) and "running")
    queries.ask(lambda: "waiting")
    queries.ask(lambda: "newest", withdraw_waiting=True)
    gate.set()
    qtbot.waitUntil(lambda: len(answers) == 2)
    assert answers == ["running", "newest"]
    queries.close()


def test_that_nothing_is_answered_after_closing(qtbot: QtBot) -> None:
    queries = Queries()
    answers: list[object] = []
    queries.answered.connect(lambda number, answer: answers.append(answer))
    for _ in range(5):
        queries.ask(lambda: threading.Event().wait(0.05))
    queries.close()
    queries.ask(lambda: "late")
    qtbot.wait(150)
    assert answers == []
