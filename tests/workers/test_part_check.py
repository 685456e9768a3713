"""How the parts of a sample lie is found out in the background; a newer question ends an older one."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from ml.inspection_area import Rectangle
from ml.pictures import Pixels, encode_png
from station.projects.project import Looks, ProjectPicture
from station.projects.proposals import search_for
from station.workers.part_check import CheckedParts, PartCheck


def plate(x: int = 0) -> Pixels:
    drawn = np.full((120, 160), 30, np.uint8)
    cv2.rectangle(drawn, (50 + x, 40), (100 + x, 80), 180, cv2.FILLED)
    cv2.circle(drawn, (62 + x, 52), 6, 60, cv2.FILLED)
    return drawn


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[ProjectPicture, ...]:
    """Three plates in different places and one empty picture."""
    found = []
    for number, pixels in enumerate((plate(), plate(20), plate(-20), np.full((120, 160), 30, np.uint8))):
        file = tmp_path / f"{number}.png"
        file.write_bytes(encode_png(pixels))
        found.append(
            ProjectPicture(
                name=file.name,
                file=file,
                sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
                width_px=160,
                height_px=120,
                added_at=datetime(2026, 3, 1, tzinfo=UTC),
            )
        )
    return tuple(found)


@pytest.fixture
def check(qtbot: QtBot) -> Iterator[PartCheck]:
    made = PartCheck()
    yield made
    made.close()


def finished(qtbot: QtBot, check: PartCheck, pictures: tuple[ProjectPicture, ...], looks: Looks) -> CheckedParts:
    with qtbot.waitSignal(check.finished, timeout=10_000) as told:
        check.begin(pictures, looks)
    (found,) = told.args
    assert isinstance(found, CheckedParts)
    return found


def test_that_a_search_tells_where_it_finds_nothing(
    qtbot: QtBot, check: PartCheck, pictures: tuple[ProjectPicture, ...]
) -> None:
    looks = Looks(parts=search_for(plate(), Rectangle(x=42, y=32, width=68, height=58), None))
    found = finished(qtbot, check, pictures, looks)
    assert found.search is not None
    assert (found.search.looked_at, found.search.missing) == (4, ("3.png",))
    assert found.search.parts == looks.parts
    assert found.movement.placement == "aligned"
    assert found.is_of(pictures, looks)
    assert not found.is_of(pictures[:2], looks)
    assert not found.is_of(pictures, Looks())


def test_that_without_a_search_only_places_are_told(
    qtbot: QtBot, check: PartCheck, pictures: tuple[ProjectPicture, ...]
) -> None:
    found = finished(qtbot, check, pictures[:3], Looks())
    assert found.search is None
    assert found.movement.placement == "moved"


def test_that_progress_is_told_and_unreadable_pictures_count_for_nothing(
    qtbot: QtBot, check: PartCheck, pictures: tuple[ProjectPicture, ...]
) -> None:
    pictures[1].file.unlink()
    told: list[tuple[int, int]] = []
    check.progressed.connect(lambda done, total: told.append((done, total)))
    looks = Looks(parts=search_for(plate(), Rectangle(x=42, y=32, width=68, height=58), None))
    found = finished(qtbot, check, pictures, looks)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert found.search is not None
    assert found.search.looked_at == 3


def test_that_a_newer_question_ends_an_older_one(
    qtbot: QtBot, check: PartCheck, pictures: tuple[ProjectPicture, ...]
) -> None:
    told: list[CheckedParts] = []
    check.finished.connect(told.append)
    check.begin(pictures, Looks())
    check.begin(pictures[:3], Looks())
    qtbot.waitUntil(lambda: bool(told), timeout=10_000)
    assert [found.pictures for found in told] == [pictures[:3]]
    check.begin(pictures, Looks())
    check.stop()
    assert not check.is_running
    assert len(told) == 1


def test_that_no_pictures_are_too_few(qtbot: QtBot, check: PartCheck) -> None:
    assert finished(qtbot, check, (), Looks()).movement.placement == "unknown"
