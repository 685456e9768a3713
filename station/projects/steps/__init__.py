"""The rules of each step: what it still lacks, what it leads to, and how its choices change the project."""

from collections.abc import Mapping

from station.projects.flow import Rule
from station.projects.project import Step
from station.projects.steps import annotation, area, deployment, judgement, method, pictures, training

RULES: Mapping[Step, Rule] = {
    Step.PICTURES: pictures.readiness,
    Step.AREA: area.readiness,
    Step.ANNOTATION: annotation.readiness,
    Step.METHOD: method.readiness,
    Step.TRAINING: training.readiness,
    Step.JUDGEMENT: judgement.readiness,
    Step.DEPLOYMENT: deployment.readiness,
}
