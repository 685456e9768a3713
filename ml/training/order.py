"""What an interrupted training was a training of: the job, its pictures, the plan and the machine."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import torch

from ml.dataset import LabelledPicture
from ml.errors import TrainingError
from ml.job import TrainingJob
from ml.pictures import read_picture_bytes
from ml.training.checkpoint import Order, read_order
from ml.training.plan import Plan
from ml.training.set_aside import FileHash
from ml.training.splits import Split
from ml.training.survey import Survey


def order_of(job: TrainingJob, data: str, plan: Plan, device: str) -> Order:
    """`data`: the `data_hash` of the job's pictures."""
    return Order(
        job=ordered(job),
        data=data,
        parameters=plan.parameters.model_dump(mode="json"),
        machine=machine(device),
        seconds=plan.seconds,
        done=plan.done,
        published=plan.published,
    )


def ordered(job: TrainingJob) -> dict[str, Any]:
    """What of a job decides what is trained."""
    return job.model_dump(mode="json", exclude={"out"})


def machine(device: str) -> str:
    return f"torch {torch.__version__} on {device}"


def data_hash(
    survey: Survey, split: Split | None, defects: Sequence[LabelledPicture], tests: Sequence[FileHash]
) -> str:
    """One sha256 over all pictures and masks that are learnt from, by name, content and part, over who is held out and
    over the pictures that are set aside."""
    digest = sha256()
    for name, content in zip(survey.names, survey.hashes, strict=True):
        digest.update(f"{name}|{content}|{survey.listed_parts.get(name, '')}\n".encode())
    for picture in defects:
        for path in (picture.path, picture.mask_path):
            if path is not None:
                digest.update(f"{path.name}|{sha256(read_picture_bytes(path)).hexdigest()}\n".encode())
    digest.update(repr((split, tuple(tests))).encode())
    return digest.hexdigest()


def generated_hash(survey: Survey, captured: int) -> str:
    """One sha256 over the pictures of a survey that were generated for it: all beyond the first `captured`."""
    made = survey.hashes[captured:]
    return sha256("\n".join(made).encode()).hexdigest() if made else ""


def waits(job: TrainingJob) -> bool:
    """Whether an interrupted training of this very job can be continued; its pictures are not looked at."""
    if not job.resume_file.is_file():
        return False
    try:
        return read_order(job.resume_file).job == ordered(job)
    except TrainingError:
        return False
