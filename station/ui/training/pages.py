"""The pages of the wizard, in its order; each is imported when it is first shown, so that none waits for the others."""

from collections.abc import Mapping

from station.projects.flow import Flow
from station.projects.project import Step
from station.ui.training.wizard import PageMaker
from station.ui.training.wizard_page import WizardPage, WizardPorts


def _pictures(flow: Flow, ports: WizardPorts) -> WizardPage:
    from station.ui.training.pictures.page import PicturesPage

    return PicturesPage(flow, ports)


def _area(flow: Flow, ports: WizardPorts) -> WizardPage:
    from station.ui.training.area.page import AreaPage

    return AreaPage(flow, ports)


def _annotation(flow: Flow, ports: WizardPorts) -> WizardPage:
    from station.ui.training.annotation.page import AnnotationPage

    return AnnotationPage(flow, ports)


def _method(flow: Flow, ports: WizardPorts) -> WizardPage:
    from station.ui.training.method.page import MethodPage

    return MethodPage(flow, ports)


def _learning(flow: Flow, ports: WizardPorts) -> WizardPage:
    from station.ui.training.learning.page import LearningPage

    return LearningPage(flow, ports)


def _judgement(flow: Flow, ports: WizardPorts) -> WizardPage:
    from station.ui.training.judgement.page import JudgementPage

    return JudgementPage(flow, ports)


def _deployment(flow: Flow, ports: WizardPorts) -> WizardPage:
    from station.ui.training.deployment.page import DeploymentPage

    return DeploymentPage(flow, ports)


PAGES: Mapping[Step, PageMaker] = {
    Step.PICTURES: _pictures,
    Step.AREA: _area,
    Step.ANNOTATION: _annotation,
    Step.METHOD: _method,
    Step.TRAINING: _learning,
    Step.JUDGEMENT: _judgement,
    Step.DEPLOYMENT: _deployment,
}
