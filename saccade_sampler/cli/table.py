"""All commands of the program `saccade-sampler`."""

from client.commands.table import COMMANDS as CLIENT
from sampler.cli.table import Command, Program
from sampler.commands.table import COMMANDS as SAMPLER
from service.server.table import COMMANDS as SERVICE

COMMANDS = {
    "serve": SERVICE["serve"],
    "index": SAMPLER["index"],
    "verify": SAMPLER["verify"],
    "decode": SAMPLER["decode"],
    "config": SAMPLER["config"],
    "recipe": SAMPLER["recipe"],
    "replay": SAMPLER["replay"],
    "stats": SAMPLER["stats"],
    "fetch": CLIENT["fetch"],
    "bench": CLIENT["bench"],
    "plan": Command(
        "saccade_sampler.planning.command", "plan",
        "Compute the hosts that a training needs: cores, network, memory and disk, with the arithmetic.", "server",
    ),
    "settings": Command(
        "saccade_sampler.settings.command", "settings",
        "Show each setting of a server and of clients with its value and where it comes from.", "cli",
    ),
    "doctor": Command(
        "saccade_sampler.doctor.command", "doctor",
        "Check this host and the servers that it uses, and say what to do about each problem.", "cli",
    ),
    "demo": CLIENT["tour"],
}  # fmt: skip

PROGRAM = Program(
    "saccade-sampler", "Training samples of the CornerNet family, from the dataset to the trainer.", COMMANDS
)
