"""The history as a CSV file for a spreadsheet."""

import csv
import os
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from station.core.errors import StorageError
from station.history.filters import HistoryFilter
from station.history.reader import HistoryReader
from station.history.records import InspectionRow

_Value = str | int | float | None
_COLUMNS: dict[str, Callable[[InspectionRow], _Value]] = {
    "captured_at_utc": lambda row: row.inspection.captured_at.isoformat(timespec="milliseconds"),
    "id": lambda row: row.inspection.id,
    "serial": lambda row: row.inspection.serial,
    "recipe": lambda row: row.inspection.recipe,
    "recipe_revision": lambda row: row.inspection.recipe_revision,
    "model_hash": lambda row: row.inspection.model_hash,
    "source": lambda row: row.inspection.source,
    "operator": lambda row: row.inspection.operator,
    "verdict": lambda row: row.inspection.verdict.value,
    "score": lambda row: row.inspection.score,
    "normalised_score": lambda row: row.inspection.normalised_score,
    "threshold": lambda row: row.inspection.threshold,
    "threshold_low": lambda row: row.inspection.threshold_low,
    "regions": lambda row: len(row.inspection.regions),
    "latency_ms": lambda row: row.inspection.latency_ms,
    "fault": lambda row: row.inspection.fault,
    "given_truth": lambda row: row.inspection.given_truth,
    "given_defect_kind": lambda row: row.inspection.defect_kind,
    "review": lambda row: row.review.finding if row.review else None,
    "reviewer": lambda row: row.review.reviewer if row.review else None,
    "review_defect_kind": lambda row: row.review.defect_kind if row.review else None,
    "review_note": lambda row: row.review.note if row.review else None,
    "picture_hash": lambda row: row.inspection.picture_hash,
    "map_hash": lambda row: row.inspection.map_hash,
}


def export_csv(reader: HistoryReader, wanted: HistoryFilter, path: Path) -> int:
    """Write the parts that the filter lets through, newest first, and return how many; whole or not at all.

    UTF-8 with byte order mark, as spreadsheets expect. Serials and notes come from outside: a text that a spreadsheet
    would take for a formula gets an apostrophe before it. Raises StorageError.
    """
    unfinished = path.with_name(f".{path.name}.{uuid4().hex}.part")
    try:
        try:
            with unfinished.open("x", encoding="utf-8-sig", newline="") as file:
                table = csv.writer(file)
                table.writerow(_COLUMNS)
                number = 0
                for row in reader.each(wanted):
                    table.writerow([_harmless(value(row)) for value in _COLUMNS.values()])
                    number += 1
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{path}: the export could not be written ({error.strerror}). Choose another place."
        ) from error
    return number


def _harmless(value: _Value) -> _Value:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return f"'{value}"
    return value
