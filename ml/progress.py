"""How long work tells where it stands and learns that it is no longer wanted."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the stage in plain words, the steps done and their total."""

Cancelled = Callable[[], bool]
"""True once the user has asked to stop; the worker then raises `ml.errors.CancelledError`."""


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def never() -> bool:
    """Work that nobody can stop."""
    return False
