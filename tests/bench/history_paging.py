"""Time the history's questions on a large database: `python -m tests.bench.history_paging [ROWS]`."""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from sqlalchemy import insert

from station.core.verdict import Verdict
from station.database.engine import open_database
from station.database.tables import inspections, reviews
from station.database.transactions import writing
from station.history.filters import HistoryFilter
from station.history.reader import HistoryReader
from station.history.store import PictureStore

START = datetime(2026, 1, 1, tzinfo=UTC)
RECIPES = ("valve seat", "cookie", "tile")


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(Path(folder) / "loupe.db")
        began = time.perf_counter()
        with writing(engine) as connection:
            for start in range(0, rows, 10_000):
                part = [_row(index) for index in range(start, min(start + 10_000, rows))]
                connection.execute(insert(inspections), part)
                looked_at = [row for row in part if row["verdict"] in {"NG", "UNSURE"} and row["sequence"] % 2]
                if looked_at:
                    connection.execute(insert(reviews), [_review(row) for row in looked_at])
        print(f"{rows} rows in {time.perf_counter() - began:.1f} s")
        _measure(HistoryReader(engine, PictureStore(Path(folder) / "pictures")), rows)
        engine.dispose()


def _measure(reader: HistoryReader, rows: int) -> None:
    middle = START + timedelta(seconds=rows // 2)
    filters = {
        "everything": HistoryFilter(),
        "until the middle": HistoryFilter(until=middle),
        "an hour in the middle": HistoryFilter(since=middle, until=middle + timedelta(hours=1)),
        "one recipe": HistoryFilter(recipe="cookie"),
        "a recipe of old": HistoryFilter(recipe="retired"),
        "NG": HistoryFilter(verdicts=frozenset({Verdict.NG})),
        "NG and UNSURE": HistoryFilter(verdicts=frozenset({Verdict.NG, Verdict.UNSURE})),
        "FAULT": HistoryFilter(verdicts=frozenset({Verdict.FAULT})),
        "NG of one recipe": HistoryFilter(verdicts=frozenset({Verdict.NG}), recipe="tile"),
        "a serial": HistoryFilter(serial=f"P-{rows // 3:08d}"),
        "the beginning of a serial": HistoryFilter(serial="p-00"),
        "a model": HistoryFilter(model_hash="1" * 64),
        "a model of old": HistoryFilter(model_hash="f" * 64),
        "unreviewed": HistoryFilter(review="unreviewed"),
        "NG, unreviewed": HistoryFilter(verdicts=frozenset({Verdict.NG}), review="unreviewed"),
        "escapes": HistoryFilter(review="escape"),
        "false calls": HistoryFilter(review="false_call"),
    }
    for name, wanted in filters.items():
        first = _milliseconds(partial(reader.page, wanted))
        deep = _milliseconds(partial(reader.page, wanted, rows // 2))
        count = _milliseconds(partial(reader.count, wanted))
        print(f"{name:28} first page {first:7.1f} ms   from the middle {deep:7.1f} ms   count {count:7.1f} ms")
    shift = START + timedelta(seconds=rows - 28_800)
    questions: dict[str, Callable[[], Any]] = {
        "counters of everything": reader.counters,
        "counters of a shift": partial(reader.counters, shift, "tile"),
        "matrix, given truth": partial(reader.matrix, HistoryFilter(), "given"),
        "matrix, confirmed truth": partial(reader.matrix, HistoryFilter(), "confirmed"),
        "serial seen": partial(reader.serial_seen, "tile", f"P-{rows // 3:08d}"),
    }
    for name, question in questions.items():
        print(f"{name:28} {_milliseconds(question):7.1f} ms")


def _milliseconds(question: Callable[[], Any]) -> float:
    times = []
    for _ in range(5):
        began = time.perf_counter()
        question()
        times.append(1000 * (time.perf_counter() - began))
    return median(times)


def _row(index: int) -> dict[str, Any]:
    chance = Random(index)
    verdict = chance.choices(["OK", "NG", "UNSURE", "FAULT"], [970, 15, 10, 5])[0]
    judged = verdict != "FAULT"
    region = {"x": 10, "y": 20, "width": 30, "height": 40, "area_px": 600, "peak": 31.5}
    return {
        "sequence": index + 1,
        "id": f"{index:08x}-0000-4000-8000-{chance.getrandbits(48):012x}",
        "captured_at": START + timedelta(seconds=index),
        "serial": f"P-{index:08d}",
        "recipe": RECIPES[index // 5_000 % 3] if index > 2_000 else "retired",
        "recipe_revision": 3,
        "model_hash": str(index // 20_000 % 5) * 64 if index > 2_000 else "f" * 64,
        "source": "demo",
        "operator": "local",
        "verdict": verdict,
        "score": 21.0 if judged else None,
        "normalised_score": 0.4 if judged else None,
        "threshold": 30.0 if judged else None,
        "threshold_low": 25.0 if judged else None,
        "regions": [region] * (verdict == "NG"),
        "latency_ms": 45.0,
        "fault": None if judged else "Camera lost. Check the cable.",
        "given_truth": "anomaly" if verdict == "NG" else "normal",
        "defect_kind": None,
        "width_px": 1024,
        "height_px": 1024,
        "picture_hash": f"{index:064x}",
        "map_hash": f"{index:064x}",
    }


def _review(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "inspection_id": row["id"],
        "reviewed_at": row["captured_at"] + timedelta(hours=1),
        "reviewer": "local",
        "role": "supervisor" if row["sequence"] % 20 else "operator",
        "finding": "false_call" if row["sequence"] % 3 else "confirmed",
        "defect_kind": None,
        "note": "",
    }


if __name__ == "__main__":
    main()
