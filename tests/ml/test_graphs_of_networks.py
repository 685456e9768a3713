"""Graphs of the methods that train networks, held against torch: each method, and each setting that changes a graph."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ml import methods
from ml.catalogue import parse_settings
from ml.errors import ExportError
from ml.methods import patchwise
from ml.methods.base import Geometry, Method
from ml.networks import resizing
from ml.patch_scores import GreyWindow, PatchLayout
from ml.runtime.export import export_graph
from ml.runtime.onnx_runtime import OnnxRuntime
from ml.runtime.scores import CellScores
from ml.similarity import median_3x3
from ml.usual_maps import smoothed, smoothed_in_graph

LARGEST_DIFFERENCE = 1e-4
"""Of the range of scores; 1e-3 is promised, and all but structural similarity come to 3e-6."""

SMALL: dict[str, dict[str, Any]] = {
    "student_teacher": {"batch": 1},
    "efficientad": {"width": 4, "channels": 16, "crop_px": 32, "batch": 1},
    "ganomaly": {"width": 4, "latent": 8, "batch": 4},
    "skip_ganomaly": {"width": 4, "latent": 8, "batch": 4},
    "riad": {"width": 4, "crop_px": 32, "cell_sides_px": (4, 16)},
    "conv_autoencoder": {"width": 4, "latent": 8, "batch": 8},
    "patch_ganomaly": {"width": 4, "latent": 8, "batch": 8},
    "tl_ganomaly": {"width": 4, "latent": 8, "batch": 4},
    "patch_cnn": {"width": 4, "batch": 8},
}
SIDES = {"student_teacher": (64, 96), "efficientad": (64, 96), "ganomaly": (64, 64), "skip_ganomaly": (64, 64)}
ODD_SIDES = (70, 94)
"""No multiples of anything: patches reach past the end, and cells share pixels."""

POSITION_FREE_IN_PATCHES = ("ganomaly", "skip_ganomaly", "riad")
"""Whose graph is another one there; those of the others are the same."""

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "student_teacher": [
        {"distance": "l2", "combine": "sum"},
        {"backbone": "self_trained", "standardise": False},
    ],
    "efficientad": [
        {"grid_stride": 4, "network": "medium"},
        {"student": "published", "autoencoder_px": 128, "differences": "squares", "branches": "equal"},
    ],
    "ganomaly": [
        {"norm": "batch", "extra_layers": 1, "score": "latent"},
        {"norm": "instance", "channels": "grey", "score": "residual"},
        {"standardise": False, "residual": "mean", "ssim_weight": 1.0},
        {"sigma_px": 20.0},
    ],
    "skip_ganomaly": [
        {"norm": "batch", "channels": "grey", "scale_terms": False},
        {"norm": "instance", "dropped_skips": 2, "residual": "mean"},
        {"standardise": False},
    ],
    "riad": [{"smoothing": "mean", "sets": 2, "cell_sides_px": (8,)}],
    "conv_autoencoder": [
        {"background": "window", "background_low": 100, "background_high": 150},
        {"background": "otsu", "recombination": "mean", "stride_px": 12},
        {"patch_px": 16, "residual_px": 1, "standardise": False},
        {"patch_px": 64, "stride_px": 24, "recombination": "majority"},
    ],
    "patch_ganomaly": [{"norm": "group", "score": "latent"}, {"norm": "instance", "score": "residual"}],
    "tl_ganomaly": [{"patch_px": 16, "frozen": False, "score": "both"}],
    "patch_cnn": [{"patch_px": 16}, {"patch_px": 64, "stride_px": 32}],
}

CASES = [
    *(pytest.param(name, "whole", {}, id=f"{name}-whole") for name in SMALL),
    *(pytest.param(name, "patches", {}, id=f"{name}-patches") for name in POSITION_FREE_IN_PATCHES),
    *(
        pytest.param(name, "whole", settings, id=f"{name}-{'-'.join(f'{key}={settings[key]}' for key in settings)}")
        for name, variants in VARIANTS.items()
        for settings in variants
    ),
]


def _pictures(count: int, size: tuple[int, int], seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    surface = functional.interpolate(torch.randn(1, 3, 4, 4, generator=random), size=size, mode="bicubic")
    return (0.5 * surface + 0.1 * torch.randn(count, 3, *size, generator=random)).clamp(-1, 1)


def _fitted(name: str, geometry: Geometry = "whole", **settings: Any) -> Method:
    size = (128, 128) if settings.get("backbone") == "self_trained" else SIDES.get(name, ODD_SIDES)
    method = methods.create(name, parse_settings(name, {"steps": 1, **SMALL[name], **settings}), geometry, size)
    seen, held_out = (torch.split(method.embed(_pictures(3, size, seed)), 1) for seed in (0, 1))
    method.fit(seen, seed=0, validation=held_out)
    return method


def _inputs(method: Method) -> Tensor:
    """One like those learnt from with a bright spot, one that is another surface, and a black one."""
    inputs = _pictures(3, method.input_size, seed=2)
    inputs[0, :, 20:36, 24:44] = 0.9
    inputs[1] = -inputs[1].flip(-1)
    inputs[2] = -1
    return inputs


def _by_torch(method: Method, inputs: Tensor) -> CellScores:
    scored = method.score(method.embed(inputs))
    return CellScores(scored.cells.numpy(), None if scored.scores is None else scored.scores.numpy())


def _difference(found: CellScores, expected: CellScores) -> float:
    """Largest, as a share of the range of scores."""
    assert found.cells.shape == expected.cells.shape
    assert found.cells.dtype == np.float32
    differences = [np.abs(found.cells - expected.cells).max() / np.ptp(expected.cells)]
    assert (found.scores is None) == (expected.scores is None)
    if found.scores is not None and expected.scores is not None:
        assert found.scores.shape == expected.scores.shape
        differences.append(np.abs(found.scores - expected.scores).max() / np.abs(expected.scores).max())
    return float(max(differences))


@pytest.mark.parametrize(("name", "geometry", "settings"), CASES)
def test_that_a_graph_equals_torch_for_any_number_of_inputs(
    name: str, geometry: Geometry, settings: dict[str, Any]
) -> None:
    method = _fitted(name, geometry, **settings)
    runtime = OnnxRuntime(export_graph(method), threads=1)
    inputs = _inputs(method)
    expected, found = _by_torch(method, inputs), runtime.score(inputs.numpy())
    assert _difference(found, expected) < LARGEST_DIFFERENCE
    alone = [runtime.score(one.numpy()) for one in torch.split(inputs, 1)]
    scores = None if found.scores is None else np.concatenate([one.scores for one in alone if one.scores is not None])
    joined = CellScores(np.concatenate([one.cells for one in alone]), scores)
    assert _difference(joined, found) < 1e-5  # an input's scores do not depend on the others


def test_that_an_area_rule_is_refused_with_its_reason() -> None:
    with pytest.raises(ExportError, match=r"min_area_px=30 has no ONNX graph, because ONNX knows no connected regions"):
        export_graph(_fitted("student_teacher", min_area_px=30))


def test_that_many_patches_are_judged_in_portions_that_share_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    method = _fitted("conv_autoencoder", stride_px=8)
    monkeypatch.setattr(patchwise, "PATCHES_PER_PORTION", 20)
    graph, inputs = export_graph(method), _inputs(method)
    assert _operations(graph).count("Tanh") == 3  # six rows of nine patches
    assert _weights_are_stored_once(graph)
    assert _difference(OnnxRuntime(graph, 1).score(inputs.numpy()), _by_torch(method, inputs)) < 1e-5


def test_that_there_is_an_end_to_the_number_of_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    method = _fitted("patch_cnn", stride_px=4)
    monkeypatch.setattr(patchwise, "PATCHES_PER_PORTION", 1)
    monkeypatch.setattr(patchwise, "MOST_PORTIONS", 2)
    assert _operations(export_graph(method)).count("MaxPool") == 2 * 2  # the network has two


def test_that_a_network_of_several_passes_is_stored_once() -> None:
    graph = export_graph(_fitted("riad", standardise=False))
    assert _operations(graph).count("ConvTranspose") == 2 * 4  # two sizes of squares, four levels
    assert _weights_are_stored_once(graph)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (20, 24)])
def test_that_what_is_resized_in_a_graph_is_what_torch_resizes(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = torch.rand(2, 3, 16, 24)
    by_torch = resizing.antialiased(pictures, size), resizing.averaged(pictures, size)
    monkeypatch.setattr(resizing, "is_in_onnx_export", lambda: True)
    in_graph = resizing.antialiased(pictures, size), resizing.averaged(pictures, size)
    torch.testing.assert_close(in_graph, by_torch, rtol=0, atol=1e-6)


@pytest.mark.parametrize("sigma_px", [0.3, 2.0, 40.0])
def test_that_maps_are_smoothed_in_a_graph_as_elsewhere(sigma_px: float) -> None:
    maps = torch.rand(2, 18, 24)
    of_size = sigma_px, (72, 48)
    torch.testing.assert_close(smoothed_in_graph(maps, *of_size), smoothed(maps, *of_size), rtol=0, atol=1e-6)


def test_that_a_median_without_gradient_is_the_same_to_the_bit() -> None:
    pictures = (torch.rand(2, 1, 17, 23) * 12).round() / 12  # with many equal neighbours
    trained_through = median_3x3(pictures.clone().requires_grad_())
    assert torch.equal(median_3x3(pictures), trained_through)


@pytest.mark.parametrize("patch_px", [16, 32])
def test_that_patches_are_left_out_by_their_median(patch_px: int) -> None:
    layout = PatchLayout(70, 94, patch_px, 12)
    levels = (torch.rand(2, 1, 70, 94) * 6).round() / 3 - 1  # few, so that medians lie on the limits
    pictures = levels.expand(-1, 3, -1, -1).contiguous()
    every = layout.patches(pictures, torch.arange(2 * layout.count))
    medians = GreyWindow(0, 0).low + every[:, 0].flatten(1).median(1).values
    for low, high in ((-1.5, 0.1), (float(medians[0]), 2.0), (-2.0, float(medians[0]))):
        window = GreyWindow(low, high)
        expected = window.accepts(every).reshape(2, -1)
        assert torch.equal(layout.shown(layout.covered(pictures), window), expected)


def _operations(graph: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(graph).graph.node]


def _weights_are_stored_once(graph: bytes) -> bool:
    weights = [tensor.raw_data for tensor in onnx.load_from_string(graph).graph.initializer]
    return len(weights) == len(set(weights))
