"""Thresholds chosen by an engineer, with the rule that gave them. No torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ChoiceRule = Literal["false_alarms", "cost", "recall", "f1", "youden", "manual"]


class ThresholdChoice(BaseModel):
    """`threshold` is raw, in the method's unit; the other fields are what the rule was given, None where unused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rule: ChoiceRule
    threshold: float
    alpha: float | None = Field(default=None, gt=0, lt=0.5)
    cost_miss: float | None = Field(default=None, gt=0)
    cost_false_alarm: float | None = Field(default=None, gt=0)
    recall: float | None = Field(default=None, gt=0, le=1)
