"""The API's errors: one class for each reason of a Kubernetes Status, with the messages that apimachinery builds.

`resource` arguments name a resource as messages do: "pods", "deployments.apps"; `kind` likewise: "Deployment.apps".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from timonel.api.fields import FieldError, quoted
from timonel.api.types.meta_v1 import ListMeta, Status, StatusCause, StatusDetails

MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


class StatusError(Exception):
    """An error that the API answers as a Status. `retry` says whether the same call may succeed later."""

    code: int = 500
    reason: str = ""
    retry: bool = False
    always_details: bool = False
    """Whether the Status has details even where they are empty."""

    def __init__(
        self,
        message: str,
        *,
        resource: str = "",
        name: str = "",
        causes: Iterable[StatusCause] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.kind, _, self.group = resource.partition(".")
        self.name = name
        self.causes: Sequence[StatusCause] = list(causes)
        self.retry_after = retry_after
        """Seconds after which a client may try again; None when the error does not say."""

    def status(self) -> Status:
        """The Status object that tells a client of this error."""
        details = StatusDetails(
            kind=self.kind,
            group=self.group,
            name=self.name,
            causes=list(self.causes),
            retryAfterSeconds=self.retry_after or 0,
        )
        return Status(
            status="Failure",
            message=self.message,
            reason=self.reason,
            code=self.code,
            details=details if self.always_details or details != StatusDetails() else None,
        )


class Unexplained(StatusError):
    """400, without a reason: mistakes of callers to which Kubernetes answers 500, as to failures of its own."""

    code = 400


class BadRequest(StatusError):
    """400: the request cannot be understood."""

    code = 400
    reason = "BadRequest"


class Unauthorized(StatusError):
    """401: the caller has not proved who they are."""

    code = 401
    reason = "Unauthorized"

    def __init__(self, message: str = "Unauthorized") -> None:
        super().__init__(message)


class Forbidden(StatusError):
    """403: the caller may not do this; `why` says what was asked and refused."""

    code = 403
    reason = "Forbidden"

    def __init__(self, resource: str, name: str, why: str) -> None:
        subject = f"{resource} {quoted(name)}" if name else resource
        super().__init__(
            f"{subject} is forbidden: {why}" if subject else f"forbidden: {why}", resource=resource, name=name
        )


class NotFound(StatusError):
    """404: no such object."""

    code = 404
    reason = "NotFound"

    def __init__(self, resource: str, name: str) -> None:
        super().__init__(f"{resource} {quoted(name)} not found", resource=resource, name=name)


class NoSuchPath(NotFound):
    """404: the server has nothing at this URL."""

    always_details = True

    def __init__(self) -> None:
        StatusError.__init__(self, "the server could not find the requested resource")


class MethodNotAllowed(StatusError):
    """405: the resource has no such verb."""

    code = 405
    reason = "MethodNotAllowed"

    def __init__(self, resource: str, action: str) -> None:
        super().__init__(f"{action} is not supported on resources of kind {quoted(resource)}", resource=resource)


class NoSuchMethod(MethodNotAllowed):
    """405: the method stands for no verb at this URL."""

    always_details = True

    def __init__(self) -> None:
        StatusError.__init__(self, "the server does not allow this method on the requested resource")


class NotAcceptable(StatusError):
    """406: none of the media types that the client accepts can be served."""

    code = 406
    reason = "NotAcceptable"

    def __init__(self, served: Iterable[str]) -> None:
        super().__init__(f"only the following media types are accepted: {', '.join(served)}")


class AlreadyExists(StatusError):
    """409: an object of this name exists; ``goes`` says that it is being deleted."""

    code = 409
    reason = "AlreadyExists"

    def __init__(self, resource: str, name: str, *, goes: bool = False) -> None:
        going = "object is being deleted: " if goes else ""
        super().__init__(f"{going}{resource} {quoted(name)} already exists", resource=resource, name=name)


class Conflict(StatusError):
    """409: the object is not in the state that the write asks for."""

    code = 409
    reason = "Conflict"
    retry = True

    def __init__(self, resource: str, name: str, why: str = MODIFIED, *, causes: Iterable[StatusCause] = ()) -> None:
        message = f"Operation cannot be fulfilled on {resource} {quoted(name)}: {why}"
        super().__init__(message, resource=resource, name=name, causes=causes)


class ApplyConflict(Conflict):
    """409: server-side apply would take fields from other managers; one cause a field."""

    retry = False

    def __init__(self, message: str, causes: Iterable[StatusCause]) -> None:
        StatusError.__init__(self, message, causes=causes)


class Gone(StatusError):
    """410: the object was here and is not any more."""

    code = 410
    reason = "Gone"


class Expired(StatusError):
    """410: the resourceVersion or continue token is too old."""

    code = 410
    reason = "Expired"
    continue_token: str = ""
    """With which a list can go on all the same, seeing a newer state."""

    def status(self) -> Status:
        """The Status, with the token in its metadata."""
        status = super().status()
        if self.continue_token:
            status.metadata = ListMeta(continue_=self.continue_token)
        return status


class RequestEntityTooLarge(StatusError):
    """413: the body is larger than the server takes."""

    code = 413
    reason = "RequestEntityTooLarge"

    def __init__(self, message: str) -> None:
        super().__init__(f"Request entity too large: {message}")


class UnsupportedMediaType(StatusError):
    """415: the body is of a type that the server does not read; ``accepted`` are those that the kind has."""

    code = 415
    reason = "UnsupportedMediaType"

    def __init__(self, accepted: Iterable[str] = ()) -> None:
        known = ", ".join(accepted)
        super().__init__(
            f"the body of the request was in an unknown format - accepted media types include: {known}"
            if known
            else "415: Unsupported Media Type"
        )


class Invalid(StatusError):
    """422: fields break the kind's rules."""

    code = 422
    reason = "Invalid"

    def __init__(self, kind: str, name: str, errors: Sequence[FieldError]) -> None:
        message = f"{kind} {quoted(name)} is invalid"
        texts = list(dict.fromkeys(str(error) for error in errors))
        if texts:
            message += f": {texts[0]}" if len(texts) == 1 else f": [{', '.join(texts)}]"
        causes = [StatusCause(reason=str(e.type), message=e.body, field=str(e.field)) for e in errors]
        super().__init__(message, resource=kind, name=name, causes=causes)
        self.errors = errors


