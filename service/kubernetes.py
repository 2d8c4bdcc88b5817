"""Environment variables that Kubernetes sets in every container for a Service whose name begins with "sampler".

A Service called `sampler` gives SAMPLER_SERVICE_HOST, SAMPLER_PORT=tcp://10.0.0.1:8000 and others; one called
`sampler-eu` gives SAMPLER_EU_SERVICE_HOST. They have the prefix of settings and are none.
"""

import re
from collections.abc import Mapping

_SERVICE = re.compile(r"SAMPLER(_[A-Z0-9_]+)?_SERVICE_(HOST|PORT|PORT_[A-Z0-9_]+)")
_PORT = re.compile(r"SAMPLER(_[A-Z0-9_]+)?_PORT(_\d+_(TCP|UDP|SCTP))?")
_PART_OF_PORT = re.compile(r"SAMPLER(_[A-Z0-9_]+)?_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://.+")


def service_variables(variables: Mapping[str, str]) -> list[str]:
    """Return the names among environment variables that Kubernetes sets for a Service, sorted."""
    return sorted(name for name, value in variables.items() if _is_of_service(name, value))


def _is_of_service(name: str, value: str) -> bool:
    if _SERVICE.fullmatch(name) or _PART_OF_PORT.fullmatch(name):
        return True
    # SAMPLER_PORT=8000 is an attempt to set the port.
    return _PORT.fullmatch(name) is not None and _ADDRESS.fullmatch(value) is not None
