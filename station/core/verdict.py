"""The four verdicts. FAULT is never an OK and never an NG: the part was not judged."""

from enum import StrEnum


class Verdict(StrEnum):
    OK = "OK"
    NG = "NG"
    UNSURE = "UNSURE"
    FAULT = "FAULT"

    @property
    def is_pass(self) -> bool:
        """To the line only OK passes."""
        return self is Verdict.OK
