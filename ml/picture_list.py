"""A data set as a list: which pictures, what they show, what each is used for. One versioned JSON file. No torch.

Where folders alone cannot say it: pictures from several places, a test set that is held out for good, parts that
several pictures show, masks and kinds of defects.
"""

from collections.abc import Collection
from hashlib import sha256 as hash_of
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from ml.errors import ParameterError, PictureChangedError
from ml.files import read_document, write_atomically
from ml.pictures import read_picture_bytes

LIST_VERSION: Final = 1
LIST_SUFFIX: Final = ".json"

Label = Literal["good", "bad", "unsure"]
Use = Literal["learn", "test"]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class ListedPicture(BaseModel):
    """One picture. `name` is what people read and is unique in its list; `file` may be relative to the list's folder.

    `sha256` is that of the file, where given: a picture that has changed since is refused. `part` names what is shown
    where several pictures show one part (None: a part of its own). `use`: pictures to `learn` from (good ones give the
    model and its threshold, bad ones teach the methods that can learn from defects), or to `test` with: those are never
    learnt from and never move a threshold by themselves. What is `unsure` is neither learnt from nor counted. `kind` is
    the kind of defect, `mask` a picture of the same size that is not 0 on the defects.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=400)
    file: Path
    sha256: Sha256 | None = None
    label: Label = "good"
    use: Use = "learn"
    part: str | None = None
    kind: str | None = Field(default=None, max_length=80)
    mask: Path | None = None


class PictureList(BaseModel):
    """What `TrainingJob.data` may name instead of a folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = LIST_VERSION
    pictures: tuple[ListedPicture, ...]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names: set[str] = set()
        for picture in self.pictures:
            if picture.name in names:
                raise ValueError(f"two pictures are named {picture.name!r}")
            names.add(picture.name)
        return self

    def of(self, label: Label, use: Use) -> tuple[ListedPicture, ...]:
        """In the order of the list."""
        return tuple(picture for picture in self.pictures if picture.label == label and picture.use == use)

    def without(self, names: Collection[str]) -> Self:
        """The same without the pictures of these names."""
        kept = tuple(picture for picture in self.pictures if picture.name not in names)
        return self.model_copy(update={"pictures": kept})

    def save(self, path: Path) -> None:
        """Write atomically; raises OSError."""
        write_atomically(path, (self.model_dump_json(indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """With all files absolute. Raises ParameterError naming the file and the field."""
        try:
            found = cls.model_validate(read_document(path, "list of pictures", LIST_VERSION))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            text = first["msg"].removeprefix("Value error, ")
            raise ParameterError(f"{path}: {where}: {text}" if where else f"{path}: {text}") from error
        return found.model_copy(update={"pictures": tuple(_absolute(one, path.parent) for one in found.pictures)})


def is_picture_list(data: Path) -> bool:
    """Whether a job's `data` is such a list and not a folder."""
    return data.suffix.lower() == LIST_SUFFIX and not data.is_dir()


def read_listed(path: Path, sha256: str | None) -> bytes:
    """The bytes of a picture file whose hash is known, or not (None).

    Raises PictureError when they cannot be had, PictureChangedError when they are others.
    """
    data = read_picture_bytes(path)
    if sha256 is not None and hash_of(data).hexdigest() != sha256:
        raise PictureChangedError(
            f"{path}: has changed since it was listed. Put the old file back, or make the list of pictures again."
        )
    return data


def _absolute(picture: ListedPicture, folder: Path) -> ListedPicture:
    mask = None if picture.mask is None else folder / picture.mask
    return picture.model_copy(update={"file": folder / picture.file, "mask": mask})
