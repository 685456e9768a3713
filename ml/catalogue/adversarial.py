"""What methods that are trained against a discriminator share. No torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ml.catalogue.settings import SigmaPx, Steps


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
        json_schema_extra={"zero": "never"},
    )
    mixed_precision: bool = Field(True, description="On a graphics card, compute in bfloat16 where that is precise")


class RedrawingParameters(AdversarialParameters):
    """What GANomaly and Skip-GANomaly share beyond that."""

    # There are minutes: many steps of few pictures, each ten times the published one, come further.
    batch: int = Field(8, ge=1, le=1024, description="Pictures per training step; 64 published")
    learning_rate: float = Field(
        2e-3, gt=0, le=0.1, description="Size of Adam's steps of the generator; 0.0002 published"
    )
    width: int = Field(
        0,
        ge=0,
        le=256,
        description="Channels at half the input's size, 64 as published; they double with each halving, and time grows "
        "with the square; 0: by the time at hand",
        json_schema_extra={"zero": "by the time budget"},
    )
    norm: Literal["batch", "group", "instance"] = Field(
        "group",
        description="Normalisation within each picture, over groups of channels or over each channel; or over the "
        "batch, as published, with running statistics once trained",
    )
    channels: Literal["colour", "grey"] = Field("colour", description="What the networks see of the picture")
    standardise: bool = Field(
        True,
        description="Whole pictures: each place of the map is judged by what good parts show there; off: as published",
    )
    residual: Literal["peak", "mean"] = Field(
        "peak",
        description="What a score takes from the picture itself: the highest place of the map, or the mean difference "
        "as published",
    )
    residual_share: float = Field(
        0.9,
        ge=0,
        le=1,
        description="Share of that in a score of both terms; the rest comes from codes or features. 0.9 published for "
        "Skip-GANomaly",
    )
    sigma_px: SigmaPx = 2.0
    shift_px: int = Field(
        3,
        ge=0,
        le=15,
        description="Learn from pictures shifted by up to so many pixels of the input along each axis, so that few "
        "pictures are not learnt by heart; 0: as they are, as published",
    )
    flip: bool = Field(False, description="Learn from mirrored pictures too")
