"""Who did something. Until there are accounts a name is what was typed, and it is stored as not authenticated."""

import unicodedata
from dataclasses import dataclass
from typing import Protocol

from station.core.errors import StationError

NAME_LENGTH = 80


class IdentityError(StationError):
    """Nobody, or nobody known, stands behind a name."""


@dataclass(frozen=True, slots=True)
class Person:
    """`is_authenticated`: the station has checked that it is this person."""

    name: str
    is_authenticated: bool = False

    def is_same_as(self, other: "Person") -> bool:
        """Typed names differ in case, blanks and how accents are encoded without meaning somebody else."""
        return _plain(self.name) == _plain(other.name)


class Identifier(Protocol):
    """Tells who stands behind what was typed."""

    def identify(self, name: str) -> Person:
        """Raises IdentityError."""
        ...


class TypedNames:
    """The Identifier of a station without accounts: believes every name, and says so."""

    def identify(self, name: str) -> Person:
        plain = " ".join(name.split())
        if not plain or len(plain) > NAME_LENGTH:
            raise IdentityError(f"Type a name of 1 to {NAME_LENGTH} characters.")
        return Person(plain)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", " ".join(name.split())).casefold()
