"""The part of the form that changes the config: its fields in groups."""

from dataclasses import dataclass
from itertools import groupby

from service.explorer.config_changes.changes import Changes
from service.explorer.config_changes.fields import Field


@dataclass(frozen=True, slots=True)
class Control:
    """A field of the form with its texts.

    Attributes:
        field: The field.
        text: What it shows.
        served: The text of the served config.
        error: What is wrong with it, or "".
        is_changed: Whether its value is not the served one.
    """

    field: Field
    text: str
    served: str
    error: str
    is_changed: bool


def grouped_controls(changes: Changes) -> list[tuple[str, list[Control]]]:
    """Return the fields of the form by the headings of their groups, in the order of the form."""
    controls = [
        Control(
            field=field,
            text=changes.texts[field.name],
            served=changes.served[field.name],
            error=changes.errors.get(field.name, ""),
            is_changed=field.name in changes.changed,
        )
        for field in changes.fields
    ]
    return [(group, list(found)) for group, found in groupby(controls, lambda control: control.field.group)]
