"""The commands of `python -m client`."""

from sampler.cli.start import start
from sampler.cli.table import Command, Program

COMMANDS = {
    "fetch": Command(
        "client.commands.fetch", "fetch", "Fetch one batch, by index or by step, and show its arrays.", "cli"
    ),
    "bench": Command(
        "client.commands.bench", "bench",
        "Measure how fast batches arrive: samples and bytes per second, and latencies.", "cli",
    ),
    "tour": Command(
        "client.commands.tour", "tour",
        "Fetch batches by index, by seed and as a stream, show their arrays, and draw a sample.", "cli",
    ),
}  # fmt: skip

PROGRAM = Program("saccade-client", "Fetch batches from a sampling server, or measure how fast they arrive.", COMMANDS)


def main() -> None:
    """Run the program `saccade-client`."""
    start(PROGRAM)
