"""`loupe methods`: the catalogue, for a person or a script. Imports no torch."""

from typing import Any

from rich.console import Console
from rich.table import Table

from ml.catalogue import BACKBONES, METHODS, allowed_values


def methods_document() -> dict[str, Any]:
    """Every method with its settings as JSON schema, and every backbone."""
    return {
        "methods": [
            {
                "name": info.name,
                "title": info.title,
                "summary": info.summary,
                "paper": info.paper,
                "needs_weights": info.needs_weights,
                "presets": {
                    name: {"size": preset.size_px, "settings": dict(preset.settings)}
                    for name, preset in info.presets.items()
                },
                "parameters": info.parameters.model_json_schema(),
            }
            for info in METHODS.values()
        ],
        "backbones": [
            {"name": info.name, "title": info.title, "weights": info.needs_weights_from} for info in BACKBONES.values()
        ],
    }


def print_methods(console: Console) -> None:
    for info in METHODS.values():
        console.print(f"[bold]{info.name}[/bold]  {info.summary}")
        console.print(f"  {info.paper}", style="dim", highlight=False)
        table = Table("setting", "default", "allowed", "meaning", box=None, pad_edge=False, padding=(0, 2, 0, 2))
        for key, field in info.parameters.model_fields.items():
            default = field.default
            shown = ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
            table.add_row(key, shown, allowed_values(info.parameters, key), field.description or "")
        console.print(table)
        console.print()
    console.print("[bold]backbones[/bold]  " + ", ".join(BACKBONES) + ", timm:NAME with --weights FILE")
