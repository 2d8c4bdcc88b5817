"""Exit statuses of all commands."""

FINDINGS = 1
"""The command ran, and the data or the machine has faults, which it shows."""

CANNOT_RUN = 2
"""The command could not run or could not finish; one line on stderr says why and what to do."""

INTERRUPTED = 130
"""Ctrl-C."""

EXPLANATION = "Exit status: 0 success, 1 findings, 2 the command could not run, 130 interrupted."
"""For the help of a program."""