class TooManyRequests(StatusError):
    """429: the server, or a disruption budget, asks the client to come back later."""

    code = 429
    reason = "TooManyRequests"
    retry = True

    def __init__(self, message: str, retry_after: int = 1, *, causes: Iterable[StatusCause] = ()) -> None:
        super().__init__(message, retry_after=retry_after, causes=causes)


class InternalError(StatusError):
    """500: something failed that is not the client's fault."""

    code = 500
    reason = "InternalError"
    retry = True

    def __init__(self, why: str) -> None:
        super().__init__(f"Internal error occurred: {why}", causes=[StatusCause(message=why)])


class ServerTimeout(StatusError):
    """500: the operation was not carried out in time and may be tried again."""

    code = 500
    reason = "ServerTimeout"
    retry = True

    def __init__(self, resource: str, operation: str, retry_after: int = 1) -> None:
        message = f"The {operation} operation against {resource} could not be completed at this time, please try again."
        super().__init__(message, resource=resource, name=operation, retry_after=retry_after)


class ServiceUnavailable(StatusError):
    """503: a part that the call needs cannot be reached."""

    code = 503
    reason = "ServiceUnavailable"
    retry = True


class Timeout(StatusError):
    """504: no answer in time; the operation may or may not have been carried out."""

    code = 504
    reason = "Timeout"
    retry = True

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(f"Timeout: {message}", retry_after=retry_after)


_CLASSES: tuple[type[StatusError], ...] = (
    BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, AlreadyExists, Conflict, Gone,
    Expired, RequestEntityTooLarge, UnsupportedMediaType, Invalid, TooManyRequests, InternalError, ServerTimeout,
    ServiceUnavailable, Timeout,
)  # fmt: skip
_BY_REASON = {cls.reason: cls for cls in _CLASSES}
_BY_CODE = {cls.code: cls for cls in reversed(_CLASSES)} | {409: Conflict}


def from_status(status: Status) -> StatusError:
    """The error that a Status tells of; an unknown reason is judged by its code, as client-go does."""
    code = status.code or 500
    cls = _BY_REASON.get(status.reason or "") or _BY_CODE.get(code, StatusError)
    details = status.details or StatusDetails()
    error = cls.__new__(cls)
    StatusError.__init__(
        error,
        status.message or f"the server responded with the status code {code} but did not return more information",
        resource=f"{details.kind}.{details.group}" if details.group else details.kind,
        name=details.name,
        causes=details.causes,
        retry_after=details.retryAfterSeconds,
    )
    error.code, error.reason = code, status.reason or cls.reason
    error.always_details = status.details is not None
    if isinstance(error, Invalid):
        error.errors = []
    return error
