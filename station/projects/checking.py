"""What the checks of `ml.picture_checks` say about a project's pictures, in words. No Qt."""

from collections.abc import Mapping, Sequence

from ml.picture_checks import Doubt, doubts
from ml.picture_facts import PictureFacts
from ml.progress import Cancelled, never
from station.projects.project import Finding, ProjectPicture


def findings_of(
    pictures: Sequence[ProjectPicture],
    facts: Mapping[str, PictureFacts],
    unreadable: Mapping[str, str],
    cancelled: Cancelled = never,
) -> dict[str, tuple[Finding, ...]]:
    """Of each picture, by name. `facts` by sha256; `unreadable` tells by name why a picture has none.

    What tests comes first: of two that repeat each other the one to learn from is proposed to be left out. Raises
    CancelledError.
    """
    found: dict[str, tuple[Finding, ...]] = {
        name: (Finding(kind="unreadable", words=reason),) for name, reason in unreadable.items()
    }
    seen = [one for one in pictures if one.sha256 in facts and one.name not in found]
    seen.sort(key=lambda one: not (one.use_given and one.use == "test"))
    each = doubts([facts[one.sha256] for one in seen], [one.label == "good" for one in seen], cancelled)
    for picture, about in zip(seen, each, strict=True):
        found[picture.name] = tuple(_finding(doubt, seen) for doubt in about)
    return found


def _finding(doubt: Doubt, pictures: Sequence[ProjectPicture]) -> Finding:
    other = None if doubt.other is None else pictures[doubt.other].name
    figure = f"{doubt.figure:.1f}" if doubt.figure < 10 else f"{doubt.figure:.0f}"
    words = {
        "duplicate": f"Same picture as {other}",
        "near_duplicate": f"Same scene as {other} again",
        "blurred": f"Blurred: focus {figure} of the usual",
        "dark": f"Dark: brightness {figure} of the usual",
        "bright": f"Bright: brightness {figure} of the usual",
        "likely_defect": "Unlike the other parts in one place: is there a defect?",
    }[doubt.kind]
    return Finding(kind=doubt.kind, words=words, other=other, figure=doubt.figure)
