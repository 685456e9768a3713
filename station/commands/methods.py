"""`loupe methods`: the catalogue, for a person or a script. Imports no torch."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ml.catalogue import BACKBONES, METHODS, TIMM_PREFIX, MethodInfo, Preset, allowed_values

SETTING_WIDTH = 27
WEIGHTS_FROM = {
    "package": "weights come with Loupe",
    "download": "weights by torchvision's download, or --weights FILE",
    "pictures": "no weights needed: trained on the good pictures first",
}


def methods_document(infos: Iterable[MethodInfo] | None = None) -> dict[str, Any]:
    """Every method, or those given, with its settings as JSON schema; and every backbone."""
    return {
        "methods": [
            {
                "name": info.name,
                "title": info.title,
                "summary": info.summary,
                "paper": info.paper,
                "published": info.published,
                "needs_weights": info.needs_weights,
                "positions": info.positions,
                "presets": {
                    name: {"size": preset.size_px, "settings": dict(preset.settings), "minutes": preset.minutes}
                    for name, preset in info.presets.items()
                },
                "parameters": info.parameters.model_json_schema(),
            }
            for info in infos or METHODS.values()
        ],
        "backbones": [
            {"name": info.name, "title": info.title, "weights": info.needs_weights_from} for info in BACKBONES.values()
        ],
    }


def print_methods(console: Console) -> None:
    """Every method in a few lines, then the backbones. Readable from 60 columns on."""
    for info in METHODS.values():
        console.print(_heading(info))
        needs = ["a pretrained network" if info.needs_weights else "no pretrained network"]
        needs += ["parts in the same place"] if info.positions == "aligned" else []
        console.print(Padding(Group(Text(info.summary), Text(f"Needs {', '.join(needs)}.", "dim")), (0, 0, 1, 2)))
    console.print(Text.assemble(("Backbones", "bold"), "   --backbone NAME"))
    backbones = [(info.name, Text(WEIGHTS_FROM[info.needs_weights_from])) for info in BACKBONES.values()]
    console.print(_two_columns([*backbones, (f"{TIMM_PREFIX}NAME", Text("any network of timm, with --weights FILE"))]))
    console.print(Text("\nSettings of one: loupe methods NAME. A choice for your pictures: loupe recommend DATA."))


def print_method(info: MethodInfo, console: Console) -> None:
    """One method whole: two columns, a setting with its default on the left, its meaning on the right."""
    console.print(_heading(info))
    words = [Text(info.summary), Text(info.paper, "dim"), Text(f"Published: {info.published}", "dim")]
    console.print(Padding(Group(*words), (0, 0, 1, 2)))
    console.print(_two_columns([(f"--preset {name}", Text(_preset(preset))) for name, preset in info.presets.items()]))
    console.print(Padding(Text("--set KEY=VALUE, here with their defaults:", "dim"), (1, 0, 0, 2)))
    console.print(_two_columns([_setting(info, key) for key in info.parameters.model_fields]))


def _heading(info: MethodInfo) -> Text:
    return Text.assemble((info.title, "bold"), f"   --method {info.name}")


def _two_columns(rows: list[tuple[str, Text]]) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=SETTING_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    for left, right in rows:
        table.add_row(left, right)
    return Padding(table, (0, 0, 0, 2))


def _setting(info: MethodInfo, key: str) -> tuple[str, Text]:
    field = info.parameters.model_fields[key]
    allowed = allowed_values(info.parameters, key)
    return f"{key}={_shown(field.default)}", Text.assemble(field.description or "", (f"\n{allowed}", "dim"))


def _preset(preset: Preset) -> str:
    changed = [f"{key}={_shown(value)}" for key, value in preset.settings.items()]
    return ", ".join([f"{preset.size_px} px", f"about {preset.minutes:g} min at most", *changed])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
