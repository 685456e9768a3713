"""The whole chain as one graph says what the detector says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from ml.artifact import Manifest
from ml.detector import Detector
from ml.errors import ExportError
from ml.export.agreement import checked_difference, trial_pictures
from ml.export.formats import Onnx, OpenVino
from ml.export.geometry import Place
from ml.export.graph import standalone_graph
from ml.inspection_area import Ellipse, InspectionArea, Rectangle
from ml.map_filter import Kernel
from ml.methods.base import Method
from ml.preprocessing import Clahe, Preprocessing, RingSearch
from ml.region_rules import RegionRules, Section
from ml.runtime.torch_runtime import TorchRuntime
from tests.ml.small_models import part

HEIGHT, WIDTH = 96, 128  # of the pictures that the small models learnt from
REGION = {"region": (17, 9, 90, 70)}
AREA = {
    "area": InspectionArea(
        width_px=WIDTH,
        height_px=HEIGHT,
        look=(Ellipse(centre_x=60, centre_y=50, radius_x=50, radius_y=35),),
        ignore=(Rectangle(x=50, y=40, width=20, height=15),),
    )
}
KERNEL = np.array([[0, 0.1, 0], [0.2, 0.4, 0.1], [0, 0.1, 0.1]], np.float32)
Model = tuple[Manifest, Method]


@pytest.fixture(scope="module")
def model(model_file: Callable[[str, str], Path]) -> Callable[..., Model]:
    """`model(method, geometry, **preprocessing)`: a small model, looking at pictures in another way."""

    def loaded(method: str, geometry: str, *, bit_depth: int = 8, is_grey: bool = False, **changed: Any) -> Model:
        detector = Detector.load(model_file(method, geometry), "cpu", "torch")
        assert isinstance(detector.runtime, TorchRuntime)
        manifest = detector.manifest
        fields = {**dict(manifest.preprocessing), "window_high": 2.0**bit_depth - 1, **changed}
        reference = manifest.reference.model_copy(update={"bit_depth": bit_depth, "is_grey": is_grey})
        update = {"preprocessing": Preprocessing(**fields), "reference": reference}
        return manifest.model_copy(update=update), detector.runtime.method

    return loaded


def held_against(model: Model, kernel: Kernel | None = None, form: Onnx | OpenVino | None = None) -> None:
    """Raises ExportError where the graph differs from the detector."""
    manifest, method = model
    detector = Detector(manifest, TorchRuntime(method, "cpu"), method, None, kernel)
    graph = standalone_graph(manifest, method, kernel)
    pictures = list(trial_pictures(manifest, Place.of(manifest), part(30)))
    found = checked_difference(detector, (form or Onnx()).computing(graph), pictures)
    assert found.pictures == len(pictures)
    assert found.flips == 0
    assert max(found.score, found.map) < 5e-4


@pytest.mark.parametrize(
    ("geometry", "is_grey", "bit_depth", "where"),
    [
        ("whole", False, 8, {}),
        ("whole", True, 12, REGION),
        ("whole", False, 12, AREA),
        ("whole", True, 8, REGION | AREA),
        ("patches", True, 8, {}),
        ("patches", False, 12, REGION),
        ("patches", True, 12, AREA),
        ("patches", False, 8, REGION | AREA),
        ("patches", False, 8, AREA | {"margin": 8, "stride": 40}),
    ],
    ids=str,
)
def test_that_the_graph_looks_where_and_at_what_the_model_looks(
    model: Callable[..., Model], geometry: str, is_grey: bool, bit_depth: int, where: dict[str, Any]
) -> None:
    held_against(model("padim", geometry, bit_depth=bit_depth, is_grey=is_grey, **where))


@pytest.mark.parametrize(("geometry", "where"), [("whole", {}), ("patches", AREA)], ids=str)
def test_that_a_learnt_map_filter_is_in_the_graph(
    model: Callable[..., Model], geometry: str, where: dict[str, Any]
) -> None:
    held_against(model("padim", geometry, **where), KERNEL)


@pytest.mark.parametrize("rule", ["max_raw", "top1_raw"])
def test_that_every_score_rule_is_in_the_graph(
    model: Callable[..., Model], rule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, method = model("padim", "patches", **AREA)
    monkeypatch.setattr(method, "score_rule", rule)
    held_against((manifest, method))


@pytest.mark.parametrize(("method", "geometry"), [("patchcore", "whole"), ("ganomaly", "patches")])
def test_that_other_methods_are_exported_alike(model: Callable[..., Model], method: str, geometry: str) -> None:
    """One takes its score from the map, the other gives it itself."""
    held_against(model(method, geometry))


@pytest.mark.parametrize(("geometry", "where"), [("whole", AREA), ("patches", {})], ids=str)
def test_that_onnx_runtime_has_nothing_to_say_about_the_graph(
    model: Callable[..., Model], geometry: str, where: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    graph = standalone_graph(*model("padim", geometry, **where), None)
    capfd.readouterr()
    onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    assert capfd.readouterr() == ("", "")


def test_that_openvino_computes_the_same(model: Callable[..., Model]) -> None:
    held_against(model("padim", "patches", **AREA), KERNEL, OpenVino())


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"clahe": Clahe()}, "CLAHE"),
        ({"ring": RingSearch(radius_px=(10, 20))}, "ring"),
        ({"rules": RegionRules(sections=(Section(reach=1),))}, "region rules"),
    ],
)
def test_that_what_no_graph_can_do_is_refused_by_its_name(
    model: Callable[..., Model], changed: dict[str, Any], named: str
) -> None:
    manifest, method = model("padim", "whole", **{key: value for key, value in changed.items() if key != "rules"})
    manifest = manifest.model_copy(update={"rules": changed.get("rules")})
    with pytest.raises(ExportError, match=named):
        standalone_graph(manifest, method, None)


def test_that_an_export_that_says_something_else_is_refused(model: Callable[..., Model]) -> None:
    manifest, method = model("padim", "whole")
    other = manifest.calibration.model_copy(update={"threshold": manifest.calibration.threshold * 1.1})
    detector = Detector(manifest, TorchRuntime(method, "cpu"), method)
    graph = standalone_graph(manifest.model_copy(update={"calibration": other}), method, None)
    with pytest.raises(ExportError, match="at most"):
        checked_difference(detector, Onnx().computing(graph), [part(9)])


def test_that_a_picture_that_does_not_fit_is_no_good_part(model: Callable[..., Model]) -> None:
    small = np.ascontiguousarray(part(0)[:60, :80])
    for place in (REGION, AREA):
        with pytest.raises(ExportError, match="picture"):
            Onnx().computing(standalone_graph(*model("padim", "whole", **place), None))(small)


def test_that_scores_that_are_no_numbers_are_ng(model: Callable[..., Model], monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, method = model("padim", "whole")
    monkeypatch.setattr(method, "_mean", method._mean * np.nan)  # type: ignore[attr-defined]
    judged = Onnx().computing(standalone_graph(manifest, method, None))(part(0))
    assert judged.verdict == 2
    assert np.isnan(judged.score)
