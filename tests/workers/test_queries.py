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


def test_that_an_answer_is_told_where_the_question_was_asked(qtbot: QtBot) -> None:
    queries = Queries()
    told: list[tuple[object, threading.Thread]] = []

    def fail() -> None:
        raise StorageError("The disk is gone.")

    queries.ask(lambda: "a", then=lambda answer: told.append((answer, threading.current_thread())))
    queries.ask(fail, otherwise=lambda reason: told.append((reason, threading.current_thread())))
    qtbot.waitUntil(lambda: len(told) == 2)
    assert told == [("a", threading.current_thread()), ("The disk is gone.", threading.current_thread())]
    queries.close()


def test_that_an_answer_on_its_way_is_not_told_after_closing(qtbot: QtBot) -> None:
    queries = Queries()
    answered = threading.Event()
    told: list[object] = []
    queries.ask(answered.set, then=told.append)
    assert answered.wait(5)
    queries.close()
    qtbot.wait(20)
    assert told == []
