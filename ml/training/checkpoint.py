"""The file in which a training in steps is kept while it runs, so that it can be continued exactly.

One safetensors file beside the model (`TrainingJob.resume_file`): the lesson's tensors (`ml.training.snapshot`) as
`lesson.NAME`, the networks of the best state so far as `best.NAME`, sums of losses as `sum.NAME`; the rest is JSON in
its metadata, see `_Document`. It is written whole or not at all, and nothing of it is used unless its hash is right
and its order is the one at hand: same job, pictures (generated ones too), held-out parts, planned parameters, device
and torch.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from torch import Tensor

from ml.errors import TrainingError, first_line
from ml.files import write_atomically
from ml.training.snapshot import Snapshot, part_of

CHECKPOINT_VERSION: Final = 1
_METADATA = "loupe_checkpoint"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Order(_Record):
    """What is trained. Whoever continues must want the very same, but for the plan's words.

    job: the training job without its `out`. data: one hash over the pictures and which of them are held out.
    generated: one over those that the job's generator made to learn from; empty where there is none.
    parameters: as planned, all settled. machine: device and version of torch, since others round otherwise.
    seconds, done, published: see `ml.training.plan.Plan`.
    """

    job: dict[str, Any]
    data: Sha256
    parameters: dict[str, Any]
    machine: str
    seconds: float
    done: str
    published: str
    generated: str = ""

    @property
    def key(self) -> str:
        """sha256 in hex over all that must be the same and is known before any picture is generated."""
        decisive = self.model_dump(mode="json", include={"job", "data", "parameters", "machine"})
        return sha256(_canonical(decisive)).hexdigest()


class CurvePoint(_Record):
    """Mean losses by name over the steps since the point before, up to `step`; the measure where one was taken."""

    step: int = Field(ge=1)
    losses: dict[str, float]
    validation: float | None = None


class Standing(_Record):
    """How far a run is. best: lowest measure so far. without_gain: measurements since. summed: steps in the sums."""

    done: int = Field(ge=0)
    steps: int = Field(ge=1)
    best: float | None = None
    without_gain: int = Field(default=0, ge=0)
    curve: tuple[CurvePoint, ...] = ()
    summed: int = Field(default=0, ge=0)


class _Document(_Record):
    version: Literal[1] = CHECKPOINT_VERSION
    order: Order
    key: Sha256
    standing: Standing
    values: dict[str, Any]
    contents: Sha256


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What a checkpoint holds: the lesson itself, the best networks' tensors, sums of losses by name."""

    standing: Standing
    snapshot: Snapshot
    best: dict[str, Tensor] | None = None
    sums: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where one run is kept, and what it is a run of. `resume`: go on from the file if it is there."""

    path: Path
    order: Order
    resume: bool = False

    def write(self, saved: Saved) -> None:
        """Replace the file. Raises OSError; the file that was there stays then."""
        tensors = {f"lesson.{name}": tensor for name, tensor in saved.snapshot.tensors.items()}
        tensors |= {f"best.{name}": tensor for name, tensor in (saved.best or {}).items()}
        tensors |= {f"sum.{name}": tensor for name, tensor in saved.sums.items()}
        document = _Document(
            order=self.order,
            key=self.order.key,
            standing=saved.standing,
            values=saved.snapshot.values,
            contents="0" * 64,
        )
        document = document.model_copy(update={"contents": _contents(document, tensors)})
        metadata = {_METADATA: json.dumps(document.model_dump(mode="json"), allow_nan=False)}
        write_atomically(self.path, safetensors.torch.save(tensors, metadata))

    def read(self) -> Saved | None:
        """What to go on from; None where this is a new run. Raises TrainingError as `read_order` does."""
        if not self.resume or not self.path.exists():
            return None
        document = _read_document(self.path)
        refuse_another(self.path, document.order, self.order)
        try:
            tensors = safetensors.torch.load_file(self.path)
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            raise refused(self.path, f"its tensors cannot be read ({first_line(error)})") from error
        if _contents(document, tensors) != document.contents:
            raise refused(self.path, "it is damaged: its contents do not give its hash")
        return Saved(
            standing=document.standing,
            snapshot=Snapshot(part_of(tensors, "lesson"), document.values),
            best=part_of(tensors, "best") or None,
            sums=part_of(tensors, "sum"),
        )

    def remove(self) -> None:
        """The run has ended with a model. A file that cannot be removed does no harm: it is no longer asked for."""
        with suppress(OSError):
            self.path.unlink(missing_ok=True)


def read_order(path: Path) -> Order:
    """What the run in the file is a run of. Raises TrainingError, with what to do, where the file is of no use."""
    return _read_document(path).order


def refuse_another(path: Path, found: Order, wanted: Order) -> None:
    """Raises TrainingError, in words, where `found` in the file is a run of something else than `wanted`."""
    fields = sorted(
        name for name in found.job.keys() | wanted.job.keys() if found.job.get(name) != wanted.job.get(name)
    )
    if fields:
        raise refused(path, f"it belongs to another order, which differs in {', '.join(fields)}")
    if found.data != wanted.data:
        raise refused(path, "the pictures have changed since it began")
    if found.machine != wanted.machine:
        raise refused(path, f"it was begun with {found.machine}, and this is {wanted.machine}")
    if found.generated != wanted.generated:  # those that train by the clock, or on a graphics card, may differ
        raise refused(path, "its generator has made other pictures this time")
    if found.key != wanted.key:
        raise refused(path, "it was planned otherwise")


def refused(path: Path, reason: str) -> TrainingError:
    """The words for a checkpoint that cannot be continued."""
    return TrainingError(
        f"{path}: this interrupted training cannot be continued: {reason}. Train anew, without --resume; the file is "
        "then replaced."
    )


def _read_document(path: Path) -> _Document:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except OSError as error:
        raise refused(path, f"the file cannot be read ({error.strerror or first_line(error)})") from error
    except (ValueError, safetensors.SafetensorError) as error:
        raise refused(path, f"it is no checkpoint, or damaged ({first_line(error)})") from error
    if _METADATA not in metadata:
        raise refused(path, "it is a file of tensors, but no checkpoint of Loupe")
    try:
        content = json.loads(metadata[_METADATA])
        if isinstance(content, dict) and content.get("version") != CHECKPOINT_VERSION:
            raise refused(path, f"another version of Loupe wrote it (its format is {content.get('version')!r})")
        document = _Document.model_validate(content)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise refused(path, f"it is damaged at '{where}'") from error
    except (ValueError, RecursionError) as error:
        raise refused(path, "it is damaged: its description is no JSON document") from error
    if document.key != document.order.key:
        raise refused(path, "it is damaged: its order does not give its key")
    return document


def _contents(document: _Document, tensors: Mapping[str, Tensor]) -> str:
    digest = sha256(_canonical(document.model_dump(mode="json", exclude={"contents"})))
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"|{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _canonical(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
