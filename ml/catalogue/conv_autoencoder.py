"""Settings and presets of the convolutional autoencoder on patches. No torch."""

from pydantic import Field

from ml.catalogue.info import WIDTHS, Mebibytes, MethodInfo
from ml.catalogue.patch_redrawing import PatchRedrawingParameters
from ml.catalogue.patchwise import PRESETS


class ConvAutoencoderParameters(PatchRedrawingParameters):
    """Convolutional autoencoder: patches that cannot be put together again from a short code are anomalous."""

    batch: int = Field(64, ge=2, le=4096, description="Patches per training step")
    learning_rate: float = Field(2e-3, gt=0, le=0.1, description="Size of Adam's steps at the start; 0.0002 published")


INFO = MethodInfo(
    name="conv_autoencoder",
    title="Autoencoder",
    summary="Puts patches together again from a short code; the baseline of the patch-wise methods.",
    paper="The baseline of Patch-GANomaly on steel sheets, with the encoder and decoder of Akcay, Atapour-Abarghouei, "
    "Breckon: GANomaly, ACCV 2018, arXiv 1805.06725",
    needs_weights=False,
    parameters=ConvAutoencoderParameters,
    published="10 epochs of 32 px patches in batches of 64, width 64, code of 100, stride 8",
    native_up_to_size=True,
    memory=Mebibytes(192, 768),
    model=Mebibytes(8, 32),
    presets=PRESETS,
    ladder=WIDTHS,
    enough_steps=1000,
)
