"""What the checks of a set of pictures find, and how often they are wrong: `python -m tests.bench.picture_checks`.

Good training pictures only, never a test picture. Into each set are put, one kind at a time: painted defects (3 of 100
pictures), scenes taken again (noise, 2 % of gain), blurred and darkened pictures. Printed are how many were found,
and what was said of the untouched ones. `--data` is the folder with the real sets; a set of rendered parts comes along.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from ml.generation.synthetic_defects import SyntheticDefects
from ml.picture_checks import DoubtKind, doubts
from ml.picture_facts import PictureFacts, examine
from ml.pictures import Pixels, encode_png, list_pictures, read_picture
from station.capture.demo_line.dataset import write_demo_dataset

SETS = ("aliens", "cookie", "magnetic_tile")
DRAWS = 6
DEFECT_SHARE, OTHER_SHARE = 0.03, 0.1
RENDERED = 60

Change = Callable[[Pixels, int], Pixels]


def again(pixels: Pixels, seed: int) -> Pixels:
    random = np.random.default_rng(seed)
    seen = pixels * random.normal(1, 0.02) + random.normal(0, 2.5, pixels.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def blurred(pixels: Pixels, seed: int) -> Pixels:
    return cv2.GaussianBlur(pixels, (0, 0), 2.0)


def darkened(pixels: Pixels, seed: int) -> Pixels:
    return (pixels * 0.7).astype(np.uint8)


def painted(pixels: Pixels, seed: int) -> Pixels:
    return SyntheticDefects().sample(pixels, seed).pixels.astype(np.uint8)


def facts_of(pixels: Pixels) -> PictureFacts:
    return examine(encode_png(pixels), "changed").facts


def found(facts: Sequence[PictureFacts], kind: DoubtKind) -> set[int]:
    each = doubts(facts, [True] * len(facts))
    return {index for index, about in enumerate(each) if any(doubt.kind == kind for doubt in about)}


def measure(name: str, folder: Path) -> None:
    paths = list_pictures(folder)
    began = time.perf_counter()
    facts = [examine(path.read_bytes(), str(path)).facts for path in paths]
    read = time.perf_counter()
    said = Counter(doubt.kind for about in doubts(facts, [True] * len(facts)) for doubt in about)
    compared = time.perf_counter()
    each_ms = 1e3 * (read - began) / len(paths)
    print(
        f"{name}: {len(paths)} pictures, {each_ms:.1f} ms each, {compared - read:.2f} s to compare; said: {dict(said)}"
    )
    defects, proposals, right = 0, 0, 0
    for draw in range(DRAWS):
        chosen = _chosen(len(paths), DEFECT_SHARE, draw)
        changed = list(facts)
        for index in chosen:
            changed[index] = facts_of(painted(read_picture(paths[index]).pixels, index + 1000 * draw))
        proposed = found(changed, "likely_defect")
        defects, proposals, right = defects + len(chosen), proposals + len(proposed), right + len(proposed & chosen)
    print(f"  painted defects: {right} of {defects} found, {proposals} proposals in {DRAWS * len(paths)} pictures")
    kinds: tuple[tuple[DoubtKind, Change], ...] = (
        ("near_duplicate", again), ("blurred", blurred), ("dark", darkened)
    )  # fmt: skip
    for kind, change in kinds:
        chosen = sorted(_chosen(len(paths), OTHER_SHARE, 0))
        added = [facts_of(change(read_picture(paths[index]).pixels, index)) for index in chosen]
        hit = found([*facts, *added], kind)
        new = sum(index >= len(facts) for index in hit)
        print(f"  {kind}: {new} of {len(added)} found, {len(hit) - new} among the {len(facts)} untouched")


def _chosen(count: int, share: float, seed: int) -> set[int]:
    wanted = max(1, round(share * count))
    return set(np.random.default_rng(seed).choice(count, wanted, replace=False).tolist())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data: Path = parser.parse_args().data
    with tempfile.TemporaryDirectory() as folder:
        write_demo_dataset(Path(folder) / "parts", RENDERED, seed=5)
        measure("rendered parts", Path(folder) / "parts" / "train" / "good")
    for name in SETS:
        measure(name, data / name / "train" / "good")


if __name__ == "__main__":
    main()
