"""What all command programs share: tables of commands, start, errors, exit status.

Importing `table` or `start` loads nothing but the standard library; `group` needs Typer.
"""
