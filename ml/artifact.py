"""The model file `NAME.loupe`: manifest, tensors and thumbnail, every part hashed, in a zip that stores. No torch.

    manifest.json        versioned JSON, see `Manifest`
    tensors.safetensors  the method's tensors and the backbone's weights
    thumbnail.png        what the training pictures look like; may be absent
    graph.onnx           network and scoring for ONNX Runtime (`ml.runtime`); may be absent

A model file is immutable. `model_hash` is the sha256 over canonical JSON (sorted keys, no blanks, floats in their
shortest exact form) of all that decides a verdict; dates, versions, name, notes, thumbnail and graph stay outside it
(the graph is the tensors in another form: docs/adr/0015).
The hash is taken of the JSON as it is stored, so that a field which a later version adds does not change it.
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import file_digest, sha256
from importlib import metadata
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    StringConstraints,
    ValidationError,
    model_serializer,
)
from safetensors import SafetensorError
from safetensors.numpy import load as load_safetensors
from safetensors.numpy import save as save_safetensors

from ml.calibration import Calibration
from ml.errors import ModelFileError, PictureError, first_line
from ml.files import write_atomically
from ml.pictures import check_pixels, decode_picture, encode_png
from ml.preprocessing import Preprocessing
from ml.region_rules import RegionRules
from ml.runtime.scores import Reading, ScoreRule

SCHEMA_VERSION = 2
"""2: may have a graph."""

MANIFEST, TENSORS, THUMBNAIL, GRAPH = "manifest.json", "tensors.safetensors", "thumbnail.png", "graph.onnx"

SIZE_LIMITS = {MANIFEST: 64 << 20, TENSORS: 16 << 30, THUMBNAIL: 4 << 20, GRAPH: 2 << 30}
"""Bytes; far above any real model, so that a made-up file cannot fill the memory."""

DTYPES = frozenset({"float16", "float32", "float64", "int32", "int64", "uint8", "bool"})

HASHED_FIELDS = (
    "method",
    "parameters",
    "preprocessing",
    "calibration",
    "backbone",
    "reference",
    "data",
    "seed",
    "tensors",
)

OPTIONAL_HASHED_FIELDS = ("rules",)
"""Hashed where the file has them: files of earlier versions have not, and models without them keep their hash."""

VERSIONED_LIBRARIES = (
    "loupe",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "scipy",
    "opencv-python-headless",
    "onnxruntime",
)

Arrays = Mapping[str, NDArray[Any]]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TensorEntry(_Record):
    """`sha256` is over dtype, shape and little-endian bytes in C order."""

    dtype: str
    shape: tuple[int, ...]
    sha256: Sha256


class PictureReference(_Record):
    """What the training pictures look like: their usual size in px (`has_one_size`: that of all of them), and the
    (lowest, highest) figures of `ml.quality`, measured with its `shrinking`.
    """

    height_px: int = Field(ge=1)
    width_px: int = Field(ge=1)
    has_one_size: bool
    is_grey: bool
    bit_depth: int = Field(ge=1, le=16)
    brightness: tuple[float, float]
    contrast: tuple[float, float]
    focus: tuple[float, float]
    likeness_min: float | None = None
    shrinking: Literal["to_512_px", "by_whole_steps"] = "to_512_px"

    @model_serializer(mode="wrap")
    def _without_old_shrinking(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Models from before there was another one keep their hash."""
        document: dict[str, Any] = serialize(self)
        if self.shrinking == "to_512_px":
            document.pop("shrinking", None)
        return document


class Augmented(_Record):
    """The generator whose `count` pictures a model learnt from beside its own, with its complete settings."""

    generator: str
    settings: dict[str, Any]
    count: int = Field(ge=1)


