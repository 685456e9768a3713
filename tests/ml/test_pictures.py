"""Whatever a camera or a folder holds becomes checked pixels, or an error that names the file."""

import contextlib
import io
import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ml import pictures
from ml.errors import PictureError
from ml.files import write_atomically
from ml.pictures import (
    MAX_PIXELS,
    MIN_LONG_SIDE_PX,
    PICTURE_SUFFIXES,
    check_pixels,
    decode_picture,
    default_window,
    encode_png,
    list_pictures,
    natural_key,
    read_picture,
    read_picture_bytes,
)
from tests.ml.tiff_files import tiff_bytes

HEIGHT, WIDTH = 40, 60


def colour(dtype: Any = np.uint8) -> NDArray[Any]:
    """Smooth, so that JPEG keeps it; different in every channel and corner."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    full = np.iinfo(dtype).max
    planes = [x / WIDTH, y / HEIGHT, (x + y) / (HEIGHT + WIDTH) / 2]
    return np.round(np.dstack(planes) * full).astype(dtype)


def grey(dtype: Any = np.uint8) -> NDArray[Any]:
    return np.ascontiguousarray(colour(dtype)[..., 2])


def pillow_bytes(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opencv_bytes(suffix: str, pixels: NDArray[Any], *options: int) -> bytes:
    bgr = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, bgr, options)[1].tobytes()


def with_chunk(png: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after IHDR."""
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png[:33] + chunk + png[33:]


FILES = {
    "8-bit PNG": opencv_bytes(".png", colour()),
    "16-bit PNG": opencv_bytes(".png", colour(np.uint16)),
    "JPEG": opencv_bytes(".jpg", colour()),
    "progressive JPEG": opencv_bytes(".jpg", colour(), cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "BMP": opencv_bytes(".bmp", colour()),
    "8-bit TIFF": opencv_bytes(".tif", colour()),
    "16-bit TIFF": opencv_bytes(".tif", colour(np.uint16)),
    "plain TIFF": tiff_bytes(colour(), 8),
    "12-bit TIFF": tiff_bytes(grey(np.uint16) >> 4, 12),
    "TIFF with alpha": pillow_bytes(Image.fromarray(np.dstack([colour(), grey()])), "TIFF"),
    "LZW TIFF with alpha": pillow_bytes(Image.fromarray(np.dstack([colour(), grey()])), "TIFF", compression="tiff_lzw"),
}


# --- what is read, as it is


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
@pytest.mark.parametrize("make", [colour, grey])
def test_that_8_bit_pictures_keep_their_values_and_colour_order(suffix: str, make: Callable[[], NDArray[Any]]) -> None:
    picture = decode_picture(opencv_bytes(suffix, make()), "part")
    np.testing.assert_array_equal(picture.pixels, make())
    assert picture.pixels.dtype == np.uint8
    assert picture.bit_depth == 8


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("make", [colour, grey])
def test_rule_14_16_bit_pictures_stay_16_bit(suffix: str, make: Callable[[Any], NDArray[Any]]) -> None:
    picture = decode_picture(opencv_bytes(suffix, make(np.uint16)), "part")
    np.testing.assert_array_equal(picture.pixels, make(np.uint16))
    assert picture.pixels.dtype == np.uint16
    assert picture.bit_depth == 16


@pytest.mark.parametrize("make", [colour, grey])
def test_that_jpeg_pictures_come_as_rgb_or_grey(make: Callable[[], NDArray[Any]]) -> None:
    picture = decode_picture(opencv_bytes(".jpg", make(), cv2.IMWRITE_JPEG_QUALITY, 100), "part")
    assert picture.pixels.shape == make().shape
    assert np.abs(picture.pixels.astype(int) - make()).mean() < 2


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("make", [colour, grey])
def test_that_10_to_14_bit_tiff_holds_the_sensor_s_counts(bits: int, make: Callable[[Any], NDArray[Any]]) -> None:
    counts = make(np.uint16) >> (16 - bits)
    picture = decode_picture(tiff_bytes(counts, bits), "part")
    np.testing.assert_array_equal(picture.pixels, counts)
    assert picture.bit_depth == bits


@pytest.mark.parametrize(("make", "body"), [(grey, b"\x0c"), (colour, b"\x0c\x0c\x0c")])
def test_that_significant_bits_of_a_png_give_the_sensor_s_counts(
    make: Callable[[Any], NDArray[Any]], body: bytes
) -> None:
    counts = make(np.uint16) >> 4
    scaled = opencv_bytes(".png", counts << 4)
    picture = decode_picture(with_chunk(scaled, b"sBIT", body), "part")
    np.testing.assert_array_equal(picture.pixels, counts)
    assert picture.bit_depth == 12


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_that_a_tiff_that_counts_darkness_is_turned_over(bits: int) -> None:
    counts = (grey(np.uint16) >> (16 - bits)).astype(np.uint8 if bits == 8 else np.uint16)
    picture = decode_picture(tiff_bytes(counts, bits, tags={262: (0,)}), "part")
    np.testing.assert_array_equal(picture.pixels, (2**bits - 1) - counts)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_rule_14_alpha_is_dropped_and_hides_no_pixel(kind: str) -> None:
    alpha = np.zeros((HEIGHT, WIDTH), np.uint8)
    alpha[:, ::2] = 100
    picture = decode_picture(pillow_bytes(Image.fromarray(np.dstack([colour(), alpha])), kind), "part")
    np.testing.assert_array_equal(picture.pixels, colour())


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_that_grey_with_alpha_is_grey(kind: str) -> None:
    image = Image.merge("LA", [Image.fromarray(grey()), Image.new("L", (WIDTH, HEIGHT), 7)])
    np.testing.assert_array_equal(decode_picture(pillow_bytes(image, kind), "part").pixels, grey())


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_that_alpha_is_dropped_from_16_bit_pictures_too(suffix: str) -> None:
    rgba = np.dstack([colour(np.uint16), np.zeros((HEIGHT, WIDTH), np.uint16)])
    data = cv2.imencode(suffix, cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGRA))[1].tobytes()
    np.testing.assert_array_equal(decode_picture(data, "part").pixels, colour(np.uint16))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_that_a_palette_picture_is_rgb(kind: str) -> None:
    image = Image.fromarray(colour()).quantize(64)
    picture = decode_picture(pillow_bytes(image, kind), "part")
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))


