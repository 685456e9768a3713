"""What a model's graph for ONNX Runtime is worth, or why it has none: for programs, and in a line."""

from typing import Any

from ml.artifact import Manifest

FROM_BEFORE = "made before models had one"


def graph_document(manifest: Manifest) -> dict[str, Any]:
    """`agreement` with torch, None where there is no graph; `refused` says why, where one was tried."""
    graph = manifest.graph
    return {
        "agreement": None if graph is None else graph.agreement.model_dump(mode="json"),
        "refused": manifest.graph_refused or None,
    }


def graph_line(document: dict[str, Any]) -> str:
    """A sentence of what `graph_document` gave."""
    found = document["agreement"]
    if found is None:
        return f"none, so that PyTorch computes it: {document['refused'] or FROM_BEFORE}"
    pictures = "1 picture" if found["pictures"] == 1 else f"{found['pictures']} pictures"
    flips = f"another verdict on {found['flips']}" if found["flips"] else "the same verdict on all"
    difference = found["largest_difference"]
    return f"checked on {pictures}: at most {difference:.1g} of the score range from PyTorch, {flips}"


def is_from_before(document: dict[str, Any]) -> bool:
    """A graph was never tried: the model may get one."""
    return document["agreement"] is None and document["refused"] is None
