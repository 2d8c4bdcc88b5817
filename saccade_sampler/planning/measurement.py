"""What was measured on a host, as a value and as a JSON file."""

from pathlib import Path
from typing import Annotated

import msgspec

from saccade_sampler.planning.demand import PlanError
from sampler.arrays import LAYOUTS, Layout
from sampler.atomic_write import atomic_write
from sampler.regular_files import open_regular
from sampler.system_errors import explain

FORMAT = 1
"""Raised whenever a field changes its meaning. Files of other formats are refused."""

OTHER_FILE = "choose another file"

Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e15)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e15)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class Cost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """CPU time in milliseconds.

    Attributes:
        workers: Of the workers, for each sample.
        server: Of the server's process, for each sample.
        request: Of the server's process, for each request.
        client: Of a client that receives and renders, for each sample.
    """

    workers: Positive
    server: NotNegative
    request: NotNegative
    client: NotNegative


class Preparation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to prepare the images.

    Attributes:
        disk_bytes: Disk space of an image, besides its file.
        costs: For each layout.
    """

    disk_bytes: NotNegative
    costs: dict[Layout, Cost]

    def __post_init__(self) -> None:
        """Check that each layout was measured."""
        _require_layouts(self.costs)


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bytes under load, without the arena.

    Attributes:
        server: Private memory of the server's process.
        worker: Private memory of a worker.
        code: Programs, libraries and the mapped dataset index, which all processes share.
    """

    server: Positive
    worker: Positive
    code: NotNegative


class Measurement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a sample costs on a host.

    Attributes:
        format: Always `FORMAT`.
        version: Of the project.
        host: CPU model, number of CPUs, version of Python.
        cores: CPUs of the host.
        dataset: Where the images are from, in words.
        config: Name of the config.
        images: Number of images of the whole dataset.
        measured_images: Number of images that samples were made of.
        file_bytes: Mean size of an image file.
        index_bytes: Disk space of the dataset index for each image.
        sample_bytes: Mean size of a sample on the wire, for each layout.
        entry_points: With entry points.
        store: With the decoded store.
        memory: Of the processes.
    """

    format: Annotated[int, msgspec.Meta(ge=FORMAT, le=FORMAT)]
    version: str
    host: str
    cores: Count
    dataset: str
    config: str
    images: Count
    measured_images: Count
    file_bytes: Positive
    index_bytes: NotNegative
    sample_bytes: dict[Layout, Positive]
    entry_points: Preparation
    store: Preparation
    memory: Memory

    def __post_init__(self) -> None:
        """Check that each layout was measured."""
        _require_layouts(self.sample_bytes)


def write_measurement(file: Path, measurement: Measurement) -> None:
    """Write a measurement as JSON. Raises PlanError if the file cannot be written."""
    try:
        atomic_write(file, msgspec.json.format(msgspec.json.encode(measurement)) + b"\n")
    except OSError as error:
        raise PlanError(f"{file}: the measurement cannot be written: {explain(error, file, OTHER_FILE)}") from error


def read_measurement(file: Path) -> Measurement:
    """Read a measurement that was written. Raises PlanError if there is none, or a value is impossible."""
    try:
        with open_regular(file) as stream:
            return msgspec.json.decode(stream.read(), type=Measurement)
    except OSError as error:
        raise PlanError(f"{file}: the measurement cannot be read: {explain(error, file, OTHER_FILE)}") from error
    except msgspec.DecodeError as error:  # includes values that are out of range
        raise PlanError(f"{file}: not a measurement: {error}; measure again with `plan --save FILE`") from error


def _require_layouts(measured: dict[Layout, Cost] | dict[Layout, float]) -> None:
    missing = [layout for layout in LAYOUTS if layout not in measured]
    if missing:
        raise ValueError(f"no value for {', '.join(missing)}")
