"""Annotated pictures for the tests of formats: several kinds, regions with holes, in parts, overlapping, one pixel."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from ml.annotation.annotation import AnnotatedRegion, Annotation, region_of
from ml.annotation.exchange import AnnotatedPicture
from ml.inspection_area import Mask
from ml.picture_list import Label, Use
from ml.pictures import encode_png

HEIGHT, WIDTH = 48, 64


def region(mask: Mask, kind: str) -> AnnotatedRegion:
    made = region_of(mask, kind)
    assert made is not None
    return made


def blank() -> Mask:
    return np.zeros((HEIGHT, WIDTH), bool)


def hard_regions() -> tuple[AnnotatedRegion, ...]:
    """A ring, a thing in two parts, one pixel in the corner, a thin diagonal, and a blot over the ring."""
    ring, parts, pixel, line, blot = (blank() for _ in range(5))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    distance = np.hypot(rows - 20, columns - 22)
    ring[(distance < 14) & (distance > 7)] = True
    parts[2:5, 40:52] = parts[8:12, 45:60] = True
    pixel[HEIGHT - 1, WIDTH - 1] = True
    line[np.arange(30, 44), np.arange(34, 48)] = True
    blot[np.hypot(rows - 26, columns - 30) < 6] = True
    kinds = ("scratch", "dent", "pin hole", "scratch", "Öl & Fett")
    return tuple(region(mask, kind) for mask, kind in zip((ring, parts, pixel, line, blot), kinds, strict=True))


def random_regions(seed: int) -> tuple[AnnotatedRegion, ...]:
    random = np.random.default_rng(seed)
    masks = [random.random((HEIGHT, WIDTH)) < share for share in (0.02, 0.5, 0.98)]
    return tuple(region(mask, f"kind {seed}-{number}") for number, mask in enumerate(masks))


def write_picture(folder: Path, name: str, seed: int = 0, dtype: type = np.uint8) -> Path:
    top = 255 if dtype is np.uint8 else 4095
    pixels = np.random.default_rng(seed).integers(0, top, (HEIGHT, WIDTH), dtype=dtype)
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(pixels))
    return file


def picture(
    folder: Path,
    name: str,
    regions: tuple[AnnotatedRegion, ...] | None = None,
    label: Label = "bad",
    use: Use = "test",
    kind: str | None = None,
    seed: int = 0,
    dtype: type = np.uint8,
) -> AnnotatedPicture:
    """`regions` None: not annotated."""
    file = write_picture(folder, name, seed, dtype)
    annotation = None if regions is None else Annotation(height_px=HEIGHT, width_px=WIDTH, regions=regions)
    digest = sha256(file.read_bytes()).hexdigest()
    return AnnotatedPicture(name, file, HEIGHT, WIDTH, digest, label, use, kind, annotation)


def pictures(folder: Path) -> tuple[AnnotatedPicture, ...]:
    """Good and bad, annotated and not, to learn from and to test with; in natural order of their names."""
    return (
        picture(folder, "a/1.png", hard_regions(), seed=1),
        picture(folder, "a/2.png", random_regions(3), kind="dent", seed=2),
        picture(folder, "a/10.png", (), label="bad", use="learn", kind="stain", seed=3),
        picture(folder, "b/1.png", None, kind="stain", seed=4),
        picture(folder, "good/1.png", None, label="good", use="learn", seed=5),
        picture(folder, "good/2.png", None, label="good", use="test", seed=6),
        picture(folder, "good/3.png", None, label="unsure", use="learn", seed=7),
        picture(folder, "sixteen.png", hard_regions()[:2], use="learn", seed=8, dtype=np.uint16),
    )
