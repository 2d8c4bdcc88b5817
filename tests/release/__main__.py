"""Build wheel and sdist, check them, install the wheel, and run the demo with it: `make dist`."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.release.build import BuildError, build, export, unpack
from tests.release.contents import differences, faults_of_sdist, faults_of_wheel, sdist_files, wheel_files
from tests.release.installation import InstallationError, try_client, try_server
from tests.support.paths import ROOT


def main(arguments: list[str] | None = None) -> int:
    """Build, check and try; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.release", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for wheel and sdist")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dist-") as folder:
        faults = check(options.out.resolve(), Path(folder))
    print("\n".join(faults) if faults else "wheel and sdist can be released")
    return 1 if faults else 0


def check(out: Path, folder: Path) -> list[str]:
    """Return what is wrong with wheel and sdist, which are built into `out`. A faulty wheel is not installed."""
    try:
        wheel, faults = _build(out, folder)
        return faults or _install(wheel, folder)
    except BuildError as error:
        return [str(error)]


def _build(out: Path, folder: Path) -> tuple[Path, list[str]]:
    """Build wheel and sdist; return the wheel, and what is wrong with the files."""
    source = export(folder / "source")
    sdist = build("build_sdist", source, out)
    # As from an index: the wheel is that of the sdist.
    wheel = build("build_wheel", unpack(sdist, folder / "sdist"), out)
    files, packed = wheel_files(wheel), sdist_files(sdist)
    _say(f"{wheel}: {len(files)} files, {wheel.stat().st_size / 1e6:.1f} MB")
    _say(f"{sdist}: {len(packed)} files, {sdist.stat().st_size / 1e6:.1f} MB")
    direct = wheel_files(build("build_wheel", source, folder / "wheel"))
    return wheel, [
        *(f"{name} differs between the wheels of sdist and checkout" for name in differences(files, direct)),
        *faults_of_wheel(files, source),
        *faults_of_sdist(packed, files),
    ]


def _install(wheel: Path, folder: Path) -> list[str]:
    """Install the wheel and try it; return what is wrong."""
    try:
        _say(try_client(folder / "client", wheel))
        _say(try_server(folder / "server", wheel))
    except InstallationError as error:
        return [str(error)]
    return []


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
