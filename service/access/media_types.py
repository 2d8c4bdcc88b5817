"""What a request says that its body is."""

from fastapi import Request

from service.errors.problems import ServiceError

JSON = "application/json"


def media_type_of(request: Request) -> str:
    """Return the media type of a request's body, without parameters such as the character set."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def require_json(request: Request) -> None:  # async: FastAPI would run it in a thread otherwise
    """Check that a POST declares its body as JSON. Raises `ServiceError` (415).

    Pages of other sites can send forms and plain text to any server, JSON only if the server allows it.
    """
    if request.method == "POST" and media_type_of(request) != JSON:
        raise ServiceError("media-type", f"Content-Type: expected {JSON}")
