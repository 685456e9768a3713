"""The mark inside a generated picture's file: which generator made it, and from what. No torch.

A tEXt chunk of the PNG format (ISO/IEC 15948, section 11.3.4.3) with the keyword `Loupe-Generated` and JSON as its
text, right after the header. It stays where a file is copied or renamed. Programs that save a picture anew may drop it,
and other formats have no place for it: generated pictures are written as PNG, under a name that says what they are.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml.errors import PictureError, TrainingError
from ml.generation.catalogue import GENERATORS
from ml.generation.catalogue.info import Makes
from ml.pictures import Pixels, encode_png

MARK_VERSION: Final = 1
KEYWORD = b"Loupe-Generated"
UNKNOWN = "unknown"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT, _END = b"tEXt", b"IEND"
_HEADER_BYTES = 8 + 12 + 13  # signature, and the chunk IHDR
_LARGEST_MARK_BYTES = 1 << 20


class Mark(BaseModel):
    """That no camera took this picture. `source` and `source_sha256` name the file that it was made from, if one."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    version: int = MARK_VERSION
    generator: str
    makes: Makes = "good"
    settings: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    number: int = 0
    kind: str = ""
    source: str | None = None
    source_sha256: str | None = None

    @property
    def title(self) -> str:
        """The generator's name as people read it."""
        return GENERATORS[self.generator].title if self.generator in GENERATORS else self.generator


def encode_marked(pixels: Pixels, mark: Mark) -> bytes:
    """Lossless PNG like `ml.pictures.encode_png`, with the mark in it."""
    data = encode_png(pixels)
    text = KEYWORD + b"\0" + mark.model_dump_json(ensure_ascii=True).encode("ascii")
    body = _TEXT + text
    chunk = struct.pack(">I", len(text)) + body + struct.pack(">I", zlib.crc32(body))
    return data[:_HEADER_BYTES] + chunk + data[_HEADER_BYTES:]


def mark_in(data: bytes) -> Mark | None:
    """The mark in a picture file's bytes; None where there is none.

    A mark that cannot be read is one all the same: its generator is then called `unknown`.
    """
    return _found(BytesIO(data))


def mark_of(path: Path) -> Mark | None:
    """The same for a file, of which only the chunks' headers are read. Raises PictureError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return _found(file)
    except OSError as error:
        raise PictureError(f"{path} cannot be read ({error.strerror}). Check the disk or the network drive.") from error


def refuse_generated(pictures: Iterable[Path], what: str) -> None:
    """Raises TrainingError where there is a generated picture among `what`, e.g. "test pictures"."""
    for path in pictures:
        mark = mark_of(path)
        if mark is not None:
            raise TrainingError(
                f"{path} was made by the generator '{mark.generator}', no camera took it: figures from it would say "
                f"nothing of real parts. Take generated pictures out of the {what}."
            )


def refuse_made_defect(mark: Mark | None, path: Path) -> None:
    """Raises PictureError where the picture `path`, meant to show a good part, is marked as one with a made defect."""
    if mark is not None and mark.makes == "defects":
        raise PictureError(
            f"{path} was made by the generator '{mark.generator}' and shows a defect. Take it out of the good pictures."
        )


def _found(file: BinaryIO) -> Mark | None:
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        return None
    return next((_read(text) for text in _texts(file) if text.startswith(KEYWORD + b"\0")), None)


def _texts(file: BinaryIO) -> Iterator[bytes]:
    """What the text chunks hold. A file cut short ends early: whoever decodes it says so."""
    while len(header := file.read(8)) == 8 and header[4:] != _END:
        (length,) = struct.unpack(">I", header[:4])
        if header[4:] == _TEXT and length <= _LARGEST_MARK_BYTES:
            yield file.read(length)
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def _read(text: bytes) -> Mark:
    try:
        return Mark.model_validate_json(text[len(KEYWORD) + 1 :])
    except ValidationError:
        return Mark(generator=UNKNOWN, makes="defects")  # the safe reading: nothing is learnt from it
