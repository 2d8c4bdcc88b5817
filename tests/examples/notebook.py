"""Execute a notebook in a kernel of this Python and print what its cells give.

python -m tests.examples.notebook FILE URL
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from traitlets.config import Config

SECONDS = 60
"""For one cell; the first one imports the client."""


SOCKETS = Config({"KernelManager": {"transport": "ipc"}})  # no other user can read or send messages


def main(file: Path, url: str) -> None:
    """Execute and print. url: of the server. Raises CellExecutionError if a cell fails."""
    notebook = nbformat.read(file, as_version=4)  # type: ignore[no-untyped-call] # it has no types
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
        folders = dict.fromkeys(("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"), folder)
        os.environ |= {**folders, "SAMPLER_URL": url}
        NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", config=SOCKETS).execute()
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", ()):
            print(f"[{number}] {described(output)}")


def described(output: Any) -> str:
    """Return what a cell gave as text: what it printed, or the types of what a notebook displays."""
    if output.output_type == "stream":
        return str(output.text).rstrip()
    return f"displays {', '.join(sorted(output.data))}"


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
