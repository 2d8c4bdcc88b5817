"""Fuzz the readers of bytes: `make fuzz`, or `python -m tests.fuzz --inputs 1000 --target 'wire reader'`."""

import argparse
import secrets
import sys
import time
from pathlib import Path

from tests.fuzz.registry import TARGETS
from tests.fuzz.report import kinds, table, write_failures
from tests.fuzz.runs import Outcome, run_target

_CPU_SECONDS = 1.0
"""CPU time that one input may take."""


def main(arguments: list[str] | None = None) -> int:
    """Run the inputs of all targets or of one; return 1 if any has none of the allowed outcomes."""
    options = _options(arguments)
    names = list(TARGETS) if options.target is None else [options.target]
    print(f"seed {options.seed}: repeat with --seed {options.seed}", flush=True)
    began, outcomes = time.monotonic(), list[Outcome]()
    for place, name in enumerate(names):
        first, stop = 0, (options.inputs * (place + 1)) // len(names) - (options.inputs * place) // len(names)
        if options.only is not None:
            first, stop = options.only, options.only + 1
        shown = _Progress(name, stop - first)
        outcomes.append(run_target(name, options.seed, first, stop, options.seconds, shown.show))
        shown.end(outcomes[-1])
    print(f"\n{table(outcomes)}\n\nRefused with:\n{kinds(outcomes)}")
    failures = [failure for outcome in outcomes for failure in outcome.failures]
    total = sum(outcome.inputs for outcome in outcomes)
    print(f"\n{total:,} inputs, {len(failures)} failures, {time.monotonic() - began:.0f} s")
    if failures:
        print(f"\n{write_failures(failures, options.seed, options.folder)}")
    return 1 if failures else 0


class _Progress:
    """How far a target is: in place on a terminal, else a line at its end."""

    def __init__(self, name: str, inputs: int) -> None:
        self._name, self._inputs = name, inputs

    def show(self, done: int) -> None:
        if sys.stdout.isatty():
            print(f"\r{self._name}: {done:,} of {self._inputs:,}", end="", flush=True)

    def end(self, outcome: Outcome) -> None:
        start = "\r" if sys.stdout.isatty() else ""
        print(f"{start}{self._name}: {outcome.inputs:,} inputs, {len(outcome.failures)} failures", flush=True)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="number of inputs of all targets together")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="chooses the inputs")
    parser.add_argument("--target", choices=list(TARGETS), help="only this target")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="only this input of the target")
    parser.add_argument("--seconds", type=float, default=_CPU_SECONDS, help="CPU time that an input may take")
    parser.add_argument("--folder", type=Path, default=Path("fuzz-failures"), help="where failing inputs are written")
    options = parser.parse_args(arguments)
    if options.only is not None and options.target is None:
        parser.error("--only needs --target")
    return options


if __name__ == "__main__":
    sys.exit(main())
