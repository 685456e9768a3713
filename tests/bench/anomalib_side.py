"""The child that runs anomalib, in anomalib's own environment: its Engine and its two inferencers, nothing of ours."""

import time
from pathlib import Path
from typing import Any

from tests.bench.side_process import Answer, Watch, peak, serve, timed

LAYERS = [2, 3]
"""timm's `out_indices` of the strides 8 and 16."""

_ONE_PICTURE: dict[str, Any] = {"dynamic_axes": {}}
"""Without it the graph of PatchCore takes two pictures at a time, and the inferencer gives it one."""


class AnomalibSide:
    """Trains, or loads and scores."""

    def __init__(self) -> None:
        self._model: Any = None
        self._engine: Any = None
        self._inferencer: Any = None
        self._picture: tuple[str, Any] = ("", None)

    def fit(
        self,
        method: str,
        backbone: str,
        weights: str,
        normalisation: list[list[float]],
        size: int,
        pictures: str,
        bank_share: float,
        features: int,
        threads: int,
        seed: int,
    ) -> Answer:
        """`Engine.fit` on all pictures of a folder. No validation pictures: it learns, and calibrates nothing."""
        import torch
        from anomalib.data import Folder
        from anomalib.engine import Engine
        from anomalib.models import Padim, Patchcore
        from anomalib.pre_processing import PreProcessor
        from lightning import seed_everything
        from safetensors.torch import load_file
        from torchvision.transforms.v2 import Compose, Normalize, Resize

        torch.set_num_threads(threads)
        seed_everything(seed)
        own: dict[str, Any] = {"n_features": features}
        if method == "patchcore":
            own = {"coreset_sampling_ratio": bank_share, "num_neighbors": 1}  # 1: the score is the map's maximum
        mean, std = normalisation
        self._model = {"patchcore": Patchcore, "padim": Padim}[method](
            backbone=backbone,
            layers=LAYERS,
            pre_trained=False,
            pre_processor=PreProcessor(Compose([Resize((size, size), antialias=True), Normalize(mean, std)])),
            visualizer=False,
            evaluator=False,
            **own,
        )
        network = self._model.model.feature_extractor.feature_extractor
        missing = network.load_state_dict(load_file(weights), strict=False).missing_keys
        if missing:
            raise SystemExit(f"{weights} lacks {missing[:3]}")
        data = Folder(
            name="parts",
            normal_dir=pictures,
            num_workers=0,  # starting workers takes longer than reading these few pictures
            test_split_mode="none",
            val_split_mode="none",
        )
        self._engine = Engine(
            accelerator="cpu",
            devices=1,
            max_epochs=1,
            limit_val_batches=0,
            default_root_dir=Path.cwd() / "engine",
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        watch = Watch()
        self._engine.fit(model=self._model, datamodule=data)
        return {**watch.read(), **peak()}

    def export(self, runtime: str, height: int, width: int, native: bool, tile: int | None) -> Answer:
        """Write the fitted model for one inferencer, for pictures of one size; it resizes them itself.

        `native`: they are not shrunk to the size that was learnt at; `tile`: but cut into tiles for the backbone.
        OpenVINO's graph is for this very size: the inferencer resizes nothing, and a fixed size is its quickest.
        """
        if native:
            from anomalib.data.utils.tiler import Tiler
            from anomalib.pre_processing import PreProcessor
            from torchvision.transforms.v2 import Compose, Normalize, Resize

            steps = self._model.pre_processor.transform.transforms
            normalise = next(step for step in steps if isinstance(step, Normalize))
            self._model.pre_processor = PreProcessor(Compose([Resize((height, width), antialias=True), normalise]))
            self._model.model.tiler = None if tile is None else Tiler(tile, tile)
        watch = Watch()
        written = self._engine.export(
            self._model,
            runtime,
            export_root=Path.cwd(),
            model_file_name="model" if tile is None else "tiled",
            **({} if runtime == "torch" else {"input_size": (height, width), "onnx_kwargs": _ONE_PICTURE}),
        )
        return {**watch.read(), "model": str(written)}

    def load(self, runtime: str, model: str, threads: int) -> Answer:
        """`openvino` computes in what it prefers on this processor, maybe bfloat16; `openvino, float32` does not."""
        began = time.perf_counter()
        if runtime.startswith("torch"):
            import torch
            from anomalib.deploy import TorchInferencer

            imported = time.perf_counter()
            torch.set_num_threads(threads)
            self._inferencer = TorchInferencer(model, device="cpu")
        else:
            from anomalib.deploy import OpenVINOInferencer

            imported = time.perf_counter()
            config: dict[str, Any] = {"INFERENCE_NUM_THREADS": threads}
            if runtime.endswith("float32"):
                config["INFERENCE_PRECISION_HINT"] = "f32"
            self._inferencer = OpenVINOInferencer(model, device="CPU", config=config)
        return {"import_s": imported - began, "load_s": time.perf_counter() - imported}

    def score_array(self, picture: str) -> Answer:
        """From the decoded picture, uint8 RGB, to score and map."""
        if self._picture[0] != picture:
            import numpy as np
            from PIL import Image

            self._picture = (picture, np.array(Image.open(picture).convert("RGB")))
        return timed(lambda: self._predict(self._picture[1]))

    def score_file(self, picture: str) -> Answer:
        return timed(lambda: self._predict(picture))

    def _predict(self, picture: Any) -> float:
        predicted = self._inferencer.predict(picture)
        assert predicted.anomaly_map is not None
        return float(predicted.pred_score.reshape(-1)[0])


def versions() -> Answer:
    from importlib.metadata import version

    return {name: version(name) for name in ("anomalib", "torch", "torchvision", "timm", "lightning", "openvino")}


if __name__ == "__main__":
    side = AnomalibSide()
    serve(
        {
            "fit": side.fit,
            "export": side.export,
            "load": side.load,
            "score_array": side.score_array,
            "score_file": side.score_file,
            "peak": peak,
            "versions": versions,
        }
    )
