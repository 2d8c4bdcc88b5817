"""What the command `plan` does, once its options have been checked."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from saccade_sampler.planning.demand import Demand, Supply
from saccade_sampler.planning.measurement import Measurement, read_measurement, write_measurement
from saccade_sampler.planning.measuring import measure
from saccade_sampler.planning.plan import make_plan
from saccade_sampler.planning.report import document_of, text_of
from saccade_sampler.planning.sample_images import sample_images
from service.settings.load import load_settings


def measured(
    options: Mapping[str, Any], settings_file: Path | None, seconds: float, save: Path | None, quiet: bool
) -> Measurement:
    """Measure on this host.

    Args:
        options: Values of options that name the dataset, by setting.
        settings_file: File with settings, if one is given.
        seconds: Time under load.
        save: File to write the measurement to.
        quiet: Show no progress.

    Raises:
        SamplerError: A setting is invalid, the dataset cannot be opened, or nothing can be measured.
    """
    found = measure(partial(sample_images, load_settings(options, settings_file)), seconds, quiet)
    if save is not None:
        write_measurement(save, found)
    return found


def saved(file: Path) -> Measurement:
    """Return a measurement that was saved. Raises PlanError."""
    return read_measurement(file)


def shown(measurement: Measurement, demand: Demand, supply: Supply, *, as_json: bool) -> str:
    """Return the plan as text or as JSON."""
    plan = make_plan(measurement, demand, supply)
    if as_json:
        return json.dumps(document_of(plan, measurement, demand, supply), indent=1)
    return text_of(plan, measurement, demand, supply)
