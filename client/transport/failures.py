"""Failures of an exchange as `ClientError`: those of the transport, and of what was received."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from client.errors import (
    ClientError,
    ProtocolError,
    RequestRefusedError,
    SampleError,
    ServerUnavailableError,
    TransferError,
    refused,
)
from client.protocol.exchange import CREDENTIALS, MAX_SHOWN, TRY_LATER, Exchange, is_consistent, use_https
from client.transport.pace import OutOfTimeError
from client.transport.tls import answers_tls, explain_tls, tls_error
from sampler.errors import InvalidRequestError, SamplerError
from sampler.printable import printable
from sampler.system_errors import limit_reached
from sampler.wire.reader import RemoteError

REFUSED_BY_PROXY = re.compile("4(?!08|29)[0-9][0-9]")
"""Start of httpx's message if a proxy refuses to connect to a server: a status other than "not now"."""


def require_open(http: httpx.Client | httpx.AsyncClient) -> None:
    """Raise `ClientError` if a client is closed."""
    if http.is_closed:
        raise ClientError("the client is closed: make a new one")


@contextmanager
def client_errors(exchange: Exchange) -> Iterator[None]:
    """Raise errors of the transport and of `sampler` as `ClientError` that names the exchange."""
    try:
        yield
    except ClientError:
        raise
    except OutOfTimeError as error:
        raise exchange.out_of_time() from error
    except InvalidRequestError as error:
        raise refused(error) from None
    except RemoteError as error:
        raise _remote_error(error, exchange) from error
    except MemoryError as error:
        raise ClientError(f"{exchange.name}: no memory for the response: {printable(str(error))}") from error
    except SamplerError as error:
        raise exchange.violation(str(error)) from error
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, httpx.CookieConflict) as error:
        raise _transport_error(error, exchange) from error


def _remote_error(error: RemoteError, exchange: Exchange) -> ClientError:
    message, request_id = f"{exchange.name}: {printable(str(error)[:MAX_SHOWN])}", exchange.request_id
    if not is_consistent(error.problem):
        return exchange.damage(f"an error whose status is not that of its type: {error}")
    if error.problem.get("status") in TRY_LATER:
        return ServerUnavailableError(message, request_id=request_id)
    return SampleError(message, request_id=request_id, problem=error.problem, step=exchange.step)


def _transport_error(error: Exception, exchange: Exchange) -> ClientError:
    cause, request_id = " ".join(str(error).split()) or "no reason given", exchange.request_id
    if advice := _tls_advice(error, exchange):
        return ClientError(f"{exchange.name}: {advice}", request_id=request_id)
    message = f"{exchange.name}: {type(error).__name__}: {cause}"
    unknown_host = exchange.first and _names_no_host(error)
    if isinstance(error, httpx.ConnectError):
        message += f": {_limit_behind(error) or _expected_peer(exchange, unknown_host)}"
    elif exchange.proxy is not None:
        message += f": through {exchange.proxy.named}; {exchange.proxy.remedy}"
    broken = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
    if broken and exchange.in_batches:
        return TransferError(f"{message}: expected a trailer", request_id=request_id)
    if isinstance(error, httpx.ProxyError) and REFUSED_BY_PROXY.match(cause):
        needs = f": {CREDENTIALS}" if cause.startswith("407") else ""
        return RequestRefusedError(f"{message}{needs}", request_id=request_id)
    if broken or isinstance(error, httpx.TimeoutException | httpx.ProxyError):
        return ServerUnavailableError(message, request_id=request_id, unknown_host=unknown_host)
    if isinstance(error, httpx.DecodingError):
        return ProtocolError(message, request_id=request_id)
    return ClientError(message, request_id=request_id)  # another attempt would not help


def _tls_advice(error: Exception, exchange: Exchange) -> str:
    """Return what to do if TLS is the cause of an error, so that another attempt would not help; "" otherwise."""
    tls = tls_error(error)
    if tls is not None:
        return explain_tls(tls, exchange.url, exchange.server_name)
    hung_up = isinstance(error, httpx.ReadError | httpx.WriteError | httpx.RemoteProtocolError)
    if hung_up and exchange.first and exchange.url.startswith("http:") and answers_tls(exchange.url):
        return use_https(exchange.url)
    return ""


def _expected_peer(exchange: Exchange, unknown_host: bool) -> str:
    if exchange.proxy is not None:
        return f"through {exchange.proxy.named}, which must run and reach the server; {exchange.proxy.remedy}"
    if unknown_host:
        return "expected a host name that can be resolved here"
    return "expected a server that runs at this host and port"


def _limit_behind(error: Exception) -> str:
    """Return cause and remedy if a limit of this process, not the server, is the cause of an error; "" otherwise."""
    return next(filter(None, map(limit_reached, _causes(error))), "")


def _names_no_host(error: Exception) -> bool:
    """Return whether there is no host of a name. A name server that does not respond is another error."""
    return any(isinstance(one, socket.gaierror) and one.errno == socket.EAI_NONAME for one in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
