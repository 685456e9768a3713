"""The recipe of the built-in demo line: which parts it learns from and how."""

from ml.job import TrainingJob
from station.capture.demo_line import write_demo_dataset
from station.home import Home

DEMO_RECIPE = "Valve seat demo"
DEMO_NORMALS = 60
DEMO_SEED = 2026
"""Another seed than the demo line's own: the parts it shows were never trained on."""


def demo_job(home: Home) -> TrainingJob:
    """The training order; its pictures are rendered by `write_demo_parts`."""
    folder = home.jobs / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return TrainingJob(data=folder / "parts", out=folder / "demo.loupe", name="Valve seat", method="patchcore")


def write_demo_parts(job: TrainingJob) -> None:
    """Render the good parts that the demo recipe learns from."""
    write_demo_dataset(job.data, DEMO_NORMALS, DEMO_SEED)
