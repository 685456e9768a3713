"""What the engineer decides about pictures of a project: labels, what is set aside, what goes. No Qt.

Each gives the project as it is afterwards, with the split in order; names that it does not have are passed over.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from ml.picture_list import Label
from station.projects.project import Finding, FindingKind, Project, ProjectPicture
from station.projects.splitting import split

BY_HAND: Final = "by hand"
REASONS: Mapping[FindingKind, str] = {
    "duplicate": "as duplicates",
    "near_duplicate": "as repeats of a scene",
    "blurred": "as blurred",
    "dark": "as too dark",
    "bright": "as too bright",
    "likely_defect": "as likely defects",
    "unreadable": "as unreadable",
}
"""`ProjectPicture.set_aside` of what a finding has proposed; the engineer's own is `BY_HAND`."""


def is_proposed(picture: ProjectPicture) -> bool:
    """Whether a finding proposes to leave the picture out and nobody has decided yet."""
    return bool(picture.findings) and not (picture.set_aside or picture.kept)


def added(project: Project, pictures: Collection[ProjectPicture]) -> Project:
    """With further pictures at the end."""
    return split(project.model_copy(update={"pictures": (*project.pictures, *pictures)}))


def removed(project: Project, names: Collection[str]) -> Project:
    """Without some pictures; their files stay where they are."""
    gone = frozenset(names)
    return split(
        project.model_copy(update={"pictures": tuple(one for one in project.pictures if one.name not in gone)})
    )


def base_noted(project: Project, before: Project) -> Project:
    """Having noted which pictures of the base have gone since `before`, and which are back: what was taken out, in
    whatever way, is not added again by itself."""
    if project.pictures is before.pictures:
        return project
    here = {one.sha256 for one in project.pictures}
    gone = dict.fromkeys(one.sha256 for one in before.pictures if one.origin == "base")
    left_out = tuple(content for content in {**dict.fromkeys(project.base_left_out), **gone} if content not in here)
    return project if left_out == project.base_left_out else project.model_copy(update={"base_left_out": left_out})


def labelled(project: Project, names: Collection[str], label: Label) -> Project:
    """With another label. Only a bad picture has a kind of defect."""

    def change(picture: ProjectPicture) -> dict[str, object]:
        if label == "bad":
            was_given_as_good = picture.label != "bad" and picture.use == "learn" and picture.origin != "base"
            return {"label": label} | ({"use_given": False} if was_given_as_good else {})
        changes: dict[str, object] = {"label": label, "kind": None}
        if picture.label == "bad" and picture.origin != "base" and (picture.use == "learn" or not picture.use_given):
            changes |= {"use": "learn", "use_given": False}  # it was the defect that decided its use
        return changes

    return _changed(project, names, change)


def with_kind(project: Project, names: Collection[str], kind: str) -> Project:
    """Bad pictures among `names` show a defect of `kind`; an empty one says that it is not known."""
    return _changed(project, names, lambda one: {"kind": kind.strip() or None} if one.label == "bad" else {})


def learnt_from(project: Project, names: Collection[str], is_learnt: bool) -> Project:
    """Give bad pictures to the methods that can learn from defects, or keep them to test with; except those of the
    model that is fine-tuned: what it has learnt cannot test, and its tests stay tests."""
    use = "learn" if is_learnt else "test"
    return _changed(project, names, lambda one: {"use": use, "use_given": True} if is_use_open(one) else {})


def is_use_open(picture: ProjectPicture) -> bool:
    """Whether the engineer may choose what the picture is used for."""
    return picture.label == "bad" and picture.origin != "base"


def set_aside(project: Project, names: Collection[str]) -> Project:
    """Leave pictures out; where a finding has proposed it, that is the reason."""
    return _changed(project, names, lambda one: {} if one.set_aside else {"set_aside": _reason(one), "kept": False})


def taken_back(project: Project, names: Collection[str]) -> Project:
    """Use pictures that were left out; their findings propose nothing any more."""
    return _changed(project, names, lambda one: {"set_aside": "", "kept": bool(one.findings)})


def kept(project: Project, names: Collection[str]) -> Project:
    """Use pictures in spite of what was found."""
    return _changed(project, names, lambda one: {"set_aside": "", "kept": True} if one.findings else {})


def proposed_set_aside(project: Project, kind: FindingKind | None = None) -> Project:
    """Follow all proposals, or those of one kind."""
    return set_aside(project, [one.name for one in proposed(project, kind)])


def proposed(project: Project, kind: FindingKind | None = None) -> tuple[ProjectPicture, ...]:
    """Pictures that wait for a decision, in the order of the project."""
    return tuple(one for one in project.pictures if is_proposed(one) and (kind is None or one.findings[0].kind == kind))


def with_findings(project: Project, findings: Mapping[str, tuple[Finding, ...]]) -> Project:
    """What was found about pictures, by name; they count as checked. What was decided on them stays."""
    return _changed(project, findings, lambda one: {"findings": findings[one.name], "checked": True})


def _changed(
    project: Project, names: Collection[str], change: Callable[[ProjectPicture], Mapping[str, object]]
) -> Project:
    wanted = names if isinstance(names, Mapping) else frozenset(names)

    def after(picture: ProjectPicture) -> ProjectPicture:
        changes = change(picture) if picture.name in wanted else {}
        is_new = any(getattr(picture, field) != value for field, value in changes.items())
        return picture.model_copy(update=dict(changes)) if is_new else picture  # the same object where nothing changes

    return split(project.model_copy(update={"pictures": tuple(map(after, project.pictures))}))


def _reason(picture: ProjectPicture) -> str:
    return REASONS[picture.findings[0].kind] if picture.findings else BY_HAND
