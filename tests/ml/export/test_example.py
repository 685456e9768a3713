"""The example is a program, whatever the model takes."""

import ast
import runpy
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest

from ml.export.example import example
from ml.export.formats import FormatName
from ml.export.geometry import Place
from ml.runtime.onnx_runtime import ERRORS


@pytest.mark.parametrize(("bits", "channels", "form"), list(product((8, 16), (1, 3), ("onnx", "openvino"))))
def test_that_the_example_is_a_short_program_with_what_it_needs(bits: int, channels: int, form: FormatName) -> None:
    place = Place(96, 128, channels, bits, None, None, (96, 128), None)
    program = example('Seat """4\\ {new}', 'seat """ no. 1', form, place, bits)
    assert len(program.splitlines()) <= 26
    tree = ast.parse(program)
    imported = {
        name.name.split(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    documented = ast.get_docstring(tree) or ""
    for package, module in (("onnxruntime", "onnxruntime"), ("openvino", "openvino"), ("opencv", "cv2")):
        assert (package in documented.split("pip install")[1]) == (module in imported)
    assert not imported & {"ml", "station", "torch"}
    assert "128 x 96 px" in program


@pytest.mark.parametrize(
    ("bit_depth", "channels", "highest", "is_taken"),
    [
        (8, 1, 255, True),
        (8, 1, 65535, False),
        (12, 1, 255, False),
        (12, 1, 4095, True),
        (12, 1, 65535, False),
        (12, 3, 255, False),
        (12, 3, 4095, True),
        (16, 3, 65535, True),
    ],
)
def test_that_the_example_judges_no_picture_of_another_depth(
    bit_depth: int, channels: int, highest: int, is_taken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(96, 128, channels, 8 if bit_depth == 8 else 16, None, None, (96, 128), None)
    program = tmp_path / "seat.example.py"
    program.write_text(example("Seat", "seat", "onnx", place, bit_depth))
    shape = (96, 128) if channels == 1 else (96, 128, 3)
    picture = str(tmp_path / "part.png")
    cv2.imwrite(picture, np.full(shape, highest, np.uint8 if highest == 255 else np.uint16))
    monkeypatch.setattr("sys.argv", [str(program), picture])
    # The model is not there, which is found out only where the picture is taken.
    with pytest.raises(ERRORS if is_taken else SystemExit, match=r"seat\.onnx" if is_taken else f"of {bit_depth} bits"):
        runpy.run_path(str(program))
