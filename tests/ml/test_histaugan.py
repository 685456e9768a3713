from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ml.errors import CancelledError, PictureError, TrainingError
from ml.generation import histaugan_lesson
from ml.generation.catalogue.histaugan import HistauganParameters
from ml.generation.colour_transfer import carried_over
from ml.generation.colours import TO_OPPONENT, ColourSpan, figures
from ml.generation.domains import TEMPLATE_PROBABILITY, clustered, good_and_template
from ml.generation.generator import GeneratedPicture
from ml.generation.histaugan import Histaugan
from ml.generation.histaugan_lesson import HistauganLesson
from ml.generation.structure import gradient_correlation
from ml.generation.value_window import shrunk
from ml.networks.histaugan import HistauganNetworks
from ml.pictures import Pixels
from tests.ml.small_models import part, write

SMALL = {"width": 4, "crop_px": 32, "domains": 2, "steps": 3}
TINTS = np.array([(0, 0, 0), (30, 10, -20)])


def _good_pictures(count: int = 6, height: int = 40, width: int = 56) -> list[Pixels]:
    """One surface in two tints."""
    return [np.clip(part(index, height, width) + TINTS[index % 2], 0, 255).astype(np.uint8) for index in range(count)]


def _fitted(pictures: list[Pixels] | None = None, seed: int = 0, **settings: object) -> Histaugan:
    histaugan = Histaugan(HistauganParameters.model_validate({**SMALL, **settings}))
    histaugan.fit(_good_pictures() if pictures is None else pictures, seed)
    return histaugan


def _lesson(steps: int = 1, **settings: object) -> HistauganLesson:
    parameters = HistauganParameters.model_validate({**SMALL, **settings})
    torch.manual_seed(0)
    networks = HistauganNetworks(parameters.width, 2, parameters.crop_px)
    pictures = [torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 127.5 - 1 for pixels in _good_pictures()]
    domains = clustered([figures(_values(pixels)) for pixels in _good_pictures()], 2, 0)
    return HistauganLesson(networks, pictures, domains, parameters, 0, steps, torch.device("cpu"))


