"""Which method to begin with, and why. From the good pictures alone: no test picture is looked at. No torch."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ml.alignment import MIN_PICTURES, Alignment, Thumbnail, edge_thumbnail, measure_alignment
from ml.dataset import read_good
from ml.errors import CancelledError, PictureError
from ml.generation.marking import mark_of
from ml.picture_list import PictureList, is_picture_list
from ml.pictures import list_pictures, read_picture
from ml.progress import Cancelled, Progress, never, silent
from ml.tiles import has_tiles

LOOKED_AT = 60
"""Pictures, evenly over the folder: more would not change a median."""
FEW_PARTS = 8
LARGE_SIDE_PX = 1200
"""From here on a part shrunk to the usual input loses what is smaller than four or five of its pixels."""
SUGGESTED_PATCH_PX = 256
ENOUGH_DEFECTS = 30


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another method worth a try, and what it would be better at."""

    method: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A method to begin with. `settings` are its own; where native resolution is advised, either in `tiles` or, for
    methods without them, in patches of `patch` px.

    `pictures` counts those that can be used. `remarks` are what else a careful colleague would say of them.
    """

    method: str
    reason: str
    settings: dict[str, str | int | bool]
    patch: int | None
    tiles: bool
    alternatives: tuple[Alternative, ...]
    remarks: tuple[str, ...]
    alignment: Alignment
    pictures: int


def recommend(
    data: Path,
    defects: Path | None = None,
    has_weights: bool = True,
    progress: Progress = silent,
    cancelled: Cancelled = never,
) -> Recommendation:
    """Look at the good pictures of `data` and choose.

    `data` is a folder or a list of pictures, `defects` a folder with pictures of defective parts, where some are to be
    learnt from; a list names them itself. `has_weights`: whether a pretrained backbone may be used.
    Raises TrainingError where there are no pictures, PictureError where none of them can be read, and CancelledError.
    """
    found = [picture.path for picture in read_good(data)[1]]
    paths = [path for path in found if not _is_generated(path)]  # those say nothing of how parts lie
    if not paths:
        raise PictureError(f"{data}: all {len(found)} pictures are generated. Choose a folder of captured ones.")
    number_of_defects = _listed_defects(data) if defects is None else len(list_pictures(defects))
    return recommend_for(paths, number_of_defects, has_weights, progress, cancelled)


def recommend_for(
    paths: Sequence[Path],
    defects: int = 0,
    has_weights: bool = True,
    progress: Progress = silent,
    cancelled: Cancelled = never,
) -> Recommendation:
    """As `recommend`, for these captured pictures of good parts, one at least, and a number of pictures of defective
    ones to learn from. Raises PictureError where none can be read, and CancelledError.
    """
    thumbnails, longest, trouble = _look(paths, progress, cancelled)
    if not thumbnails:
        raise PictureError(f"None of the {len(paths)} pictures of good parts can be read, e.g. {trouble}")
    usable = max(len(thumbnails), len(paths) * len(thumbnails) // min(LOOKED_AT, len(paths)))
    return choose(measure_alignment(thumbnails), usable, longest, defects, has_weights)


def _is_generated(path: Path) -> bool:
    with suppress(PictureError):  # a file of a list that is not there: told as one that cannot be read
        return mark_of(path) is not None
    return False


def _listed_defects(data: Path) -> int:
    """Pictures of defective parts that a list has to learn from; a folder has none."""
    return len(PictureList.load(data).of("bad", "learn")) if is_picture_list(data) else 0


def choose(
    alignment: Alignment, pictures: int, longest_side_px: int, defects: int = 0, has_weights: bool = True
) -> Recommendation:
    """The rules by themselves."""
    advice = _advice(alignment, pictures, defects, has_weights)
    settings: dict[str, str | int | bool] = {}
    if advice.method == "patchcore" and pictures <= FEW_PARTS:
        settings["few_shot"] = True
    if advice.method == "student_teacher":
        settings["teacher"] = "labelled"
    # The others take whole pictures only: of a patch nobody says whether it shows the labelled defect.
    is_large = longest_side_px > LARGE_SIDE_PX and advice.method not in ("template", "student_teacher")
    in_tiles = is_large and has_tiles(advice.method, settings)
    return Recommendation(
        method=advice.method,
        reason=advice.reason,
        settings=settings,
        patch=SUGGESTED_PATCH_PX if is_large and not in_tiles else None,
        tiles=in_tiles,
        alternatives=advice.alternatives,
        remarks=tuple(_remarks(pictures, longest_side_px, is_large, in_tiles)),
        alignment=alignment,
        pictures=pictures,
    )


@dataclass(frozen=True, slots=True)
class _Advice:
    method: str
    reason: str
    alternatives: tuple[Alternative, ...]


_BY_PLACEMENT = {
    "aligned": _Advice(
        "patchcore",
        "The parts lie in the same place; comparing with remembered good spots is the most accurate there as a rule.",
        (
            Alternative("padim", "as the parts are aligned: three times as fast, of constant size"),
            Alternative("efficientad", "a trained network of constant size; finds missing and foreign pieces"),
        ),
    ),
    "moved": _Advice(
        "patchcore",
        "The parts lie in different places or turned: what looks normal must count as normal anywhere.",
        (
            Alternative("dfr", "smaller and of constant size, trained in minutes"),
            Alternative("spade", "compares with the most similar good pictures only"),
        ),
    ),
    "texture": _Advice(
        "patchcore",
        "The pictures have no common shape, as those of a surface: what looks normal counts as normal anywhere.",
        (
            Alternative("dfr", "learns the structure of a surface; of constant size"),
            Alternative("riad", "needs no pretrained network; for regular textures"),
        ),
    ),
}


def _advice(alignment: Alignment, pictures: int, defects: int, has_weights: bool) -> _Advice:
    if pictures < MIN_PICTURES or alignment.placement == "unknown":
        return _Advice(
            "template",
            "With one or two good pictures nothing is known of how good parts differ; a golden template allows for "
            "small movements and changes of light by itself.",
            (Alternative("patchcore", "few_shot=true: finds what looks unlike the template anywhere on it"),),
        )
    if not has_weights:
        return _Advice(
            "patch_svdd",
            "Without a pretrained network the features are learnt from the good pictures themselves.",
            (Alternative("riad", "learns to paint hidden squares; for fine and regular patterns"),),
        )
    if defects >= ENOUGH_DEFECTS:
        return _Advice(
            "student_teacher",
            f"{defects} pictures of defective parts are enough to tune the teacher to them.",
            (Alternative("patchcore", "uses none of them, and so finds unforeseen defects as well"),),
        )
    if pictures <= FEW_PARTS:
        return _Advice(
            "patchcore",
            f"{pictures} good pictures are few: comparing with remembered good spots needs the least of them.",
            (Alternative("template", "if the parts are prints or boards that should all be the same"),),
        )
    return _BY_PLACEMENT[alignment.placement]


def _remarks(pictures: int, longest_side_px: int, is_large: bool, in_tiles: bool) -> list[str]:
    remarks = []
    if pictures < MIN_PICTURES:
        remarks.append(
            "The threshold will allow for small movements and changes of light only: add good pictures soon."
        )
    elif pictures < 30:
        remarks.append(f"{pictures} good pictures give an uncertain threshold; 30 are usual, 100 make it exact at 1 %.")
    if is_large:
        remarks.append(
            f"Pictures of {longest_side_px} px: small defects vanish when the whole is shrunk; look in "
            f"{'tiles' if in_tiles else 'patches'}."
        )
    return remarks


def _look(paths: Sequence[Path], progress: Progress, cancelled: Cancelled) -> tuple[list[Thumbnail], int, str]:
    """Thumbnails of some of the pictures, the longest side in px, and what was wrong with the last unreadable one."""
    chosen = [paths[index * len(paths) // min(LOOKED_AT, len(paths))] for index in range(min(LOOKED_AT, len(paths)))]
    thumbnails, longest, trouble = [], 0, ""
    for done, path in enumerate(chosen):
        if cancelled():
            raise CancelledError("Stopped on request.")
        progress("Looking at the pictures", done, len(chosen))
        try:
            pixels = read_picture(path).pixels
        except PictureError as error:
            trouble = str(error)
            continue
        thumbnails.append(edge_thumbnail(pixels))
        longest = max(longest, *pixels.shape[:2])
    progress("Looking at the pictures", len(chosen), len(chosen))
    return thumbnails, longest, trouble
