"""The recipe of the built-in demo line: which parts it learns from and how."""

from ml.job import TrainingJob
from ml.progress import Cancelled, Progress, never, silent
from station.capture.demo_line.dataset import write_demo_dataset
from station.home import Home

DEMO_RECIPE = "Valve seat demo"
DEMO_NORMALS = 120
DEMO_SEED = 2026
DEMO_PARAMETERS = {"coreset_cap": 1000, "candidates": 20_000}
"""Of PatchCore: rendered parts vary little, and half a minute is enough."""


def demo_job(home: Home) -> TrainingJob:
    """The training order; its pictures are rendered by `write_demo_parts`."""
    folder = home.jobs / "demo"
    return TrainingJob(
        data=folder / "parts",
        out=folder / "demo.loupe",
        name="Valve seat",
        method="patchcore",
        parameters=dict(DEMO_PARAMETERS),
    )


def write_demo_parts(job: TrainingJob, progress: Progress = silent, cancelled: Cancelled = never) -> None:
    """Render the good parts that the demo recipe learns from, unless they are there.

    Raises CameraError, and CancelledError once `cancelled` says so; then none are there.
    """
    if not job.data.exists():  # it appears complete or not at all
        write_demo_dataset(job.data, DEMO_NORMALS, DEMO_SEED, progress=progress, cancelled=cancelled)
