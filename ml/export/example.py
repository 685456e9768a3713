"""The example that is written beside an export: a whole program in about twenty lines, with nothing of ours."""

from ml.export.formats import SUFFIXES, FormatName
from ml.export.geometry import Place

EXAMPLE_SUFFIX = ".example.py"

_OTHER_DEPTH = {  # by bits: such counts would be judged, but as a part that is far too dark, or too bright
    8: "np.asarray(image).itemsize > 1",
    16: "counts.itemsize < 2 or counts.max() > {highest}",
}
_READING = {  # by bits and channels: what comes before the check of the depth, and after
    (8, 1): (
        "image = ImageOps.exif_transpose(Image.open(sys.argv[1]))",
        'picture = np.asarray(image.convert("L"))',
    ),
    (8, 3): (
        "image = ImageOps.exif_transpose(Image.open(sys.argv[1]))",
        'picture = np.asarray(image.convert("RGB"))',
    ),
    (16, 1): (
        "counts = np.asarray(Image.open(sys.argv[1]))",
        "picture = counts.astype(np.uint16)",
    ),
    (16, 3): (
        "counts = cv2.imread(sys.argv[1], cv2.IMREAD_UNCHANGED)",
        "picture = np.ascontiguousarray(counts[..., ::-1])  # BGR to RGB",
    ),
}
_LOADING = {
    "onnx": """\
session = onnxruntime.InferenceSession(Path(__file__).with_name({name!r}), providers=["CPUExecutionProvider"])
score, verdict, heat = session.run(["score", "verdict", "map"], {{"picture": picture}})""",
    "openvino": """\
precision = {{"INFERENCE_PRECISION_HINT": "f32"}}  # else processors that can compute in half precision do
model = openvino.compile_model(Path(__file__).with_name({name!r}), "CPU", precision)
result = model(picture)
score, verdict, heat = result["score"], result["verdict"], result["map"]""",
}


def example(title: str, stem: str, form: FormatName, place: Place, bit_depth: int) -> str:
    """The program `STEM.example.py`, which judges a picture with the model file of that stem beside it."""
    is_colour = place.channels == 3
    needs_cv2 = place.bits == 16 and is_colour
    library = "onnxruntime" if form == "onnx" else "openvino"
    colours, size = "RGB" if is_colour else "grey", "any size"
    if place.only_size is not None:
        size = f"{place.only_size[1]} x {place.only_size[0]} px"
    packages = ["numpy", "pillow", *(["opencv-python-headless"] if needs_cv2 else []), library]
    imports = [*(["import cv2"] if needs_cv2 else []), "import numpy as np"]
    silencer = (
        'os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # else ONNX Runtime reports its use to its maker'
        if form == "onnx"
        else 'sys.modules["openvino_telemetry"] = None  # else OpenVINO reports its use to its maker'
    )
    pillow = "from PIL import Image, ImageOps" if place.bits == 8 else "from PIL import Image"
    read, picture = _READING[place.bits, place.channels]
    # Names are anybody's text, and stand in a text of Python here.
    model, program = (ascii(name)[1:-1].replace('"', "'") for name in (title, stem + EXAMPLE_SUFFIX))
    return f'''"""Judges a picture with the model {model}: python {program} PICTURE

Needs: pip install {" ".join(packages)}
"""

{"import os" + chr(10) if form == "onnx" else ""}import sys
from pathlib import Path

{silencer}
{chr(10).join(sorted([*imports, f"import {library}"]))}
{pillow}

# {colours}, {size}, counts of {bit_depth} bits as the camera gave them
{read}
if {_OTHER_DEPTH[place.bits].format(highest=2**bit_depth - 1)}:
    sys.exit(f"{{sys.argv[1]}}: its counts are not of {bit_depth} bits, as the model takes them")
{picture}
{_LOADING[form].format(name=stem + SUFFIXES[form])}
# The score is 0 for the typical good part and 1 at the threshold, and so is the map, at the picture's size.
print(f"score {{float(score):.4f}} {{('OK', 'UNSURE', 'NG')[int(verdict)]}}")
Image.fromarray((heat.clip(0, 2) * 127.5).astype(np.uint8)).save(Path(sys.argv[1]).stem + ".heat.png")
'''
