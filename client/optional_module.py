"""Modules that need an optional package."""

from typing import Any

from client.errors import ClientError, MissingExtraError
from sampler.undisturbed import import_undisturbed

PROJECTS = {"PIL": "Pillow"}
"""Names of packages that differ from the name of their module."""


def optional_module(name: str, package: str, extra: str) -> Any:
    """Return a module that needs an optional package.

    Args:
        name: of the module.
        package: name of the package's own module, such as "PIL".
        extra: of this project, which installs the package.

    Raises:
        MissingExtraError: the package is not installed.
        ClientError: the package is installed, but cannot be imported.
    """
    project = PROJECTS.get(package, package)
    try:
        return import_undisturbed(name)
    except (ImportError, OSError) as error:  # OSError: of a shared library that torch loads itself
        if isinstance(error, ModuleNotFoundError) and error.name == package:
            missing = f"{project} is not installed: pip install 'saccade-sampler[{extra}]'"
            raise MissingExtraError(missing) from error
        raise ClientError(f"{project} cannot be imported: {error}") from error
