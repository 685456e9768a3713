from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from ml import methods
from ml.artifact import read_manifest
from ml.backbones import build_backbone
from ml.catalogue import parse_settings
from ml.detector import Detector
from ml.errors import CancelledError, ParameterError, WeightsError
from ml.methods.features import FeatureMethod
from ml.methods.patchcore import Patchcore
from ml.networks.self_trained import SelfTrainedNetwork
from ml.self_trained import train_network
from ml.training.pipeline import run
from tests.ml.small_models import part, quick_job, write_parts
from tests.ml.test_patch_svdd import _embed_large_cut, _embed_small_cut

SIDE = 128
QUICK = {"backbone": "self_trained", "self_training_steps": 1}


def _pictures(count: int, seed: int = 0) -> list[Tensor]:
    random = torch.Generator().manual_seed(seed)
    return [
        functional.interpolate(torch.rand(1, 3, 9, 9, generator=random), size=SIDE, mode="bilinear")
        for _ in range(count)
    ]


def _method(name: str = "patchcore", state: Any = None, **settings: Any) -> FeatureMethod:
    parameters = parse_settings(name, {**QUICK, **settings})
    built = methods.create(name, parameters, "whole", (SIDE, SIDE), state=state)
    assert isinstance(built, FeatureMethod)
    return built


@torch.inference_mode()
def test_that_every_cell_holds_the_patch_around_its_middle() -> None:
    extractor = build_backbone("self_trained", (4, 8, 16), pretrained=False)
    picture = _pictures(1)[0]
    maps = extractor(picture)
    assert [tuple(level.shape) for level in maps] == [(1, 64, SIDE // stride, SIDE // stride) for stride in (4, 8, 16)]
    padded = functional.pad(picture, (32,) * 4, mode="reflect")
    for stride, patch_px, level, embed in zip(
        (4, 8, 16), (32, 32, 64), maps, (_embed_small_cut, _embed_small_cut, _embed_large_cut), strict=True
    ):
        for row, column in [(0, 0), (3, 5), (SIDE // stride - 1, SIDE // stride - 1), (0, SIDE // stride - 1)]:
            top, left = (32 + stride * cell + stride // 2 - patch_px // 2 for cell in (row, column))
            patch = padded[..., top : top + patch_px, left : left + patch_px]
            expected = embed(extractor.network.encoder, patch)[0]
            torch.testing.assert_close(level[0, :, row, column], expected, rtol=1e-4, atol=1e-5)
    assert extractor.offsets_px == (-0.5, -0.5, -0.5)  # 31 of 32 px count


def test_that_only_the_wanted_maps_are_made() -> None:
    extractor = build_backbone("self_trained", (8,), pretrained=False)
    (level,) = extractor(_pictures(1)[0])
    assert level.shape == (1, 64, SIDE // 8, SIDE // 8)


def test_that_training_is_the_same_for_the_same_seed_and_changes_nothing_outside() -> None:
    before = torch.get_rng_state()
    networks = [SelfTrainedNetwork() for _ in range(3)]
    torch.set_rng_state(before)
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        train_network(network, _pictures(3), seed, steps=1)
    assert torch.equal(before, torch.get_rng_state())
    first, second, other = (network.encoder.joining.weight for network in networks)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    with pytest.raises(CancelledError):
        train_network(networks[0], _pictures(2), 0, steps=2, cancelled=lambda: True)


@pytest.mark.parametrize("name", ["padim", "patchcore"])
def test_that_a_self_trained_model_needs_no_file(name: str) -> None:
    method = _method(name)
    assert method.learns_embedding
    assert method.held_out == "hold-out"
    before = method.backbone_hash
    with torch.inference_mode():
        pictures = [picture.clone() for picture in _pictures(6)]
    method.learn_embedding(pictures, seed=0)
    assert method.backbone_hash != before
    method.fit([method.embed(picture) for picture in pictures], seed=0)
    stored = method.tensors()
    again = _method(name, state=stored)
    assert not again.learns_embedding
    again.load_tensors(stored)
    assert again.backbone_hash == method.backbone_hash
    probe = _pictures(1, seed=9)[0]
    assert torch.equal(again.score(again.embed(probe)).cells, method.score(method.embed(probe)).cells)


def test_that_a_model_is_trained_stored_and_finds_a_square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt_from: list[int] = []
    learn = Patchcore.learn_embedding

    def recorded(self: Patchcore, inputs: Any, *arguments: Any) -> None:
        learnt_from.append(len(inputs))
        learn(self, inputs, *arguments)

    monkeypatch.setattr(Patchcore, "learn_embedding", recorded)
    folder = write_parts(tmp_path / "parts", 12, SIDE, SIDE)
    parameters = {**QUICK, "self_training_steps": 2, "coreset_cap": 300}
    result = run(quick_job(folder, tmp_path / "m.loupe", size=SIDE, parameters=parameters))
    manifest = read_manifest(result.path)
    assert manifest.backbone == "self_trained"
    assert manifest.calibration.source == "hold-out"
    assert learnt_from == [12 - manifest.calibration.n - 1]  # nor from the one that may choose an epoch
    detector = Detector.load(result.path, "cpu")
    marked = part(50, SIDE, SIDE)
    marked[80:92, 24:36] = 255
    found = detector.score(marked)
    assert found.score > detector.score(part(51, SIDE, SIDE)).score
    row, column = np.unravel_index(int(found.score_map.cells.argmax()), found.score_map.cells.shape)
    pitch = SIDE / found.score_map.cells.shape[0]
    assert abs((row + 0.5) * pitch - 86) <= pitch + 2
    assert abs((column + 0.5) * pitch - 30) <= pitch + 2


def test_that_no_part_that_the_features_were_learnt_from_gives_the_threshold(tmp_path: Path) -> None:
    folder = write_parts(tmp_path / "parts", 4, SIDE, SIDE)
    parameters = {**QUICK, "coreset_cap": 50}
    result = run(quick_job(folder, tmp_path / "m.loupe", size=SIDE, parameters=parameters))
    assert result.manifest.calibration.source == "perturbations"


def test_that_unusable_requests_are_refused_with_a_reason() -> None:
    parameters = parse_settings("patchcore", QUICK)
    with pytest.raises(ParameterError, match="at least 128x128 px, not 96x64"):
        methods.create("patchcore", parameters, "whole", (64, 96))
    with pytest.raises(WeightsError, match="this method does not do"):
        build_backbone("self_trained", (4,))
    with pytest.raises(ParameterError, match="self_trained has the strides 4, 8, 16"):
        parse_settings("patchcore", {"backbone": "self_trained", "strides": "8,32"})
