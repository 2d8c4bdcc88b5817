"""What each study predicts: the measured value at the smallest load, and the model beyond it."""

import pytest

from benchmarks.growth import batches, images, requests, trainers
from benchmarks.growth.requests import Load
from benchmarks.growth.study import Study
from benchmarks.growth.trainers import Cost

COST = Cost(seconds=0.1, server=0.12, all=0.16)
AGAIN = Cost(seconds=0.02, server=0.02, all=0.04)


def of_trainers() -> Study:
    return trainers.of_costs([COST] * 4, [COST] * 4, AGAIN, cpus=2)


def of_requests() -> Study:
    return requests.of_loads([Load([0.01] * 100, 100.0, 0.01)] * len(requests.REQUESTS), cpus=2)


def of_batches() -> Study:
    return batches.of_latencies([5.0] * len(batches.SIZES), 1.0, cpus=2)


def of_images() -> Study:
    return images.of_times([0.04] * len(images.SIZES), [1.0] * len(images.SIZES))


@pytest.mark.parametrize("study", [of_trainers(), of_requests(), of_batches(), of_images()], ids=lambda one: one.name)
def test_model_and_measurement_agree_at_the_smallest_load(study: Study) -> None:
    curves = [curve for panel in study.panels for curve in panel.curves if curve.model]
    assert curves
    for curve in curves:
        assert curve.model[0] == pytest.approx(curve.values[0])


def test_ranks_share_the_cpus_and_trainers_of_one_seed_the_work() -> None:
    rate, cpu = of_trainers().panels
    ranks, same = rate.curves
    assert ranks.model == pytest.approx((480, 600, 600, 600))  # 80 ms of two CPUs for each 48 samples
    assert same.model == pytest.approx((480, 960, 48 / 0.035, 48 / 0.0275))  # 60 ms once, 20 ms for each
    assert cpu.curves[0].model == pytest.approx((2.5,) * 4)
    assert cpu.curves[1].model[-1] == pytest.approx((100 + 8 * 20) / (8 * 48))


def test_requests_wait_their_turn() -> None:
    _, latency = of_requests().panels
    assert latency.curves[0].model == pytest.approx((10, 10, 20, 40, 80, 160, 320))


def test_further_samples_of_a_batch_cost_what_the_sampler_takes() -> None:
    latency, _ = of_batches().panels
    assert latency.curves[0].model[-1] == pytest.approx(5 + 1023 / 2)


@pytest.mark.parametrize("count", requests.REQUESTS)
def test_each_request_of_a_load_is_for_another_step(count: int) -> None:
    works = requests.works_of(count, seed=1)
    assert sum(work.connections for work in works) == count
    steps = [step for work in works for step in range(*work.steps)]
    assert len(steps) == len(set(steps)) >= max(requests.FEWEST, requests.OF_EACH * count)
