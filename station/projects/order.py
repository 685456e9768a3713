"""What a project wants trained, as `loupe train` takes it: a job, and a list of pictures that nothing can change.

The list's files lie in the content store of the station, so that a candidate can be trained, continued and judged even
when the folders that its pictures came from are emptied. No Qt, no torch.
"""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel

from ml.catalogue import METHODS, parse_settings
from ml.errors import PictureError
from ml.job import TrainingJob
from ml.picture_list import ListedPicture, PictureList
from ml.pictures import read_picture_bytes
from station.core.errors import StorageError
from station.history.store import PictureStore
from station.projects.project import Candidate, Project, ProjectPicture
from station.projects.splitting import parts_of
from station.projects.store import ProjectError

PICTURES_FILE: Final = "pictures.json"
MODEL_FILE: Final = "model.loupe"
NAMED_AT_MOST = 3

Masks = Mapping[str, Path]
"""Of pictures that have one, by their names: not 0 on the defects."""

FileOf = Callable[[Path, str, str], Path]
"""Where the content of a file lies: (file, its sha256, what people call it). Raises ProjectError."""


def shown_order(project: Project) -> dict[str, Any]:
    """What the page Method shows now, as a candidate would keep it: fields of `TrainingJob` without data and files."""
    if project.is_fine_tuning:
        return {**project.order}
    order = dict(project.order)
    order.pop("augment", None)
    if project.approved is not None:
        order["augment"] = project.approved.model_dump(mode="json")
    return order


def described_job(project: Project, order: Mapping[str, Any], folder: Path, base: Path | None = None) -> TrainingJob:
    """The job of a candidate with this `order`, in its `folder`; the list of pictures need not be there yet.

    `base` is the file of the model that is fine-tuned: how it looks at a picture is then that model's, too. Raises
    ParameterError where the choices do not go together.
    """
    looks = {} if base is not None else {name: value for name, value in project.looks if value is not None}
    files = {"data": folder / PICTURES_FILE, "out": folder / MODEL_FILE, "base": base}
    return TrainingJob.checked({**order, **looks, **files, "name": project.name})


def training_job(
    project: Project,
    candidate: Candidate,
    store: PictureStore,
    folder: Path,
    masks: Masks,
    base: Path | None = None,
) -> TrainingJob:
    """Put the pictures that are used into the `store` and list them in the candidate's `folder`. May take a while.

    Raises ProjectError naming pictures that are gone or have changed since they were added, and where the folder
    cannot be written; StorageError of the store; ParameterError as `described_job`.
    """
    job = described_job(project, candidate.order, folder, base)
    listed = listed_pictures(project, masks, lambda file, digest, name: _kept(store, file, digest, name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        listed.save(job.data)
    except OSError as error:
        raise ProjectError(
            f"{job.data}: the list of pictures cannot be written ({error.strerror}). Free some space."
        ) from error
    return job


def listed_pictures(project: Project, masks: Masks, file_of: FileOf | None = None) -> PictureList:
    """The pictures that are used, in the project's order; where they lie now, unless `file_of` says otherwise.

    Raises ProjectError that names the first few pictures which `file_of` refuses.
    """
    found, refused = [], []
    for one, part in zip(project.pictures, parts_of(project), strict=True):
        if not one.is_used:
            continue
        try:
            found.append(_listed(one, part, masks.get(one.name), file_of))
        except ProjectError as error:
            refused.append(str(error))
    if refused:
        raise ProjectError(_told(refused))
    return PictureList(pictures=tuple(found))


def learnt_pictures(project: Project, most: int | None = None, masks: Masks = MappingProxyType({})) -> PictureList:
    """The pictures that are learnt from, where they lie now: for an estimate, a recommendation, generated samples.
    `most`: so many of the good ones, evenly over all, and no others.
    """
    listed = listed_pictures(project, masks)
    if most is None:
        return PictureList(pictures=tuple(one for one in listed.pictures if one.use == "learn"))
    good = listed.of("good", "learn")
    count = min(most, len(good))
    return PictureList(pictures=tuple(good[number * len(good) // count] for number in range(count)))


def content_hashes(listed: PictureList) -> list[str]:
    """What the list rests on in the content store, masks too, which lie there under their hashes."""
    masks = (one.mask.stem for one in listed.pictures if one.mask is not None)
    return [*(one.sha256 for one in listed.pictures if one.sha256), *masks]


def resolved_settings(order: Mapping[str, Any]) -> BaseModel:
    """The settings of an order's method, complete. Raises ParameterError."""
    job = TrainingJob.checked({"data": Path(), "out": Path(MODEL_FILE), **order})
    preset = METHODS[job.method].presets[job.preset]
    return parse_settings(job.method, {**preset.settings, **job.parameters})


def _listed(one: ProjectPicture, part: str, mask: Path | None, file_of: FileOf | None) -> ListedPicture:
    if file_of is None:
        file = one.file
    else:
        file = file_of(one.file, one.sha256, one.name)
        mask = mask and file_of(mask, "", f"the mask of {one.name}")
    return ListedPicture(
        name=one.name,
        file=file.resolve(),
        sha256=one.sha256,
        label=one.label,
        use=one.use,
        part=part,
        kind=one.kind,
        mask=mask and mask.resolve(),
    )


def _kept(store: PictureStore, file: Path, digest: str, name: str) -> Path:
    """Where the content lies in the store, put there if it was not. An empty `digest` takes the file as it is."""
    if digest:
        try:
            return store.path(digest)
        except StorageError:  # not there yet
            pass
    try:
        data = read_picture_bytes(file)
    except PictureError as error:
        raise ProjectError(f"{name} ({file} is gone or cannot be read)") from error
    if digest and sha256(data).hexdigest() != digest:
        raise ProjectError(f"{name} ({file} is another picture now)")
    return store.path(store.put(data, file.suffix))


def _told(refused: Iterable[str]) -> str:
    names = list(refused)
    shown = "; ".join(names[:NAMED_AT_MOST])
    more = f" and {len(names) - NAMED_AT_MOST} more" if len(names) > NAMED_AT_MOST else ""
    which = "A picture has" if len(names) == 1 else f"{len(names)} pictures have"
    return (
        f"{which} changed since you added them: {shown}{more}. Put the files back, or leave these pictures out on the "
        "page Pictures."
    )
