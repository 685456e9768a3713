"""Trained once for all: a small model per method and geometry."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.ml.small_models import quick_job, write_parts


@pytest.fixture(scope="session")
def parts_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six good pictures, 128 x 96 px RGB."""
    return write_parts(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="session")
def model_file(parts_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`model_file(method, geometry)`: a model trained on `parts_folder`."""
    folder = tmp_path_factory.mktemp("models")

    @cache
    def trained(method: str, geometry: str) -> Path:
        from ml.training.pipeline import run

        return run(quick_job(parts_folder, folder / f"{method}-{geometry}.loupe", method, geometry)).path

    return trained
