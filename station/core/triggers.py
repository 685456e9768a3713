"""Which part is next, and which came too early. Thread-safe: the trigger comes from another thread than the judging."""

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from uuid import uuid4


@dataclass(frozen=True, slots=True)
class Trigger:
    """A part has arrived."""

    serial: str = ""
    id: str = field(default_factory=lambda: str(uuid4()))
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class TriggerQueue:
    """One part being judged, one waiting; every further one is an overrun and is kept as such, never dropped."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._waiting: Trigger | None = None
        self._overruns: deque[Trigger] = deque()

    def press(self, serial: str = "") -> bool:
        """Note a part. False when it came too early; it is then among the overruns."""
        trigger = Trigger(serial)
        with self._lock:
            if self._waiting is None:
                self._waiting = trigger
                return True
            self._overruns.append(trigger)
            return False

    def take(self) -> Trigger | None:
        """The part to judge now; its place is free again for the next one."""
        with self._lock:
            trigger, self._waiting = self._waiting, None
            return trigger

    def take_overrun(self) -> Trigger | None:
        """The oldest part that came too early."""
        with self._lock:
            return self._overruns.popleft() if self._overruns else None

    @property
    def has_waiting(self) -> bool:
        with self._lock:
            return self._waiting is not None
