import pytest
import torch

from ml.backbones import FeatureExtractor, build_backbone
from ml.errors import ParameterError
from ml.pyramid import Pyramid


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return build_backbone("efficientnet_lite0", (4, 8, 16))


def _positions(extractor: FeatureExtractor, side: int) -> list[torch.Tensor]:
    """Maps whose value is the pixel column that each cell answers for."""
    return [
        (((torch.arange(side // stride) + 0.5) * stride - 0.5 + offset).expand(1, 1, side // stride, -1))
        for stride, offset in zip(extractor.strides, extractor.offsets_px, strict=True)
    ]


@pytest.mark.parametrize("grid_stride", [4, 8, 16, 32])
def test_that_every_map_arrives_at_the_grids_own_places(extractor: FeatureExtractor, grid_stride: int) -> None:
    side = 128
    pyramid = Pyramid(extractor, (side, side), grid_stride)
    wanted = (torch.arange(side // grid_stride) + 0.5) * grid_stride - 0.5 + pyramid.offset_px
    for columns in pyramid.resample(_positions(extractor, side)):
        assert columns.shape == (1, 1, pyramid.rows, pyramid.columns)
        inner = slice(1, -1) if grid_stride >= 16 else slice(4, -4)  # at the border the last cell is repeated
        torch.testing.assert_close(columns[0, 0, 0, inner], wanted[inner], rtol=0, atol=1.3)


def test_that_the_map_on_the_grid_is_not_touched(extractor: FeatureExtractor) -> None:
    maps = [torch.randn(2, 3, 64 // stride, 96 // stride) for stride in (4, 8, 16)]
    assert torch.equal(Pyramid(extractor, (64, 96), 8).resample(maps)[1], maps[1])


def test_that_a_constant_map_stays_constant(extractor: FeatureExtractor) -> None:
    maps = [torch.full((1, 2, 64 // stride, 96 // stride), 5.0) for stride in (4, 8, 16)]
    for resampled in Pyramid(extractor, (64, 96), 8).resample(maps):
        torch.testing.assert_close(resampled, torch.full((1, 2, 8, 12), 5.0))


def test_that_the_neighbourhood_is_the_mean_with_zeros_outside(extractor: FeatureExtractor) -> None:
    maps = [torch.randn(1, 2, 64 // stride, 64 // stride) for stride in (4, 8, 16)]
    averaged = Pyramid(extractor, (64, 64), 8, neighbourhood=3).resample(maps)[1]
    torch.testing.assert_close(averaged, torch.nn.functional.avg_pool2d(maps[1], 3, stride=1, padding=1))


def test_that_inputs_which_the_strides_do_not_divide_are_refused(extractor: FeatureExtractor) -> None:
    with pytest.raises(ParameterError, match="200x100 px; its sides must be multiples of 16, for example 192x96"):
        Pyramid(extractor, (100, 200), 8)
