"""Deployment: which model goes to which recipe. Nothing changes on the line before the engineer says so."""

import os
from pathlib import Path

from station.projects.flow import Readiness
from station.projects.project import Project


def readiness(project: Project) -> Readiness:
    candidate = project.candidate(project.chosen)
    if candidate is None:
        return Readiness("Choose a trained model under Judgement")
    if project.deployed_revision is not None and project.recipe:
        return Readiness("", f"Deployed as revision {project.deployed_revision} of '{project.recipe}'")
    return Readiness("", f"'{candidate.title}' changes nothing on the line until you press Deploy")


def proposed_source(project: Project, station_source: str) -> str:
    """Where a new recipe's pictures come from: the station's source, but for a station that only has the demo line,
    whose parts a model of other pictures cannot judge: the folder that the pictures came from."""
    files = [one.file for one in project.pictures if one.origin == "folder"]
    if not station_source.startswith("demo") or not files:
        return station_source
    folders = {file.parent for file in files}
    if len({folder.anchor for folder in folders}) > 1:  # no folder holds what lies on two drives
        return station_source
    return f"folder:{Path(os.path.commonpath(folders))}"
