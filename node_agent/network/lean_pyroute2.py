"""pyroute2's IPRoute, imported without the rest of the package.

The package imports all of its parts by itself, a database and packet filters among them: 60 ms and 6 MiB in every
agent. Here the part that is used is imported as if the package were empty; who imports it later gets it whole.
"""

import sys
from importlib.util import find_spec, module_from_spec

_PACKAGE = "pyroute2"

if _PACKAGE not in sys.modules:
    _spec = find_spec(_PACKAGE)
    if _spec is None:
        raise ModuleNotFoundError(f"{_PACKAGE} is not installed", name=_PACKAGE)
    sys.modules[_PACKAGE] = module_from_spec(_spec)
    try:
        from pyroute2.iproute.linux import IPRoute
        from pyroute2.netlink.exceptions import NetlinkError
    finally:
        del sys.modules[_PACKAGE]
else:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

__all__ = ["IPRoute", "NetlinkError"]
