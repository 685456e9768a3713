"""The training pictures as a method embeds them, kept in memory and, where the method allows it, on disk."""

from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml.artifact import PictureReference
from ml.errors import PartNotFoundError, TrainingError
from ml.feature_cache import FeatureCache, key_of, to_half
from ml.images import PreparedPicture, prepare
from ml.map_filter import Kernel, MarkedMap
from ml.maps import Detection
from ml.methods.base import Method
from ml.part_search import PartSearch
from ml.pictures import Pixels
from ml.preprocessing import Preprocessing
from ml.progress import Cancelled
from ml.quality import Shrinking, likeness_of, measure, thumbnail_of
from ml.runtime.batches import Batches
from ml.runtime.scores import CellScores
from ml.runtime.torch_runtime import TorchRuntime, as_cells
from ml.scoring import assemble
from ml.training.marked_maps import marked_map
from ml.training.survey import Survey, check_cancelled

FEATURE_BUDGET_BYTES = 2 * 2**30  # features beyond this are read or computed again instead of kept
SCORED_AT_A_TIME = 32  # inputs of a held-out picture: all patches of a large one at once would need its features thrice


def _prepared(survey: Survey, index: int, pixels: Pixels, preprocessing: Preprocessing) -> PreparedPicture:
    """Picture `index`, its part being where the survey knows it to be.

    Raises TrainingError for a generated picture whose generator has made the part unrecognisable.
    """
    try:
        return prepare(pixels, preprocessing, survey.circle(index))
    except PartNotFoundError as error:
        raise TrainingError(
            f"{survey.names[index]}: {error} Choose milder settings of the generator, or learn without it."
        ) from error


class InputPictures(Sequence[Tensor]):
    """The training pictures as network inputs: item i is `(n, 3, height, width)` float32 of picture i, made anew."""

    def __init__(self, survey: Survey, preprocessing: Preprocessing, cancelled: Cancelled) -> None:
        self._survey = survey
        self._preprocessing = preprocessing.of_part
        self._cancelled = cancelled

    def __len__(self) -> int:
        return len(self._survey.names)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]  # no slices
        check_cancelled(self._cancelled)
        prepared = _prepared(self._survey, index, self._survey.read(index).pixels, self._preprocessing)
        return torch.from_numpy(prepared.inputs(0, prepared.count))


def inputs_per_picture(survey: Survey, preprocessing: Preprocessing) -> int:
    """Of a picture as large as most of them; where a ring is looked at, of the first picture."""
    if preprocessing.ring is not None:
        return prepare(survey.read(0).pixels, preprocessing, survey.circle(0)).count
    return prepare(np.broadcast_to(np.uint8(0), survey.usual_shape), preprocessing.of_part).count


