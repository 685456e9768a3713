"""The candidates are trained: one with a model at least before they can be judged."""

from station.projects.flow import Readiness
from station.projects.project import Project
from station.projects.queue import trained


def readiness(project: Project) -> Readiness:
    """What is known of the candidates."""
    done = len(trained(project))
    if done:
        waiting = sum(one.state in ("waiting", "running") for one in project.candidates)
        words = "1 candidate is trained" if done == 1 else f"{done} candidates are trained"
        return Readiness("", words + (f", {waiting} still to come" if waiting else "") + "; judge next")
    if any(one.state == "running" for one in project.candidates):
        return Readiness("Training is running; you may leave this page meanwhile")
    if any(one.state == "waiting" for one in project.candidates):
        return Readiness("Press Start to train")
    if project.candidates:
        return Readiness("No candidate has a model yet: try one again, or queue another on the page Method")
    return Readiness("Queue a candidate on the page Method")
