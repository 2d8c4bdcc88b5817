"""Files of other projects that pages load: two viewers of OpenAPI documents, from the package fastapi-offline."""

from importlib.resources import files

FOLDER = "viewers"
SWAGGER_SCRIPT = f"{FOLDER}/swagger-ui-bundle.js"
SWAGGER_STYLE = f"{FOLDER}/swagger-ui.css"
REDOC_SCRIPT = f"{FOLDER}/redoc.standalone.js"

LOGO = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
"""A picture that ReDoc loads from its makers' host, and leaves out if that fails."""


def vendored_files() -> dict[str, bytes]:
    """Return the content of each file by its path among the assets. None of them loads anything from other hosts."""
    folder = files("fastapi_offline") / "static"
    found = {path: (folder / path.removeprefix(f"{FOLDER}/")).read_bytes() for path in (SWAGGER_SCRIPT, SWAGGER_STYLE)}
    script = (folder / REDOC_SCRIPT.removeprefix(f"{FOLDER}/")).read_bytes()
    return found | {REDOC_SCRIPT: script.replace(LOGO, b"data:,")}