class EmbeddedPictures(Sequence[Tensor]):
    """The training pictures as the method embeds them: item i is `(n, C, gh, gw)` float32 of picture i.

    n counts the inputs of the picture and of its variants (`Method.variants`). Items are kept in the main memory up to
    a budget, beyond it computed again. What a method names by an `embedding_hash` is also kept on disk, in half
    precision, and always rounded to it, so that no result depends on what is on disk; `detect` never uses it.
    Also gathers what the pictures look like, measured with `shrinking`. `map_filter` is applied by `detect` and
    `detect_pixels` once it is set.
    """

    map_filter: Kernel | None = None
    shrinking: Shrinking = "by_whole_steps"

    def __init__(
        self,
        survey: Survey,
        preprocessing: Preprocessing,
        method: Method,
        device: str,
        seed: int,
        cancelled: Cancelled,
    ) -> None:
        self._survey = survey
        self._preprocessing = preprocessing.of_part
        self._cached_with = preprocessing  # with the search for parts: what is cut out depends on it
        self._method = method
        self._device = device
        self._seed = seed
        self._runtime = TorchRuntime(method, device)
        self._batches = Batches(self._runtime.first_batch, self._runtime.release)
        self._cache = FeatureCache()
        self._cancelled = cancelled
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._kept: dict[int, Tensor] = {}
        self._budget = FEATURE_BUDGET_BYTES
        self._thumbnails: dict[int, NDArray[np.float32]] = {}
        self._quality: dict[int, tuple[float, float, float]] = {}

    def __len__(self) -> int:
        return len(self._survey.names)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]  # no slices
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._kept[index] if index in self._kept else self.load(index)

    @property
    def captured(self) -> tuple[int, ...]:
        """Those that a camera took, ascending: all that may be held out, and all that say what parts look like."""
        return self._survey.captured

    @property
    def parts(self) -> PartSearch | None:
        """The search for parts, where each part is a picture of its own."""
        return self._cached_with.parts

    def name(self, index: int) -> str:
        """The file of picture `index`, relative to the folder."""
        return self._survey.names[index]

    def load(self, index: int) -> Tensor:
        """Embed picture `index`, and keep the result while the budget lasts."""
        check_cancelled(self._cancelled)
        file = self._survey.read_file(index)
        pixels = self._survey.seen_in(file, index).pixels
        self._shapes[index] = pixels.shape
        if index not in self._quality:
            self._look_at(index, file.pixels)
        features = self._rounded(index, pixels) if self._method.embedding_hash else self._with_variants(index, pixels)
        size = features.numel() * features.element_size()
        if size <= self._budget:
            self._kept[index] = features
            self._budget -= size
        return features

    def _rounded(self, index: int, pixels: Pixels) -> Tensor:
        """Features in half precision, from the disk where they are there."""
        key = key_of(self._survey.key(index), self._cached_with, f"{self._method.embedding_hash}")
        found = self._cache.get(key)
        if found is None:
            found = to_half(self._with_variants(index, pixels).numpy())
            self._cache.put(key, found)
        return torch.from_numpy(np.array(found)).float()

    def _with_variants(self, index: int, pixels: Pixels) -> Tensor:
        embedded = [self._embedded(self._prepared(index, pixels))]
        for variant in self._method.variants(pixels, self._seed):
            with suppress(PartNotFoundError):  # turned about the picture's middle, the part may leave the picture
                embedded.append(self.embed(variant))
        return embedded[0] if len(embedded) == 1 else torch.cat(embedded)

    def embed(self, pixels: Pixels) -> Tensor:
        """Any picture through the same path: `(n, C, gh, gw)` float32."""
        return self._embedded(prepare(pixels, self._preprocessing))

    def _prepared(self, index: int, pixels: Pixels) -> PreparedPicture:
        return _prepared(self._survey, index, pixels, self._preprocessing)

    def _embedded(self, prepared: PreparedPicture) -> Tensor:
        features = torch.empty(0)
        for start, batch in self._batches.run(prepared, self._runtime.embed):
            if start == 0:  # room for all of them at once: joining them at the end would take it twice
                features = torch.empty(prepared.count, *batch.shape[1:])
            features[start : start + len(batch)] = batch
        return features

    def detect(self, index: int) -> Detection:
        """Score picture `index`, as captured, with the method as it is fitted now."""
        if index in self._kept and not self._method.embedding_hash:
            # Only where the scores lie is asked of it: no need to decode the picture again.
            blank = np.broadcast_to(np.uint8(0), self._shapes[index])
            return self._assembled(self._prepared(index, blank), self._kept[index])
        prepared = self._prepared(index, self._survey.read(index).pixels)
        return self._assembled(prepared, self._embedded(prepared))

    def detect_pixels(self, pixels: Pixels) -> Detection:
        """Score any picture with the method as it is fitted now."""
        prepared = prepare(pixels, self._preprocessing)
        return self._assembled(prepared, self._embedded(prepared))

    def masks(self, pixels: Pixels, mask: NDArray[np.bool_]) -> Tensor:
        """The mask of any picture, bool `(height, width)`, cut like its inputs: bool `(n, input height, width)`."""
        prepared = prepare(pixels, self._preprocessing)
        return torch.from_numpy(prepared.masks(mask, 0, prepared.count))

    def marked_map(self, pixels: Pixels, mask: NDArray[np.bool_], index: int | None = None) -> MarkedMap:
        """The raw map of any picture, with the method as it is fitted now, and its cells that `mask` touches.

        `index`: the training picture that it was made from, where the part is already known to lie.
        """
        prepared = prepare(pixels, self._preprocessing) if index is None else self._prepared(index, pixels)
        with torch.inference_mode():
            return marked_map(self._method, prepared, self._scored(self._embedded(prepared)), mask)

    def looked_at(self, index: int, pixels: Pixels) -> tuple[slice, slice]:
        """Rows and columns of training picture `index` that its inputs are made of."""
        prepared = self._prepared(index, pixels)
        bottom, right = prepared.top + prepared.height, prepared.left + prepared.width
        return slice(prepared.top, bottom), slice(prepared.left, right)

    def _assembled(self, prepared: PreparedPicture, features: Tensor) -> Detection:
        with torch.inference_mode():
            scored = self._scored(features[: prepared.count])
            return assemble(self._method, prepared, scored, map_filter=self.map_filter)

    def _scored(self, features: Tensor) -> Iterator[tuple[int, CellScores]]:
        for start in range(0, len(features), SCORED_AT_A_TIME):
            batch = features[start : start + SCORED_AT_A_TIME].to(self._device)
            yield start, as_cells(self._method.score(batch))

    def _look_at(self, index: int, pixels: Pixels) -> None:
        """At the whole picture, as the station does before a part is sought in it."""
        window = (self._preprocessing.window_low, self._preprocessing.window_high)
        quality = measure(pixels, window, shrinking=self.shrinking)
        self._quality[index] = (quality.brightness, quality.contrast, quality.focus)
        self._thumbnails[index] = thumbnail_of(pixels, window)

    def reference(self) -> tuple[PictureReference, NDArray[np.float32]]:
        """What the captured pictures look like, and their mean thumbnail `(64, 64)` float32, 0 to 1."""
        captured = self.captured
        thumbnails = np.stack([self._thumbnails[index] for index in captured])
        mean = thumbnails.mean(axis=0)
        others = (thumbnails.sum(axis=0) - thumbnails) / max(1, len(captured) - 1)
        likeness = [likeness_of(own, other) for own, other in zip(thumbnails, others, strict=True)]
        brightness, contrast, focus = zip(*(self._quality[index] for index in captured), strict=True)
        survey = self._survey
        return PictureReference(
            height_px=survey.height_px,
            width_px=survey.width_px,
            has_one_size=survey.has_one_size,
            is_grey=survey.is_grey,
            bit_depth=survey.bit_depth,
            brightness=(min(brightness), max(brightness)),
            contrast=(min(contrast), max(contrast)),
            focus=(min(focus), max(focus)),
            likeness_min=min(likeness) if len(captured) > 1 else None,
            shrinking=self.shrinking,
        ), mean.astype(np.float32)

    def display_thumbnail(self) -> NDArray[np.uint8]:
        """The first captured picture, grey, 64 x 64 uint8: what lists of models show."""
        return np.round(self._thumbnails[self.captured[0]] * 255).astype(np.uint8)


class Chosen(Sequence[Tensor]):
    """Some of the pictures, in their order."""

    def __init__(self, pictures: Sequence[Tensor], indices: Sequence[int]) -> None:
        self._pictures = pictures
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Tensor:  # type: ignore[override]  # no slices
        return self._pictures[self._indices[index]]

    def __iter__(self) -> Iterator[Tensor]:
        return (self._pictures[index] for index in self._indices)
