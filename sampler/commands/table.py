"""The commands of `python -m sampler`."""

from sampler.cli.table import Command, Program

COMMANDS = {
    "index": Command(
        "sampler.commands.index", "index",
        "Build the index of a dataset, or find an existing one, and show its contents.", "server",
    ),
    "verify": Command(
        "sampler.commands.verify", "verify",
        "Decode every image and check every box and id of a dataset, and show all findings.", "server",
    ),
    "decode": Command(
        "sampler.commands.decode", "decode",
        "Decode all images into one file that servers map into memory.", "server",
    ),
    "config": Command(
        "sampler.commands.config", "config",
        "Show every value of a config and its origin: preset, file, published default or another.", "cli",
    ),
    "recipe": Command(
        "sampler.commands.recipe", "recipe",
        "Print the recipe of a sample, or of all samples of a step, as JSON for `replay`.", "server",
    ),
    "replay": Command(
        "sampler.commands.recipe", "replay",
        "Render recorded samples, each to a .npz file with its crop and all of its arrays.", "server",
    ),
    "stats": Command(
        "sampler.commands.stats", "stats",
        "Show statistics of boxes before and after augmentation, what is lost, and whether draws fit theory.", "server",
    ),
}  # fmt: skip

PROGRAM = Program("saccade-sampler", "Datasets, configs, recipes and replays of training samples.", COMMANDS)
