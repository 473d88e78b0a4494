"""The error of a well-formed patch that does not fit the object."""

from __future__ import annotations

from timonel.api.errors import StatusError


class PatchFailed(StatusError):
    """422: the patch is well-formed but cannot be applied to this object.

    Kubernetes answers this case with the same code and reason but keeps `why` to itself.
    """

    code = 422
    reason = "Invalid"

    def __init__(self, why: str) -> None:
        super().__init__(f"the server rejected our request due to an error in our request: {why}")
