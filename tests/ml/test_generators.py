"""Rules that every generator keeps, and its place in the catalogue."""

import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ml.catalogue import allowed_values
from ml.errors import CancelledError, ParameterError, TrainingError
from ml.generation.catalogue import GENERATORS, generator, parse_settings
from ml.generation.create import create
from ml.generation.generator import Generator
from ml.pictures import Pixels
from tests.ml.small_models import part

QUICK: dict[str, dict[str, object]] = {
    "appearance": {},
    "histaugan": {"width": 4, "crop_px": 32, "steps": 2, "domains": 2},
    "singan": {"size_px": 40, "coarsest_px": 25, "channels": 4, "steps": 2, "injection_scale": 0},
    "synthetic_defects": {},
}
"""What takes about a second: the rules do not depend on how well a generator has learnt."""

Kind = tuple[str, Callable[[NDArray[np.uint8]], Pixels]]
KINDS: list[Kind] = [
    ("rgb8", lambda pixels: pixels),
    ("grey8", lambda pixels: np.ascontiguousarray(pixels[..., 1])),
    ("rgb12", lambda pixels: pixels.astype(np.uint16) * 16),
    ("grey16", lambda pixels: pixels[..., 0].astype(np.uint16) * 257),
]


def pictures(count: int = 4, convert: Callable[[NDArray[np.uint8]], Pixels] = KINDS[0][1]) -> list[Pixels]:
    """Parts under light and colours that differ a little."""
    return [
        convert(np.clip(part(index, 64, 80) * np.array([1 + 0.03 * index, 1, 1 - 0.02 * index]), 0, 255).astype("u1"))
        for index in range(count)
    ]


def fitted(name: str, parts: list[Pixels], seed: int = 0) -> Generator:
    made_by = create(name, parse_settings(name, QUICK[name]))
    made_by.fit(parts, seed)
    return made_by


@pytest.fixture(scope="module")
def on_colour() -> dict[str, Generator]:
    """Every generator, fitted once."""
    return {name: fitted(name, pictures()) for name in GENERATORS}


@pytest.mark.parametrize("name", GENERATORS)
def test_that_the_same_seed_gives_the_same_samples_and_another_seed_others(
    on_colour: dict[str, Generator], name: str
) -> None:
    first, second = ([made.pixels for made in on_colour[name].sample(3, 5)] for _ in range(2))

    assert all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    others = [made.pixels for made in on_colour[name].sample(3, 6)]
    assert not all(np.array_equal(one, other) for one, other in zip(first, others, strict=True))


@pytest.mark.parametrize("name", GENERATORS)
def test_that_a_sample_does_not_depend_on_how_many_are_asked_for(on_colour: dict[str, Generator], name: str) -> None:
    few, many = on_colour[name].sample(2, 1), islice(on_colour[name].sample(5, 1), 2)

    for one, other in zip(few, many, strict=True):
        assert np.array_equal(one.pixels, other.pixels) and np.array_equal(one.mask, other.mask)
        assert (one.source, one.kind, one.changes) == (other.source, other.kind, other.changes)


@pytest.mark.parametrize("name", GENERATORS)
def test_that_a_second_fit_with_the_same_seed_gives_the_same_samples(
    on_colour: dict[str, Generator], name: str
) -> None:
    again = fitted(name, pictures())

    for one, other in zip(on_colour[name].sample(2, 0), again.sample(2, 0), strict=True):
        assert np.array_equal(one.pixels, other.pixels)


@pytest.mark.parametrize("name", GENERATORS)
@pytest.mark.parametrize(("kind", "convert"), KINDS, ids=[name for name, _ in KINDS])
def test_that_shape_dtype_and_range_are_those_of_the_source(name: str, kind: str, convert: Any) -> None:
    parts = pictures(4, convert)
    highest = {"rgb12": 4095, "grey16": 65535}.get(kind, 255)

    made = next(iter(fitted(name, parts).sample(1, 2)))

    assert made.source is not None
    source = parts[made.source]
    assert (made.pixels.shape, made.pixels.dtype) == (source.shape, source.dtype)
    assert made.pixels.max() <= highest
    assert made.mask.shape == source.shape[:2] and made.mask.dtype == bool


