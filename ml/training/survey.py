"""The usable training pictures of a job: which they are and what they look like.

Generated pictures among them (`ml.generation.marking`) are learnt from and nothing else: no size, bit depth or figure
of the part comes from them, and they are never held out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from statistics import median_low
from typing import Self

from ml.circle_search import Circle
from ml.dataset import GoodPicture
from ml.errors import CancelledError, PictureChangedError, PictureError, TrainingError
from ml.generation.marking import Mark, mark_in, refuse_made_defect
from ml.job import TrainingJob
from ml.part_pictures import Pose, cut_out
from ml.part_search import PartSearch
from ml.picture_list import is_picture_list, read_listed
from ml.pictures import MIN_TRAINING_SIDE_PX, Picture, decode_picture, read_picture_bytes
from ml.preprocessing import RingSearch
from ml.progress import Cancelled, Progress, never, silent
from ml.training.sources import good_pictures


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left out, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Survey:
    """The usable training pictures of a job: names (relative to the data folder, or those of the job's list), hashes,
    and what they look like.

    height_px, width_px: of most of them. middle_size_px: the median height and width; None where all have one size.
    marks: by index, of those that no camera took. elsewhere: by name, files that do not lie in the data folder.
    listed_parts: by name, the part that a picture shows, where the job's list tells it.
    ring: the job's search for a round part, its radii known. circles: by a picture's hash, where the part was found.
    parts: the job's search for several parts. Then each part is a picture of its own, named FILE#1, FILE#2, ..., with
    the hash of its file; poses: by name, where it was found.
    """

    folder: Path
    names: tuple[str, ...]
    hashes: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    height_px: int
    width_px: int
    has_one_size: bool
    is_grey: bool
    bit_depth: int
    middle_size_px: tuple[int, int] | None = None
    marks: Mapping[int, Mark] = field(default_factory=dict)
    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    listed_parts: Mapping[str, str] = field(default_factory=dict)
    ring: RingSearch | None = None
    circles: Mapping[str, Circle] = field(default_factory=dict)
    parts: PartSearch | None = None
    poses: Mapping[str, Pose] = field(default_factory=dict)

    @property
    def captured(self) -> tuple[int, ...]:
        """Those that a camera took, ascending: all that may be held out."""
        return tuple(index for index in range(len(self.names)) if index not in self.marks)

    def without(self, left_out: Mapping[int, Skipped]) -> Self:
        """The same without some pictures, which are listed as skipped."""
        kept = [index for index in range(len(self.names)) if index not in left_out]
        return replace(
            self,
            names=tuple(self.names[index] for index in kept),
            hashes=tuple(self.hashes[index] for index in kept),
            marks={place: self.marks[index] for place, index in enumerate(kept) if index in self.marks},
            skipped=(*self.skipped, *left_out.values()),
        )

    def circle(self, index: int) -> Circle | None:
        """Where the part was found in picture `index`, see `ml.images.PreparedPicture.circle`."""
        return self.circles.get(self.hashes[index])

    def path(self, index: int) -> Path:
        """The file of picture `index`."""
        return self.elsewhere.get(self.names[index], self.folder / self.names[index])

    @property
    def usual_shape(self) -> tuple[int, int]:
        """Height and width in px of most pictures; where each part is one, of what is cut out around it."""
        return (self.height_px, self.width_px) if self.parts is None else (self.parts.height_px, self.parts.width_px)

    def key(self, index: int) -> str:
        """Names what picture `index` shows: pictures of one key are the same, pixel by pixel."""
        pose = self.poses.get(self.names[index])
        return self.hashes[index] if pose is None else f"{self.hashes[index]} {pose}"

    def read(self, index: int) -> Picture:
        """Decode it again, of a part its upright picture; raises TrainingError as `read_file`."""
        return self.seen_in(self.read_file(index), index)

    def seen_in(self, file: Picture, index: int) -> Picture:
        """Picture `index` in what `read_file` gave for it."""
        pose = self.poses.get(self.names[index])
        if pose is None or self.parts is None:
            return file
        return Picture(cut_out(file.pixels, pose, self.parts), file.bit_depth)

    def read_file(self, index: int) -> Picture:
        """The whole picture that picture `index` is, or is a part of.

        Raises TrainingError when it has gone or changed since the survey.
        """
        path = self.path(index)
        try:
            data = read_picture_bytes(path)
        except PictureError as error:
            raise TrainingError(f"{error} It was there when training began; start again.") from error
        if sha256(data).hexdigest() != self.hashes[index]:
            raise TrainingError(f"{path}: changed while training; start again.")
        return decode_picture(data, str(path))


def identity(name: str, content: str, in_parts: bool) -> str:
    """What a picture is told apart by, wherever it lies: the hash of its file and, of a part on it, its number."""
    _, mark, number = name.rpartition("#")
    return f"{content}{mark}{number}" if in_parts and mark else content  # a generated picture is a part by itself


def survey_pictures(job: TrainingJob, progress: Progress = silent, cancelled: Cancelled = never) -> Survey:
    """Decode every training picture once; list the unusable ones with their reason.

    Raises TrainingError when none is left, for a file that has changed since it was listed, and as `good_pictures`.
    """
    folder, pictures = good_pictures(job)
    names: list[str] = []
    hashes: list[str] = []
    skipped: list[Skipped] = []
    marks: dict[int, Mark] = {}
    looks: Counter[tuple[int, int, bool, int]] = Counter()
    bits_used, is_deep = 0, set[bool]()
    for index, listed in enumerate(pictures):
        check_cancelled(cancelled)
        progress("Reading pictures", index, len(pictures))
        try:
            data = read_listed(listed.path, listed.sha256)
            picture = decode_picture(data, str(listed.path))
            _refuse_outside(job, picture, listed.path)
            mark = mark_in(data)
            refuse_made_defect(mark, listed.path)
        except PictureChangedError as error:
            raise TrainingError(f"{listed.name}: {error}") from error
        except PictureError as error:
            skipped.append(Skipped(listed.name, _told_of(listed, error)))
            continue
        names.append(listed.name)
        hashes.append(sha256(data).hexdigest())
        is_deep.add(picture.bit_depth > 8)
        if mark is not None:
            marks[len(names) - 1] = mark
            continue
        height, width = picture.pixels.shape[:2]
        looks[(height, width, picture.pixels.ndim == 2, picture.bit_depth)] += 1
        bits_used = max(bits_used, int(picture.pixels.max()).bit_length())
    progress("Reading pictures", len(pictures), len(pictures))
    if not looks:
        raise TrainingError(too_few(job, 0, 1, skipped, len(marks)))
    (height, width, is_grey, _), _ = looks.most_common(1)[0]
    sizes = [look[:2] for look in looks.elements()]
    heights, widths = zip(*sizes, strict=True)
    has_one_size = len(set(sizes)) == 1
    if len(is_deep) > 1 and job.window is None:
        raise TrainingError(
            f"{job.data}: 8-bit pictures are mixed with deeper ones. Train on one kind, or give the value window."
        )
    return Survey(
        folder=folder,
        names=tuple(names),
        hashes=tuple(hashes),
        skipped=tuple(skipped),
        height_px=height,
        width_px=width,
        has_one_size=has_one_size,
        is_grey=is_grey,
        bit_depth=_container_bits(max(depth for _, _, _, depth in looks), bits_used),
        middle_size_px=None if has_one_size else (median_low(heights), median_low(widths)),
        marks=marks,
        elsewhere={one.name: one.path for one in pictures} if is_picture_list(job.data) else {},
        listed_parts={one.name: one.part for one in pictures if one.part is not None},
    )


def too_few(job: TrainingJob, usable: int, needed: int, skipped: Sequence[Skipped], generated: int = 0) -> str:
    """The words for a folder with fewer usable pictures than `needed`; `generated` ones beside them do not count."""
    return (
        f"{job.data}: {usable} usable picture(s) of good parts; at least {needed} are needed, 30 or more are better."
        + (f" {generated} generated picture(s) do not count: no camera took them." if generated else "")
        + (f" {len(skipped)} file(s) could not be used, e.g. {skipped[0].reason}" if skipped else "")
    )


def check_cancelled(cancelled: Cancelled) -> None:
    """Raises CancelledError once the user has asked to stop."""
    if cancelled():
        raise CancelledError("Training was cancelled; nothing was written.")


def _told_of(listed: GoodPicture, error: PictureError) -> str:
    """The reason with the name that people know: the file may be called by its hash."""
    return str(error) if listed.path.name == Path(listed.name).name else f"{listed.name}: {error}"


def _container_bits(declared: int, used: int) -> int:
    """The smallest usual sensor depth that holds the values: cameras put 10 and 12 bits into 16-bit files."""
    return declared if declared <= 8 else next(bits for bits in (10, 12, 14, 16) if bits >= min(used, declared))


def _refuse_outside(job: TrainingJob, picture: Picture, path: Path) -> None:
    height, width = picture.pixels.shape[:2]
    if min(height, width) < MIN_TRAINING_SIDE_PX:
        raise PictureError(
            f"{path} is {width} x {height} px. Each side of a training picture must have at least "
            f"{MIN_TRAINING_SIDE_PX} px."
        )
    region = job.region
    if region is not None and (region.y + region.height > height or region.x + region.width > width):
        raise PictureError(f"{path} is {width} x {height} px: the region of interest reaches out of it.")
    area = job.area if job.parts is None else None  # with parts, the area is that of each part
    if area is not None and (area.height_px, area.width_px) != (height, width):
        raise PictureError(
            f"{path} is {width} x {height} px: the inspection area was drawn on {area.width_px} x {area.height_px} px."
        )
