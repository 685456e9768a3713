from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ml import methods
from ml.backbones import build_backbone
from ml.catalogue.dfr import DfrParameters
from ml.errors import CancelledError, ModelFileError, ParameterError, TrainingError
from ml.methods.base import Geometry
from ml.methods.dfr import Dfr, FeatureAutoencoder, components
from ml.methods.features import BACKBONE_PREFIX

SIDE = 64
CHANNELS = 40 + 112


@cache
def _network(strides: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """As a model file has it, which is quicker than building it from the package each time."""
    state = build_backbone("efficientnet_lite0", strides).state()
    return {f"{BACKBONE_PREFIX}{key}": value for key, value in state.items()}


def _dfr(geometry: Geometry = "whole", side: int = SIDE, **settings: object) -> Dfr:
    parameters = DfrParameters.model_validate({"strides": (8, 16), "steps": 30, "batch": 128, **settings})
    built = methods.create("dfr", parameters, geometry, (side, side), state=_network(parameters.strides))
    assert isinstance(built, Dfr)
    return built


def _inputs(count: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def _parts(count: int = 6, seed: int = 0, inputs: int = 1) -> list[Tensor]:
    """Features that have few dimensions, as real ones have, of very different size."""
    mixing = torch.randn(8, CHANNELS, generator=torch.Generator().manual_seed(77))
    sizes = torch.logspace(-1, 1, CHANNELS)
    generator = torch.Generator().manual_seed(seed)
    hidden = (torch.randn(inputs, 8, 8, 8, generator=generator) for _ in range(count))
    return [torch.einsum("nkhw,kc->nchw", one, mixing) * sizes[:, None, None] + 0.5 for one in hidden]


def test_that_the_autoencoder_has_the_published_layers() -> None:
    widths = [
        (layer.in_features, layer.out_features)
        for layer in FeatureAutoencoder(100, 12)
        if hasattr(layer, "bias") and isinstance(layer, nn.Linear)
    ]
    assert widths == [(100, 62), (62, 24), (24, 12), (12, 24), (24, 62), (62, 100)]
    kinds = [type(layer).__name__ for layer in FeatureAutoencoder(100, 12)]
    hidden = ["Linear", "BatchNorm1d", "ReLU"]
    assert kinds == [*hidden, *hidden, "Linear", *hidden, *hidden, "Linear"]  # neither code nor output is activated


def test_that_the_code_is_as_long_as_the_variance_asks() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(5000, 6, generator=generator) * torch.tensor([10.0, 6.0, 5.0, 3.0, 1.0, 0.1])
    assert [components(rows, share) for share in (0.5, 0.7, 0.9, 0.95, 0.999)] == [1, 2, 3, 4, 5]
    assert components(rows + 1000, 0.9) == 3  # the mean is no variance
    assert components(torch.ones(50, 6), 0.9) == 1


def test_that_the_rule_settles_the_code_and_a_setting_overrules_it() -> None:
    by_rule, by_hand = _dfr(standardise=False, variance=0.999), _dfr(code=5)
    by_rule.fit(_parts(), seed=0)
    by_hand.fit(_parts(), seed=0)
    assert by_rule.tensors()["network.6.weight"].shape[0] == 8
    assert by_hand.tensors()["network.6.weight"].shape == (5, 10)


def test_that_the_map_is_the_mean_squared_error_over_the_channels() -> None:
    dfr = _dfr()
    dfr.fit(_parts(), seed=0)
    probe = torch.cat(_parts(2, seed=9))
    stored = dfr.tensors()
    rows = (probe.permute(0, 2, 3, 1) - torch.from_numpy(stored["statistic.mean"])) / torch.from_numpy(
        stored["statistic.spread"]
    )
    given_back = dfr.networks(rows.reshape(-1, CHANNELS)).detach().reshape(rows.shape)
    expected = ((rows - given_back) ** 2).sum(3) / CHANNELS
    scored = dfr.score(probe)
    torch.testing.assert_close(scored.cells, expected, rtol=1e-4, atol=1e-5)
    assert scored.scores is None
    assert dfr.score_rule == "max_raw"


def test_that_batch_normalisation_works_with_what_it_learnt_and_not_with_the_batch() -> None:
    """In training mode a picture's map would follow from what else is in it, and scoring would change the model."""
    dfr = _dfr()
    dfr.fit(_parts(), seed=0)
    assert not any(module.training for module in dfr.networks.modules())
    before = {key: value.copy() for key, value in dfr.tensors().items()}
    probe = torch.cat(_parts(3, seed=9))
    crop = dfr.score(probe[1:2, :, 2:5, 3:7])
    torch.testing.assert_close(crop.cells, dfr.score(probe).cells[1:2, 2:5, 3:7], rtol=1e-4, atol=1e-5)
    assert all(np.array_equal(value, before[key]) for key, value in dfr.tensors().items())


def test_that_training_gives_back_good_features_and_not_others() -> None:
    dfr = _dfr(steps=300, learning_rate=0.01, variance=0.99)
    dfr.fit(_parts(), seed=0)
    good = dfr.score(torch.cat(_parts(4, seed=9))).cells
    probe = _parts(1, seed=9)[0]
    probe[:, :, 3, 4] = probe[:, :, 3, 4].flip(1)  # values that occur, in channels where they do not belong
    odd = dfr.score(probe).cells[0]
    assert good.mean() < 0.3  # of a variance of 1
    assert int(odd.argmax()) == 3 * 8 + 4
    assert odd.max() > 5 * good.max()


def test_that_no_feature_counts_more_for_being_large() -> None:
    large = torch.ones(1, CHANNELS, 1, 1)
    large[:, 7] = 1000.0
    plain, scaled = _dfr(), _dfr()
    plain.fit(_parts(), seed=0)
    scaled.fit([part * large for part in _parts()], seed=0)
    probe = _parts(1, seed=9)[0]
    torch.testing.assert_close(scaled.score(probe * large).cells, plain.score(probe).cells, rtol=1e-2, atol=1e-2)


def test_that_features_stay_as_they_are_on_request() -> None:
    dfr = _dfr(standardise=False)
    dfr.fit(_parts(), seed=0)
    stored = dfr.tensors()
    assert not stored["statistic.mean"].any()
    assert (stored["statistic.spread"] == 1).all()


def test_that_a_feature_that_never_varied_stays_finite() -> None:
    parts = _parts()
    for part in parts:
        part[:, 3] = 0.3
    dfr = _dfr()
    dfr.fit(parts, seed=0)
    moved = parts[0].clone()
    moved[:, 3] = 0.3001  # as far as half precision moves it
    torch.testing.assert_close(dfr.score(moved).cells, dfr.score(parts[0]).cells, rtol=1e-2, atol=1e-2)


def test_that_epochs_cost_no_pass_of_the_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    dfr = _dfr()
    parts = [dfr.embed(_inputs(seed=index)) for index in range(3)]
    before = {key: value.copy() for key, value in dfr.backbone_tensors().items()}
    with monkeypatch.context() as patch:
        patch.setattr(dfr.extractor, "forward", None)
        dfr.fit(parts, seed=0, validation=parts[:1])
    assert all(np.array_equal(value, before[key]) for key, value in dfr.backbone_tensors().items())
    assert not any(parameter.requires_grad for parameter in dfr.extractor.parameters())


def test_that_the_state_that_validates_best_is_kept() -> None:
    """The held-out picture is unlike the others: each step on those gives it back worse, sooner or later."""
    dfr = _dfr(steps=60, learning_rate=0.05)
    held_out = [3 * torch.randn(1, CHANNELS, 8, 8, generator=torch.Generator().manual_seed(5))]
    measured: list[float] = []

    lesson_of = dfr.lesson

    def watched(*given: object) -> object:
        lesson = lesson_of(*given)  # type: ignore[arg-type]
        validate = lesson.validate

        def noted() -> float | None:
            measured.append(validate() or 0.0)
            return measured[-1]

        lesson.validate = noted  # type: ignore[method-assign]
        return lesson

    dfr.lesson = watched  # type: ignore[method-assign, assignment]
    dfr.fit(_parts(), seed=0, validation=held_out)
    assert len(measured) == 12
    assert float(dfr.score(held_out[0]).cells.mean()) == pytest.approx(min(measured), rel=1e-4)


def test_that_the_same_seed_gives_the_same_networks() -> None:
    first, second, other = _dfr(), _dfr(), _dfr()
    state = torch.random.get_rng_state()
    first.fit(_parts(), seed=3)
    second.fit(_parts(), seed=3)
    other.fit(_parts(), seed=4)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(np.array_equal(value, second.tensors()[key]) for key, value in first.tensors().items())
    assert not np.array_equal(first.tensors()["network.0.weight"], other.tensors()["network.0.weight"])


def test_that_fitting_again_forgets_the_first_time() -> None:
    again, fresh = _dfr(), _dfr()
    again.fit([7 * part for part in _parts(4, seed=7)], seed=1)
    again.fit(_parts(), seed=0)
    fresh.fit(_parts(), seed=0)
    assert all(np.array_equal(value, fresh.tensors()[key]) for key, value in again.tensors().items())


def test_that_positions_are_drawn_evenly_where_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ml.methods.dfr.KEPT_VALUES", 60 * CHANNELS)
    dfr = _dfr(standardise=False)
    parts = [torch.full((2, CHANNELS, 8, 8), float(index)) for index in range(6)]
    lesson = dfr.lesson(parts, (), 0, 10)
    assert lesson._rows[:, 0].unique(return_counts=True)[1].tolist() == [10] * 6  # type: ignore[attr-defined]


def test_that_an_input_scores_the_same_alone_and_in_a_batch() -> None:
    dfr = _dfr()
    dfr.fit(_parts(), seed=0)
    batch = torch.cat(_parts(4, seed=5))
    together = dfr.score(batch)
    for index in range(4):
        alone = dfr.score(batch[index : index + 1])
        torch.testing.assert_close(together.cells[index : index + 1], alone.cells, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_stored_model_scores_the_same(geometry: Geometry) -> None:
    dfr = _dfr(geometry)
    dfr.fit([dfr.embed(_inputs(2, seed=index)) for index in range(3)], seed=0)
    stored = dfr.tensors()
    again = methods.create("dfr", dfr.parameters, geometry, (SIDE, SIDE), state=stored)
    again.load_tensors({**stored, "of_somebody_else": np.zeros(3)})
    probe = _inputs(2, seed=9)
    assert torch.equal(again.score(again.embed(probe)).cells, dfr.score(dfr.embed(probe)).cells)
    assert all(np.array_equal(value, again.tensors()[key]) for key, value in stored.items())


@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_bright_square_is_found_where_it_is(geometry: Geometry) -> None:
    side = 128
    dfr = _dfr(geometry, side, strides=(4, 8, 16), steps=60, batch=512)
    generator = torch.Generator().manual_seed(0)

    def textured(count: int) -> Tensor:
        return 0.3 * torch.randn(count, 3, side, side, generator=generator)

    dfr.fit([dfr.embed(textured(2 if geometry == "patches" else 1)) for _ in range(12)], seed=0)
    for top, left in [(24, 80), (61, 43), (90, 90), (0, 0), (116, 70)]:
        probe = textured(1)
        probe[..., top : top + 12, left : left + 12] = 1.5
        cells = dfr.score(dfr.embed(probe)).cells[0]
        row, column = divmod(int(cells.argmax()), cells.shape[1])
        pitch = side / cells.shape[0]
        for cell, offset, corner in zip((row, column), dfr.offset_px, (top, left), strict=True):
            assert abs((cell + 0.5) * pitch - 0.5 + offset - (corner + 5.5)) <= pitch + 1.5


def test_that_the_cache_is_told_what_decides_the_features() -> None:
    assert _dfr().embedding_hash == _dfr(code=7, standardise=False).embedding_hash
    assert len({_dfr().embedding_hash, _dfr(strides=(4, 8)).embedding_hash, _dfr(grid_stride=4).embedding_hash}) == 3


def test_that_unusable_requests_are_refused_with_a_reason() -> None:
    with pytest.raises(ParameterError, match="multiples of 16"):
        _dfr(side=100)
    with pytest.raises(TrainingError):
        _dfr().fit([], seed=0)
    with pytest.raises(CancelledError):
        _dfr().fit(_parts(), seed=0, cancelled=lambda: True)
    dfr = _dfr()
    with pytest.raises(RuntimeError):
        dfr.score(_parts(1)[0])
    dfr.fit(_parts(), seed=0)
    stored = dfr.tensors()
    with pytest.raises(ModelFileError, match=r"'network\.0\.weight' has the shape"):
        dfr.load_tensors({**stored, "network.0.weight": stored["network.0.weight"][:, :7]})
    with pytest.raises(ModelFileError, match=r"lacks the tensor 'network\.6\.bias'"):
        dfr.load_tensors({key: value for key, value in stored.items() if key != "network.6.bias"})
