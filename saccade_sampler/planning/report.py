"""A plan as text and as JSON."""

from collections.abc import Iterator
from typing import Any

import msgspec

from saccade_sampler.planning.arithmetic import number
from saccade_sampler.planning.demand import Demand, Supply
from saccade_sampler.planning.measurement import Measurement
from saccade_sampler.planning.plan import Plan, Section
from sampler.printable import printable


def text_of(plan: Plan, measured: Measurement, demand: Demand, supply: Supply) -> str:
    """Return the plan with its arithmetic, line by line."""
    width = max(len(line.name) for section in plan.sections for line in section.lines)
    blocks = [_measured(measured), *(_section(section, width) for section in plan.sections)]
    blocks.append("\n".join(_result(plan, demand, supply)))
    return "\n\n".join(blocks)


def document_of(plan: Plan, measured: Measurement, demand: Demand, supply: Supply) -> dict[str, Any]:
    """Return the plan as plain values for JSON."""
    return {
        "hosts": plan.hosts,
        "cores": plan.cores,
        "network_gbit_per_second": plan.network,
        "cpu_share": plan.cpu_share,
        "server_share": plan.server_share,
        "network_share": plan.network_share,
        "memory_gb_per_host": plan.memory,
        "page_cache_gb_per_host": plan.page_cache,
        "disk_gb_per_host": plan.disk,
        "demand": msgspec.to_builtins(demand),
        "supply": msgspec.to_builtins(supply),
        "arithmetic": [
            {"section": section.title, "name": line.name, "formula": line.formula, "value": line.value,
             "unit": line.unit}
            for section in plan.sections for line in section.lines
        ],
        "notes": list(plan.notes),
        "measurement": msgspec.to_builtins(measured),
    }  # fmt: skip


def _measured(measured: Measurement) -> str:
    return printable(
        f"Measured with {measured.measured_images:,} images of {measured.dataset}, {measured.config}, on a host with "
        f"{measured.host}"
    )


def _section(section: Section, width: int) -> str:
    lines = (f"  {line.name:{width}}  {line.formula} = {line.result}" for line in section.lines)
    return "\n".join([section.title, *lines])


def _result(plan: Plan, demand: Demand, supply: Supply) -> Iterator[str]:
    spare = f", {supply.spare_hosts} of them spare" if supply.spare_hosts else ""
    source = "a decoded store" if demand.store else "entry points"
    yield (
        f"Result: {plan.hosts:,} {'host' if plan.hosts == 1 else 'hosts'}{spare}, each with {plan.cores_per_host} "
        f"cores, {number(supply.network)} Gbit/s, {plan.memory:.1f} GB of memory, and {_size(plan.disk)} of disk for "
        f"the index and {source}."
    )
    yield (
        f"With headroom, the hosts at work use {100 * plan.cpu_share:.1f} % of their CPUs, "
        f"{100 * plan.server_share:.1f} % of the core of each server's process and {100 * plan.network_share:.1f} % of "
        "their network."
    )
    yield from plan.notes


def _size(gigabytes: float) -> str:
    return f"{gigabytes:,.1f} GB" if gigabytes >= 1 else f"{1000 * gigabytes:,.1f} MB"
