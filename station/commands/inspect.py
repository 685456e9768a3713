"""`loupe inspect`: judges picture files with a model file, without station, recipe or history."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from ml.detector import Detector
from ml.errors import LoupeError, PictureError
from ml.files import write_atomically
from ml.maps import Detection
from ml.pictures import encode_png, list_pictures, read_picture
from station.core.frame import Frame
from station.core.inspector import faulted, judge
from station.core.presentation import PartPresenter, overlaid
from station.core.verdict import Verdict

VERDICT_STYLE = {Verdict.OK: "green", Verdict.NG: "red", Verdict.UNSURE: "yellow", Verdict.FAULT: "magenta"}


def inspect_files(
    model: Path,
    paths: list[Path],
    out: Path | None,
    device: str,
    console: Console,
    print_json: Callable[..., None] | None,
) -> list[Verdict]:
    """Judge every picture; one that cannot be judged is a FAULT with its reason. Raises LoupeError for a bad model."""
    detector = Detector.load(model, device)
    detector.warm_up()
    if out is not None:
        _make_folder(out)
    verdicts = []
    table = Table("picture", "score", "normalised", "threshold", "verdict", "regions", "ms")
    for number, path in enumerate(_expanded(paths)):
        record = inspect_file(detector, path, out, number)
        verdicts.append(Verdict(record["verdict"]))
        if print_json is not None:
            print_json(record, is_line=True)
        else:
            _add_row(table, record)
    if print_json is None:
        Console().print(table)
    counts = {verdict: verdicts.count(verdict) for verdict in Verdict}
    console.print(", ".join(f"{count} {verdict}" for verdict, count in counts.items()))
    return verdicts


def inspect_file(detector: Detector, path: Path, out: Path | None, number: int) -> dict[str, Any]:
    """One picture's record, ready for JSON."""
    calibration = detector.manifest.calibration
    record: dict[str, Any] = {
        "path": str(path),
        "score": None,
        "normalised_score": None,
        "threshold": calibration.threshold,
        "verdict": Verdict.FAULT.value,
        "regions": [],
        "latency_ms": None,
        "fault": None,
    }
    try:
        picture = read_picture(path)
        frame = Frame(pixels=picture.pixels, bit_depth=picture.bit_depth, source="file", name=path.name)
        began = time.perf_counter()
        detection = detector.score(frame.pixels)
        judgement = judge(detection, calibration)
        latency_ms = (time.perf_counter() - began) * 1e3
        if out is not None:
            _write_pictures(detector, frame, detection, out / f"{number:04d}_{path.stem}")
    except LoupeError as error:
        return {**record, "fault": str(error)}
    return {
        **record,
        "score": detection.score,
        "normalised_score": judgement.normalised_score,
        "verdict": judgement.verdict.value,
        "regions": [asdict(region) for region in judgement.regions],
        "latency_ms": round(latency_ms, 2),
    }


def _expanded(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = list_pictures(path)
            if not found:
                raise PictureError(f"{path}: holds no pictures.")
            yield from found
        else:
            yield path


def _write_pictures(detector: Detector, frame: Frame, detection: Detection, stem: Path) -> None:
    manifest = detector.manifest
    window = (manifest.preprocessing.window_low, manifest.preprocessing.window_high)
    judgement = judge(detection, manifest.calibration)
    shown = replace(faulted("", None, frame=frame).inspection, regions=judgement.regions, verdict=judgement.verdict)
    view = PartPresenter(frame.pixels, window, manifest.calibration).view(detection.score_map, shown)
    raw = io.BytesIO()
    np.save(raw, detection.score_map.at_picture_size(), allow_pickle=False)
    try:
        write_atomically(stem.with_name(stem.name + "_overlay.png"), encode_png(overlaid(view)))
        write_atomically(stem.with_name(stem.name + "_map.npy"), raw.getvalue())
    except (OSError, cv2.error) as error:
        raise PictureError(f"{stem.parent}: the overlay cannot be written: {error}") from error


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"{out}: the output folder cannot be made: {error.strerror}.") from error


def _add_row(table: Table, record: dict[str, Any]) -> None:
    verdict = Verdict(record["verdict"])
    word = f"[{VERDICT_STYLE[verdict]}]{verdict}[/]"
    name = Path(record["path"]).name
    if verdict is Verdict.FAULT:
        table.add_row(name, "", "", "", word, str(record["fault"]), "")
        return
    table.add_row(
        name,
        f"{record['score']:.4g}",
        f"{record['normalised_score']:.2f}",
        f"{record['threshold']:.4g}",
        word,
        str(len(record["regions"])),
        f"{record['latency_ms']:.0f}",
    )