def test_that_a_transparent_palette_colour_is_a_colour() -> None:
    image = Image.fromarray(colour()).quantize(64)
    picture = decode_picture(pillow_bytes(image, "PNG", transparency=5), "part")
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_that_a_1_bit_picture_is_0_and_255(kind: str) -> None:
    image = Image.fromarray(grey() > 60)
    picture = decode_picture(pillow_bytes(image, kind), "part")
    np.testing.assert_array_equal(picture.pixels, (grey() > 60) * np.uint8(255))
    assert picture.bit_depth == 8


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_that_cmyk_becomes_rgb(kind: str) -> None:
    image = Image.fromarray(colour()).convert("CMYK")
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    picture = decode_picture(pillow_bytes(image, kind, **options), "part")
    assert np.abs(picture.pixels.astype(int) - colour()).max() < 6


def rotated(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """EXIF 2.32, tag 274, by Pillow, channel by channel since it keeps no 16-bit colour."""
    if pixels.ndim == 3:
        return np.dstack([rotated(np.ascontiguousarray(pixels[..., channel]), orientation) for channel in range(3)])
    image = Image.fromarray(pixels)
    image.getexif()[274] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("make", [colour, grey])
def test_that_a_tiff_is_turned_as_its_tag_says(
    make: Callable[[Any], NDArray[Any]], dtype: Any, orientation: int
) -> None:
    pixels = make(dtype)
    picture = decode_picture(tiff_bytes(pixels, 8 * pixels.itemsize, orientation=orientation), "part")
    np.testing.assert_array_equal(picture.pixels, rotated(pixels, orientation))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (kind, mode)
        for kind in ("PNG", "JPEG", "TIFF")
        for mode in ("RGB", "L", "RGBA")
        if (kind, mode) != ("JPEG", "RGBA")
    ],
)
def test_rule_14_exif_rotation_is_carried_out(kind: str, mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    data = pillow_bytes(Image.fromarray(colour()).convert(mode), kind, exif=exif, **options)
    expected = rotated(np.asarray(Image.fromarray(colour()).convert("L" if mode == "L" else "RGB")), orientation)
    picture = decode_picture(data, "part")
    assert picture.pixels.shape == expected.shape
    assert np.abs(picture.pixels.astype(int) - expected).max() <= (4 if kind == "JPEG" else 0)


def test_that_decoded_pixels_are_read_only() -> None:
    assert not decode_picture(FILES["8-bit PNG"], "part").pixels.flags.writeable


def test_that_a_path_and_its_bytes_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(FILES["16-bit PNG"])
    np.testing.assert_array_equal(read_picture(path).pixels, decode_picture(path.read_bytes(), "part").pixels)


def test_that_a_picture_of_100_megapixels_is_read() -> None:
    data = opencv_bytes(".png", np.zeros((10_000, 10_000), np.uint8))
    assert decode_picture(data, "part").pixels.shape == (10_000, 10_000)


def test_that_a_preview_page_in_a_tiff_does_no_harm() -> None:
    page = Image.fromarray(colour())
    preview = Image.fromarray(colour()[::4, ::4])
    preview.encoderinfo = {"tiffinfo": {254: 1}}
    data = pillow_bytes(page, "TIFF", save_all=True, append_images=[preview])
    np.testing.assert_array_equal(decode_picture(data, "part").pixels, colour())


# --- what is refused, and how


def refused(data: bytes, why: str) -> None:
    with pytest.raises(PictureError, match=why) as caught:
        decode_picture(data, "line 3/part 17.png")
    assert str(caught.value).startswith("line 3/part 17.png "), "the error names the file"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("share", [0.001, 0.1, 0.3, 0.5, 0.9, 0.99])
def test_that_a_file_cut_short_is_never_a_half_grey_picture(file: str, share: float) -> None:
    data = FILES[file]
    refused(data[: max(3, int(len(data) * share))], "damaged|not a PNG")


@pytest.mark.parametrize("file", FILES)
def test_that_a_file_without_its_last_bytes_is_refused(file: str) -> None:
    for missing in (1, 2, 12):
        refused(FILES[file][:-missing], "damaged")


@pytest.mark.parametrize("file", FILES)
def test_that_broken_bytes_are_an_error_for_people_or_a_picture_of_the_same_size(file: str) -> None:
    random = np.random.default_rng(0)
    for _ in range(60):
        data = bytearray(FILES[file])
        for position in random.integers(0, len(data), 4):
            data[position] = random.integers(256)
        try:
            picture = decode_picture(bytes(data), "part")
        except PictureError:
            continue
        check_pixels(picture.pixels)


@pytest.mark.parametrize("data", [b"not a picture at all", b"GIF89a" + bytes(100), b"\x00", b"RIFF\0\0\0\0WEBPVP8 "])
def test_that_what_is_no_picture_is_refused(data: bytes) -> None:
    refused(data, "not a PNG, JPEG, BMP or TIFF")


def test_that_an_empty_file_is_refused() -> None:
    refused(b"", "empty")


def bomb_png(width: int, height: int) -> bytes:
    """A valid header, and rows of zeros that pack a thousandfold."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n"
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(10_000_000))), (b"IEND", b"")):
        png += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return png


def claiming(data: bytes, position: int, width: int, height: int) -> bytes:
    return data[:position] + struct.pack("<ii", width, height) + data[position + 8 :]


def claiming_jpeg(data: bytes) -> bytes:
    frame = data.index(b"\xff\xc0")
    return data[: frame + 5] + struct.pack(">HH", 60_000, 60_000) + data[frame + 9 :]


@pytest.mark.parametrize(
    "data",
    [
        bomb_png(50_000, 50_000),
        bomb_png(2_000_000_000, 64),
        claiming(FILES["BMP"], 18, 100_000, 100_000),
        claiming(FILES["BMP"], 18, 100_000, -100_000),
        claiming_jpeg(FILES["JPEG"]),
        tiff_bytes(colour(), 8).replace(
            struct.pack("<HHII", 257, 4, 1, HEIGHT), struct.pack("<HHII", 257, 4, 1, 10**9)
        ),
    ],
    ids=["png", "wide png", "bmp", "bmp from the top", "jpeg", "tiff"],
)
def test_that_a_decompression_bomb_is_never_unpacked(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def unpack(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(pictures.cv2, "imdecode", unpack)
    refused(data, f"more than {MAX_PIXELS // 10**6} megapixels")


def test_that_a_png_with_more_data_than_it_claims_costs_no_time() -> None:
    began = time.perf_counter()
    with contextlib.suppress(PictureError):
        assert decode_picture(bomb_png(64, 64), "part").pixels.shape == (64, 64)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("size", [(MIN_LONG_SIDE_PX - 1, MIN_LONG_SIDE_PX - 1), (1, MIN_LONG_SIDE_PX - 1), (1, 1)])
def test_that_a_picture_too_small_to_judge_is_refused(size: tuple[int, int]) -> None:
    refused(opencv_bytes(".png", np.zeros(size, np.uint8)), f"at least {MIN_LONG_SIDE_PX} px")


def test_that_the_smallest_picture_is_read() -> None:
    data = opencv_bytes(".png", np.zeros((1, MIN_LONG_SIDE_PX), np.uint8))
    assert decode_picture(data, "part").pixels.shape == (1, MIN_LONG_SIDE_PX)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_that_fractions_and_32_bit_numbers_are_refused(mode: str) -> None:
    image = Image.fromarray(grey().astype(np.float32 if mode == "F" else np.int32))
    refused(pillow_bytes(image, "TIFF"), "of a kind that is not inspected")


@pytest.mark.parametrize("sample_format", [2, 3, 5])
def test_that_signed_half_and_complex_numbers_are_refused(sample_format: int) -> None:
    refused(tiff_bytes(grey(np.uint16), 16, tags={339: (sample_format,)}), "of a kind that is not inspected")


def test_that_a_tiff_with_further_channels_is_refused() -> None:
    refused(tiff_bytes(np.dstack([colour(), colour()]), 8), "6 channels")


def test_that_no_page_is_chosen_from_several() -> None:
    page = Image.fromarray(colour())
    refused(pillow_bytes(page, "TIFF", save_all=True, append_images=[page, page]), "3 pages")


def test_that_pages_in_a_circle_end() -> None:
    data = tiff_bytes(grey(), 8)
    (entries,) = struct.unpack_from("<H", data, 8)
    following = 10 + 12 * entries
    circle = data[:following] + struct.pack("<I", 8) + data[following + 4 :]
    np.testing.assert_array_equal(decode_picture(circle, "part").pixels, grey())


def test_that_paths_that_are_no_files_are_errors_that_name_them(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=rf"{tmp_path} is a folder"):
        read_picture(tmp_path)
    with pytest.raises(PictureError, match=r"gone\.png does not exist"):
        read_picture(tmp_path / "gone.png")
    with pytest.raises(PictureError, match="cannot be read"):
        read_picture(tmp_path / "with\0zero.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_that_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(PictureError, match="device or pipe"):
        read_picture(tmp_path / "pipe.png")


def test_that_a_file_that_may_not_be_read_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(FILES["8-bit PNG"])

    def forbidden(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)  # root may read what chmod forbids
    with pytest.raises(PictureError, match=r"part\.png may not be read"):
        read_picture_bytes(path)


def test_that_a_huge_file_is_not_loaded(tmp_path: Path) -> None:
    path = tmp_path / "part.png"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(PictureError, match="larger than 1 GiB"):
        read_picture(path)


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (np.zeros((64, 64), np.float32), "float32"),
        (np.zeros((64, 64), np.int16), "int16"),
        (np.zeros((64, 64, 4), np.uint8), "shape"),
        (np.zeros((64, 64, 1), np.uint8), "shape"),
        (np.zeros(64, np.uint8), "shape"),
        (np.zeros((31, 8), np.uint8), "8 x 31 px"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000)), "megapixels"),
    ],
)
def test_that_unusable_pixels_are_refused(pixels: Any, why: str) -> None:
    with pytest.raises(PictureError, match=why):
        check_pixels(pixels)


# --- folders and files


def test_that_folders_list_their_pictures_in_natural_order(tmp_path: Path) -> None:
    names = ["part 10.PNG", "part 2.jpg", "Part 1.tiff", "notes.txt", ".hidden.png", "part 2b.bmp"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "inner 3.png").touch()
    assert [path.name for path in list_pictures(tmp_path)] == [
        "Part 1.tiff",
        "part 2.jpg",
        "part 2b.bmp",
        "part 10.PNG",
    ]
    assert "inner 3.png" in [path.name for path in list_pictures(tmp_path, recursive=True)]


def test_that_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    for recursive in (False, True):
        with pytest.raises(PictureError, match="gone"):
            list_pictures(tmp_path / "gone", recursive=recursive)


def test_that_numbers_sort_as_numbers_whatever_stands_around_them() -> None:
    names = ["10", "9", "a10b2", "a10b1", "a9", "A9", "²", "007", "7", "b"]
    assert sorted(names, key=natural_key) == ["007", "7", "9", "10", "A9", "a9", "a10b1", "a10b2", "b", "²"]


@pytest.mark.parametrize("pixels", [colour(), grey(), colour(np.uint16), grey(np.uint16)])
def test_that_encoding_loses_nothing(pixels: NDArray[Any]) -> None:
    back = decode_picture(encode_png(pixels), "part").pixels
    np.testing.assert_array_equal(back, pixels)
    assert back.dtype == pixels.dtype


@pytest.mark.parametrize(("bit_depth", "high"), [(8, 255), (10, 1023), (12, 4095), (16, 65535)])
def test_that_the_usual_window_holds_every_count(bit_depth: int, high: float) -> None:
    assert default_window(bit_depth) == (0, high)


def test_that_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"newest")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.real_data
def test_that_every_real_picture_is_read_as_opencv_reads_it(data_folder: Path) -> None:
    paths = [path for path in data_folder.rglob("*") if path.suffix in PICTURE_SUFFIXES][::25]
    assert paths
    for path in paths:
        expected = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        pixels = read_picture(path).pixels
        np.testing.assert_array_equal(pixels if pixels.ndim == 3 else np.dstack([pixels] * 3), expected)
