"""`python -m client`."""

import sys

from client.commands.cli import app

if __name__ == "__main__":
    # Shells complete programs that are one word: what is installed completes the command saccade-client.
    completing = any(word in ("--install-completion", "--show-completion") for word in sys.argv[1:])
    app(prog_name="saccade-client" if completing else "python -m client")
