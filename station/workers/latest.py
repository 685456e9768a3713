"""A slot that holds only the newest thing: a slow screen skips pictures and never delays a part."""

from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """Thread-safe; `put` replaces what nobody has taken yet."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._item: T | None = None

    def put(self, item: T) -> bool:
        """True when the slot was empty: only then does the reader need a word."""
        with self._lock:
            was_empty = self._item is None
            self._item = item
            return was_empty

    def take(self) -> T | None:
        with self._lock:
            item, self._item = self._item, None
            return item