class DataFingerprint(_Record):
    """The files that the model was trained on, as (name, sha256 of the file), and the names of those left out.

    `defects` are pictures of defective parts that it learnt from: no test may use them. `defect_masks` are their masks.
    `generated` names those of `files` that no camera took; those of them that `augmentation` made lay in no folder.
    `held_out` names those of `files` that only gave the threshold and were not learnt from; empty where parts were held
    out in turn. `tests` were set aside for judging when it was trained: it has not seen them at all.
    `base_hash` is that of the model that was fine-tuned, whose files are among `files`; absent where there is none.
    """

    files: tuple[tuple[str, Sha256], ...]
    skipped: tuple[str, ...] = ()
    defects: tuple[tuple[str, Sha256], ...] = ()
    defect_masks: tuple[tuple[str, Sha256], ...] = ()
    generated: tuple[str, ...] = ()
    augmentation: Augmented | None = None
    held_out: tuple[str, ...] = ()
    tests: tuple[tuple[str, Sha256], ...] = ()
    base_hash: Sha256 | None = None

    @model_serializer(mode="wrap")
    def _without_absent_base(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A model without a base keeps the hash from before there were such models."""
        document: dict[str, Any] = serialize(self)
        if self.base_hash is None:
            document.pop("base_hash", None)
        return document


class Agreement(_Record):
    """A graph held against torch on fixed pictures (`ml.runtime.agreement`).

    largest_difference: of any cell or score, as a share of the model's score range. flips: pictures whose verdict
    differed.
    """

    pictures: int = Field(ge=1)
    largest_difference: float = Field(ge=0)
    flips: int = Field(ge=0)


class GraphRecord(_Record):
    """What must be known to read the scores of a file's graph, see `ml.methods.base.Method`."""

    sha256: Sha256
    offset_px: tuple[float, float]
    sigma_px: float = Field(ge=0)
    score_rule: ScoreRule
    agreement: Agreement


@dataclass(frozen=True, slots=True, eq=False)
class Graph:
    """A graph to be written: an ONNX file's bytes, and its record without their hash."""

    data: bytes
    reading: Reading
    agreement: Agreement

    @property
    def record(self) -> GraphRecord:
        return GraphRecord(
            sha256=sha256(self.data).hexdigest(),
            offset_px=self.reading.offset_px,
            sigma_px=self.reading.sigma_px,
            score_rule=self.reading.score_rule,
            agreement=self.agreement,
        )


class Manifest(_Record):
    """All that a model file says about itself. `graph_refused` says why it has no graph, where one was tried."""

    schema_version: int
    name: str
    method: str
    parameters: dict[str, Any]
    preprocessing: Preprocessing
    calibration: Calibration
    backbone: str | None
    reference: PictureReference
    data: DataFingerprint
    seed: int
    tensors: dict[str, TensorEntry]
    model_hash: Sha256
    created_utc: AwareDatetime
    versions: dict[str, str]
    tensors_sha256: Sha256
    thumbnail_sha256: Sha256 | None
    notes: str = ""
    rules: RegionRules | None = None
    graph: GraphRecord | None = None
    graph_refused: str = ""


def write_model(
    path: Path,
    *,
    name: str,
    method: str,
    parameters: Mapping[str, Any],
    preprocessing: Preprocessing,
    calibration: Calibration,
    backbone: str | None,
    reference: PictureReference,
    data: DataFingerprint,
    seed: int,
    tensors: Arrays,
    thumbnail: NDArray[np.uint8] | None = None,
    notes: str = "",
    rules: RegionRules | None = None,
    graph: Graph | None = None,
    graph_refused: str = "",
) -> Manifest:
    """Write a model file whole or not at all; a file that was there before stays when writing fails.

    `tensors` are arrays of the types in DTYPES, of any memory layout. `thumbnail` is `(height, width)` grey or
    `(height, width, 3)` RGB. `parameters` must be what JSON can hold. Raises ModelFileError.
    """
    arrays = {key: _canonical(path, key, tensors[key]) for key in sorted(tensors)}
    blob = save_safetensors(arrays)
    picture = None if thumbnail is None else _encoded(path, thumbnail)
    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "method": method,
        "parameters": dict(parameters),
        "preprocessing": preprocessing.model_dump(mode="json"),
        "calibration": calibration.model_dump(mode="json"),
        "backbone": backbone,
        "reference": reference.model_dump(mode="json"),
        "data": data.model_dump(mode="json"),
        "seed": seed,
        "tensors": {key: _entry(array).model_dump(mode="json") for key, array in arrays.items()},
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": library_versions(),
        "tensors_sha256": sha256(blob).hexdigest(),
        "thumbnail_sha256": None if picture is None else sha256(picture).hexdigest(),
        "notes": notes,
    }
    if rules is not None:
        document["rules"] = rules.model_dump(mode="json")
    if graph is not None:
        document["graph"] = graph.record.model_dump(mode="json")
    if graph_refused:
        document["graph_refused"] = graph_refused
    try:
        document["model_hash"] = model_hash(document)
        manifest = Manifest.model_validate_json(json.dumps(document))
    except (TypeError, ValueError) as error:  # ValidationError is a ValueError
        raise ModelFileError(f"{path}: the model cannot be described: {_first_line(error)}") from error
    parts = {MANIFEST: _written(document), TENSORS: blob}
    if picture is not None:
        parts[THUMBNAIL] = picture
    if graph is not None:
        parts[GRAPH] = graph.data
    _write_parts(path, parts)
    return manifest


