"""Names of kinds: group, version and kind."""

from __future__ import annotations

from typing import NamedTuple


class GVK(NamedTuple):
    """A kind's full name. The core group is the empty string."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """What an object's `apiVersion` says: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @classmethod
    def parse(cls, api_version: str, kind: str) -> GVK:
        """The GVK of an object with these `apiVersion` and `kind`.

        Raises ValueError when `api_version` has more than one slash.
        """
        if api_version.count("/") > 1:
            raise ValueError(f"unexpected GroupVersion string: {api_version}")
        group, _, version = api_version.rpartition("/")
        return cls(group, version, kind)
