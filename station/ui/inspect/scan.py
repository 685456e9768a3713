"""Tells a keyboard-wedge scanner from a person: its keys come under 30 ms apart and end with Enter. No Qt."""

from dataclasses import dataclass, field

SCAN_GAP_S = 0.030
SHORTEST_SCAN = 3
"""Fewer characters than this before Enter are a person's, however fast."""


@dataclass(slots=True)
class ScanDetector:
    """Holds keys back until it is known who typed them. Times are seconds of one monotonic clock."""

    prefix: str = ""
    _held: list[str] = field(default_factory=list)
    _last_s: float = 0.0

    @property
    def is_holding(self) -> bool:
        return bool(self._held)

    @property
    def is_scanning(self) -> bool:
        """At least two keys came as fast as only a scanner types."""
        return len(self._held) > 1

    def continues(self, now_s: float) -> bool:
        """Whether a key at `now_s` belongs to the keys held."""
        return self.is_holding and now_s - self._last_s <= SCAN_GAP_S

    def hold(self, character: str, now_s: float) -> None:
        """Take a character; the caller has released what did not belong to it."""
        self._held.append(character)
        self._last_s = now_s

    def release(self) -> int:
        """The keys held were a person's: how many they are. Nothing is held afterwards."""
        count = len(self._held)
        self._held.clear()
        return count

    def finish(self, now_s: float) -> str | None:
        """Enter came. The code scanned, without the scanner's prefix, or None when a person pressed Enter; then the
        keys are still held."""
        code = "".join(self._held)
        if not self.continues(now_s) or len(code) < SHORTEST_SCAN or not code.startswith(self.prefix):
            return None
        self._held.clear()
        return code.removeprefix(self.prefix).strip()