def read_manifest(path: Path) -> Manifest:
    """What the file says about itself; cheap, the tensors are not looked at.

    Raises ModelFileError naming the file and the reason when it is missing, no model file, damaged in its structure,
    altered in its manifest, or from a newer version of Loupe.
    """
    with _opened(path) as archive:
        return _manifest(path, archive)


def read_model(path: Path) -> tuple[Manifest, dict[str, NDArray[Any]]]:
    """The manifest and the tensors, with every hash verified. Raises ModelFileError like `read_manifest`."""
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        _thumbnail(path, archive, manifest)
        blob = _verified(path, archive, TENSORS, manifest.tensors_sha256)
    try:
        tensors = load_safetensors(blob)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, f"its tensors cannot be read ({_first_line(error)})") from error
    del blob
    if tensors.keys() != manifest.tensors.keys():
        differing = ", ".join(sorted(tensors.keys() ^ manifest.tensors.keys())[:3])
        raise _damaged(path, f"its tensors are not those that its manifest lists ({differing})")
    for name, array in tensors.items():
        if _entry(array) != manifest.tensors[name]:
            raise _damaged(path, f"its tensor '{name}' is not the one that its manifest describes")
    return manifest, tensors


def read_graph(path: Path, beside: Sequence[str] = ()) -> tuple[Manifest, dict[str, NDArray[Any]], bytes | None]:
    """The manifest, those tensors of the names `beside` that the file has, and the graph; None where it has none.

    The other tensors are verified but not read into the memory: they may be a hundred times as large. Raises
    ModelFileError like `read_manifest`.
    """
    with _opened(path) as archive:
        manifest = _manifest(path, archive)
        _verify(path, archive, TENSORS, manifest.tensors_sha256)
        wanted = [name for name in beside if name in manifest.tensors]
        tensors = {name: _one_tensor(path, archive, name, manifest.tensors[name]) for name in wanted}
        graph = None if manifest.graph is None else _verified(path, archive, GRAPH, manifest.graph.sha256)
    return manifest, tensors, graph


def _graph_of(path: Path) -> Graph | None:
    with _opened(path) as archive:
        record = _manifest(path, archive).graph
        if record is None:
            return None
        return Graph(_verified(path, archive, GRAPH, record.sha256), record, record.agreement)


def _one_tensor(path: Path, archive: ZipFile, name: str, entry: TensorEntry) -> NDArray[Any]:
    """Out of the safetensors file in the archive: eight bytes with the header's length, the header, the tensors."""
    with archive.open(TENSORS) as blob:
        (length,) = struct.unpack("<Q", blob.read(8))
        try:
            header = json.loads(blob.read(min(length, SIZE_LIMITS[MANIFEST])))
            begin, end = header[name]["data_offsets"]
            blob.seek(8 + length + begin)
            array = np.frombuffer(blob.read(end - begin), np.dtype(entry.dtype).newbyteorder("<")).reshape(entry.shape)
        except (ValueError, TypeError, KeyError) as error:
            raise _damaged(path, f"its tensor '{name}' cannot be read ({_first_line(error)})") from error
    if _entry(array) != entry:
        raise _damaged(path, f"its tensor '{name}' is not the one that its manifest describes")
    return array


def read_thumbnail(path: Path) -> NDArray[np.uint8] | None:
    """The thumbnail `(height, width)` grey or `(height, width, 3)` RGB, None where there is none.

    Raises ModelFileError like `read_manifest`.
    """
    with _opened(path) as archive:
        data = _thumbnail(path, archive, _manifest(path, archive))
    if data is None:
        return None
    try:
        return decode_picture(data, THUMBNAIL).pixels.astype(np.uint8)
    except PictureError as error:
        raise _damaged(path, f"its thumbnail cannot be read ({error})") from error


def revised(path_in: Path, path_out: Path, calibration: Calibration, rules: RegionRules | None) -> Manifest:
    """Write the same model with another threshold, band or other region rules (None: without any): a new version
    with a hash of its own.

    The graph comes along with its agreement, whose flips were counted by the threshold of `path_in`. Raises
    ModelFileError, also when both paths are the same file.
    """
    manifest, tensors = read_model(path_in)
    refuse_to_change(path_in, path_out)
    return write_model(
        path_out,
        name=manifest.name,
        method=manifest.method,
        parameters=manifest.parameters,
        preprocessing=manifest.preprocessing,
        calibration=calibration,
        backbone=manifest.backbone,
        reference=manifest.reference,
        data=manifest.data,
        seed=manifest.seed,
        tensors=tensors,
        thumbnail=read_thumbnail(path_in),
        notes=manifest.notes,
        rules=rules,
        graph=_graph_of(path_in),
        graph_refused=manifest.graph_refused,
    )


