"""Between records and table rows."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping

from ml.maps import Region
from station.core.inspection import Inspection
from station.core.verdict import Verdict
from station.database.tables import inspections, reviews
from station.history.records import Review

INSPECTION_COLUMNS = [column for column in inspections.c if column.key != "sequence"]
REVIEW_COLUMNS = [column for column in reviews.c if column.key != "sequence"]


def inspection_values(inspection: Inspection) -> dict[str, Any]:
    """The columns of one inspection."""
    return asdict(inspection) | {"verdict": inspection.verdict.value}


def to_inspection(row: RowMapping) -> Inspection:
    """The inspection in a row that holds at least its columns."""
    values = {column.key: row[column] for column in INSPECTION_COLUMNS}
    regions = tuple(_region(stored) for stored in values["regions"])
    return Inspection(**values | {"verdict": Verdict(values["verdict"]), "regions": regions})


def review_values(review: Review) -> dict[str, Any]:
    """The columns of one review."""
    return asdict(review)


def to_review(row: RowMapping) -> Review:
    """The review in a row that holds at least its columns."""
    return Review(**{column.key: row[column] for column in REVIEW_COLUMNS})


def _region(stored: Mapping[str, Any]) -> Region:
    """Rows of earlier versions tell a region's box, area and peak alone: the middle of its box stands for its centroid
    then, and its peak for its mean."""
    known = {
        "strength": stored["peak"],
        "centre_x": stored["x"] + (stored["width"] - 1) / 2,
        "centre_y": stored["y"] + (stored["height"] - 1) / 2,
    }
    return Region(**{**known, **stored})