def _values(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(pixels / 255, np.float32)


@pytest.fixture(scope="module")
def fitted() -> Histaugan:
    return _fitted()


def _samples(histaugan: Histaugan, count: int = 3, seed: int = 0) -> list[GeneratedPicture]:
    return list(histaugan.sample(count, seed))


def test_that_pictures_of_alike_colours_share_a_domain() -> None:
    domains = clustered([figures(_values(pixels)) for pixels in _good_pictures()], 2, seed=0)
    assert sorted(sorted(members.tolist()) for members in domains.members) == [[0, 2, 4], [1, 3, 5]]
    assert domains.of(3) == domains.of(1) != domains.of(0)


def test_that_no_domain_of_one_picture_is_made_where_fewer_domains_do() -> None:
    colours = [np.full(6, value) for value in (0.0, 0.01, 1.0, 1.01, 5.0)]
    assert clustered(colours, 3, seed=0).count == 2


def test_that_a_single_domain_is_refused() -> None:
    with pytest.raises(ValueError, match="domains"):
        HistauganParameters(domains=1)
    with pytest.raises(TrainingError, match="appearance"):
        _fitted([part(0, 40, 40)] * 5)
    with pytest.raises(TrainingError, match="at least 4"):
        _fitted(_good_pictures(3))


def test_that_the_template_is_learnt_from_twice_in_eleven_times() -> None:
    lesson = _lesson()
    lesson._domains = good_and_template(5)
    codes = torch.cat([lesson.batch()[1] for _ in range(600)])
    assert float(codes[:, 1].mean()) == pytest.approx(TEMPLATE_PROBABILITY, abs=0.03)


def test_that_the_good_pictures_learn_the_look_of_a_template(tmp_path: Path) -> None:
    template = write(tmp_path / "template.png", part(9, 40, 56) // 2)
    histaugan = _fitted(template=str(template))
    pictures = _samples(histaugan, 12)
    assert {picture.changes["domain"] for picture in pictures} == {0, 1}
    assert {picture.changes["source_domain"] for picture in pictures} == {0}
    with pytest.raises(PictureError, match="missing"):
        _fitted(template=str(tmp_path / "missing.png"))


def test_that_training_lowers_the_reconstruction_losses_and_no_loss_is_infinite() -> None:
    lesson = _lesson(40, learning_rate=2e-3)
    history = [{name: float(loss) for name, loss in lesson.step(number).items()} for number in range(40)]
    assert all(np.isfinite(loss) for losses in history for loss in losses.values())
    for name in ("reconstruction", "cross-cycle"):
        first, last = (np.mean([losses[name] for losses in part]) for part in (history[:5], history[-5:]))
        assert last < 0.85 * first, name


def test_that_one_step_trains_every_network() -> None:
    lesson = _lesson()
    before = {name: value.clone() for name, value in lesson.networks.named_parameters()}
    lesson.step(0)
    for name, module in lesson.networks.named_children():
        weights = [f"{name}.{inner}" for inner, _ in module.named_parameters()]
        unchanged = [key for key in weights if torch.equal(before[key], lesson.networks.get_parameter(key))]
        assert not [key for key in unchanged if key.endswith("weight")], name


def test_that_reading_back_drawn_attributes_does_not_train_their_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else generator and encoder could agree on a code that no picture shows."""

    def gradients() -> dict[str, list[torch.Tensor]]:
        lesson = _lesson()
        lesson.step(0)
        makers = {"attributes": lesson.networks.attributes, "generator": lesson.networks.generator}
        return {
            name: [weight.grad for weight in network.parameters() if weight.grad is not None]
            for name, network in makers.items()
        }

    reading = gradients()
    monkeypatch.setattr(histaugan_lesson, "functional_call", lambda *_: (torch.zeros(2, 8), torch.zeros(2, 8)))
    unread = gradients()
    assert all(map(torch.allclose, reading["attributes"], unread["attributes"]))
    assert not all(map(torch.allclose, reading["generator"], unread["generator"]))


def test_that_the_single_row_of_a_line_camera_gets_other_colours() -> None:
    rows = [np.clip(part(index, 1, 200) + TINTS[index % 2], 0, 255).astype(np.uint8) for index in range(4)]
    picture = next(_fitted(rows, steps=1).sample(1, 0))
    assert picture.pixels.shape == (1, 200, 3)
    assert picture.changes["gradient_correlation"] >= 0.9


def test_that_the_structure_of_the_source_is_kept(fitted: Histaugan) -> None:
    for picture in _samples(fitted, 8):
        assert picture.source is not None
        measured = gradient_correlation(picture.pixels, _good_pictures()[picture.source])
        assert measured >= 0.9
        assert picture.changes["gradient_correlation"] == pytest.approx(measured, abs=1e-4)


def test_that_a_change_that_breaks_structure_is_weakened_and_says_so() -> None:
    histaugan = _fitted(least_correlation=0.999, reach=1.5)
    fitted = histaugan._fitted
    assert fitted is not None
    source = _good_pictures()[0]
    values = fitted.window.values(source)
    pixels, strength, correlation = histaugan._kept(fitted, source, values, values[::-1])
    assert 0 <= strength < 0.5
    assert correlation >= 0.999
    assert gradient_correlation(pixels, source) == pytest.approx(correlation, abs=1e-4)


def test_that_colours_stay_within_what_good_pictures_span() -> None:
    pictures = [_values(pixels) for pixels in _good_pictures()]
    span = ColourSpan.of([figures(values) for values in pictures])
    random = np.random.default_rng(0)
    for values in pictures:
        wild = (values * random.uniform(0.2, 3, 3) + random.uniform(-1, 1, 3)).astype(np.float32)
        assert not span.holds(wild, values)
        bounded = span.bounded(wild, values)
        assert span.holds(bounded, values)
        assert (figures(bounded) >= span.low - 0.002).all()
        assert (figures(bounded) <= span.high + 0.002).all()


def test_that_a_white_ground_stays_white() -> None:
    pictures = [_values(pixels) for pixels in _good_pictures()]
    span = ColourSpan.of([figures(values) for values in pictures])
    pictures[0][:10] = 1
    bounded = span.bounded(pictures[0] - 0.1, pictures[0])
    assert np.array_equal(bounded[:10], pictures[0][:10])
    assert (bounded[20:] < pictures[0][20:]).mean() > 0.5


def test_that_no_pixel_changes_more_than_the_span_allows() -> None:
    alike = [_values(part(index, 40, 56)) for index in range(4)]
    span = ColourSpan.of([figures(values) for values in alike])
    spotted = alike[0].copy()
    spotted[10:14, 10:14] = 1
    change = (span.bounded(spotted, alike[0]) - alike[0]) @ TO_OPPONENT.T
    assert np.abs(change).max() < 0.05


def test_that_a_change_is_carried_over_along_the_large_pictures_structure() -> None:
    large = np.full((60, 80, 3), 0.2, np.float32)
    large[:, 41:] = 0.8
    small = shrunk(large, 15, 20)
    change = np.where(small > 0.5, 0.1, -0.1).astype(np.float32)
    carried = carried_over(change, small, large, radius_px=3)
    assert carried.shape == large.shape
    assert np.abs(carried[:, :36] + 0.1).max() < 0.02
    assert np.abs(carried[:, 36:41] - carried[:, :1]).max() < 0.03
    assert np.abs(carried[:, 41:] - 0.1).max() < 0.03


def test_that_correlation_tells_kept_from_broken_structure() -> None:
    picture = part(0, 40, 56)
    assert gradient_correlation(picture, picture) == pytest.approx(1)
    assert gradient_correlation(picture, picture * 0.5 + 20) == pytest.approx(1)
    assert gradient_correlation(picture, picture[:, ::-1]) < 0.5
    assert gradient_correlation(np.zeros((9, 9)), np.ones((9, 9))) == 1
    assert gradient_correlation(np.zeros((9, 9)), np.eye(9)) == 0


def test_that_training_stops_when_asked() -> None:
    histaugan = Histaugan(HistauganParameters.model_validate(SMALL))
    with pytest.raises(CancelledError):
        histaugan.fit(_good_pictures(), 0, cancelled=lambda: True)
    with pytest.raises(RuntimeError, match="fitted"):
        next(histaugan.sample(1, 0))


def test_that_deep_and_shallow_pictures_are_not_mixed() -> None:
    pictures: list[Pixels] = [*_good_pictures(4), part(9, 40, 56).astype(np.uint16)]
    with pytest.raises(TrainingError, match="mixed"):
        _fitted(pictures)
