"""The table has a line for each process, in MB."""

from benchmarks.memory.report import HEAD, Held, lines
from benchmarks.memory.usage import Usage

MB = 1 << 20


def test_a_process_that_starts_with_the_load_has_no_number_at_rest() -> None:
    worker = Held("JPEG", "worker", Usage(36 * MB), Usage(60 * MB, 1200 * MB, MB // 2, 80 * MB), Usage(37 * MB))
    loader = Held("JPEG", "loader process", None, Usage(55 * MB), Usage(54 * MB))
    table = lines([worker, loader])
    assert table[0] == ("JPEG", "worker", "36", "60", "37", "1,200", "0.5", "80", "1,340")
    assert table[1] == ("JPEG", "loader process", "–", "55", "54", "0.0", "0.0", "0.0", "55")
    assert {len(line) for line in table} == {len(HEAD)}
