from pathlib import Path
from typing import Any

import pytest

from ml.errors import ParameterError
from ml.job import TrainingJob


def _fields(**fields: Any) -> dict[str, Any]:
    return {"data": "parts", "out": "ring.loupe", **fields}


def test_that_a_job_survives_its_file(tmp_path: Path) -> None:
    job = TrainingJob.checked(
        _fields(
            method="padim",
            parameters={"channels": 20},
            patch=64,
            stride=48,
            window=(0, 4095),
            region={"x": 1, "y": 2, "width": 64, "height": 32},
            exclude=["bad.png"],
            group_by=r"part(\d+)",
            seed=3,
        )
    )
    job.save(tmp_path / "job.json")
    assert TrainingJob.load(tmp_path / "job.json") == job


def test_that_a_model_is_named_after_its_file_unless_it_has_a_name() -> None:
    assert TrainingJob.checked(_fields()).model_name == "ring"
    assert TrainingJob.checked(_fields(name="Valve seat")).model_name == "Valve seat"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"out": "ring.pt"}, "out: .*must end in .loupe"),
        ({"metod": "padim"}, "metod"),
        ({"size": 16}, "size"),
        ({"size": 5000}, "size"),
        ({"patch": 64, "stride": 80}, "stride must not exceed the patch"),
        ({"stride": 32}, "give patch too"),
        ({"size": 128, "patch": 64}, "size or patch, not both"),
        ({"aspect": "keep", "patch": 64}, "aspect or patch, not both"),
        ({"window": (10, 10)}, "low end must be below"),
        ({"window": (0, float("inf"))}, "window"),
        ({"window": (float("nan"), 1)}, "window"),
        ({"group_by": "num_("}, "group_by: 'num_\\(' is not a regular expression"),
        ({"region": {"x": 0, "y": 0, "width": 31, "height": 64}}, "region.width"),
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 0.5}, "alpha"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**31}, "seed"),
        ({"version": 2}, "version"),
    ],
)
def test_that_a_bad_field_is_refused_in_one_line_that_names_it(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said) as caught:
        TrainingJob.checked(_fields(**fields))
    assert "\n" not in str(caught.value)


def test_that_options_which_contradict_each_other_are_named_without_hyphens() -> None:
    with pytest.raises(ParameterError, match=r"^patches are cut"):
        TrainingJob.checked(_fields(size=128, patch=64), "--")
    with pytest.raises(ParameterError, match=r"^--group-by: "):
        TrainingJob.checked(_fields(group_by="("), "--")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a training job"),
        ("[]", "dictionary"),
        ('{"version": 2}', "version 2; this Loupe reads version 1"),
        ('{"out": "a.loupe"}', "data"),
        ("\udcff", "not a training job"),
    ],
)
def test_that_a_bad_job_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ParameterError, match=said) as caught:
        TrainingJob.load(path)
    assert str(path) in str(caught.value)


def test_that_a_missing_job_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"none\.json: cannot read the training job"):
        TrainingJob.load(tmp_path / "none.json")
