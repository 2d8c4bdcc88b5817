"""The table of the three ways to prepare a dataset."""

from benchmarks.preparations import Preparation, preparations_markdown

NOTHING = Preparation("nothing", 0.0, 0.0, {"cornernet_saccade": 1.7, "cornernet": 2.0}, 550.0)
ENTRY_POINTS = Preparation("entry points", 5_000.0, 0.0012, {"cornernet_saccade": 0.9, "cornernet": 1.5}, 1_040.0)
STORE = Preparation("decoded store", 930_000.0, 0.0003, {"cornernet_saccade": 0.12, "cornernet": 0.2}, 3_400.0)


def test_the_table_has_a_column_for_each_way() -> None:
    head, _, *lines = preparations_markdown([NOTHING, ENTRY_POINTS, STORE]).splitlines()
    assert head == "|  | nothing | entry points | decoded store |"
    assert lines[0] == "| disk space of an image | – | 5.00 kB | 930 kB |"
    assert lines[1].endswith("| – | 591 MB | 110 GB |")
    assert lines[2].endswith("| – | 2.4 minutes | 35 s |")
    assert lines[3].endswith("| 1.70 ms | 0.900 ms | 0.120 ms |")
    assert lines[5].endswith("| 550 | 1,040 | 3,400 |")