@pytest.mark.parametrize("name", GENERATORS)
def test_that_the_mask_is_the_truth_of_what_is_wrong_and_the_source_is_left_alone(
    on_colour: dict[str, Generator], name: str
) -> None:
    before = pictures()

    for made in on_colour[name].sample(4, 3):
        if GENERATORS[name].makes == "good":
            assert not made.mask.any()
        else:
            assert made.source is not None and made.mask.any()
            assert np.array_equal(made.pixels[~made.mask], before[made.source][~made.mask])


@pytest.mark.parametrize("name", GENERATORS)
def test_that_no_picture_is_too_few(name: str) -> None:
    with pytest.raises(TrainingError, match="0 are given"):
        fitted(name, [])


@pytest.mark.parametrize("name", [name for name in GENERATORS if name != "synthetic_defects"])
def test_that_a_fit_ends_soon_after_it_is_cancelled(name: str) -> None:
    made_by = create(name, parse_settings(name, QUICK[name]))

    with pytest.raises(CancelledError):
        made_by.fit(pictures(), 0, cancelled=lambda: True)


def test_that_every_source_is_used_before_one_is_used_twice() -> None:
    made = fitted("appearance", pictures(5)).sample(10, 0)

    used = [each.source for each in made]
    assert sorted(used[:5], key=str) == sorted(used[5:], key=str) == [0, 1, 2, 3, 4]


# The catalogue


def test_that_the_catalogue_and_what_needs_no_network_import_no_torch() -> None:
    modules = "ml.generation.catalogue, ml.generation.production, ml.generation.appearance, ml.training.augmentation"
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_that_generators_are_offered_in_order_and_say_what_they_make() -> None:
    assert list(GENERATORS) == ["appearance", "histaugan", "singan", "synthetic_defects"]
    assert [info.makes for info in GENERATORS.values()] == ["good", "good", "good", "defects"]
    for info in GENERATORS.values():
        assert info.title and info.summary and info.paper


@pytest.mark.parametrize("name", GENERATORS)
def test_that_every_setting_of_a_generator_has_a_description_and_a_range_in_words(name: str) -> None:
    for setting, field in GENERATORS[name].parameters.model_fields.items():
        assert field.description
        assert allowed_values(GENERATORS[name].parameters, setting)


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("appearence", {}, r"unknown generator 'appearence' \(did you mean appearance\?\)"),
        ("appearance", {"strenght": "1"}, r"appearance has no setting 'strenght' \(did you mean strength\?\)"),
        ("appearance", {"strength": "2"}, r"strength=2 is not allowed; allowed: a number above 0.* up to 1\.5"),
        ("synthetic_defects", {"kinds": "hole"}, "kinds=hole is not allowed; allowed: any of cutpaste_patch"),
        ("synthetic_defects", {"kinds": "spot,spot"}, "kinds=spot,spot is not allowed"),
    ],
)
def test_that_wrong_settings_are_told_in_one_line(name: str, settings: dict[str, str], says: str) -> None:
    with pytest.raises(ParameterError, match=says) as raised:
        parse_settings(name, settings)
    assert "\n" not in str(raised.value)


def test_that_settings_are_read_from_text() -> None:
    parsed = parse_settings("synthetic_defects", {"kinds": "scratch, spot", "strength": "0.5"})

    assert parsed.model_dump() == {"kinds": ("scratch", "spot"), "strength": 0.5}
    assert parse_settings("synthetic_defects", parsed.model_dump(mode="json")) == parsed


def test_that_a_generator_refuses_the_settings_of_another_one() -> None:
    with pytest.raises(ParameterError, match="Appearance does not take"):
        create("appearance", parse_settings("synthetic_defects", {}))
    assert generator("appearance").minutes_of(parse_settings("appearance", {})) == 0
