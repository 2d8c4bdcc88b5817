"""Trying an installed wheel: in an environment that has nothing else, from an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

from sampler.cli.exit_status import CANNOT_RUN
from sampler.version import VERSION
from tests.support.paths import ROOT

INSTALL_SECONDS = 900.0
RUN_SECONDS = 300.0

CLIENT_PACKAGES = 13
"""Most distributions that a training node needs, this one included."""


class InstallationError(Exception):
    """The installed wheel does not do what it must."""


class Installation:
    """A virtual environment with the wheel, and an empty folder to run programs in."""

    def __init__(self, folder: Path, wheel: Path, extra: str) -> None:
        """Make the environment and install the wheel with pip. extra: such as "[server]"; may be empty."""
        self._bin = folder / "venv" / "bin"
        self.empty = folder / "empty"
        self.empty.mkdir(parents=True)
        self._variables = {
            name: value for name, value in os.environ.items() if not name.startswith(("SAMPLER_", "PYTHON", "VIRTUAL_"))
        } | {"XDG_CACHE_HOME": str(folder / "cache")}
        self._run(INSTALL_SECONDS, sys.executable, "-m", "venv", folder / "venv")
        options = ("--quiet", "--disable-pip-version-check", "--no-input", "--constraint", ROOT / "requirements.lock")
        self._run(INSTALL_SECONDS, self._bin / "python", "-m", "pip", "install", *options, f"{wheel}{extra}")

    def run(self, program: str, *arguments: object) -> str:
        """Return what an installed program prints. Raises InstallationError if it fails."""
        return self._run(RUN_SECONDS, self._bin / program, *arguments)

    def refusal(self, program: str, *arguments: object) -> str:
        """Return what an installed program prints on stderr when it fails. Raises InstallationError if it does not."""
        words = list(map(str, (self._bin / program, *arguments)))
        done = self._start(RUN_SECONDS, words)
        if done.returncode != CANNOT_RUN:
            raise InstallationError(f"{' '.join(words)}: status {done.returncode}: expected {CANNOT_RUN}")
        return done.stderr

    def packages(self) -> list[str]:
        """Return the names of the installed distributions, without pip and setuptools."""
        lines = self.run("python", "-m", "pip", "list", "--format", "freeze", "--disable-pip-version-check").split()
        names = [line.partition("==")[0] for line in lines]
        return [name for name in names if name not in ("pip", "setuptools")]

    def _run(self, seconds: float, *command: object) -> str:
        words = list(map(str, command))
        done = self._start(seconds, words)
        if done.returncode:
            raise InstallationError(f"{' '.join(words)}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def _start(self, seconds: float, words: list[str]) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                words, cwd=self.empty, env=self._variables, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise InstallationError(f"{' '.join(words)}: not done after {seconds:g} s") from error


def try_server(folder: Path, wheel: Path) -> str:
    """Install a server, run the demo, and return what was seen."""
    installation = Installation(folder, wheel, "[server]")
    printed = installation.run("saccade-sampler", "--version").strip()
    if printed != f"saccade-sampler {VERSION}":
        raise InstallationError(f"saccade-sampler --version prints {printed!r}: expected version {VERSION}")
    installation.run("saccade-sampler", "demo", "--out", "demo-output")
    made = sorted(path.name for path in (installation.empty / "demo-output").iterdir())
    if not any(name.endswith(".png") for name in made):
        raise InstallationError(f"the demo has drawn no sample: {', '.join(made) or 'no files'}")
    return f"server: {len(installation.packages())} packages; the demo made {', '.join(made)}"


def try_client(folder: Path, wheel: Path) -> str:
    """Install the client alone, import its public names, and return what was seen."""
    installation = Installation(folder, wheel, "")
    installation.run("python", "-c", "from saccade_sampler import SamplerClient, loader")
    refusal = installation.refusal("saccade-sampler", "--version")
    if "pip install 'saccade-sampler[cli]'" not in refusal:
        raise InstallationError(f"without the extra `cli`, commands do not say what to install: {refusal}")
    packages = installation.packages()
    if len(packages) > CLIENT_PACKAGES:
        raise InstallationError(f"the client alone is {len(packages)} packages: {', '.join(packages)}")
    return f"client: {len(packages)} packages; its names can be imported"
