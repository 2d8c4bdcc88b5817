"""Run server, clients and trainers for minutes and watch what they hold: `make soak`."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.report import counts, draw, faults, table, trends_of
from tests.soak.run import soak

_EVERY = 5.0
_SHORT = 5.0
"""Minutes below which a run may end before everything is warm, so that a part seems to grow."""

_WARM_UP = 0.25
"""Part of a run that does not count: caches fill, kernels are loaded, pools grow."""


def main(arguments: list[str] | None = None) -> int:
    """Run, report and draw; return 1 if anything grew or failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the run")
    parser.add_argument("--every", type=float, default=_EVERY, help="seconds between samples")
    parser.add_argument("--chart", type=Path, default=Path("soak.png"), help="file for the chart")
    options = parser.parse_args(arguments)
    print(f"running for {options.minutes:g} minutes, one sample every {options.every:g} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        record = soak(Path(folder), 60 * options.minutes, options.every)
    warm_up = _WARM_UP * 60 * options.minutes
    trends = trends_of(record, warm_up)
    draw(record, warm_up, options.chart)
    print(f"\n{table(trends)}\n\n{counts(record)}\n\nchart: {options.chart}")
    found = faults(record, trends)
    print("\n".join(["", *found]) if found else "nothing grows")
    if found and options.minutes < _SHORT:
        print(f"In less than {_SHORT:g} minutes, caches and pools may not be full yet. Run longer to be sure.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
