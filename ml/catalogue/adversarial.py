"""What methods that are trained against a discriminator share. No torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.catalogue.settings import Steps


class AdversarialParameters(BaseModel):
    """How two networks train against each other; defaults as published for GANomaly where a subclass says nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: Steps = 0
    batch: int = Field(64, ge=1, le=1024, description="Pictures or patches per training step; 64 published")
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Size of Adam's steps of the generator")
    discriminator_learning_rate: float = Field(
        2e-4, gt=0, le=0.1, description="Size of Adam's steps of the discriminator"
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's memory of earlier gradients; 0.5 published")
    decay: Literal["none", "linear"] = Field(
        "none", description="Learning rates: the same throughout, or falling to nothing over the second half of the run"
    )
    adversarial_weight: float = Field(
        1.0, ge=0, le=1000, description="Weight of the loss that makes reconstructions look real; 1 published"
    )
    contextual_weight: float = Field(
        50.0, ge=0, le=1000, description="Weight of the mean absolute difference to the original; 50 or 40 published"
    )
    latent_weight: float = Field(
        1.0, ge=0, le=1000, description="Weight of the difference between the two latent codes; 1 published"
    )
    gradnorm: bool = Field(
        False, description="Let the three weights adapt, so that all losses train at a like pace (GradNorm)"
    )
    clip_norm: float = Field(
        0.0, ge=0, le=1000, description="Gradients longer than this are shortened to it; 0: as they are"
    )
    patience: int = Field(
        0,
        ge=0,
        le=100,
        description="End the training once so many measurements on good parts in a row, of twelve in a run, were no "
        "better than the best; 0: never",
    )
    mixed_precision: bool = Field(True, description="On a graphics card, compute in bfloat16 where that is precise")
