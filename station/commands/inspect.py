"""`loupe inspect`: judges picture files with a model file, without station, recipe or history."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.text import Text

from ml.artifact import read_manifest
from ml.errors import LoupeError, PictureError
from ml.files import write_atomically
from ml.generation.catalogue import GENERATORS
from ml.generation.marking import mark_of
from ml.judging import judge
from ml.pictures import encode_png, list_pictures, read_picture
from ml.runtime.scores import RuntimeName
from station.commands.ending import one_line
from station.commands.terminal import VERDICT_STYLE, progress_bar, say
from station.core.errors import StorageError
from station.core.frame import Frame
from station.core.inspector import faulted
from station.core.presentation import PartPresenter, overlaid
from station.core.verdict import Verdict

if TYPE_CHECKING:  # torch takes seconds to import: what is plainly wrong is told before that
    from ml.detector import Detector
    from ml.maps import Detection

HEADINGS = ("verdict", "normalised", "score", "threshold", "regions", "ms")
ROW = "{:7}  {:>10}  {:>9}  {:>9}  {:>7}  {:>6}  "
STEM_LENGTH = 40  # of a picture's name in those written for it: in UTF-8 a name has 255 bytes at most


def inspect_files(
    model: Path,
    paths: list[Path],
    out: Path | None,
    device: str,
    runtime: RuntimeName,
    console: Console,
    print_json: Callable[..., None] | None,
) -> list[Verdict]:
    """Judge every picture; one that cannot be judged is a FAULT with its reason. `console` gets progress and counts.

    Raises LoupeError for a bad model, a folder without pictures and an `out` that cannot be written.
    """
    read_manifest(model)
    pictures = list(expanded(paths))
    if out is not None:
        _make_folder(out)
    from ml.detector import Detector

    detector = Detector.load(model, device, runtime)
    detector.warm_up(settles_threads=True)
    records = (inspect_file(detector, path, out, number) for number, path in enumerate(pictures))
    verdicts = []
    stdout = Console(highlight=False)
    if print_json is None:
        stdout.print(_row(HEADINGS, "picture", "dim"))
    # Rows that scroll by are progress enough.
    with progress_bar(Console(quiet=True) if print_json is None and stdout.is_terminal else console) as progress:
        for number, record in enumerate(records, start=1):
            verdicts.append(Verdict(record["verdict"]))
            if print_json is not None:
                print_json(record, is_line=True)
            else:
                stdout.print(_row_of(record), soft_wrap=True)
            progress("Inspecting", number, len(pictures))
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict)
    say(console, f"{counts}; computed by {detector.runtime.title}")
    return verdicts


def inspect_file(detector: "Detector", path: Path, out: Path | None, number: int) -> dict[str, Any]:
    """One picture's record, ready for JSON. Raises StorageError when `out` cannot be written."""
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
        "overlay": None,
        "map": None,
        "generated_by": None,
    }
    try:
        mark = mark_of(path)
        record["generated_by"] = None if mark is None else mark.generator
        picture = read_picture(path)
        frame = Frame(pixels=picture.pixels, bit_depth=picture.bit_depth, source="file", name=path.name)
        began = time.perf_counter()
        detection = detector.score(frame.pixels)
        judgement = judge(detection, calibration, detector.manifest.rules)
        latency_ms = (time.perf_counter() - began) * 1e3
    except LoupeError as error:
        return record | {"fault": str(error)}
    if out is not None:
        record |= _write_pictures(detector, frame, detection, out / f"{number:04d}_{path.stem[:STEM_LENGTH]}")
    return record | {
        "score": detection.score,
        "normalised_score": judgement.normalised_score,
        "verdict": judgement.verdict,
        "regions": [asdict(region) for region in judgement.regions],
        "latency_ms": round(latency_ms, 2),
    }


def expanded(paths: list[Path]) -> Iterator[Path]:
    """The pictures, those of folders in place of these. Raises PictureError for a folder without any."""
    for path in paths:
        if path.is_dir():
            found = list_pictures(path)
            if not found:
                raise PictureError(f"{path}: holds no pictures itself. Name a folder that does, or the pictures.")
            yield from found
        else:
            yield path


def _write_pictures(detector: "Detector", frame: Frame, detection: "Detection", stem: Path) -> dict[str, str]:
    manifest = detector.manifest
    window = (manifest.preprocessing.window_low, manifest.preprocessing.window_high)
    judgement = judge(detection, manifest.calibration, manifest.rules)
    shown = replace(
        faulted("", None, frame=frame).inspection, regions=judgement.regions, verdict=Verdict(judgement.verdict)
    )
    view = PartPresenter(frame.pixels, window, manifest.calibration).view(detection.score_map, shown)
    raw = io.BytesIO()
    np.save(raw, detection.score_map.at_picture_size(), allow_pickle=False)
    overlay, score_map = (stem.with_name(stem.name + suffix) for suffix in ("_overlay.png", "_map.npy"))
    try:
        write_atomically(overlay, encode_png(overlaid(view)))
        write_atomically(score_map, raw.getvalue())
    except OSError as error:
        raise StorageError(f"{stem.parent}: cannot be written to: {error.strerror}. Choose another --out.") from error
    return {"overlay": str(overlay), "map": str(score_map)}


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out}: the output folder cannot be made: {error.strerror}.") from error


def _row_of(record: dict[str, Any]) -> Text:
    verdict = Verdict(record["verdict"])
    if verdict is Verdict.FAULT:
        return _row((verdict.value, *"-----"), _told_of(record["path"], record["fault"]), VERDICT_STYLE[verdict])
    figures = (
        verdict.value,
        f"{record['normalised_score']:.2f}",
        f"{record['score']:.4g}",
        f"{record['threshold']:.4g}",
        str(len(record["regions"])),
        f"{record['latency_ms']:.0f}",
    )
    return _row(figures, record["path"] + _generated(record["generated_by"]), VERDICT_STYLE[verdict])


def _told_of(path: str, fault: str) -> str:
    """A fault with the picture it is about; what was told while reading names the picture already."""
    return fault if Path(path).name in fault else f"{path}: {fault}"


def _generated(generator: str | None) -> str:
    """What stands behind the name of a picture that no camera took."""
    if generator is None:
        return ""
    return f" (generated by {GENERATORS[generator].title if generator in GENERATORS else generator})"


def _row(figures: tuple[str, ...], last: str, style: str) -> Text:
    """What may be long stands last, so that the columns hold."""
    return Text.assemble((ROW.format(*figures), style), one_line(last))
