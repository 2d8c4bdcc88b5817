"""From the demand of trainings and the costs on one host to the hosts that are needed. Pure arithmetic."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from client.fleet.steps import steps_ahead
from saccade_sampler.planning.arithmetic import Factor, Line, Quantity, largest, product, total
from saccade_sampler.planning.demand import Demand, Supply
from saccade_sampler.planning.measurement import Cost, Measurement, Preparation
from service.batches.plan import DECODED_RUNS, STORED_RUNS
from service.settings.limits import MEGABYTE, LimitSettings

HEADERS = Quantity(1.05, "for headers")
"""Bytes on the network for each byte of a body: heads of HTTP, TCP, IP and Ethernet, and acknowledgements."""

BITS = Quantity(8, "bits/byte")
BITS_OF_GIGABIT = Quantity(1e9, "bits/Gbit")
MILLISECONDS = Quantity(1000, "ms/s")


@dataclass(frozen=True, slots=True)
class Section:
    """Lines about one subject."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a training needs.

    Attributes:
        hosts: CPU hosts, spare ones included.
        cores_per_host: CPUs of each host.
        cores: CPUs in use on all hosts together, without headroom.
        network: Gbit/s in use on all hosts together, without headroom.
        cpu_share: Share of the CPUs of the hosts at work that is used, headroom included.
        server_share: The same of one core of each, which its server's process can use.
        network_share: The same of their network.
        memory: GB on each host, without the page cache.
        page_cache: GB on each host that keep what samples are made from in memory.
        disk: GB on each host, without the image files.
        sections: How all of it is computed.
        notes: What to know about settings.
    """

    hosts: int
    cores_per_host: int
    cores: float
    network: float
    cpu_share: float
    server_share: float
    network_share: float
    memory: float
    page_cache: float
    disk: float
    sections: tuple[Section, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """What is planned.

    Attributes:
        cost: Of a sample in the layout, with the preparation.
        sample_bytes: Of a sample on the wire.
        images: Number of images of the dataset.
        cores: Of a host.
    """

    measured: Measurement
    demand: Demand
    supply: Supply
    prepared: Preparation
    cost: Cost
    sample_bytes: float
    images: int
    cores: int


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of each section. The last one of CPUs, server, network and hosts is a number of hosts."""

    demand: tuple[Line, Line]
    cpu: tuple[Line, ...]
    server: tuple[Line, ...]
    network: tuple[Line, ...]
    hosts: tuple[Line, ...]
    in_flight: Line
    memory: tuple[Line, ...]
    page_cache: Line
    disk: tuple[Line, ...]
    reading: Line
    trainer: tuple[Line, ...]


def make_plan(measured: Measurement, demand: Demand, supply: Supply) -> Plan:
    """Return the plan of a demand on hosts like the one that was measured."""
    prepared = measured.store if demand.store else measured.entry_points
    case = _Case(
        measured, demand, supply, prepared, prepared.costs[demand.layout], measured.sample_bytes[demand.layout],
        demand.images or measured.images, supply.cores or measured.cores,
    )  # fmt: skip
    lines = _compute(case)
    at_work = lines.hosts[0].value
    return Plan(
        hosts=int(lines.hosts[-1].value),
        cores_per_host=case.cores,
        cores=lines.cpu[3].value,
        network=lines.network[0].value,
        cpu_share=lines.cpu[-1].value / at_work,
        server_share=lines.server[-1].value / at_work,
        network_share=lines.network[-1].value / at_work,
        memory=lines.memory[-1].value,
        page_cache=lines.page_cache.value,
        disk=lines.disk[-1].value,
        sections=_sections(lines),
        notes=tuple(_notes(case, lines.in_flight)),
    )


def _compute(case: _Case) -> _Lines:
    samples, requests = _rates(case.demand)
    cpu = tuple(_cpu(case, samples.result, requests.result))
    server = tuple(_server(case, cpu[1:3]))
    network = tuple(_network(case, samples.result))
    hosts = tuple(_hosts(case, cpu[-1].result, server[-1].result, network[-1].result))
    return _Lines(
        demand=(samples, requests),
        cpu=cpu,
        server=server,
        network=network,
        hosts=hosts,
        in_flight=_in_flight(case, hosts[0].result),
        memory=tuple(_memory(case)),
        page_cache=_page_cache(case),
        disk=tuple(_disk(case)),
        reading=_reading(case, samples.result, hosts[0].result),
        trainer=tuple(_trainer(case, samples.result)),
    )


