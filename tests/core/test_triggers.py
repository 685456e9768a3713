"""Which part is next, and which came too early."""

from threading import Thread

from station.core.triggers import TriggerQueue


def test_that_one_part_may_wait_while_another_is_judged() -> None:
    queue = TriggerQueue()
    assert queue.press("first")
    judged = queue.take()
    assert judged is not None
    assert judged.serial == "first"
    assert queue.press("second")
    assert queue.take_overrun() is None
    waiting = queue.take()
    assert waiting is not None
    assert waiting.serial == "second"


def test_that_a_part_too_many_is_an_overrun_with_its_own_id() -> None:
    queue = TriggerQueue()
    assert queue.press("first")
    assert not queue.press("second")
    assert not queue.press("third")
    overruns = [queue.take_overrun(), queue.take_overrun(), queue.take_overrun()]
    assert [overrun.serial if overrun else None for overrun in overruns] == ["second", "third", None]
    first = queue.take()
    assert first is not None
    assert len({first.id, *(overrun.id for overrun in overruns if overrun)}) == 3


def test_that_no_part_is_lost_between_threads() -> None:
    queue = TriggerQueue()
    pressing = [Thread(target=lambda: [queue.press() for _ in range(500)]) for _ in range(4)]
    for thread in pressing:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in pressing) or queue.has_waiting:
        taken += queue.take() is not None
    while queue.take_overrun() is not None:
        taken += 1
    for thread in pressing:
        thread.join()
    assert taken == 2000
