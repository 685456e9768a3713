"""Where a new recipe looks for its parts."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from station.projects.project import Project, ProjectPicture
from station.projects.steps.deployment import proposed_source


def gathered(*files: str, origin: str = "folder") -> Project:
    pictures = tuple(
        ProjectPicture(
            name=file,
            file=Path(file),
            sha256="0" * 64,
            width_px=64,
            height_px=48,
            origin=origin,  # type: ignore[arg-type]
            added_at=datetime.now(UTC),
        )
        for file in files
    )
    return Project(name="Ring", pictures=pictures)


@pytest.mark.parametrize(
    ("project", "station", "proposed"),
    [
        (gathered("/parts/train/good/1.png", "/parts/test/dent/1.png"), "demo", "folder:/parts"),
        (gathered("/parts/1.png"), "demo:7", "folder:/parts"),
        (gathered("/parts/1.png"), "camera:0", "camera:0"),
        (gathered("/home/pictures/1.png", origin="camera"), "demo", "demo"),
        (gathered(), "demo", "demo"),
    ],
)
def test_that_a_station_without_a_camera_looks_where_the_pictures_came_from(
    project: Project, station: str, proposed: str
) -> None:
    assert proposed_source(project, station) == proposed
