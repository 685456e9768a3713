"""Settings of any method, sorted by what they are about. Names that are not listed here have a place of their own: a
new setting in `ml` needs nothing here.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from PySide6.QtCore import QCoreApplication

_NAMES: Final[Mapping[str, frozenset[str]]] = {
    "features": frozenset(
        {
            "backbone", "strides", "self_training_steps", "embedding", "feature_dim", "channels", "patch_px",
            "stride_px", "background", "background_low", "background_high", "foreground",
        }
    ),
    "learning": frozenset(
        {
            "steps", "batch", "decay", "beta1", "gradnorm", "clip_norm", "patience", "mixed_precision", "schedule",
            "crop_px", "shift_px", "flip", "hard_share", "hard_after", "augment", "noise", "defects",
            "synthetic_share", "few_shot", "rotations",
        }
    ),
    "score": frozenset(
        {
            "score", "picture_score", "sigma_px", "metric", "distance", "residual", "residual_share", "residual_px",
            "ssim_weight", "neighbours", "reweight", "reweight_neighbours", "branches", "differences", "grid_stride",
            "smoothing", "map", "recombination", "combine", "scale_terms", "min_area_px", "edge_px", "edge_contrast",
            "standardise",
        }
    ),
}  # fmt: skip
_ORDER: Final = ("learning", "features", "other", "score")


def grouped(names: Iterable[str]) -> dict[str, list[str]]:
    """Names by the title of their group, each in the order given; groups without any are left out."""
    by_group: dict[str, list[str]] = {group: [] for group in _ORDER}
    for name in names:
        by_group[_group_of(name)].append(name)
    return {_title(group): found for group, found in by_group.items() if found}


def _group_of(name: str) -> str:
    known = next((group for group, names in _NAMES.items() if name in names), None)
    if known is not None:
        return known
    return "learning" if name.endswith(("_weight", "_rate", "_steps")) else "other"


def _title(group: str) -> str:
    tr = QCoreApplication.translate
    return {
        "learning": tr("Settings", "Learning"),
        "features": tr("Settings", "What it sees of a picture"),
        "other": tr("Settings", "What is learnt"),
        "score": tr("Settings", "Map and score"),
    }[group]
