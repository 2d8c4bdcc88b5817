"""What failed requests to object storage mean, and what to do about them.

The errors of the client obstore are texts. Below "Debug source:" they list every cause. They are not quoted as a whole,
because they may have signed URLs in them.
"""

import re

from obstore.exceptions import NotSupportedError, PermissionDeniedError, UnauthenticatedError

from sampler.dataset.images.object_storage.urls import ObjectUrl
from sampler.errors import ImageError, ImageSourceError, SamplerError
from sampler.printable import printable

VARIABLES = {
    "s3": "the variables AWS_…",
    "gs": "the variables GOOGLE_…",
    "az": "the variables AZURE_…, such as AZURE_STORAGE_ACCOUNT_NAME",
    "https": "the URL",
    "http": "the URL",
}
"""What each kind of storage is set with."""

_NO_CREDENTIALS = "no credentials were found; set {variables}, or …_SKIP_SIGNATURE=true for public objects"

MISTAKES = {
    "169.254.169.254": _NO_CREDENTIALS,  # where a client looks for credentials if none are set
    "metadata.google.internal": _NO_CREDENTIALS,
    "inner: BareRedirect": "redirected without a target, usually because the region is wrong; check {variables}",
    "source: MissingContentLength": "the response has no Content-Length; let the web server send it for images",
}
"""Causes that only other settings remove, each with a part of the error's text by which it is recognized."""

_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound")
_STATUS = re.compile(r"status code: (\d{3}[A-Za-z ]*)")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_CAUSE = re.compile(r" - (?:HTTP error: )?([^\n]*)")
_URL = re.compile(r"\w+://\S*")
_CERTIFICATE = re.compile(r"InvalidCertificate\(\s*(?:Other\(\s*OtherError\(\s*)?(\w+)")
_SYSTEM_MESSAGE = re.compile(r'(?:message|error): "([^"]*)"')
_SYMPTOMS = {
    "InvalidMessage(": "the response is not TLS",
    "IncompleteBody": "the response ended early",
    "kind: Timeout": "no response in time",
}


def explain(error: Exception, url: ObjectUrl, name: str) -> SamplerError:
    """Return the error of image sources for a failed request for an object."""
    where = f"{url}/{name}"
    if isinstance(error, FileNotFoundError) and _code(error) not in _NO_BUCKET:
        cause = "the object does not exist; upload it, or correct the prefix in SAMPLER_IMAGES"
        return ImageError(where, "missing", cause)
    if isinstance(error, ValueError):
        return ImageError(where, "unreadable", f"not the name of an object: {printable(str(error))}")
    return ImageSourceError(f"{printable(where)}: {_explanation(error, url)}")


def is_transient(error: Exception) -> bool:
    """Return whether a request may succeed if it is repeated."""
    if isinstance(error, PermissionDeniedError | UnauthenticatedError | NotSupportedError) or _mistake(error):
        return False
    number = status(error)[:3]
    return not number.startswith("4") or number in ("408", "429")


def status(error: Exception) -> str:
    """Return the status of the response that an error is about, such as "503 Service Unavailable"; "" if none."""
    found = _STATUS.search(str(error))
    return found[1].strip() if found else ""


def reason(error: Exception) -> str:
    """Return the cause of an error in a few words."""
    number, code = status(error), _code(error)
    if number:
        return f"status {number} ({code})" if code else f"status {number}"
    text, _, source = str(error).partition("\nDebug source:")
    cause = _CAUSE.search(text)
    words = _connection_failure(source) or (cause[1] if cause else text.partition("\n")[0])
    return printable(_URL.sub("…", words)[:200])


def _explanation(error: Exception, url: ObjectUrl) -> str:
    code, variables, mistake = _code(error), VARIABLES[url.scheme], _mistake(error)
    if mistake:
        return mistake.format(variables=variables)
    if code in _NO_BUCKET:
        return f"bucket or container {url.bucket!r} does not exist ({code}); correct SAMPLER_IMAGES"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return _denied(code, url)
    if status(error).startswith("400") and url.can_list:
        return f"refused: {reason(error)}; check credentials and region in {variables}"
    failure = reason(error) if isinstance(error, TimeoutError) else f"cannot be fetched: {reason(error)}"
    return f"{failure}; check network and endpoint"


def _denied(code: str, url: ObjectUrl) -> str:
    if not url.can_list:
        return "access is denied; let the web server send images without credentials"
    shown = f" ({code})" if code else ""
    hint = "; S3 also denies access to missing objects if listing is not allowed"
    unknown = url.scheme == "s3" and code in ("", "AccessDenied")
    return f"access is denied{shown}; check the credentials in {VARIABLES[url.scheme]}{hint if unknown else ''}"


def _mistake(error: Exception) -> str:
    text = str(error)
    return next((cause for part, cause in MISTAKES.items() if part in text), "")


def _code(error: Exception) -> str:
    """Return the code in the response that an error is about, such as "SlowDown"; "" if none."""
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _connection_failure(source: str) -> str:
    """Return why there was no complete response, given the causes of an error; "" if they do not say."""
    certificate, messages = _CERTIFICATE.search(source), _SYSTEM_MESSAGE.findall(source)
    if certificate:
        return f"invalid certificate ({certificate[1]})"
    if messages:
        return str(messages[-1])  # the innermost
    return next((words for part, words in _SYMPTOMS.items() if part in source), "")
