"""How the model is learnt: whether the choices go together and suit the pictures, and what they lead to."""

from pathlib import Path

from ml.catalogue import USUAL_MIN_PICTURES, min_pictures, needs_defects
from ml.errors import ParameterError
from station.projects.flow import Readiness
from station.projects.order import described_job, resolved_settings, shown_order
from station.projects.project import Project
from station.projects.queue import is_queued, title_of


def readiness(project: Project) -> Readiness:
    """Of the order that the page shows. Drawn masks are not looked for: the training says where they are missing."""
    good, tests = (
        len(project.used("good", "learn")),
        len(project.used("good", "test")) + len(project.used("bad", "test")),
    )
    aside = f"; {tests} are set aside for testing" if tests else ""
    if project.is_fine_tuning:
        new = sum(one.origin != "base" for one in project.used("good", "learn"))
        obstacle = "" if new else "Add pictures of new good parts on the page Pictures"
        return Readiness(obstacle, f"The model in use goes on learning from {new} new pictures of good parts{aside}")
    order = shown_order(project)
    try:
        described_job(project, order, Path())
        settings = resolved_settings(order)
    except ParameterError as error:
        return Readiness(str(error))
    least = min_pictures(settings)
    if good < least:
        wanted = "30 or more are better" if least >= USUAL_MIN_PICTURES else "more are better"
        return Readiness(f"{_pictures(good)} of good parts to learn from, {least} are needed at least, {wanted}")
    if needs_defects(settings) and not project.used("bad", "learn"):
        return Readiness(
            "These settings learn from defective parts too: add some on the page Pictures and let them be learnt from, "
            "or choose other settings"
        )
    queued = " (queued)" if is_queued(project) else ""
    return Readiness("", f"{title_of(order)}{queued}: learns from {_pictures(good)} of good parts{aside}")


def _pictures(number: int) -> str:
    return f"{number} picture{'' if number == 1 else 's'}"
