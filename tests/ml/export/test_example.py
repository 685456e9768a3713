"""The example is a program, whatever the model takes."""

import ast
from itertools import product

import pytest

from ml.export.example import example
from ml.export.formats import FormatName
from ml.export.geometry import Place


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
