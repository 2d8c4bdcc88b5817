"""The command of `python -m service`."""

from sampler.cli.table import Command, Program

COMMANDS = {"serve": Command("service.server.command", "serve", "Serve batches over HTTP.", "server")}

PROGRAM = Program("saccade-sampler", "Serve batches over HTTP.", COMMANDS)
