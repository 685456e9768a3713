"""TL-GANomaly's settings and presets. No torch."""

from typing import Literal

from pydantic import Field

from ml.catalogue.info import WIDTHS, Mebibytes, MethodInfo, Preset, Settings
from ml.catalogue.patch_ganomaly import PatchAdversarialParameters


class TlGanomalyParameters(PatchAdversarialParameters):
    """TL-GANomaly: Patch-GANomaly whose first encoder was trained on photographs of everything."""

    backbone: Literal[
        "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2", "resnet18", "wide_resnet50_2", "vgg16"
    ] = Field(
        "efficientnet_lite0",
        description="Network trained on ImageNet that is the first encoder; vgg16, as published, needs its weights "
        "file (--weights)",
    )
    frozen: bool = Field(
        True,
        description="Leaves the pretrained network as it is; off: it is trained on, as published, which takes longer",
    )


# 32 px, as published, are 2 x 2 cells of the pretrained network, each of them touched by the padding around the patch.
# Of defects painted into held-out magnetic tiles 64 px every 32 gave an image AUROC of 0.72 on 36 pairs, 32 px every 16
# gave 0.70 on 42: within the standard error of 0.06, so the reason above is what counts.
_LARGE: Settings = {"patch_px": 64, "stride_px": 24, "batch": 24}

INFO = MethodInfo(
    name="tl_ganomaly",
    title="TL-GANomaly",
    summary="Patch-GANomaly on features that were learnt from photographs of everything; for surfaces.",
    paper="Akcay, Atapour-Abarghouei, Breckon: GANomaly, ACCV 2018, arXiv 1805.06725, on patches of steel sheets, with "
    "Simonyan, Zisserman: Very Deep Convolutional Networks, ICLR 2015, arXiv 1409.1556, as its encoder",
    needs_weights=True,
    parameters=TlGanomalyParameters,
    published="10 epochs of 32 px patches in batches of 64, width 64, code of 100, VGG-16, stride 8",
    native_up_to_size=True,
    memory=Mebibytes(768, 2048),
    model=Mebibytes(24, 64),
    presets={
        "fast": Preset(256, {**_LARGE, "stride_px": 32}, minutes=1),
        "balanced": Preset(384, _LARGE, minutes=4),
        "thorough": Preset(512, {**_LARGE, "stride_px": 16}, minutes=40),
    },
    ladder=WIDTHS,
    enough_steps=500,
)
