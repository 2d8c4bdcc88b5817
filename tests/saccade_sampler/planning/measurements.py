"""A measurement with round numbers, so that plans can be checked in the head."""

from saccade_sampler.planning.measurement import Cost, Measurement, Memory, Preparation
from sampler.arrays import Layout

COST = Cost(workers=0.8, server=0.2, request=2.0, client=0.4)
BYTES: dict[Layout, float] = {"compact": 200_000.0, "sparse": 800_000.0, "dense": 6_000_000.0}


def same_for_all_layouts(cost: Cost) -> dict[Layout, Cost]:
    return {"compact": cost, "sparse": cost, "dense": cost}


def round_measurement() -> Measurement:
    return Measurement(
        format=1,
        version="0",
        host="a host",
        cores=8,
        dataset="round numbers",
        config="cornernet_saccade",
        images=100_000,
        measured_images=256,
        file_bytes=125_000.0,
        index_bytes=600.0,
        sample_bytes=dict(BYTES),
        entry_points=Preparation(8_000.0, same_for_all_layouts(COST)),
        store=Preparation(800_000.0, same_for_all_layouts(Cost(0.2, 0.1, 2.0, 0.4))),
        memory=Memory(server=60e6, worker=40e6, code=80e6),
    )
