"""The ONNX graphs of the methods that remember good parts: each setting scores as torch does, for any number of inputs.

The networks' weights matter to none of these rules; lite0's own make features as they are in earnest.
"""

from functools import cache
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ml import methods
from ml.catalogue import METHODS
from ml.errors import ExportError
from ml.memory_bank import MemoryBank, Metric
from ml.methods.base import Geometry, Method
from ml.runtime import nearest
from ml.runtime.export import export_graph
from ml.runtime.nearest import GraphBank, distances_to_nearest
from tests.ml.small_models import QUICK

SIDE = 64
TOLERANCE = 2e-5  # of the range of the scores; the product promises 1e-3
PARTS = 6


def _pictures(count: int, seed: int) -> Tensor:
    """One smooth surface under a grain of each picture's own; the last quarter shows something else."""
    random = torch.Generator().manual_seed(seed)
    surface = torch.randn(1, 3, 5, 5, generator=torch.Generator().manual_seed(7))
    smooth = functional.interpolate(surface, size=SIDE, mode="bicubic").clamp(-1, 1)
    pictures = 0.7 * smooth + 0.15 * torch.randn(count, 3, SIDE, SIDE, generator=random)
    pictures[3 * count // 4 :, :, 20:40, 10:30] = 1.0
    return pictures.clamp(-1, 1)


@cache
def _fitted(name: str, geometry: Geometry, settings: tuple[tuple[str, Any], ...]) -> Method:
    parameters = METHODS[name].parameters.model_validate({**QUICK[name], **dict(settings)})
    method = methods.create(name, parameters, geometry, (SIDE, SIDE))
    if name == "patch_svdd" and settings:  # its maps are made of one model
        method.load_tensors(_fitted(name, geometry, ()).tensors())
        return method
    good = _pictures(4 * PARTS, seed=1)[: 3 * PARTS]
    pictures = good.split(3) if geometry == "patches" else good.split(1)
    with torch.inference_mode():
        parts = [method.embed(picture).clone() for picture in pictures]
    method.fit(parts, seed=0)
    return method


def _session(method: Method) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(export_graph(method), options, providers=["CPUExecutionProvider"])


def _by_torch(method: Method, inputs: Tensor) -> list[Any]:
    with torch.inference_mode():
        scored = method.score(method.embed(inputs))
    return [found.numpy() for found in (scored.cells, scored.scores) if found is not None]


CASES: list[tuple[str, dict[str, Any]]] = [
    ("patchcore", {}),
    ("patchcore", {"coreset_cap": 1}),
    ("patchcore", {"reweight": True}),
    ("patchcore", {"neighbours": 3}),
    ("patchcore", {"neighbours": 50, "coreset_cap": 20}),
    ("patchcore", {"reweight": True, "neighbours": 3, "metric": "cosine"}),
    ("patchcore", {"metric": "cosine", "standardise": False, "score": "top1"}),
    ("patchcore", {"embedding": "plain", "few_shot": True}),
    ("patchcore", {"embedding": "published", "feature_dim": 96}),
    ("patchcore", {"embedding": "published", "feature_dim": 50, "strides": (4, 8, 16), "metric": "cosine"}),
    ("patchcore", {"strides": (4,)}),
    ("padim", {}),
    ("padim", {"selection": "semi_orthogonal", "channels": 20}),
    ("padim", {"covariance": "ridge", "grid_stride": 16}),
    ("padim", {"covariance": "oas", "strides": (8,), "channels": 5}),
    ("padim", {"channels": 2}),  # a depth has none of them
    ("spade", {}),
    ("spade", {"metric": "cosine", "neighbours": 3}),
    ("spade", {"map": "layers", "nearest_pictures": 2}),
    ("spade", {"score": "neighbours", "standardise": False, "nearest_pictures": 50}),
    ("dfr", {}),
    ("dfr", {"standardise": False, "code": 5, "grid_stride": 4}),
    ("patch_svdd", {}),
    *[("patch_svdd", {"map": kind}) for kind in ("sum", "large", "small")],
]
_OF_CASES = [
    pytest.param(name, settings, geometry, id="-".join([name, geometry, *map(str, settings.items())]))
    for name, settings in CASES
    for geometry in ("whole", "patches")
    if geometry == "whole" or (name in ("padim", "patchcore") and not settings)  # others know no positions
]


@pytest.mark.parametrize(("name", "settings", "geometry"), _OF_CASES)
def test_that_a_graph_scores_as_torch_does_for_any_number_of_inputs_in_any_order(
    name: str, settings: dict[str, Any], geometry: Geometry
) -> None:
    method = _fitted(name, geometry, tuple(settings.items()))
    session = _session(method)
    inputs = _pictures(4, seed=2)
    expected = _by_torch(method, inputs)
    for order in ([0, 1, 2, 3], [3, 1, 0], [2]):
        found = session.run(None, {"inputs": inputs[order].numpy()})
        assert len(found) == len(expected)
        for ours, reference in zip(found, expected, strict=True):
            assert ours.shape == reference[order].shape
            assert ours.dtype == np.float32
            np.testing.assert_allclose(ours, reference[order], rtol=0, atol=TOLERANCE * np.ptp(reference))


def test_that_the_part_is_found_in_the_graph_as_in_torch() -> None:
    """Holes in it are filled, and a picture that shows too little of it is judged as a whole."""
    settings: dict[str, Any] = {"strides": (4,), "reweight": True}
    tensors = _fitted("patchcore", "whole", tuple(settings.items())).tensors()
    parameters = METHODS["patchcore"].parameters.model_validate({**QUICK["patchcore"], **settings, "foreground": True})
    method = methods.create("patchcore", parameters, "whole", (SIDE, SIDE), state=tensors)
    inputs = _pictures(24, seed=4)
    with torch.inference_mode():
        values = method.embed(inputs)[:, 0]
    direction = [1.0] + [0.0] * (len(tensors["spread"]) - 1)
    part = np.array([*direction, values.quantile(0.6), 0.42], np.float32)
    method.load_tensors({**tensors, "foreground": part})
    cells, scores = _by_torch(method, inputs)
    judged_alone = (cells == 0).any((1, 2))
    assert judged_alone.any()
    assert not judged_alone.all()
    assert ((cells > 0) & ~(values > part[-2]).numpy())[judged_alone].any()  # a hole
    found = _session(method).run(None, {"inputs": inputs.numpy()})
    for ours, reference in zip(found, (cells, scores), strict=True):
        np.testing.assert_allclose(ours, reference, rtol=0, atol=TOLERANCE * np.ptp(reference))


def test_that_the_golden_template_says_why_it_has_no_graph() -> None:
    method = methods.create("template", METHODS["template"].parameters(), "whole", (SIDE, SIDE))
    with pytest.raises(ExportError, match="OpenCV"):
        export_graph(method)


@pytest.mark.parametrize("metric", ["l2", "cosine"])
@pytest.mark.parametrize("k", [1, 4])
def test_that_blocks_of_a_bank_give_the_same_distances(metric: Metric, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(0)
    rows = 100 + torch.randn(777, 24, generator=random)  # far from the origin: centring must keep the digits
    queries = torch.cat((100 + torch.randn(60, 24, generator=random), rows[:4]))
    expected = MemoryBank(rows, metric).nearest(queries, k)[0]
    for values in (1, 100 * 64, 10**9):
        monkeypatch.setattr(nearest, "BLOCK_VALUES", values)
        found = GraphBank(rows, metric, len(queries)).distances(queries, k)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=2e-2 if metric == "l2" else 1e-4)
        loose = distances_to_nearest((queries - 100)[None], (rows - 100)[None], "l2", k)
        torch.testing.assert_close(loose[0], MemoryBank(rows).nearest(queries, k)[0], rtol=1e-4, atol=2e-2)
