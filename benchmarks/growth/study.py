"""What was measured at growing loads: curves in panels, as one chart and one table."""

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.table import number


@dataclass(frozen=True, slots=True)
class Curve:
    """A quantity at each load, and what the model predicts for it.

    Attributes:
        name: What is measured, without its unit.
        values: One for each load of the study.
        model: As many; empty if there is no model.
    """

    name: str
    values: tuple[float, ...]
    model: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Raise ValueError if the model has another number of values."""
        if self.model and len(self.model) != len(self.values):
            raise ValueError(f"{self.name}: {len(self.values)} values, but {len(self.model)} of the model")


@dataclass(frozen=True, slots=True)
class Panel:
    """Curves of one unit, drawn into one pair of axes.

    Attributes:
        unit: Of all values; the label of the vertical axis.
        logarithmic: Whether the vertical axis is; it begins at 0 otherwise.
    """

    unit: str
    curves: tuple[Curve, ...]
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Study:
    """How cost grows with one load.

    Attributes:
        name: The name of its chart's file, without suffix.
        title: One line, above chart and table.
        load: What grows; the label of the horizontal axis.
        loads: Its values, in ascending order.
        model: One sentence: what the model assumes.
    """

    name: str
    title: str
    load: str
    loads: tuple[int, ...]
    panels: tuple[Panel, ...]
    model: str

    def __post_init__(self) -> None:
        """Raise ValueError if a curve has not as many values as there are loads."""
        for curve in (curve for panel in self.panels for curve in panel.curves):
            if len(curve.values) != len(self.loads):
                raise ValueError(
                    f"{self.name}: {curve.name} has {len(curve.values)} values for {len(self.loads)} loads"
                )

    @property
    def head(self) -> tuple[str, ...]:
        """The head of the table: the load, then each curve with its unit."""
        return self.load, *(f"{curve.name}, {panel.unit}" for panel in self.panels for curve in panel.curves)

    @property
    def lines(self) -> list[tuple[str, ...]]:
        """The lines of the table; each measured value is followed by that of the model."""
        curves = [curve for panel in self.panels for curve in panel.curves]
        return [(f"{load:,}", *(_cell(curve, place) for curve in curves)) for place, load in enumerate(self.loads)]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, fields: dict[str, Any]) -> "Study":
        """Return the study of an `as_dict` that may have been through JSON."""
        panels = tuple(
            Panel(panel["unit"], tuple(_curve(curve) for curve in panel["curves"]), panel["logarithmic"])
            for panel in fields["panels"]
        )
        return cls(**fields | {"loads": tuple(fields["loads"]), "panels": panels})


def _curve(fields: dict[str, Any]) -> Curve:
    return Curve(fields["name"], tuple(fields["values"]), tuple(fields["model"]))


def _cell(curve: Curve, place: int) -> str:
    measured = number(curve.values[place])
    return f"{measured} ({number(curve.model[place])})" if curve.model else measured
