"""Score a list of pictures with a model file: the sheet that thresholds, rules and candidates are judged by. Imports
torch; the sheet itself (`ml.score_sheet`) does not.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from ml.dataset import labelled
from ml.detector import Detector
from ml.errors import CalibrationError, CancelledError, DetectorError, PictureError, TrainingError
from ml.maps import Detection
from ml.picture_list import ListedPicture, read_listed
from ml.pictures import decode_picture
from ml.progress import Cancelled, Progress, never, silent
from ml.runtime.scores import RuntimeName
from ml.score_sheet import MAP_SUFFIX, ScoredRow, ScoreSheet, refuse_other_files
from ml.unseen import refuse_learnt

STAGE = "Judging test pictures"

OnRow = Callable[[ScoredRow, Detection | None], None]
"""Hears each row as it is made, with what was detected; None for a FAULT."""


def score_list(
    model: Path,
    pictures: Sequence[ListedPicture],
    folder: Path,
    progress: Progress = silent,
    cancelled: Cancelled = never,
    device: str = "auto",
    on_row: OnRow = lambda row, detection: None,
    runtime: RuntimeName = "auto",
) -> ScoreSheet:
    """Score every picture, in its order, and write the sheet with the raw maps to `folder`, whole or not at all.

    A picture that cannot be read or scored, or has changed since it was listed, is a FAULT with its reason. `folder` is
    new, empty, or holds an earlier sheet, which is replaced. The same model, pictures and machine give the same sheet.
    Raises TrainingError where `folder` holds something else or cannot be written, where there are no pictures, and
    where the model learnt from one that is labelled good or bad; ModelFileError, DetectorError for the model; and
    CancelledError.
    """
    if not pictures:
        raise TrainingError(f"There are no pictures to judge {model} with. Add some to test with.")
    folder = folder.resolve()  # a link stays one, and "." has a name
    refuse_other_files(folder)
    detector = Detector.load(model, device, runtime)
    refuse_learnt([labelled(one) for one in pictures if one.label != "unsure"], detector.manifest.data)
    staging = folder.with_name(f".{folder.name}.{uuid4().hex}.tmp")
    try:
        with _writing(folder):
            staging.mkdir(parents=True)
        detector.warm_up()
        rows = []
        for number, listed in enumerate(pictures):
            if cancelled():
                raise CancelledError("Stopped on request; no scores were written.")
            progress(STAGE, number, len(pictures))
            row, detection = _scored(detector, listed)
            if detection is not None:
                row = row.model_copy(update={"map": f"{number:05d}{MAP_SUFFIX}"})
                with _writing(folder):
                    (staging / f"{row.map}").write_bytes(detection.score_map.to_bytes())
            on_row(row, detection)
            rows.append(row)
        sheet = ScoreSheet(model_hash=detector.manifest.model_hash, rows=tuple(rows))
        with _writing(folder):
            sheet.save(staging)
            _put_in_place(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    progress(STAGE, len(pictures), len(pictures))
    return sheet


def _scored(detector: Detector, listed: ListedPicture) -> tuple[ScoredRow, Detection | None]:
    """One picture's row, which names no map yet."""
    row = ScoredRow(
        name=listed.name,
        file=listed.file,
        sha256=listed.sha256,
        label=listed.label,
        part=listed.part,
        kind=listed.kind,
        mask=listed.mask,
    )
    try:
        data = read_listed(listed.file, listed.sha256)
        row = row.model_copy(update={"sha256": sha256(data).hexdigest()})
        detection = detector.score(decode_picture(data, str(listed.file)).pixels)
    except (PictureError, CalibrationError, DetectorError) as error:
        return row.model_copy(update={"fault": str(error)}), None
    return row.model_copy(update={"score": detection.score, "map_maximum": detection.score_map.maximum}), detection


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """What the disk refuses, in words. Nobody else's OSError: who hears the rows may have gone."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"{folder}: the scores cannot be written ({error.strerror or error}). Free some space, or choose another "
            "folder."
        ) from error


def _put_in_place(staging: Path, folder: Path) -> None:
    """A folder is renamed over an empty one only: the earlier sheet goes first, and last of all its files."""
    if folder.exists():
        refuse_other_files(folder)
        shutil.rmtree(folder)
    staging.rename(folder)
