"""A checkout in miniature, and builds that install nothing."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from installer import environment
from installer.environment import PROJECT, Places
from installer.errors import SetUpError


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A checkout with the real pyproject.toml and constraints, and no environment yet."""
    monkeypatch.setattr(environment, "NEEDED_GB", 0)
    project = tmp_path / "checkout"
    (project / "installer").mkdir(parents=True)
    shutil.copy(PROJECT / "pyproject.toml", project)
    shutil.copy(PROJECT / "installer" / "constraints.txt", project / "installer")
    return Places(project)


class FakeBuild:
    """Puts files where pip would; notes its calls, and fails half-way when told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[str, ...], bool]] = []
        self.failure: BaseException | None = None

    def __call__(self, places: Places, extras: Sequence[str], is_new: bool, lock: int) -> None:
        self.calls.append((tuple(extras), is_new))
        places.python.parent.mkdir(exist_ok=True)
        places.python.write_text(f"build {len(self.calls)}")
        if self.failure is not None:
            raise self.failure

    def fail_with(self, failure: BaseException | None) -> None:
        self.failure = failure


@pytest.fixture
def build() -> FakeBuild:
    return FakeBuild()


@pytest.fixture(params=[SetUpError("no network"), KeyboardInterrupt()], ids=["failed", "interrupted"])
def failure(request: pytest.FixtureRequest) -> BaseException:
    """The two ways in which a set-up ends early."""
    error: BaseException = request.param
    return error
