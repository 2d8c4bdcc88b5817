"""Plans from a measurement with round numbers, and laws that hold for every plan."""

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.fleet.steps import steps_ahead
from saccade_sampler.planning.demand import Demand, PlanError, Supply, require_layout
from saccade_sampler.planning.plan import Plan, make_plan
from tests.saccade_sampler.planning.measurements import round_measurement
from tests.saccade_sampler.planning.reading import evaluated

MEASURED = round_measurement()
DEMAND = Demand(50, 20.0, trainers=1, jobs=1, layout="compact", store=False, images=None)
SUPPLY = Supply(cores=None, network=10.0, headroom=0.0, spare_hosts=0)


def values(plan: Plan, section: str) -> dict[str, float]:
    (found,) = [one for one in plan.sections if one.title.startswith(section)]
    return {line.name: line.value for line in found.lines}


def test_cores_are_those_of_workers_samples_and_requests() -> None:
    # 1,000 samples/s: 0.8 cores of workers, 0.2 of the server, and 20 requests/s of 2 ms.
    plan = make_plan(MEASURED, DEMAND, SUPPLY)
    assert plan.cores == pytest.approx(0.8 + 0.2 + 0.04)
    assert values(plan, "CPUs")["hosts for the CPUs"] == pytest.approx(1.04 / 8)
    assert plan.hosts == 1


def test_trainers_that_share_steps_ask_for_as_many_samples_in_more_requests() -> None:
    plan = make_plan(MEASURED, replace(DEMAND, trainers=10), SUPPLY)
    assert values(plan, "Demand") == {"samples per second": 1000, "requests per second": 200}
    assert plan.cores == pytest.approx(0.8 + 0.2 + 0.4)
    assert values(plan, "Each trainer")["samples received"] == 100


def test_the_network_limits_dense_samples() -> None:
    # 1,000 samples/s of 6 MB: 48 Gbit/s, and 5 % for headers.
    plan = make_plan(MEASURED, replace(DEMAND, layout="dense"), SUPPLY)
    assert plan.network == pytest.approx(50.4)
    assert plan.hosts == 6
    assert plan.network_share == pytest.approx(50.4 / 60)


def test_the_process_of_a_server_limits_hosts_with_many_cores() -> None:
    # 20,000 samples/s: 21 cores fit one host with 64, but 4.8 of them are of the server's process.
    plan = make_plan(MEASURED, replace(DEMAND, jobs=20), replace(SUPPLY, cores=64, network=100.0))
    assert plan.cores == pytest.approx(20.8)
    assert plan.hosts == 5
    assert plan.server_share == pytest.approx(0.96)


def test_the_store_takes_fewer_cores_and_more_disk() -> None:
    with_points, with_store = (make_plan(MEASURED, replace(DEMAND, store=store), SUPPLY) for store in (False, True))
    assert with_store.cores == pytest.approx(0.2 + 0.1 + 0.04)
    assert with_points.disk == pytest.approx(100_000 * 8_600 / 1e9)
    assert with_store.disk == pytest.approx(100_000 * 800_600 / 1e9)
    assert with_store.page_cache == pytest.approx(80.0)
    assert with_points.page_cache == pytest.approx(12.5)


def test_memory_is_that_of_processes_buffer_and_reserve() -> None:
    plan = make_plan(MEASURED, DEMAND, SUPPLY)
    megabytes = 8 * 40 + 60 + 80 + 1024 * 1.048576 + 64 * 2.5
    assert plan.memory == pytest.approx(megabytes / 1000)


def test_headroom_and_spare_hosts_add_to_the_need() -> None:
    demand = replace(DEMAND, jobs=10)  # 10.4 cores
    plain, roomy, spare = (
        make_plan(MEASURED, demand, supply)
        for supply in (SUPPLY, replace(SUPPLY, headroom=1.0), replace(SUPPLY, spare_hosts=2))
    )
    assert (plain.hosts, roomy.hosts, spare.hosts) == (3, 5, 5)  # 2.4 and 4.8 hosts for the server's process
    assert spare.cpu_share == plain.cpu_share


