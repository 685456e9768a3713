"""Thresholds chosen by an engineer, with the rule that gave them: the records. No torch.

`ml.threshold_rules` carries the rules out, `Calibration.with_choice` puts their result into force.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

ChoiceRule = Literal["false_alarms", "cost", "recall", "f1", "youden", "manual"]

_NEEDED: dict[ChoiceRule, tuple[str, ...]] = {
    "false_alarms": ("alpha",),
    "cost": ("cost_miss", "cost_false_alarm"),
    "recall": ("recall",),
}


class ThresholdRule(BaseModel):
    """What a threshold is asked to do. The fields that `rule` needs are given, the others are None.

    `false_alarms`: at most a share `alpha` of good parts are called NG, by the held-out good parts alone. `cost`: least
    `cost_miss` x missed + `cost_false_alarm` x falsely called. `recall`: finds at least that share of the defective
    parts at the fewest false alarms. `f1`: the largest F1. `youden`: the largest recall minus false-alarm rate.
    `manual`: where the engineer put it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rule: ChoiceRule
    alpha: float | None = Field(default=None, gt=0, lt=0.5)
    cost_miss: float | None = Field(default=None, gt=0)
    cost_false_alarm: float | None = Field(default=None, gt=0)
    recall: float | None = Field(default=None, gt=0, le=1)

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        for name in _NEEDED.get(self.rule, ()):
            if getattr(self, name) is None:
                raise ValueError(f"the rule '{self.rule}' needs {name}")
        return self

    @property
    def needs_defects(self) -> bool:
        """Whether it takes pictures of defective parts to carry it out."""
        return self.rule not in {"false_alarms", "manual"}


class ThresholdChoice(ThresholdRule):
    """`threshold` is raw, in the method's unit. UNSURE begins where a share `unsure_share` of the held-out good parts
    lie above; None: there is no UNSURE.
    """

    threshold: float
    unsure_share: float | None = Field(default=None, gt=0, le=0.5)
