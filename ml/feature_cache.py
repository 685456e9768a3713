"""Frozen features on disk, so that training again on the same pictures needs no pass of the backbone. No torch.

A cache and nothing more: every entry can be computed again, and whatever goes wrong with one (damaged, of another
program, gone, no room) makes it absent, never an error. An entry is one file, `<sha256 of the rest><npy, float16>`,
in a folder of its own; a hit sets its time of change, and the entries with the oldest are removed when all of them
together exceed the capacity. Several processes may share the folder.
"""

import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from ml.preprocessing import Preprocessing

CAPACITY_BYTES = 4 * 2**30
KEPT_AFTER_REMOVAL = 0.9  # of the capacity: otherwise each further entry would look through the whole folder
LEFT_FREE_BYTES = 2 * 2**30
"""The inspection's own records share the disk and come first: with less room than this nothing is added."""

STALE_S = 3600.0
"""A temporary file this old belongs to a process that was killed."""

_FORMAT = 1
"""Part of every key: raise it when preprocessing, backbones or pyramid give other features at the same settings."""

_DIGEST_BYTES = 32
_SUFFIX = ".features"
_TEMPORARY = ".tmp"


def cache_folder() -> Path:
    """Where what can be computed again is kept: the environment's LOUPE_CACHE, or the user's cache folder."""
    told = os.environ.get("LOUPE_CACHE")
    return Path(told) if told else user_cache_path("loupe")


def features_folder() -> Path:
    """Where features are kept: the environment's LOUPE_FEATURES, or a folder of `cache_folder`."""
    told = os.environ.get("LOUPE_FEATURES")
    return Path(told) if told else cache_folder() / "features"


def key_of(picture_sha256: str, preprocessing: Preprocessing, embedding_hash: str) -> str:
    """Names one picture's features: 64 hexadecimal digits over everything that they follow from."""
    facts = [_FORMAT, picture_sha256, preprocessing.model_dump(mode="json"), embedding_hash]
    return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def to_half(features: NDArray[np.floating]) -> NDArray[np.float16]:
    """Rounded to half precision; what it cannot hold becomes its largest number (some networks exceed 65,504)."""
    limit = float(np.finfo(np.float16).max)
    halved: NDArray[np.float16] = np.clip(features, -limit, limit).astype(np.float16)
    return halved


class FeatureCache:
    """Arrays by key in `folder`; by default `features` in the program's cache folder."""

    def __init__(self, folder: Path | None = None, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._folder = folder or features_folder()
        self._capacity = capacity_bytes
        self._size: int | None = None  # of all entries, as far as this process knows; counted at the first `put`
        self._has_room = True

    def get(self, key: str) -> NDArray[np.float16] | None:
        """What was put under `key`, read-only, or None."""
        path = self._path(key)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        found = _decoded(key, data)
        if found is None:
            _remove(path)
            return None
        with suppress(OSError):  # removed by another process since, or on a read-only disk
            os.utime(path)  # used just now
        return found

    def put(self, key: str, features: NDArray[np.float16]) -> None:
        """Keep `features` under `key` if there is room; a reader sees all of it or nothing."""
        data = _encoded(key, features)
        if len(data) > self._capacity or not self._has_room:
            return
        path = self._path(key)
        temporary = path.with_name(f"{key}.{uuid4().hex}{_TEMPORARY}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._has_room = shutil.disk_usage(path.parent).free - len(data) >= LEFT_FREE_BYTES
            if not self._has_room:
                return
            # Not flushed to the disk: the digest finds what a power cut leaves half-written.
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:  # full, read-only or gone: the program works without, and does not try again for each picture
            self._has_room = False
            _remove(temporary)
            return
        self._size = self._counted() if self._size is None else self._size + len(data)
        if self._size > self._capacity:
            self._size = self._thinned()

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}{_SUFFIX}"

    def _entries(self) -> Iterator[tuple[Path, os.stat_result]]:
        for path in self._folder.glob(f"??/*{_SUFFIX}"):
            try:
                yield path, path.stat()
            except OSError:  # removed by another process since
                continue

    def _counted(self) -> int:
        for path in self._folder.glob(f"??/*{_TEMPORARY}"):
            try:
                is_stale = time.time() - path.stat().st_mtime > STALE_S
            except OSError:
                continue
            if is_stale:
                _remove(path)
        return sum(facts.st_size for _, facts in self._entries())

    def _thinned(self) -> int:
        """Remove the entries that were not used for longest; gives the size of the others."""
        entries = sorted(self._entries(), key=lambda entry: entry[1].st_mtime_ns)
        size = sum(facts.st_size for _, facts in entries)
        for path, facts in entries:
            if size <= self._capacity * KEPT_AFTER_REMOVAL:
                break
            _remove(path)
            size -= facts.st_size
        return size


def _remove(path: Path) -> None:
    with suppress(OSError):  # open in another program: the next removal takes it
        path.unlink(missing_ok=True)


def _encoded(key: str, features: NDArray[np.float16]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, features, allow_pickle=False)
    body = stream.getvalue()
    return _digest(key, body) + body


def _decoded(key: str, data: bytes) -> NDArray[np.float16] | None:
    digest, body = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if digest != _digest(key, body):
        return None
    features: NDArray[np.float16] = np.load(io.BytesIO(body), allow_pickle=False)
    features.setflags(write=False)
    return features


def _digest(key: str, body: bytes) -> bytes:
    return sha256(key.encode() + body).digest()
