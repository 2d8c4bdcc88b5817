"""Health checks of a container, from within: `python -m service.probe /readyz`.

It has no import that takes time, because it runs every few seconds. Proxies of the environment are not used: they would
look for the server on their own host.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Sequence

SECONDS = 4.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Request a path of the server on this host; return 0 if the response has status 200, else 1."""
    path, *rest = sys.argv[1:] if arguments is None else arguments
    port = int(rest[0]) if rest else 8000
    try:
        connection = _connection(port)
        connection.request("GET", path)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        print(f"no response at port {port}: {error}")
        return 1
    print(text)
    return 0 if response.status == 200 else 1


def _connection(port: int) -> http.client.HTTPConnection:
    if not os.environ.get("SAMPLER_TLS_CERT"):
        return http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # the certificate is for another name
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=SECONDS, context=context)


if __name__ == "__main__":
    sys.exit(main())