def _sections(lines: _Lines) -> tuple[Section, ...]:
    return (
        Section("Demand", lines.demand),
        Section("CPUs", lines.cpu),
        Section("The server's process, which uses one core at most", lines.server),
        Section("Network", lines.network),
        Section("Hosts", (*lines.hosts, lines.in_flight)),
        Section("Memory of a host", (*lines.memory, lines.page_cache)),
        Section("Disk of a host", (*lines.disk, lines.reading)),
        Section("Each trainer", lines.trainer),
    )


def _rates(demand: Demand) -> tuple[Line, Line]:
    jobs, rate = Quantity(demand.jobs, "jobs"), Quantity(demand.steps_per_second, "steps/s")
    size, trainers = Quantity(demand.batch_size, "samples/step"), Quantity(demand.trainers, "requests/step")
    return (
        product("samples per second", "samples/s", jobs, ("×", size), ("×", rate)),
        product("requests per second", "requests/s", jobs, ("×", trainers), ("×", rate)),
    )


def _cpu(case: _Case, samples: Quantity, requests: Quantity) -> Iterator[Line]:
    making = _cores("workers", samples, case.cost.workers)
    sending = _cores("server, for samples", samples, case.cost.server)
    handling = _cores("server, for requests", requests, case.cost.request)
    needed = total("workers and server", "cores", making.result, sending.result, handling.result)
    roomy = _with_headroom(case, needed, "cores")
    yield from (making, sending, handling, needed, roomy)
    yield product("hosts for the CPUs", "hosts", roomy.result, ("÷", Quantity(case.cores, "cores/host")))


def _server(case: _Case, parts: Sequence[Line]) -> Iterator[Line]:
    """Yield how many hosts are needed because the server of a host is one process, which uses one core at most."""
    needed = total("samples and requests", "cores", *(line.result for line in parts))
    roomy = _with_headroom(case, needed, "cores")
    yield from (needed, roomy)
    yield product("hosts for the server's process", "hosts", roomy.result, ("÷", Quantity(1, "core/host")))


def _cores(name: str, rate: Quantity, milliseconds: float) -> Line:
    return product(name, "cores", rate, ("×", Quantity(milliseconds, "ms")), ("÷", MILLISECONDS))


def _network(case: _Case, samples: Quantity) -> Iterator[Line]:
    needed = product("needed", "Gbit/s", samples, *_gigabits(case))
    roomy = _with_headroom(case, needed, "Gbit/s")
    yield from (needed, roomy)
    each = Quantity(case.supply.network, "Gbit/s per host")
    yield product("hosts for the network", "hosts", roomy.result, ("÷", each))


def _gigabits(case: _Case) -> tuple[Factor, ...]:
    """Return the factors from samples per second to Gbit/s."""
    size = Quantity(case.sample_bytes, "bytes")
    return ("×", size), ("×", BITS), ("×", HEADERS), ("÷", BITS_OF_GIGABIT)


def _with_headroom(case: _Case, needed: Line, unit: str) -> Line:
    return product("with headroom", unit, needed.result, ("×", Quantity(1 + case.supply.headroom, "for headroom")))


def _hosts(case: _Case, *limits: Quantity) -> Iterator[Line]:
    at_work = largest("hosts at work", "hosts", *limits, rounded_up=True)
    yield at_work
    yield total("hosts in all", "hosts", at_work.result, Quantity(case.supply.spare_hosts, "spare"))


