"""The models of growing loads."""

import pytest

from benchmarks.growth.model import Affine, ClosedLoop, SharedWork


def test_clients_wait_as_long_as_one_alone_until_the_cpus_are_busy() -> None:
    model = ClosedLoop(alone=0.04, service=0.01)
    assert [model.wait(clients) for clients in (1, 4, 8, 64)] == pytest.approx([0.04, 0.04, 0.08, 0.64])
    assert [model.rate(clients) for clients in (1, 4, 8, 64)] == pytest.approx([25, 100, 100, 100])


def test_shared_work_is_made_once_and_delivered_to_each() -> None:
    model = SharedWork(making=8.0, delivering=1.0)
    assert [model.each(clients) for clients in (1, 2, 8)] == [9.0, 5.0, 2.0]


def test_a_fixed_cost_is_paid_once() -> None:
    model = Affine(first=5.0, further=2.0)
    assert [model.cost(load) for load in (1, 2, 11)] == [5.0, 7.0, 25.0]
