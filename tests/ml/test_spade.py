from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ml import methods
from ml.backbones import build_backbone
from ml.catalogue.spade import SpadeParameters
from ml.errors import CancelledError, ModelFileError, ParameterError, TrainingError
from ml.feature_scale import ChannelStatistics
from ml.methods.base import Geometry
from ml.methods.features import BACKBONE_PREFIX
from ml.methods.spade import Spade, normal_looking

SIDE = 64
CHANNELS = 40 + 112


@cache
def _network(strides: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """As a model file has it, which is quicker than building it from the package each time."""
    state = build_backbone("efficientnet_lite0", strides).state()
    return {f"{BACKBONE_PREFIX}{key}": value for key, value in state.items()}


def _spade(geometry: Geometry = "whole", side: int = SIDE, **settings: object) -> Spade:
    parameters = SpadeParameters.model_validate({"strides": (8, 16), **settings})
    built = methods.create("spade", parameters, geometry, (side, side), state=_network(parameters.strides))
    assert isinstance(built, Spade)
    return built


def _inputs(count: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))


def _parts(count: int = 6, seed: int = 0, inputs: int = 1) -> list[Tensor]:
    """Raw pyramids as `embed` packs them: 40 channels at 8 x 8 in blocks of 4, 112 at 4 x 4."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(inputs, 4 * 40 + 112, 4, 4, generator=generator) for _ in range(count)]


def _levels(packed: Tensor) -> tuple[Tensor, Tensor]:
    return torch.pixel_shuffle(packed[:, :160], 2), packed[:, 160:]


def _half(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts).half().float()


def _nearest(own: Tensor, gallery: Tensor, neighbours: int = 1) -> Tensor:
    """Written out: squared differences of every pair of positions, summed over the channels."""
    queries = own.permute(0, 2, 3, 1).reshape(-1, own.shape[1]).double()
    rows = gallery.permute(0, 2, 3, 1).reshape(-1, own.shape[1]).double()
    squares = torch.zeros(len(queries), len(rows), dtype=torch.float64)
    for channel in range(own.shape[1]):
        squares += (queries[:, None, channel] - rows[None, :, channel]) ** 2
    return squares.sqrt().sort(dim=1).values[:, :neighbours].mean(1).reshape(own.shape[2:]).float()


def test_that_embedding_keeps_the_networks_maps_unchanged() -> None:
    spade = _spade()
    inputs = _inputs(2)
    for level, expected in zip(_levels(spade.embed(inputs)), spade.extractor(inputs), strict=True):
        assert torch.equal(level, expected)


@pytest.mark.parametrize("neighbours", [1, 3])
def test_rule_03_a_depths_map_sums_over_the_channels(neighbours: int) -> None:
    """The known implementation summed over the last axis of the picture instead, silently."""
    spade = _spade(map="layers", standardise=False, strides=(16,), grid_stride=16, neighbours=neighbours)
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(1, 112, 4, 4, generator=generator) for _ in range(3)]
    spade.fit(parts, seed=0)
    probe = torch.randn(1, 112, 4, 4, generator=generator)
    torch.testing.assert_close(
        spade.score(probe).cells[0], _nearest(probe, _half(parts), neighbours), rtol=1e-4, atol=1e-4
    )


def test_that_the_mean_of_the_depths_own_maps_is_one_reading() -> None:
    spade = _spade(map="layers", standardise=False)
    spade.fit(_parts(), seed=0)
    probe = _parts(1, seed=9)[0]
    by_depth = [_nearest(own, gallery) for own, gallery in zip(_levels(probe), _levels(_half(_parts())), strict=True)]
    resampled = spade.pyramid.resample([level[None, None] for level in by_depth])
    torch.testing.assert_close(spade.score(probe).cells[0], torch.cat(resampled).mean(0)[0], rtol=1e-4, atol=1e-4)


def test_that_one_vector_over_all_depths_is_the_other_reading() -> None:
    spade = _spade(standardise=False)
    spade.fit(_parts(), seed=0)
    probe = _parts(1, seed=9)[0]
    own, gallery = (torch.cat(spade.pyramid.resample(_levels(one)), dim=1) for one in (probe, _half(_parts())))
    assert own.shape == (1, CHANNELS, 8, 8)
    torch.testing.assert_close(spade.score(probe).cells[0], _nearest(own, gallery), rtol=1e-4, atol=1e-4)


def test_that_only_the_nearest_pictures_are_compared() -> None:
    parts = [part + 10 * index for index, part in enumerate(_parts())]
    few, all_of_two = _spade(nearest_pictures=2, standardise=False), _spade(standardise=False)
    few.fit(parts, seed=0)
    all_of_two.fit(parts[2:4], seed=0)
    probe = _parts(1, seed=9)[0] + 25  # between the pictures 2 and 3
    torch.testing.assert_close(few.score(probe).cells, all_of_two.score(probe).cells)


@pytest.mark.parametrize("count", [1, 2, 7, 101])
def test_that_no_picture_is_left_out_whatever_their_number(count: int) -> None:
    """Blocks of a fixed size, as in the known implementation, dropped the remainder."""
    spade = _spade(nearest_pictures=1)
    parts = _parts(count)
    spade.fit(parts, seed=0)
    assert len(spade.tensors()["gallery"]) == count
    assert spade.score(parts[-1]).cells.max() < 0.01
    assert spade.score(parts[0]).cells.max() < 0.01


def test_that_the_published_score_is_the_mean_distance_to_the_nearest_pictures() -> None:
    spade = _spade(score="neighbours", nearest_pictures=2, standardise=False)
    spade.fit(_parts(), seed=0)
    probe = torch.cat(_parts(2, seed=9))
    pooled, own = (_levels(one)[1].mean((2, 3)) for one in (_half(_parts()), probe))
    expected = torch.cdist(own, pooled).sort(dim=1).values[:, :2].mean(1)
    scores = spade.score(probe).scores
    assert scores is not None
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)
    spade = _spade()
    spade.fit(_parts(), seed=0)
    assert spade.score(probe).scores is None  # the map's maximum


@pytest.mark.parametrize("reading", ["concatenated", "layers"])
def test_that_no_depth_counts_more_for_being_large(reading: str) -> None:
    large = torch.ones(1, 4 * 40 + 112, 1, 1)
    large[:, :160] = 300.0
    plain, scaled = _spade(map=reading), _spade(map=reading)
    plain.fit(_parts(), seed=0)
    scaled.fit([part * large for part in _parts()], seed=0)
    probe = _parts(1, seed=9)[0]
    torch.testing.assert_close(scaled.score(probe * large).cells, plain.score(probe).cells, rtol=1e-2, atol=1e-2)


def test_that_a_feature_that_never_varied_does_not_rule_the_map() -> None:
    parts = _parts()
    for part in parts:
        part[:, 200] = 0.3
    spade = _spade()
    spade.fit(parts, seed=0)
    assert spade.score(parts[0]).cells.max() < 0.01  # half precision stores 0.3 with an error


def test_that_the_smallest_spread_is_a_share_of_the_others_and_of_the_value() -> None:
    statistics = ChannelStatistics(3)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1000, 3, generator=generator) * torch.tensor([1.0, 2.0, 0.0]) + torch.tensor([0.0, 5.0, 1000.0])
    statistics.add(rows[:300])
    statistics.add(rows[300:].reshape(7, 100, 3).transpose(1, 2)[..., None])
    torch.testing.assert_close(statistics.mean, rows.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(statistics.spread[:2], rows.std(0, unbiased=False)[:2], rtol=1e-4, atol=1e-4)
    assert float(statistics.spread[2]) == pytest.approx(1000 / 256, rel=1e-3)


def test_that_cosine_ignores_the_length_of_features() -> None:
    spade = _spade(metric="cosine", score="neighbours")
    spade.fit(_parts(), seed=0)
    probe = _parts(1, seed=9)[0]
    once, thrice = spade.score(probe), spade.score(3 * probe)
    torch.testing.assert_close(once.cells, thrice.cells, rtol=1e-4, atol=1e-5)
    assert once.scores is not None
    assert thrice.scores is not None
    torch.testing.assert_close(once.scores, thrice.scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cleaning", ["one_class_svm", "isolation_forest"])
def test_that_cleaning_takes_the_odd_picture_and_never_half_of_them(cleaning: str) -> None:
    random = torch.Generator().manual_seed(0)
    pooled = torch.randn(40, 112, generator=random)
    pooled[17] += 8
    kept = normal_looking(pooled, cleaning, 0.05, seed=0)
    assert 17 not in kept
    assert len(kept) == 38
    assert np.array_equal(kept, normal_looking(pooled, cleaning, 0.05, seed=0))
    assert len(normal_looking(pooled[:10], cleaning, 0.05, seed=0)) == 9  # a twentieth of ten is none, yet one goes


def test_that_an_odd_picture_is_not_learnt_from_when_cleaning() -> None:
    parts = _parts(20)
    parts[3] = parts[3] + 30
    for cleaning, count in [("none", 20), ("one_class_svm", 19), ("isolation_forest", 19)]:
        spade = _spade(cleaning=cleaning, nearest_pictures=1)
        spade.fit(parts, seed=0)
        assert len(spade.tensors()["gallery"]) == count
        is_learnt = float(spade.score(parts[3]).cells.max()) < 0.1
        assert is_learnt == (cleaning == "none")


def test_that_the_gallery_is_capped_by_pictures_that_cover_the_others() -> None:
    spade = _spade(gallery_mb=1)
    room = 2**20 // (2 * 272 * 16)
    parts = _parts(room + 30)
    parts[room + 7] = parts[room + 7] + 20  # unlike all others: it must stay
    spade.fit(parts, seed=0)
    gallery = spade.tensors()["gallery"]
    assert len(gallery) == room
    assert gallery.nbytes <= 2**20
    assert any(np.allclose(one, parts[room + 7][0].half().numpy()) for one in gallery)


def test_that_in_patches_each_patch_is_a_picture_of_the_gallery() -> None:
    spade = _spade("patches", nearest_pictures=1)
    parts = _parts(3, inputs=4)
    spade.fit(parts, seed=0)
    assert len(spade.tensors()["gallery"]) == 12
    assert spade.score(parts[1]).cells.amax() < 0.01


def test_that_the_same_seed_gives_the_same_model() -> None:
    first, second = _spade(gallery_mb=1), _spade(gallery_mb=1)
    parts = _parts(140)
    first.fit(parts, seed=3)
    second.fit(parts, seed=3)
    assert all(np.array_equal(value, second.tensors()[key]) for key, value in first.tensors().items())


@pytest.mark.parametrize("reading", ["concatenated", "layers"])
def test_that_an_input_scores_exactly_the_same_alone_and_in_a_batch(reading: str) -> None:
    spade = _spade(map=reading, score="neighbours")
    spade.fit(_parts(), seed=0)
    batch = torch.cat(_parts(4, seed=5))
    together, reverse = spade.score(batch), spade.score(batch.flip(0))
    for index in range(4):
        alone = spade.score(batch[index : index + 1])
        assert torch.equal(together.cells[index], alone.cells[0])
        assert torch.equal(reverse.cells[3 - index], alone.cells[0])
        assert alone.scores is not None
        assert together.scores is not None
        assert torch.equal(together.scores[index : index + 1], alone.scores)


@pytest.mark.parametrize("reading", ["concatenated", "layers"])
def test_that_a_stored_model_scores_the_same(reading: str) -> None:
    spade = _spade(map=reading, nearest_pictures=2)
    spade.fit([spade.embed(_inputs(seed=index)) for index in range(4)], seed=0)
    stored = spade.tensors()
    again = methods.create("spade", spade.parameters, "whole", (SIDE, SIDE), state=stored)
    again.load_tensors({**stored, "of_somebody_else": np.zeros(3)})
    probe = _inputs(2, seed=9)
    assert torch.equal(again.score(again.embed(probe)).cells, spade.score(spade.embed(probe)).cells)
    assert all(np.array_equal(value, again.tensors()[key]) for key, value in stored.items())


def test_that_fitting_again_forgets_the_first_time() -> None:
    again, fresh = _spade(), _spade()
    again.fit([7 * part for part in _parts(4, seed=7)], seed=0)
    again.fit(_parts(), seed=0)
    fresh.fit(_parts(), seed=0)
    assert all(np.array_equal(value, fresh.tensors()[key]) for key, value in again.tensors().items())


@pytest.mark.parametrize("reading", ["concatenated", "layers"])
@pytest.mark.parametrize("geometry", ["whole", "patches"])
def test_that_a_bright_square_is_found_where_it_is(reading: str, geometry: Geometry) -> None:
    side = 128
    spade = _spade(geometry, side, map=reading, strides=(4, 8, 16))
    generator = torch.Generator().manual_seed(0)

    def textured(count: int) -> Tensor:
        return 0.3 * torch.randn(count, 3, side, side, generator=generator)

    spade.fit([spade.embed(textured(2 if geometry == "patches" else 1)) for _ in range(12)], seed=0)
    for top, left in [(24, 80), (61, 43), (90, 90), (0, 0), (116, 70)]:
        probe = textured(1)
        probe[..., top : top + 12, left : left + 12] = 1.5
        cells = spade.score(spade.embed(probe)).cells[0]
        row, column = divmod(int(cells.argmax()), cells.shape[1])
        pitch = side / cells.shape[0]
        for cell, offset, corner in zip((row, column), spade.offset_px, (top, left), strict=True):
            assert abs((cell + 0.5) * pitch - 0.5 + offset - (corner + 5.5)) <= pitch + 1.5


def test_that_the_cache_is_told_what_decides_the_features() -> None:
    assert _spade().embedding_hash == _spade(map="layers", nearest_pictures=3).embedding_hash
    assert _spade().embedding_hash != _spade(strides=(4, 8)).embedding_hash


def test_that_unusable_requests_are_refused_with_a_reason() -> None:
    with pytest.raises(ParameterError, match="multiples of 16"):
        _spade(side=100)
    with pytest.raises(TrainingError):
        _spade().fit([], seed=0)
    with pytest.raises(CancelledError):
        _spade().fit(_parts(), seed=0, cancelled=lambda: True)
    spade = _spade()
    spade.fit(_parts(), seed=0)
    stored = spade.tensors()
    with pytest.raises(ModelFileError, match="'gallery' has the shape"):
        spade.load_tensors({**stored, "gallery": stored["gallery"][:, :7]})
    with pytest.raises(ModelFileError, match="lacks the tensor 'scale'"):
        spade.load_tensors({key: value for key, value in stored.items() if key != "scale"})
