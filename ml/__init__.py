import os
import sys

# Official builds of ONNX Runtime report their use to their maker unless they are told not to before they are loaded,
# and so does OpenVINO wherever it finds its telemetry package. Nothing that a station does is anybody else's business.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None: "there is no such module"
