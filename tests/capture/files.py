"""Picture and video files for the tests."""

from pathlib import Path

import cv2
import numpy as np

from ml.files import write_atomically
from ml.pictures import encode_png

VIDEO_PICTURES = 12


def write_picture(path: Path, grey: int = 100) -> bytes:
    """A small RGB picture; returns the file's bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = encode_png(np.full((40, 48, 3), (grey, 20, 220), np.uint8))
    write_atomically(path, data)
    return data


def write_video(path: Path, pictures: int = VIDEO_PICTURES) -> Path:
    """A video whose pictures get brighter and are red at the left, blue at the right."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (64, 48))
    assert writer.isOpened()
    for number in range(pictures):
        bgr = np.zeros((48, 64, 3), np.uint8)
        bgr[:, :32, 2] = 60 + 10 * number
        bgr[:, 32:, 0] = 60 + 10 * number
        writer.write(bgr)
    writer.release()
    return path
