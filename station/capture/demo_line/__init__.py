"""The built-in demo line: rendered valve seat inserts, good and defective, with ground truth."""

from station.capture.demo_line.dataset import write_demo_dataset
from station.capture.demo_line.defects import DEFECT_KINDS, DefectKind
from station.capture.demo_line.rendering import DEFAULT_SIZE_PX, render_part

__all__ = ["DEFAULT_SIZE_PX", "DEFECT_KINDS", "DefectKind", "render_part", "write_demo_dataset"]
