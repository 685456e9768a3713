"""A picture file as a frame."""

from pathlib import Path

from ml.errors import PictureError
from ml.generation.marking import mark_in
from ml.pictures import decode_picture, read_picture_bytes
from station.core.errors import CameraError
from station.core.frame import Frame, Truth

GENERATED = "(generated)"
"""Stands behind the file name of a picture that no camera took."""


def frame_from_file(path: Path, source: str, truth: Truth | None = None, defect_kind: str | None = None) -> Frame:
    """Read one picture; the frame keeps the file's own bytes. Raises CameraError naming the file.

    The frame of a generated picture is named so, which is how it appears on every screen and in the history.
    """
    try:
        encoded = read_picture_bytes(path)
        picture = decode_picture(encoded, str(path))
    except PictureError as error:
        raise CameraError(str(error)) from error
    return Frame(
        picture.pixels,
        picture.bit_depth,
        source,
        name=path.name if mark_in(encoded) is None else f"{path.name} {GENERATED}",
        given_truth=truth,
        defect_kind=defect_kind,
        encoded=encoded,
    )
