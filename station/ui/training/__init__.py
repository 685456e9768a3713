"""Training: good pictures in, a model out, deployed to a recipe."""

from station.ui.training.deploy_panel import DeployRequest
from station.ui.training.page import TrainingPage

__all__ = ["DeployRequest", "TrainingPage"]
