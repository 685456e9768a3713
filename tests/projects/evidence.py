"""A trained candidate with scores and maps that can be counted by hand."""

from pathlib import Path

import numpy as np

from ml.artifact import DataFingerprint, Manifest, PictureReference, write_model
from ml.calibration import Calibration, calibrate
from ml.maps import ScoreMap
from ml.preprocessing import Preprocessing
from ml.region_rules import RegionRules
from ml.score_sheet import ScoredRow, ScoreSheet

SIDE_PX = 32
HELD_OUT = tuple(float(number) for number in range(1, 21))
"""Their median is 10.5."""


def held_out() -> Calibration:
    """The threshold at a false-alarm rate of 10 % lies just above 19 of 1, 2, ..., 20."""
    return calibrate(HELD_OUT, HELD_OUT, [str(number) for number in range(20)], alpha=0.1, source="hold-out")


def write_candidate(
    path: Path, rules: RegionRules | None = None, fill: float = 0.0, data: DataFingerprint | None = None
) -> Manifest:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_model(
        path,
        name="Ring",
        method="patchcore",
        parameters={},
        preprocessing=Preprocessing(
            geometry="whole",
            input_height=SIDE_PX,
            input_width=SIDE_PX,
            window_low=0,
            window_high=255,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        calibration=held_out(),
        backbone="efficientnet_lite0",
        reference=PictureReference(
            height_px=SIDE_PX,
            width_px=SIDE_PX,
            has_one_size=True,
            is_grey=False,
            bit_depth=8,
            brightness=(0.3, 0.5),
            contrast=(0.1, 0.3),
            focus=(5.0, 20.0),
        ),
        data=data or DataFingerprint(files=(("good.png", "0" * 64),)),
        seed=0,
        tensors={"bank": np.full((2, 3), fill, np.float32)},
        rules=rules,
    )


def scored(
    name: str, label: str, score: float | None, *, part: str | None = None, kind: str | None = None, spot_px: int = 0
) -> ScoredRow:
    """`spot_px`: side of a square in the middle of its map that reaches the pixel threshold."""
    number = None if score is None else f"{name}-{spot_px}.map"
    return ScoredRow(
        name=name, file=Path(name), sha256="0" * 64, label=label, part=part, kind=kind, score=score, map=number
    )


def write_sheet(model: Path, manifest: Manifest, rows: tuple[ScoredRow, ...]) -> None:
    """With a map for each row that has a score."""
    folder = model.with_suffix(".scores")
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        if row.map is not None:
            (folder / row.map).write_bytes(spotted_map(int(row.map.split("-")[-1].removesuffix(".map"))).to_bytes())
    ScoreSheet(model_hash=manifest.model_hash, rows=rows).save(folder)


def spotted_map(spot_px: int) -> ScoreMap:
    cells = np.full((SIDE_PX, SIDE_PX), 5.0, np.float32)
    start = (SIDE_PX - spot_px) // 2
    cells[start : start + spot_px, start : start + spot_px] = 40.0
    return ScoreMap.over(cells, SIDE_PX, SIDE_PX)
