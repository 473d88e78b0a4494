"""Names of kinds: group, version and kind."""

from __future__ import annotations

import re
from typing import NamedTuple

_VERSION = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?")


class GVK(NamedTuple):
    """A kind's full name. The core group is the empty string."""

    group: str
    version: str
    kind: str

    @property
    def api_version(self) -> str:
        """What an object's `apiVersion` says: "v1", "apps/v1"."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_kind(self) -> str:
        """As messages name the kind: "Pod", "Deployment.apps"."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @classmethod
    def parse(cls, api_version: str, kind: str) -> GVK:
        """The GVK of an object with these `apiVersion` and `kind`.

        Raises ValueError when `api_version` has more than one slash.
        """
        if api_version.count("/") > 1:
            raise ValueError(f"unexpected GroupVersion string: {api_version}")
        group, _, version = api_version.rpartition("/")
        return cls(group, version, kind)


def version_preference(version: str) -> tuple[int, int, int, str]:
    """Sort key of an API version's name: stable ones before beta and alpha, the newest of a stage first; last those
    that are named otherwise.
    """
    named = _VERSION.fullmatch(version)
    if named is None:
        return 3, 0, 0, version
    stage = {"": 0, "beta": 1, "alpha": 2}[named[2] or ""]
    return stage, -int(named[1]), -int(named[3] or 0), version
