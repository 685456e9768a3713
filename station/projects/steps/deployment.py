"""Deployment: which model goes to which recipe. Nothing changes on the line before the engineer says so."""

from station.projects.flow import Readiness
from station.projects.project import Project


def readiness(project: Project) -> Readiness:
    candidate = project.candidate(project.chosen)
    if candidate is None:
        return Readiness("Choose a trained model under Judgement")
    if project.deployed_revision is not None and project.recipe:
        return Readiness("", f"Deployed as revision {project.deployed_revision} of '{project.recipe}'")
    return Readiness("", f"'{candidate.title}' changes nothing on the line until you press Deploy")