def with_graph(path_in: Path, path_out: Path, graph: Graph) -> Manifest:
    """Write the same model with a graph, instead of its own where it has one.

    All else is carried over as it is stored: a manifest of an earlier version, written anew, would gain the fields that
    came later, and with them another hash. Raises ModelFileError, also when both paths are the same file.
    """
    refuse_to_change(path_in, path_out)
    with _opened(path_in) as archive:
        before = _manifest(path_in, archive)
        parts = {TENSORS: _verified(path_in, archive, TENSORS, before.tensors_sha256)}
        thumbnail = _thumbnail(path_in, archive, before)
        document = json.loads(archive.read(MANIFEST))
    document |= {"schema_version": SCHEMA_VERSION, "graph": graph.record.model_dump(mode="json")}
    document.pop("graph_refused", None)
    manifest = _checked(path_in, document)
    if thumbnail is not None:
        parts[THUMBNAIL] = thumbnail
    _write_parts(path_out, {MANIFEST: _written(document), **parts, GRAPH: graph.data})
    return manifest


def refuse_to_change(path_in: Path, path_out: Path) -> None:
    """Raises ModelFileError where both are the same file."""
    if path_in.exists() and path_out.exists() and path_in.samefile(path_out):
        raise ModelFileError(f"{path_out}: a model file is never changed; give the new version a name of its own.")


def model_hash(document: Mapping[str, Any]) -> str:
    """sha256 in hex over canonical JSON of a manifest's hashed fields; ValueError for numbers that are not finite."""
    hashed = {field: document[field] for field in HASHED_FIELDS}
    hashed |= {field: document[field] for field in OPTIONAL_HASHED_FIELDS if field in document}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256(text.encode()).hexdigest()


def library_versions() -> dict[str, str]:
    """Versions of the installed libraries that scores depend on, found without importing them."""
    found = {}
    for library in VERSIONED_LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
    return found


def _canonical(path: Path, name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.name not in DTYPES:
        raise ModelFileError(
            f"{path}: the tensor '{name}' holds {array.dtype}; a model file takes {', '.join(sorted(DTYPES))}."
        )
    return np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")


def _entry(array: NDArray[Any]) -> TensorEntry:
    digest = sha256(f"{array.dtype.name}|{array.shape}|".encode())
    digest.update(array.reshape(-1).view(np.uint8).data)
    return TensorEntry(dtype=array.dtype.name, shape=array.shape, sha256=digest.hexdigest())


def _encoded(path: Path, thumbnail: NDArray[np.uint8]) -> bytes:
    try:
        check_pixels(thumbnail, "The thumbnail")
        return encode_png(thumbnail)
    except PictureError as error:
        raise ModelFileError(f"{path}: {error}") from error


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode()


def _write_parts(path: Path, parts: Mapping[str, bytes]) -> None:
    buffer = BytesIO()
    with ZipFile(buffer, "w", ZIP_STORED) as archive:
        for name, data in parts.items():
            member = ZipInfo(name)  # dated 1980: the same model gives the same bytes
            member.create_system = 3  # what Windows would set differs
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)
    try:
        write_atomically(path, buffer.getvalue())
    except OSError as error:
        raise ModelFileError(
            f"{path}: the model file cannot be written: {error.strerror or error}. "
            "Check that the folder exists, may be written to, and has room."
        ) from error


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    try:
        _refuse_other_than_file(path)
        with ZipFile(path) as archive:
            yield archive
    except BadZipFile as error:
        raise _damaged(path, f"it is no model file, or is cut short or damaged ({_first_line(error)})") from error
    except OSError as error:
        raise ModelFileError(
            f"{path}: cannot be read: {error.strerror or error}. Check the disk and the file's permissions."
        ) from error
    except (EOFError, NotImplementedError, RuntimeError, OverflowError, struct.error) as error:
        raise _damaged(path, f"its structure is damaged ({_first_line(error)})") from error
    except UnicodeDecodeError as error:
        raise _damaged(path, "the names of its parts are damaged") from error


