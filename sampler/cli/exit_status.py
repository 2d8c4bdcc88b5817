"""Exit statuses of all commands."""

FINDINGS = 1
"""The command ran, and the data or the machine has faults, which it shows."""

CANNOT_RUN = 2
"""The command could not run or could not finish; one line on stderr says why and what to do."""

INTERRUPTED = 130
"""Ctrl-C."""

OUTPUT_CLOSED = 141
"""The reader of stdout has closed it, as `head` does. Shells show the same for programs that SIGPIPE ends: 128 + 13."""

EXPLANATION = "Exit status: 0 success, 1 findings, 2 the command could not run, 130 interrupted, 141 output closed."
"""For the help of a program."""
