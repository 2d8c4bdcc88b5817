"""Client processes receive the batches of their work, at the same time, and report what it cost."""

from benchmarks.clients import Work, client_processes
from tests.support.live_server import LiveServer

RECEIVED = 'sampler_samples_total{layout="compact"}'


def test_each_process_receives_its_rank_of_a_stream(server: LiveServer) -> None:
    with client_processes(server.url, 2) as clients:
        [first] = clients.receive([Work(seed=31, steps=(0, 1), batch_size=4)])
        before = server.metric(RECEIVED)
        ranks = [Work(seed=32, steps=(0, 3), batch_size=5, rank=rank, world_size=2) for rank in range(2)]
        reports = clients.receive(ranks)  # the same processes again
    assert server.metric(RECEIVED) - before == 15
    assert [len(report.waits) for report in (first, *reports)] == [1, 3, 3]
    for report in (first, *reports):
        assert 0 < max(report.waits) <= report.seconds
        assert report.cpu_seconds > 0


def test_single_requests_use_several_connections(server: LiveServer) -> None:
    with client_processes(server.url, 1) as clients:
        [report] = clients.receive([Work(seed=33, steps=(0, 6), batch_size=2, connections=3)])
    assert len(report.waits) == 6
    assert sum(report.waits) > report.seconds  # they overlap
