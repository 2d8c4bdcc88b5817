"""The server that makes samples and streams them."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 # before any import or syntax that an older Python does not know
    from sampler.old_python import refuse

    refuse(sys.version_info, sys.argv)
