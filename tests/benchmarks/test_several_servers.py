"""The table of throughput from several servers."""

from benchmarks.several_servers import HEAD, Throughput, lines, median


def test_each_row_is_compared_with_one_server() -> None:
    table = lines([Throughput(1, 2.0, 0.05), Throughput(3, 6.0, 0.15)])
    assert table == [("1", "2.00", "96.00", "1.00", "0.050"), ("3", "6.00", "288", "3.00", "0.150")]
    assert {len(row) for row in table} == {len(HEAD)}


def test_the_median_of_rounds_counts() -> None:
    rounds = [Throughput(2, steps, cpus) for steps, cpus in [(1.0, 0.3), (9.0, 0.1), (2.0, 0.2)]]
    assert median(rounds) == Throughput(2, 2.0, 0.2)
