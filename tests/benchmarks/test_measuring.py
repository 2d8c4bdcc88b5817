"""Functions are measured in turn."""

from benchmarks.measuring import each_run


def test_functions_take_turns_and_each_run_has_other_numbers() -> None:
    calls: list[str] = []
    functions = [lambda number: calls.append(f"a{number}"), lambda number: calls.append(f"b{number}")]
    times = each_run(functions, 2, runs=2)
    assert calls == ["a0", "a1", "b0", "b1", "a2", "a3", "b2", "b3", "a4", "a5", "b4", "b5"]
    assert [len(runs) for runs in times] == [2, 2]  # without the warm-up


def test_runs_are_timed_with_the_given_clock() -> None:
    ticks = iter(range(100))
    runs = each_run([lambda _: None, lambda _: None], 4, runs=2, clock=lambda: float(next(ticks)))
    assert runs == [[250.0, 250.0], [250.0, 250.0]]
