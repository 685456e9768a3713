"""Rules of the step Pictures: what is needed before the next one, and what the choices so far come to."""

from collections import Counter

from station.projects.flow import Readiness
from station.projects.picture_choices import proposed
from station.projects.project import Project, ProjectPicture

USUAL_LEAST = 30
"""Good pictures to learn from; with fewer, the threshold is uncertain."""
_NAMED = 3


def readiness(project: Project) -> Readiness:
    """One good picture is enough to go on: some methods need no more."""
    return Readiness(_obstacle(project), _consequence(project))


def unreadable(project: Project) -> tuple[str, ...]:
    """Names of used pictures whose files are gone or damaged."""
    return tuple(
        one.name
        for one in project.pictures
        if one.is_used and any(finding.kind == "unreadable" for finding in one.findings)
    )


def _obstacle(project: Project) -> str:
    if not project.pictures:
        return "Add pictures of good parts: from a folder, the camera or the history."
    if not all(one.checked for one in project.pictures):
        return "The pictures are still being checked."
    return _unreadable_words(unreadable(project)) or _lack_of_good(project)


def _unreadable_words(lost: tuple[str, ...]) -> str:
    if not lost:
        return ""
    named = ", ".join(lost[:_NAMED]) + (" …" if len(lost) > _NAMED else "")
    return f"{_counted(len(lost), 'picture')} cannot be read ({named}). Put them back, set them aside or remove them."


def _lack_of_good(project: Project) -> str:
    if project.is_fine_tuning and not _new_good(project):
        return "No new picture shows a good part yet. Add some: from a folder, the camera or the history."
    if project.used("good", "learn"):
        return ""
    if any(one.label == "good" and one.set_aside for one in project.pictures):
        return "All good pictures are set aside. Take some back, or add others."
    return "No picture shows a good part yet. Label at least one as good, or add others."


def _consequence(project: Project) -> str:
    if not project.pictures:
        return ""
    others = [one for one in project.pictures if not (one.set_aside or _is_old_test(one))]
    learnt = len(project.used("good", "learn"))
    held_out = sum(one.label == "good" and one.use == "test" for one in others)
    words = [f"{learnt} good"]
    if project.is_fine_tuning:
        words = [f"{_new_good(project)} new good", f"{learnt - _new_good(project)} good learnt before"]
    if held_out:
        words.append(f"{held_out} held out")
    aside = Counter(one.set_aside for one in project.pictures if one.set_aside)
    words += [f"{number} set aside {reason}" for reason, number in aside.most_common()]
    for label in ("bad", "unsure"):
        number = sum(one.label == label for one in others)
        words += [f"{number} {label}"] if number else []
    waiting = len(proposed(project))
    if waiting:
        words.append(f"{waiting} marked, to be decided: an odd one among the good raises the threshold")
    line = ", ".join(words)
    if project.is_fine_tuning:
        return line + _old_tests_words(project)
    return f"{line}. {USUAL_LEAST} or more good pictures are better" if 0 < learnt < USUAL_LEAST else line


def _old_tests_words(project: Project) -> str:
    """What tells whether the fine-tuned model still does what the old one did."""
    tests = [one for one in project.pictures if _is_old_test(one) and not one.set_aside]
    if not tests:
        return ". No old test pictures are here: what is still found cannot be told"
    count = Counter(one.label for one in tests)
    labelled = [f"{count[label]} {label}" for label in ("good", "bad") if count[label]]
    line = f". To test with as before: {', '.join(labelled)}" if labelled else ""
    if count["unsure"]:
        which = "it" if count["unsure"] == 1 else "them"
        line += f". {_counted(count['unsure'], 'old test picture')}: label {which} to see what is still found"
    return line


def _is_old_test(picture: ProjectPicture) -> bool:
    return picture.origin == "base" and picture.use == "test"


def _new_good(project: Project) -> int:
    """Pictures to learn from that the model which is fine-tuned has not seen."""
    return sum(one.origin != "base" for one in project.used("good", "learn"))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