def _refuse_other_than_file(path: Path) -> None:
    if path.is_dir():
        raise ModelFileError(f"{path}: is a folder. Choose a model file (.loupe).")
    if not path.exists():
        raise ModelFileError(f"{path}: there is no such file. Check the name, or choose the model again.")
    if not path.is_file():
        raise ModelFileError(f"{path}: is a device or pipe. Choose a model file (.loupe).")


def _manifest(path: Path, archive: ZipFile) -> Manifest:
    _refuse_unsafe(path, archive)
    members = set(archive.namelist())
    if MANIFEST not in members:
        raise _damaged(path, f"it has no {MANIFEST}")
    try:
        document = json.loads(archive.read(MANIFEST), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its {MANIFEST} is no JSON document ({_first_line(error)})") from error
    _check_version(path, document)
    manifest = _checked(path, document)
    expected = {MANIFEST, TENSORS} | ({THUMBNAIL} if manifest.thumbnail_sha256 else set())
    expected |= {GRAPH} if manifest.graph else set()
    if members != expected:
        listed = [f"lacks {name}" for name in sorted(expected - members)]
        listed += [f"has the unknown part {name!r}" for name in sorted(members - expected)]
        raise _damaged(path, f"it {' and '.join(listed)}")
    return manifest


def _checked(path: Path, document: Mapping[str, Any]) -> Manifest:
    """Whether all fields are there, and give the hash that stands beside them."""
    try:
        manifest = Manifest.model_validate_json(json.dumps(document))
        computed = model_hash(document)
    except ValidationError as error:
        raise _damaged(path, f"its {MANIFEST} has a wrong or missing entry: {_first_error(error)}") from error
    if computed != manifest.model_hash:
        raise _damaged(path, f"its {MANIFEST} was altered: its contents do not give its model hash")
    return manifest


def _check_version(path: Path, document: Any) -> None:
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or version < 1:
        raise _damaged(path, f"its {MANIFEST} does not tell its version")
    if version > SCHEMA_VERSION:
        raise ModelFileError(
            f"{path}: this model file has version {version}, and this Loupe reads up to version {SCHEMA_VERSION}. "
            "Update Loupe, or use a model trained with this one."
        )


def _refuse_unsafe(path: Path, archive: ZipFile) -> None:
    """Nothing is ever unpacked to a name from the file; such a file is refused as it was made to do harm."""
    seen: set[str] = set()
    for member in archive.infolist():
        name = member.orig_filename
        if _leads_outside(name):
            raise _damaged(path, f"its part {name!r} has a name that leads out of the file: someone tampered with it")
        if member.filename in seen:
            raise _damaged(path, f"its part {name!r} occurs twice")
        if member.flag_bits & 0x1:
            raise _damaged(path, f"its part {name!r} is encrypted")
        if member.compress_type != ZIP_STORED or member.compress_size != member.file_size:
            raise _damaged(path, f"its part {name!r} is compressed, which model files never are")
        if member.file_size > min(SIZE_LIMITS.get(name, SIZE_LIMITS[TENSORS]), path.stat().st_size):
            raise _damaged(path, f"its part {name!r} claims {member.file_size} bytes, more than it can have")
        seen.add(member.filename)


def _leads_outside(name: str) -> bool:
    parts = {*PurePosixPath(name).parts, *PureWindowsPath(name).parts}
    return ".." in parts or name.startswith("/") or bool(PureWindowsPath(name).anchor) or "\0" in name


def _thumbnail(path: Path, archive: ZipFile, manifest: Manifest) -> bytes | None:
    expected = manifest.thumbnail_sha256
    return None if expected is None else _verified(path, archive, THUMBNAIL, expected)


def _verify(path: Path, archive: ZipFile, member: str, expected: str) -> None:
    """The member's hash, without holding all of it at once."""
    with archive.open(member) as data:
        if file_digest(data, "sha256").hexdigest() != expected:  # type: ignore[arg-type]  # reads, which is enough
            raise _altered(path, member)


def _verified(path: Path, archive: ZipFile, member: str, expected: str) -> bytes:
    data = archive.read(member)
    if sha256(data).hexdigest() != expected:
        raise _altered(path, member)
    return data


def _altered(path: Path, member: str) -> ModelFileError:
    return _damaged(path, f"its {member} was altered or damaged: the sha256 is not the one in its manifest")


def _damaged(path: Path, reason: str) -> ModelFileError:
    return ModelFileError(f"{path}: {reason}. Copy the file again from where it came, or train the model again.")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return _first_error(error)
    return first_line(error).rstrip(".")


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'].removeprefix('Value error, ')}"
