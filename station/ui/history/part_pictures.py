"""Pictures of a stored part for the screen, made outside the GUI thread from what was stored with it. No widgets."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ml.artifact import Manifest
from ml.errors import LoupeError
from ml.pictures import default_window, read_picture
from station.core.inspection import Inspection, PartView
from station.core.presentation import THUMBNAIL_SIDE_PX, PartPresenter, displayed
from station.history.records import Review
from station.history.store import PictureStore


class Models(Protocol):
    """Where the manifests of the models lie by their hash; the shelf of the station."""

    def manifest(self, model_hash: str) -> Manifest: ...


@dataclass(frozen=True, slots=True, eq=False)
class StoredPart:
    """One part as the detail view shows it.

    `view` is None where no picture was stored or it cannot be read; `problem` then says why, and also what else is
    missing: without its model's manifest a map has no scale, so it is not shown.
    """

    inspection: Inspection
    reviews: tuple[Review, ...]
    view: PartView | None
    manifest: Manifest | None
    problem: str = ""


class PartPictures:
    """Reads pictures, maps and the model's scale. Called from one thread at a time per instance."""

    def __init__(self, store: PictureStore, models: Models) -> None:
        self._store = store
        self._models = models
        self._manifests: dict[str, Manifest] = {}

    def thumbnail(self, inspection: Inspection) -> NDArray[np.uint8]:
        """`(h, w, 3)` uint8 RGB, longer side at most THUMBNAIL_SIDE_PX. Raises StorageError, PictureError."""
        picture = read_picture(self._store.path(inspection.picture_hash or ""))
        return displayed(picture.pixels, self._window(inspection, picture.bit_depth), THUMBNAIL_SIDE_PX)

    def part(self, inspection: Inspection, reviews: tuple[Review, ...]) -> StoredPart:
        """Everything of one part; what cannot be read is told in `problem`, never raised."""
        manifest = self._manifest(inspection.model_hash)
        known = manifest if isinstance(manifest, Manifest) else None
        problems = [str(manifest)] if isinstance(manifest, LoupeError) and inspection.map_hash else []
        view = None
        if inspection.picture_hash is not None:
            try:
                picture = read_picture(self._store.path(inspection.picture_hash))
            except LoupeError as error:
                return StoredPart(inspection, reviews, None, known, str(error))
            window = self._window(inspection, picture.bit_depth)
            score_map = None
            try:
                score_map = self._store.read_map(inspection.map_hash) if inspection.map_hash else None
            except LoupeError as error:
                problems.append(str(error))
            presenter = PartPresenter(picture.pixels, window, known.calibration if known else None)
            view = presenter.view(score_map, inspection)
        return StoredPart(inspection, reviews, view, known, "\n".join(problems))

    def _window(self, inspection: Inspection, bit_depth: int) -> tuple[float, float]:
        manifest = self._manifest(inspection.model_hash)
        if isinstance(manifest, Manifest):
            return manifest.preprocessing.window_low, manifest.preprocessing.window_high
        return default_window(bit_depth)

    def _manifest(self, model_hash: str) -> Manifest | LoupeError:
        known = self._manifests.get(model_hash)
        if known is not None:
            return known
        try:
            return self._manifests.setdefault(model_hash, self._models.manifest(model_hash))
        except LoupeError as error:  # asked again next time: the file may be put back
            return error
