"""The built-in demo line: rendered valve seat inserts, good and defective, with ground truth."""

from station.capture.demo_line.batch import BATCHES, Batch
from station.capture.demo_line.dataset import write_demo_dataset
from station.capture.demo_line.defects import DEFECT_KINDS, DefectKind
from station.capture.demo_line.rendering import DEFAULT_SIZE_PX, render_part

__all__ = [
    "BATCHES",
    "DEFAULT_SIZE_PX",
    "DEFECT_KINDS",
    "Batch",
    "DefectKind",
    "render_part",
    "write_demo_dataset",
]
