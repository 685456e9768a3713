"""Storing one judged part: its files first, then its row."""

import shutil
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from types import TracebackType
from typing import Self

from sqlalchemy import Engine, insert

from ml.pictures import encode_png
from station.core.errors import StorageError
from station.core.frame import Frame
from station.core.inspection import Inspected, Inspection
from station.database import checkpoint
from station.database.tables import inspections
from station.database.transactions import writing
from station.history.rows import inspection_values
from station.history.store import PictureStore, Staged, place_all

_GB = 1e9
_CHECKPOINT_EVERY = 64
"""Parts, each some 8 pages in the log: well before SQLite's own checkpoint, which a part would have to wait for."""
_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"BM": ".bmp",
    b"II*\x00": ".tif",
    b"MM\x00*": ".tif",
}


class HistoryWriter:
    """The station's InspectionLog. One for each thread that records; `close` it in that thread.

    A part with a picture is refused while less than `min_free_bytes` are free; one without (a FAULT) is still stored.
    """

    def __init__(self, engine: Engine, store: PictureStore, min_free_bytes: int) -> None:
        self._engine = engine
        self._store = store
        self._min_free_bytes = min_free_bytes
        # Two: a map need not wait for its large picture's encoding, and both their folders are flushed at once.
        self._stager = ThreadPoolExecutor(max_workers=2, thread_name_prefix="picture-encoder")
        self._pictures: dict[str, Future[Staged]] = {}
        self._maps: dict[str, Future[Staged]] = {}
        self._recorded = 0
        store.discard_abandoned()

    def prepare(self, frame: Frame) -> Future[Staged]:
        """Begin to encode and write the picture in a thread, while the part is scored; `record` goes on from there.

        Only the newest frame is kept in preparation: one that was never recorded is thrown away.
        """
        self._discard_prepared()
        self._pictures[frame.id] = self._stager.submit(self._stage_picture, frame)
        return self._pictures[frame.id]

    def prepare_map(self, inspected: Inspected) -> None:
        """The same for the score map, where there is one: for what is to be done between judging and recording."""
        if inspected.score_map is not None:
            self._maps[inspected.inspection.id] = self._stager.submit(self._store.stage_map, inspected.score_map)

    def record(self, inspected: Inspected) -> Inspection:
        """Store picture and map, then commit the row; returns the inspection with their hashes.

        Returns only when all of it has reached the disk. Raises StorageError (disk full or nearly, read-only,
        damaged); then there is no row, at most files that no row names, and none under a temporary name.
        """
        picture, score_map = self._placed(self._staged_picture(inspected), self._staged_map(inspected))
        stored = replace(inspected.inspection, picture_hash=picture, map_hash=score_map)
        with writing(self._engine) as connection:
            connection.execute(insert(inspections), inspection_values(stored))
        self._recorded += 1
        if self._recorded % _CHECKPOINT_EVERY == 0:
            self._stager.submit(checkpoint, self._engine)  # a failure is the next commit's, which then says so
        return stored

    def close(self) -> None:
        """Wait for the threads and forget what was prepared. Safe to call twice."""
        self._discard_prepared()
        self._stager.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _placed(self, *staging: Future[Staged] | None) -> list[str | None]:
        """The hash of each, once all of them have their names. Where one fails, no temporary file is left."""
        wanted = [future for future in staging if future is not None]
        try:
            wait(wanted)
            place_all([future.result() for future in wanted], self._stager)
        except BaseException:
            for future in wanted:
                future.add_done_callback(_discard)
            raise
        return [future.result().hash if future is not None else None for future in staging]

    def _staged_picture(self, inspected: Inspected) -> Future[Staged] | None:
        frame = inspected.frame
        if frame is None:
            return None
        prepared = self._pictures.pop(frame.id, None)
        return prepared or self._stager.submit(self._stage_picture, frame)

    def _staged_map(self, inspected: Inspected) -> Future[Staged] | None:
        if inspected.score_map is None:
            return None
        prepared = self._maps.pop(inspected.inspection.id, None)
        return prepared or self._stager.submit(self._store.stage_map, inspected.score_map)

    def _stage_picture(self, frame: Frame) -> Staged:
        self._require_free_space(frame)
        return self._store.stage(*_encode(frame))

    def _require_free_space(self, frame: Frame) -> None:
        try:
            self._store.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self._store.folder).free
        except OSError as error:
            raise StorageError(
                f"{self._store.folder}: the picture folder cannot be used ({error.strerror})."
            ) from error
        # The raw size is what the picture can take at most, so that storing it does not go below the limit either.
        if free - frame.pixels.nbytes < self._min_free_bytes:
            raise StorageError(
                f"Disk nearly full: {free / _GB:.1f} GB free at {self._store.folder}, "
                f"{self._min_free_bytes / _GB:.1f} GB must stay free. Free some space, then inspect again."
            )

    def _discard_prepared(self) -> None:
        for prepared in (self._pictures, self._maps):
            for future in prepared.values():
                future.add_done_callback(_discard)
            prepared.clear()


def _encode(frame: Frame) -> tuple[bytes, str]:
    """The picture's bytes and their suffix: the file's own where it came from one, else a lossless PNG."""
    if frame.encoded is not None:
        for signature, suffix in _SIGNATURES.items():
            if frame.encoded.startswith(signature):
                return frame.encoded, suffix
    return encode_png(frame.pixels), ".png"


def _discard(future: Future[Staged]) -> None:
    if not future.cancelled() and future.exception() is None:
        future.result().discard()
