"""The command `config`, which shows every value of a sampler config and where it comes from."""

import json
from typing import Any

from rich.markup import escape
from rich.table import Table

from sampler.cli.output import JsonOption, Output, QuietOption
from sampler.commands.one_line_warnings import one_line_warnings
from sampler.commands.options import ConfigArgument, KeepCrowdOption
from sampler.config.cornernet_lite import LoadedConfig, load_with_origins
from sampler.printable import printable

MEANINGS = {
    "preset": "the preset",
    "file": "the config file",
    "published default": "not in the file: CornerNet-Lite's default",
    "family": "a config file cannot set it: the sampler of this family has one value or does not use it",
    "setting": "SAMPLER_KEEP_CROWD or --no-keep-crowd",
    "annotations": "the annotations decide",
}
"""What each origin says."""


def config(
    name: ConfigArgument = "cornernet_saccade",
    keep_crowd: KeepCrowdOption = True,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show every value of a config and its origin: preset, file, published default or another."""
    with one_line_warnings():
        loaded = load_with_origins(name, keep_crowd=keep_crowd)
    output = Output(as_json, quiet)
    _print_table(output, loaded)
    output.document(_document(loaded))


def _document(loaded: LoadedConfig) -> dict[str, Any]:
    return {"config": loaded.config.as_dict(), "origins": dict(loaded.origins)}


def _print_table(output: Output, loaded: LoadedConfig) -> None:
    table = Table("field", "value", "origin")
    for field, value in loaded.config.as_dict().items():
        table.add_row(field, escape(_shown(value)), loaded.origins[field])
    if loaded.config.categories is None:
        table.add_row("categories", "as many as the annotations have", loaded.origins["categories"])
    output.table(table)
    used = set(loaded.origins.values())
    for origin, meaning in MEANINGS.items():
        if origin in used:
            output.line(f"{origin}: {meaning}")


def _shown(value: Any) -> str:
    """Return text as it is, other values as in a JSON file, one attention map a line."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, tuple) and value and isinstance(value[0], dict):
        return "\n".join(", ".join(f"{name} {json.dumps(part)}" for name, part in one.items()) for one in value)
    return json.dumps(value, ensure_ascii=False)
