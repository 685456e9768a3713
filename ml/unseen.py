"""That a model is judged by pictures it was not made from. No torch."""

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256

from ml.artifact import DataFingerprint
from ml.dataset import LabelledPicture
from ml.errors import PictureError, TrainingError
from ml.pictures import read_picture_bytes


def refuse_learnt(pictures: Sequence[LabelledPicture], data: DataFingerprint) -> None:
    """Raises TrainingError where a model learnt from one of the pictures, or its threshold came from it: its score says
    nothing of the parts that will come. Pictures are known by their contents, under whatever name.
    """
    hashes = {picture.title: _hash_of(picture) for picture in pictures}
    for files, as_what in ((data.defects, "as defects"), (data.files, "as good parts")):
        learnt = {content for _, content in files}
        shown = [title for title, content in hashes.items() if content in learnt]
        if shown:
            raise TrainingError(
                f"{len(shown)} of the test pictures were learnt from {as_what} (first {shown[0]}). "
                "Take them out of the test, or train without them."
            )


def _hash_of(picture: LabelledPicture) -> str | None:
    """None where the file cannot be read: the picture will be a FAULT."""
    if picture.sha256 is None:
        with suppress(PictureError):
            return sha256(read_picture_bytes(picture.path)).hexdigest()
    return picture.sha256
