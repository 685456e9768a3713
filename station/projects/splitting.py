"""Which parts a project holds out to test with: decided once by the part's name, so that it stays. No Qt.

Nothing is drawn anew when pictures are added, relabelled or set aside: a part that a model was tested with must not be
learnt by the next one of the same project.
"""

from collections.abc import Sequence
from hashlib import sha256

from ml.calibration import assign_groups
from ml.errors import ParameterError
from ml.picture_list import Use
from station.projects.project import Project, ProjectPicture

LEAST_PARTS = 20
"""Good parts, before any is held out: with fewer, every one is needed to learn from."""
LEAST_NEW_PARTS = 31
"""The same for the new ones of a model that is fine-tuned: it has its old tests."""


def split(project: Project) -> Project:
    """The project with every picture's use decided, except where it was given with the picture.

    A share `test_share` of the good parts is held out once there are enough of them, and goes on being held out.
    Pictures of bad parts test, unless the engineer gives them to learn from. No part is split: repeats of a picture
    (`duplicate`, `near_duplicate`) count to its part.
    """
    parts = parts_of(project)
    given: dict[str, Use] = {}
    for picture, part in zip(project.pictures, parts, strict=True):
        if picture.use_given:
            given[part] = "test" if picture.use == "test" else given.get(part, "learn")
    good = {part for picture, part in zip(project.pictures, parts, strict=True) if picture.label == "good"}
    holds_out = _holds_out(project, good - given.keys())

    def use_of(picture: ProjectPicture, part: str) -> Use:
        if picture.use_given:
            return picture.use
        if part in given:
            return given[part]
        if part not in good:
            return "test" if picture.label == "bad" else "learn"
        return "test" if holds_out and _draw(project.id, part) < project.test_share else "learn"

    pictures = tuple(
        picture if (use := use_of(picture, part)) == picture.use else picture.model_copy(update={"use": use})
        for picture, part in zip(project.pictures, parts, strict=True)
    )
    return project if pictures == project.pictures else project.model_copy(update={"pictures": pictures})


def parts_of(project: Project) -> list[str]:
    """The part that each picture shows: as it came with it, by `group_by`, else a part of its own."""
    pictures, group_by = project.pictures, project.group_by
    names = [
        one.part or (one.name if group_by is None else _grouped(one.name, group_by) or one.name) for one in pictures
    ]
    if len({one.sha256 for one in pictures}) == len(pictures) and not any(map(_repeated, pictures)):
        return names
    return _joined(pictures, names)


def _joined(pictures: Sequence[ProjectPicture], names: Sequence[str]) -> list[str]:
    """Parts that share a picture, or repeat one, are one part: that of the first, also once it was removed."""
    root = {name: name for name in names}

    def part_of(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    by_content: dict[str, str] = {}
    by_picture = {picture.name: name for picture, name in zip(pictures, names, strict=True)}
    for picture, name in zip(pictures, names, strict=True):
        same = [by_content.setdefault(picture.sha256, name)]
        same += [by_picture.get(other, other) for other in _repeated(picture)]
        for other in same:
            root.setdefault(other, other)
            root[part_of(name)] = part_of(other)
    return [part_of(name) for name in names]


def unnamed(project: Project) -> tuple[str, ...]:
    """Pictures in whose names the pattern `group_by` finds no part: each counts as a part of its own."""
    group_by = project.group_by
    return tuple(one.name for one in project.pictures if one.part is None and _grouped(one.name, group_by) is None)


def _holds_out(project: Project, good: set[str]) -> bool:
    if any(one.use == "test" and not one.use_given and one.label == "good" for one in project.pictures):
        return True
    if any(one.use == "test" and one.use_given and one.origin != "base" for one in project.used("good")):
        return False  # tests came with the pictures
    return len(good) >= (LEAST_NEW_PARTS if project.is_fine_tuning else LEAST_PARTS)


def _repeated(picture: ProjectPicture) -> Sequence[str]:
    return [one.other for one in picture.findings if one.kind in ("duplicate", "near_duplicate") and one.other]


def _grouped(name: str, group_by: str | None) -> str | None:
    try:
        return assign_groups([name], group_by)[0]
    except ParameterError:
        return None


def _draw(project_id: str, part: str) -> float:
    """0 to 1, the same for the same part of the same project wherever it is computed."""
    digest = sha256(f"{project_id}/{part}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64
