"""Nothing is reported to the makers of the libraries that compute models."""

import os
import subprocess
import sys


def printed(code: str) -> str:
    """By a fresh interpreter, whose user has said nothing about telemetry."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_that_onnx_runtime_is_silenced_before_it_is_loaded() -> None:
    code = """
import os, sys
import ml.runtime
print("onnxruntime" in sys.modules, os.environ["ORT_DISABLE_TELEMETRY"])
"""
    assert printed(code) == "False 1"


def test_that_openvino_finds_no_telemetry() -> None:
    code = """
import sys
import ml.export
import openvino
print([name for name in sys.modules if name.startswith("openvino_telemetry.")], sys.modules["openvino_telemetry"])
"""
    assert printed(code) == "[] None"
