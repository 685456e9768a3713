"""The annotations of a project: one file per picture, named by the picture's SHA-256.

HASH.json    the annotation
HASH.png     its mask, 255 on the defects, made from it when it is asked for
"""

from pathlib import Path
from typing import Final

from pydantic import ValidationError

from ml.annotation.annotation import ANNOTATION_VERSION, Annotation
from ml.annotation.exchange import mask_png
from ml.errors import AnnotationError
from ml.files import write_atomically

_SUFFIX: Final = ".json"


class AnnotationStore:
    """What is stored is on the disk when `save` returns. One thread changes it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def stored(self) -> frozenset[str]:
        """The hashes of the pictures that have an annotation, be it an empty one."""
        return frozenset(path.stem for path in self._folder.glob(f"*{_SUFFIX}") if not path.name.startswith("."))

    def load(self, sha256: str) -> Annotation | None:
        """None where the picture has none. Raises AnnotationError naming the file."""
        path = self._path(sha256)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise AnnotationError(f"{path}: the annotation cannot be read ({error.strerror}).") from error
        try:
            return Annotation.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            if first["loc"] == ("version",):
                reason = f"written by another Loupe; this one reads version {ANNOTATION_VERSION}. Install that one."
            else:
                reason = "this is no annotation, or a damaged one. Put it back from a back-up, or delete it."
            raise AnnotationError(f"{path}: {reason}") from error

    def save(self, sha256: str, annotation: Annotation) -> None:
        """Raises AnnotationError; then what was stored before is still there."""
        path = self._path(sha256)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".png").unlink(missing_ok=True)  # first: a mask is never older than its annotation
            write_atomically(path, (annotation.model_dump_json() + "\n").encode())
        except OSError as error:
            raise AnnotationError(
                f"{path}: the annotation cannot be saved ({error.strerror}). Free some space or check the disk."
            ) from error

    def mask_file(self, sha256: str) -> Path | None:
        """A PNG of the picture's size, 255 on the defects; None where nothing is annotated. Raises AnnotationError."""
        annotation = self.load(sha256)
        if annotation is None or not annotation.regions:
            return None
        path = self._path(sha256).with_suffix(".png")
        try:
            if not path.exists():
                write_atomically(path, mask_png(annotation.mask()))
        except OSError as error:
            raise AnnotationError(f"{path}: the mask cannot be saved ({error.strerror}). Free some space.") from error
        return path

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}{_SUFFIX}"