def _memory(case: _Case) -> Iterator[Line]:
    memory, run = case.measured.memory, (STORED_RUNS if case.demand.store else DECODED_RUNS).bytes
    workers, requests = Quantity(case.cores, "workers"), _default("max_requests")
    parts = (
        _megabytes("workers, one per core", workers, ("×", Quantity(memory.worker, "bytes"))),
        _megabytes("server", Quantity(memory.server, "bytes")),
        _megabytes("libraries and dataset index", Quantity(memory.code, "bytes")),
        _megabytes(
            "prefetched and cached batches", Quantity(_default("buffer_mb"), "MiB (SAMPLER_BUFFER_MB)"),
            ("×", Quantity(MEGABYTE, "bytes/MiB")),
        ),
        _megabytes(
            "reserve for slow clients", Quantity(requests, "requests (SAMPLER_MAX_REQUESTS)"),
            ("×", Quantity(max(run, case.sample_bytes), "bytes")),
        ),
    )  # fmt: skip
    together = total("together", "MB", *(part.result for part in parts))
    yield from (*parts, together)
    yield product("memory", "GB", together.result, ("÷", Quantity(1000, "MB/GB")))


def _page_cache(case: _Case) -> Line:
    name = "page cache for the whole store" if case.demand.store else "page cache for all image files"
    return _gigabytes(name, _images(case), ("×", _read_bytes(case)))


def _disk(case: _Case) -> Iterator[Line]:
    images = _images(case)
    index = _gigabytes("dataset index", images, ("×", Quantity(case.measured.index_bytes, "bytes")))
    name = "decoded store" if case.demand.store else "entry points"
    extra = _gigabytes(name, images, ("×", Quantity(case.prepared.disk_bytes, "bytes")))
    files = Quantity(case.measured.file_bytes, "bytes")
    yield _gigabytes("image files, on the host or shared", images, ("×", files))
    yield from (index, extra)
    yield total("cache folder", "GB", index.result, extra.result)


def _reading(case: _Case, samples: Quantity, hosts: Quantity) -> Line:
    """Return what is read if nothing is in the page cache."""
    return _megabytes("reading without page cache, at most", samples, ("×", _read_bytes(case)), ("÷", hosts), per="/s")


def _read_bytes(case: _Case) -> Quantity:
    """Return the bytes that a sample is made from, at most."""
    return Quantity(case.prepared.disk_bytes if case.demand.store else case.measured.file_bytes, "bytes")


def _trainer(case: _Case, samples: Quantity) -> Iterator[Line]:
    trainers = Quantity(case.demand.jobs * case.demand.trainers, "trainers")
    share = product("samples received", "samples/s", samples, ("÷", trainers))
    yield share
    yield _cores("receiving and rendering on its CPUs", share.result, case.cost.client)
    yield product("network of a trainer", "Gbit/s", share.result, *_gigabits(case))


def _images(case: _Case) -> Quantity:
    return Quantity(case.images, "images")


def _gigabytes(name: str, first: Quantity, *others: Factor) -> Line:
    return product(name, "GB", first, *others, ("÷", Quantity(1e9, "bytes/GB")))


def _megabytes(name: str, first: Quantity, *others: Factor, per: str = "") -> Line:
    return product(name, f"MB{per}", first, *others, ("÷", Quantity(1e6, "bytes/MB")))


def _in_flight(case: _Case, hosts: Quantity) -> Line:
    """Return the requests at a server while all trainers request what they have room for, as at their start."""
    trainers = Quantity(case.demand.jobs * case.demand.trainers, "trainers")
    # A client of one server receives a stream, which is one request.
    ahead = 1 if hosts.value == 1 else steps_ahead(int(hosts.value), int(case.demand.part * case.sample_bytes))
    return product(
        "requests at a server, at most", "requests", trainers, ("×", Quantity(ahead, "requests")), ("÷", hosts)
    )


def _notes(case: _Case, in_flight: Line) -> Iterator[str]:
    if case.demand.part > _default("max_batch"):
        yield f"Set SAMPLER_MAX_BATCH={case.demand.part}: a trainer receives as many samples of a step."
    if in_flight.value > _default("max_requests"):
        yield (
            f"Set SAMPLER_MAX_REQUESTS={math.ceil(in_flight.value)}, so that the requests of all trainers are accepted "
            "at once; the reserve grows with it."
        )


def _default(setting: str) -> int:
    value = LimitSettings.model_fields[setting].default
    assert isinstance(value, int)
    return value
