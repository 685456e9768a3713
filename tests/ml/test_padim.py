from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml import methods
from ml.catalogue.padim import PadimParameters
from ml.errors import CancelledError, ModelFileError, TrainingError
from ml.methods.base import Geometry, Method

SIDE, CELLS, CHANNELS = 32, 4, 6  # pixels, cells a side at stride 8, features


def _padim(geometry: Geometry = "whole", **settings: object) -> Method:
    parameters = PadimParameters.model_validate({"channels": CHANNELS, **settings})
    return methods.create("padim", parameters, geometry, (SIDE, SIDE))


def _parts(count: int = 9, patches: int = 1, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(CHANNELS, CHANNELS, generator=generator)
    place = 3 * torch.randn(1, CHANNELS, CELLS, CELLS, generator=generator)
    return [
        torch.einsum("nchw,cd->ndhw", torch.randn(patches, CHANNELS, CELLS, CELLS, generator=generator), mixing) + place
        for _ in range(count)
    ]


def _naive_ridge(parts: list[Tensor], probe: Tensor) -> NDArray[np.float64]:
    """The paper, position by position: np.cov, +0.01 I, np.linalg.inv."""
    stack = torch.cat(parts).double().numpy()
    found = np.zeros((CELLS, CELLS))
    for row in range(CELLS):
        for column in range(CELLS):
            vectors = stack[:, :, row, column]
            inverse = np.linalg.inv(np.cov(vectors, rowvar=False) + 0.01 * np.eye(CHANNELS))
            difference = probe[0, :, row, column].double().numpy() - vectors.mean(0)
            found[row, column] = np.sqrt(difference @ inverse @ difference)
    return found


@pytest.mark.parametrize("count", [4, 9, 40])  # fewer pictures than features, and more
def test_that_the_published_covariance_equals_the_naive_reference(count: int) -> None:
    padim = _padim(covariance="ridge")
    padim.fit(_parts(count), seed=0)
    probe = _parts(1, seed=5)[0]
    np.testing.assert_allclose(padim.score(probe).cells[0], _naive_ridge(_parts(count), probe), rtol=1e-4)


def test_that_patches_share_one_gaussian() -> None:
    padim = _padim("patches", covariance="ridge")
    parts = _parts(5, patches=3)
    padim.fit(parts, seed=0)
    vectors = torch.cat(parts).permute(0, 2, 3, 1).reshape(-1, CHANNELS).double().numpy()
    inverse = np.linalg.inv(np.cov(vectors, rowvar=False) + 0.01 * np.eye(CHANNELS))
    probe = _parts(1, patches=2, seed=5)[0]
    differences = probe.permute(0, 2, 3, 1).double().numpy() - vectors.mean(0)
    expected = np.sqrt(np.einsum("nhwc,cd,nhwd->nhw", differences, inverse, differences))
    np.testing.assert_allclose(padim.score(probe).cells, expected, rtol=1e-4)


@pytest.mark.parametrize("covariance", ["pooled", "oas", "ledoit_wolf", "ridge"])
@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_fewer_pictures_than_features_give_finite_scores(covariance: str, geometry: Geometry) -> None:
    padim = _padim(geometry, covariance=covariance)
    padim.fit(_parts(2), seed=0)
    assert padim.score(_parts(1, seed=3)[0]).cells.isfinite().all()


@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_an_unlike_input_scores_higher_than_every_normal_one(geometry: Geometry) -> None:
    padim = _padim(geometry)
    padim.fit(_parts(30), seed=0)
    normal = max(float(padim.score(part).cells.max()) for part in _parts(30)[:10])
    strange = _parts(30)[0].clone()
    strange[..., 1, 2] += 25
    cells = padim.score(strange).cells[0]
    assert cells.max() > 3 * normal
    assert divmod(int(cells.argmax()), CELLS) == (1, 2)


def test_that_the_order_of_the_pictures_does_not_matter() -> None:
    forward, backward = _padim(), _padim()
    forward.fit(_parts(), seed=0)
    backward.fit(_parts()[::-1], seed=0)
    probe = _parts(1, seed=5)[0]
    torch.testing.assert_close(forward.score(probe).cells, backward.score(probe).cells, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_an_input_scores_the_same_alone_and_in_a_batch(geometry: Geometry) -> None:
    padim = _padim(geometry)
    padim.fit(_parts(), seed=0)
    batch = torch.cat(_parts(4, seed=5))
    alone = torch.cat([padim.score(batch[index : index + 1]).cells for index in range(4)])
    torch.testing.assert_close(padim.score(batch).cells, alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("geometry", ["whole", "patches"])
@pytest.mark.parametrize("selection", ["random", "semi_orthogonal"])
def test_that_a_stored_model_scores_the_same(geometry: Geometry, selection: str) -> None:
    padim = _padim(geometry, selection=selection)
    padim.fit(_parts(), seed=0)
    stored = padim.tensors()
    again = methods.create("padim", padim.parameters, geometry, (SIDE, SIDE), state=stored)
    again.load_tensors(stored)
    inputs = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    assert torch.equal(padim.score(padim.embed(inputs)).cells, again.score(again.embed(inputs)).cells)
    assert all(np.array_equal(value, stored[key]) for key, value in again.tensors().items())


def test_rule_04_the_stored_choice_of_features_rules_and_not_the_seed() -> None:
    padim = _padim()
    padim.fit(_parts(), seed=0)
    stored = padim.tensors()
    other = np.arange(CHANNELS) + 3
    assert not np.array_equal(other, stored["selection"])
    again = methods.create("padim", padim.parameters, "whole", (SIDE, SIDE), state=stored)
    again.load_tensors({**stored, "selection": other})
    assert np.array_equal(again.tensors()["selection"], other)
    inputs = torch.randn(1, 3, SIDE, SIDE)
    assert not torch.equal(again.embed(inputs), padim.embed(inputs))


def test_that_the_chosen_features_are_those_of_the_index_list() -> None:
    everything = _padim(channels=176)  # all of 24 + 40 + 112
    few = _padim()
    few.fit(_parts(), seed=0)
    inputs = torch.randn(1, 3, SIDE, SIDE)
    chosen = few.tensors()["selection"]
    torch.testing.assert_close(few.embed(inputs), everything.embed(inputs)[:, torch.from_numpy(chosen)])
    assert all(first < second for first, second in pairwise(chosen.tolist()))


def test_that_the_projection_is_semi_orthogonal_and_over_all_features() -> None:
    everything, projected = _padim(channels=176), _padim(selection="semi_orthogonal")
    projected.fit(_parts(), seed=0)
    matrix = torch.from_numpy(projected.tensors()["selection"])
    torch.testing.assert_close(matrix.T @ matrix, torch.eye(CHANNELS), atol=1e-5, rtol=0)
    inputs = torch.randn(1, 3, SIDE, SIDE)
    expected = torch.einsum("nchw,cd->ndhw", everything.embed(inputs), matrix)
    torch.testing.assert_close(projected.embed(inputs), expected, rtol=1e-4, atol=1e-4)


def test_that_one_picture_or_identical_ones_are_refused() -> None:
    with pytest.raises(TrainingError, match="two normal pictures"):
        _padim().fit(_parts(1), seed=0)
    with pytest.raises(TrainingError, match="identical"):
        _padim().fit([torch.zeros(1, CHANNELS, CELLS, CELLS)] * 3, seed=0)


def test_that_a_model_with_a_wrong_or_missing_tensor_is_refused() -> None:
    padim = _padim()
    padim.fit(_parts(), seed=0)
    stored = padim.tensors()
    with pytest.raises(ModelFileError, match="'mean' has the shape"):
        padim.load_tensors({**stored, "mean": stored["mean"][:3]})
    with pytest.raises(ModelFileError, match="lacks the tensor 'whitening'"):
        padim.load_tensors({key: value for key, value in stored.items() if key != "whitening"})
    with pytest.raises(ModelFileError, match=r"conv_stem\.weight"):
        methods.create("padim", padim.parameters, "whole", (SIDE, SIDE), state={"mean": stored["mean"]})


def test_that_fitting_tells_progress_and_can_be_stopped() -> None:
    stages: list[str] = []
    _padim().fit(_parts(), 0, progress=lambda stage, done, total: stages.append(stage))
    assert list(dict.fromkeys(stages)) == ["Gathering statistics", "Inverting the covariances"]
    with pytest.raises(CancelledError):
        _padim().fit(_parts(), 0, cancelled=lambda: True)


@pytest.mark.parametrize("geometry", ["whole", "patches"])
@pytest.mark.parametrize("count", [2, 4, 9])  # fewer pictures than features, and more
@pytest.mark.parametrize("covariance", ["pooled", "oas"])
def test_that_a_fit_for_scores_gives_those_of_a_fit(geometry: Geometry, count: int, covariance: str) -> None:
    quick, full = _padim(geometry, covariance=covariance), _padim(geometry, covariance=covariance)
    quick.fit_for_scores(_parts(count), seed=0)
    full.fit(_parts(count), seed=0)
    probe = torch.cat(_parts(3, seed=5))
    torch.testing.assert_close(quick.score(probe).cells, full.score(probe).cells, rtol=1e-5, atol=1e-5)
    quick.fit(_parts(count), seed=0)
    assert all(np.array_equal(value, full.tensors()[key]) for key, value in quick.tensors().items())


def test_that_a_fit_for_scores_refuses_what_a_fit_refuses() -> None:
    for parts, reason in ((_parts(1), "two normal pictures"), ([torch.zeros_like(_parts(1)[0])] * 3, "identical")):
        with pytest.raises(TrainingError, match=reason):
            _padim().fit_for_scores(parts, seed=0)


def test_that_fitting_again_forgets_the_first_time() -> None:
    again, fresh = _padim(), _padim()
    again.fit(_parts(seed=7), seed=0)
    again.fit(_parts(), seed=0)
    fresh.fit(_parts(), seed=0)
    assert all(np.array_equal(value, fresh.tensors()[key]) for key, value in again.tensors().items())