def test_a_larger_dataset_can_be_planned_for() -> None:
    plan = make_plan(MEASURED, replace(DEMAND, images=1_000_000), SUPPLY)
    assert plan.disk == pytest.approx(8.6)


def test_parts_beyond_the_default_need_a_setting() -> None:
    assert make_plan(MEASURED, DEMAND, SUPPLY).notes == ()
    (note,) = make_plan(MEASURED, replace(DEMAND, batch_size=4096, trainers=2), SUPPLY).notes
    assert "SAMPLER_MAX_BATCH=2048" in note


def test_a_server_is_told_to_accept_the_requests_of_all_trainers() -> None:
    # Streams of one server: a request for each trainer. Of two servers: three steps ahead of each.
    one = make_plan(MEASURED, replace(DEMAND, batch_size=100, steps_per_second=0.1, trainers=100), SUPPLY)
    assert values(one, "Hosts")["requests at a server, at most"] == 100
    assert "SAMPLER_MAX_REQUESTS=100," in one.notes[0]
    two = make_plan(MEASURED, replace(DEMAND, jobs=6), SUPPLY)
    assert values(two, "Hosts")["requests at a server, at most"] == 6 * steps_ahead(2, 10_000_000) / 2
    assert two.notes == ()


DEMANDS = st.builds(
    Demand, st.integers(8, 4096), st.floats(0.01, 1000), st.integers(1, 8), st.integers(1, 1000),
    st.sampled_from(["compact", "sparse", "dense"]), st.booleans(), st.none() | st.integers(1, 10**9),
)  # fmt: skip
SUPPLIES = st.builds(Supply, st.none() | st.integers(1, 256), st.floats(0.1, 400), st.floats(0, 5), st.integers(0, 9))


@given(DEMANDS, SUPPLIES)
def test_every_line_can_be_checked_with_a_pocket_calculator(demand: Demand, supply: Supply) -> None:
    lines = [line for section in make_plan(MEASURED, demand, supply).sections for line in section.lines]
    assert len(lines) > 20
    for line in lines:
        if not line.rounded_up:
            assert evaluated(line.formula) == pytest.approx(line.value, rel=5e-3, abs=1e-6), line.name


@given(DEMANDS, SUPPLIES)
def test_the_hosts_suffice_and_one_less_would_not(demand: Demand, supply: Supply) -> None:
    plan = make_plan(MEASURED, demand, supply)
    at_work = plan.hosts - supply.spare_hosts
    shares = plan.cpu_share, plan.server_share, plan.network_share
    assert max(shares) <= 1 + 1e-6
    assert at_work == 1 or max(shares) * at_work > at_work - 1


@pytest.mark.parametrize(("option", "change"), [
    ("--batch-size", {"batch_size": 0}),
    ("--batch-size", {"batch_size": 1 << 30}),
    ("--batch-size", {"batch_size": 200_000, "trainers": 2}),
    ("--steps-per-second", {"steps_per_second": 0.0}),
    ("--steps-per-second", {"steps_per_second": -1.0}),
    ("--steps-per-second", {"steps_per_second": math.nan}),
    ("--steps-per-second", {"steps_per_second": math.inf}),
    ("--trainers", {"trainers": 0}),
    ("--trainers", {"trainers": 51}),
    ("--jobs", {"jobs": 0}),
    ("--dataset-images", {"images": 0}),
])  # fmt: skip
def test_an_impossible_demand_is_refused_by_its_option(option: str, change: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match=f"^{option} "):
        replace(DEMAND, **change)


@pytest.mark.parametrize(("option", "change"), [
    ("--cores", {"cores": 0}),
    ("--network", {"network": 0.0}),
    ("--network", {"network": math.nan}),
    ("--headroom", {"headroom": -0.1}),
    ("--headroom", {"headroom": math.inf}),
    ("--spare-hosts", {"spare_hosts": -1}),
])  # fmt: skip
def test_an_impossible_host_is_refused_by_its_option(option: str, change: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match=f"^{option} "):
        replace(SUPPLY, **change)


def test_an_unknown_layout_is_refused_with_those_there_are() -> None:
    assert require_layout("sparse") == "sparse"
    with pytest.raises(PlanError, match="--layout png: expected one of compact, sparse, dense"):
        require_layout("png")
