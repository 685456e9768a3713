"""Steps back and forth."""

from station.projects.undo import UndoStack


def test_that_undo_goes_back_and_redo_forth() -> None:
    stack = UndoStack("a")
    stack.push("b")
    stack.push("c")
    assert (stack.undo(), stack.undo(), stack.redo()) == ("b", "a", "b")
    assert stack.state == "b"


def test_that_nothing_lies_before_the_first_or_after_the_last() -> None:
    stack = UndoStack("a")
    assert not stack.can_undo
    assert not stack.can_redo
    assert stack.undo() is None
    assert stack.redo() is None
    assert stack.state == "a"


def test_that_a_new_step_replaces_what_was_taken_back() -> None:
    stack = UndoStack("a")
    stack.push("b")
    stack.undo()
    stack.push("c")
    assert not stack.can_redo
    assert stack.undo() == "a"


def test_that_the_same_state_is_no_step() -> None:
    stack = UndoStack((1, 2))
    stack.push((1, 2))
    assert not stack.can_undo


def test_that_only_so_many_steps_are_kept() -> None:
    stack = UndoStack(0, depth=3)
    for state in range(1, 10):
        stack.push(state)
    assert [stack.undo() for _ in range(4)] == [8, 7, 6, None]
    assert [stack.redo() for _ in range(4)] == [7, 8, 9, None]
