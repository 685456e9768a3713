import subprocess
import sys

import pytest
from pydantic import ValidationError

from ml.catalogue import (
    BACKBONES,
    METHODS,
    allowed_values,
    method,
    parse_settings,
)
from ml.catalogue.padim import PadimParameters
from ml.catalogue.patchcore import PatchcoreParameters
from ml.errors import ParameterError


def test_that_the_catalogue_imports_no_torch() -> None:
    code = "import sys, ml.catalogue; sys.exit(any(name in sys.modules for name in ('torch', 'timm', 'torchvision')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", METHODS)
def test_that_every_preset_and_the_defaults_are_valid(name: str) -> None:
    info = METHODS[name]
    assert set(info.presets) == {"fast", "balanced", "thorough"}
    parse_settings(name, {})
    for preset in info.presets.values():
        parse_settings(name, preset.settings)
        assert preset.size_px % 16 == 0


@pytest.mark.parametrize("name", METHODS)
def test_that_every_setting_has_a_description_and_a_range_in_words(name: str) -> None:
    for setting, field in METHODS[name].parameters.model_fields.items():
        assert field.description
        assert allowed_values(METHODS[name].parameters, setting)


def test_that_settings_are_read_from_text() -> None:
    parsed = parse_settings("patchcore", {"strides": "4, 8", "coreset_ratio": "0.01", "reweight": "true"})
    assert parsed == PatchcoreParameters(strides=(4, 8), coreset_ratio=0.01, reweight=True)


def test_that_stored_settings_come_back_equal() -> None:
    parsed = parse_settings("padim", {"strides": "8,16", "channels": "64", "grid_stride": "16"})
    assert parse_settings("padim", parsed.model_dump(mode="json")) == parsed


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        (
            "padim",
            {"covariance": "x"},
            "padim: covariance=x is not allowed; allowed: one of pooled, oas, ledoit_wolf, ridge",
        ),
        ("padim", {"covarianc": "oas"}, "padim has no setting 'covarianc' (did you mean covariance?)"),
        ("padim", {"strides": "16,8"}, "padim: strides=16,8 is not allowed; allowed: rising numbers out of 2, 4, 8"),
        ("padim", {"strides": [8, 8]}, "padim: strides=8,8 is not allowed"),
        ("padim", {"strides": "8,x"}, "padim: strides=8,x is not allowed"),
        ("padim", {"strides": ""}, "padim: strides= is not allowed"),
        ("padim", {"grid_stride": "7"}, "allowed: one of 2, 4, 8, 14, 16, 32"),
        ("padim", {"sigma_px": "nan"}, "padim: sigma_px=nan is not allowed; allowed: a number from 0 up to 64"),
        ("padim", {"strides": "8,16", "channels": "160"}, "efficientnet_lite0 gives 152 at the strides 8,16"),
        ("padim", {"strides": "2,8"}, "efficientnet_lite0 has the strides 4, 8, 16, 32"),
        ("patchcore", {"coreset_ratio": "0"}, "allowed: a number above 0 up to 1"),
        ("patchcore", {"neighbours": "1.5"}, "allowed: a whole number from 1 up to 50"),
        ("patchcore", {"reweight": "maybe"}, "allowed: true or false"),
        ("patchcore", {"backbone": "resnet"}, "patchcore: backbone=resnet is not allowed; allowed: one of effic"),
        ("patchcore", {"reweight": True, "score": "top1"}, "reweight belongs to score=max"),
        ("padm", {}, "unknown method 'padm' (did you mean padim"),
    ],
)
def test_that_a_bad_setting_gives_one_line_that_names_it(name: str, settings: dict[str, object], says: str) -> None:
    with pytest.raises(ParameterError) as caught:
        parse_settings(name, settings)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_that_parameters_are_frozen() -> None:
    with pytest.raises(ValidationError):
        PadimParameters().channels = 3  # type: ignore[misc]


def test_that_a_timm_backbone_needs_a_name() -> None:
    assert parse_settings("padim", {"backbone": "timm:resnet10t"})
    with pytest.raises(ParameterError):
        parse_settings("padim", {"backbone": "timm:"})


def test_that_lite_inputs_are_standardised_as_published() -> None:
    info = BACKBONES["efficientnet_lite0"]
    for value in (0, 90, 255):
        assert (value / 255 - info.mean[0]) / info.std[0] == pytest.approx((value - 127) / 128)


def test_that_method_gives_the_entry_of_that_name() -> None:
    assert method("padim") is METHODS["padim"]
