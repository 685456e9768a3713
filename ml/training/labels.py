"""The job's pictures of defective parts with the masks of their defects: read, checked, and given to the method."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np
import torch
from numpy.typing import NDArray

from ml.dataset import LabelledPicture, read_defects, read_mask
from ml.errors import PictureError, TrainingError
from ml.job import TrainingJob
from ml.methods.base import Method
from ml.part_finder import all_parts
from ml.part_pictures import cut_out, cut_out_mask
from ml.part_search import PartSearch
from ml.picture_list import is_picture_list, read_listed
from ml.pictures import Pixels, decode_picture, read_picture_bytes
from ml.training.embedded import EmbeddedPictures
from ml.training.set_aside import FileHash
from ml.training.sources import listed_defects


@dataclass(frozen=True, slots=True, eq=False)
class Defective:
    """A picture of a defective part as captured, and its mask, bool (height, width), where the job has masks."""

    file: FileHash
    pixels: Pixels
    mask_file: FileHash | None
    mask: NDArray[np.bool_] | None


def defects_of(job: TrainingJob, title: str, method: Method) -> list[LabelledPicture]:
    """The pictures of defective parts that this job learns from, none read yet; `title` is that of its method.

    Raises TrainingError where they are not those that the method and the job's map filter ask for, and as
    `ml.dataset.read_defects` does. Of a list those are taken that serve: none where good parts alone are learnt from,
    and those with a mask where the place of the defects must be known.
    """
    if is_picture_list(job.data):
        return _serving(job, title, method, listed_defects(job))
    _check_defects(job, title, method)
    return [] if job.defects is None else read_defects(job.defects, job.defect_masks)


def defects_hashed(defects: Sequence[LabelledPicture]) -> list[FileHash]:
    """Names and hashes. Raises PictureError for one that cannot be read, or has changed since it was listed."""
    return [(one.name or one.path.name, sha256(read_listed(one.path, one.sha256)).hexdigest()) for one in defects]


def read_all(listed: Sequence[LabelledPicture], parts: PartSearch | None = None) -> Iterator[Defective]:
    """Decode one after the other; with `parts`, the upright pictures of those parts that have the defect.

    Raises TrainingError naming a file that cannot be used, a mask of another size, one that marks nothing, and one
    that does not tell which part has the defect.
    """
    for one in _read_files(listed):
        yield from [one] if parts is None else _defective_parts(one, parts)


def _defective_parts(one: Defective, parts: PartSearch) -> list[Defective]:
    name = one.file[0]
    try:
        poses = all_parts(one.pixels, parts)
    except PictureError as error:
        raise TrainingError(f"The picture of a defective part {name} cannot be used: {error}") from error
    if one.mask is None and len(poses) > 1:
        raise TrainingError(
            f"{name} shows {len(poses)} parts, and no mask tells which of them has the defect. Add its mask, or take "
            "the picture out."
        )
    masks = [None if one.mask is None else cut_out_mask(one.mask, pose, parts) for pose in poses]
    defective = [
        replace(one, pixels=cut_out(one.pixels, pose, parts), mask=mask)
        for pose, mask in zip(poses, masks, strict=True)
        if mask is None or mask.any()
    ]
    if not defective:
        raise TrainingError(f"{name}: the defect lies on none of the parts that are found. Correct its mask.")
    return defective


def _read_files(listed: Sequence[LabelledPicture]) -> Iterator[Defective]:
    for one in listed:
        try:
            data = read_listed(one.path, one.sha256)
            pixels = decode_picture(data, str(one.path)).pixels
        except PictureError as error:
            raise TrainingError(f"A picture of a defective part cannot be used: {error}") from error
        mask = read_mask(one, pixels.shape)
        mask_file = None
        if one.mask_path is not None and mask is not None:
            if not mask.any():
                raise TrainingError(f"{one.mask_path}: marks no defect. Mark it, or take {one.path} out of its folder.")
            mask_file = one.mask_path.name, sha256(read_picture_bytes(one.mask_path)).hexdigest()
        yield Defective((one.name or one.path.name, sha256(data).hexdigest()), pixels, mask_file, mask)


def teach(
    method: Method, listed: Sequence[LabelledPicture], pictures: EmbeddedPictures
) -> tuple[tuple[FileHash, ...], tuple[FileHash, ...]]:
    """Give the method pictures of defective parts, embedded like the good ones, with their masks cut like them.

    Gives the pictures' and the masks' names and hashes, for the model file. Raises TrainingError as `read_all` does,
    for a picture that the region of interest does not fit, and for a mask whose defect lies wholly outside of it.
    """
    defects, masks, files, mask_files = [], [], [], []
    for one in read_all(listed, pictures.parts):
        try:
            defects.append(pictures.embed(one.pixels))
            files.append(one.file)
            if one.mask is None or one.mask_file is None:
                continue
            seen = pictures.masks(one.pixels, one.mask)
        except PictureError as error:
            raise TrainingError(f"The picture of a defective part {one.file[0]} cannot be used: {error}") from error
        if not bool(torch.any(seen)):
            raise TrainingError(
                f"{one.mask_file[0]}: the defect lies outside of what is looked at of {one.file[0]}. Take the picture "
                "out of its folder, or widen the region of interest or the inspection area."
            )
        masks.append(seen)
        mask_files.append(one.mask_file)
    method.labelled_defects = defects
    method.labelled_masks = masks
    return tuple(dict.fromkeys(files)), tuple(dict.fromkeys(mask_files))  # two parts may lie on one picture


def _serving(job: TrainingJob, title: str, method: Method, listed: Sequence[LabelledPicture]) -> list[LabelledPicture]:
    if not method.needs_defects:
        masked = [one for one in listed if one.mask_path is not None]
        return masked if job.conv_processing is not None else []
    serving = [one for one in listed if one.mask_path is not None or not method.needs_masks]
    if not serving:
        what = "pictures of defective parts with masks of their defects" if method.needs_masks else "defective parts"
        raise TrainingError(
            f"{title} with these settings learns from {what}, and {job.data} lists none to learn from. Add some, or "
            "change the settings."
        )
    return serving


def _check_defects(job: TrainingJob, title: str, method: Method) -> None:
    """Raises TrainingError unless the job's labelled defects are those that its method and its map filter ask for."""
    if method.needs_defects and job.defects is None:
        raise TrainingError(
            f"{title} with these settings learns from pictures of defective parts. Name a folder of them "
            "(--defects), which are then no longer fit to evaluate the model with, or change the settings."
        )
    if method.needs_masks and job.defect_masks is None:
        raise TrainingError(
            f"{title} with these settings must know where the defects are. Name a folder with a mask for each picture "
            "of a defective part (--defect-masks), or change the settings."
        )
    if job.defects is None or method.needs_defects:
        return
    if job.conv_processing is None:
        raise TrainingError(
            f"{title} with these settings learns from good parts alone. Leave the folder of defects out."
        )
    if job.defect_masks is None:
        raise TrainingError(
            "The map filter must know where the defects are. Name a folder with a mask for each picture of a defective "
            "part (--defect-masks), or leave the folder of defects out: it then learns from painted ones."
        )


def defects_for_filter(listed: Sequence[LabelledPicture], method: Method) -> Sequence[LabelledPicture]:
    """Those labelled defects that the method did not learn from: of the others its maps would say too much."""
    return () if method.needs_defects else listed
