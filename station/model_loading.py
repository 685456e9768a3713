"""A recipe's model, loaded as the settings say."""

from pathlib import Path
from typing import TYPE_CHECKING

from ml.artifact import Manifest, read_manifest
from ml.runtime.scores import RuntimeName
from station.settings import Settings

if TYPE_CHECKING:  # imported by the thread that inspects, not by the window
    from ml.detector import Detector


def load_model(model: Path, settings: Settings) -> "Detector":
    """Ready for its first part. Where nobody has chosen a number of threads, the fastest one now is found.

    Raises ModelFileError, DetectorError.
    """
    from ml.detector import Detector
    from ml.threads import default_threads

    chosen = settings.torch_threads or settings.probed_threads
    runtime = usable_runtime(settings.runtime, read_manifest(model))
    detector = Detector.load(model, runtime=runtime, threads=chosen or default_threads())
    detector.warm_up(settles_threads=chosen is None)
    return detector


def usable_runtime(wanted: RuntimeName, manifest: Manifest) -> RuntimeName:
    """`auto` in place of an ONNX Runtime that has no graph to compute: the verdicts are the same, and a line that
    judges slower is better than one that stands. Who shows the model says so (`falls_back`).
    """
    return "auto" if falls_back(wanted, manifest) else wanted


def falls_back(wanted: RuntimeName, manifest: Manifest) -> bool:
    """Whether the model cannot be computed by the runtime that is set."""
    return wanted == "onnx" and manifest.graph is None
