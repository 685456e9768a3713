"""The test pictures of a job, read before the work begins: none may be learnt from under another name. No torch."""

from collections.abc import Iterable
from hashlib import sha256

from ml.errors import PictureChangedError, PictureError, TrainingError
from ml.generation.marking import mark_in
from ml.job import TrainingJob
from ml.picture_list import ListedPicture, read_listed
from ml.progress import Cancelled, Progress
from ml.training.sources import set_aside
from ml.training.survey import check_cancelled

FileHash = tuple[str, str]
"""A picture's name and the sha256 of its file."""


def hashed_tests(
    job: TrainingJob, learnt: Iterable[FileHash], progress: Progress, cancelled: Cancelled
) -> tuple[FileHash, ...]:
    """Names and hashes of the test pictures that can be read; the others are told where they are judged.

    Raises TrainingError for one that has changed since it was listed, that no camera took, or that is the same, byte
    for byte, as one of `learnt`.
    """
    tests = set_aside(job)
    names = {content: name for name, content in learnt}
    found = []
    for done, one in enumerate(tests):
        check_cancelled(cancelled)
        progress("Reading test pictures", done, len(tests))
        data = _read(one)
        if data is None:
            continue
        content = sha256(data).hexdigest()
        if content in names:
            raise TrainingError(
                f"{job.data}: '{one.name}' is set aside for testing, and '{names[content]}', which is learnt from, is "
                "the same picture. Leave one of them out, or give both the same use."
            )
        found.append((one.name, content))
    if tests:
        progress("Reading test pictures", len(tests), len(tests))
    return tuple(found)


def _read(one: ListedPicture) -> bytes | None:
    """The file's bytes, if they can be had."""
    try:
        data = read_listed(one.file, one.sha256)
    except PictureChangedError as error:
        raise TrainingError(f"{one.name}: {error}") from error
    except PictureError:
        return None
    mark = mark_in(data)
    if mark is not None:
        raise TrainingError(
            f"{one.name} was made by the generator '{mark.generator}', no camera took it: figures from it would say "
            "nothing of real parts. Take it out of the test pictures."
        )
    return data
