"""The steps of the wizard in words."""

from PySide6.QtCore import QCoreApplication

from station.projects.project import Step


def step_title(step: Step) -> str:
    """As the rail names it."""
    tr = QCoreApplication.translate
    return {
        Step.PICTURES: tr("Steps", "Pictures"),
        Step.AREA: tr("Steps", "Where to look"),
        Step.ANNOTATION: tr("Steps", "Defects"),
        Step.METHOD: tr("Steps", "Method"),
        Step.TRAINING: tr("Steps", "Training"),
        Step.JUDGEMENT: tr("Steps", "Judgement"),
        Step.DEPLOYMENT: tr("Steps", "Deployment"),
    }[step]
