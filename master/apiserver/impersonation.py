"""Impersonation: who may, acts as somebody else by ``Impersonate-*`` headers, as `kubectl --as` does."""

from collections.abc import Iterator
from urllib.parse import unquote

from multidict import CIMultiDictProxy

from master.registry.authz.base import Attributes, Decision, refusal
from master.registry.base import ANONYMOUS, Resource, User
from master.registry.verbs import Registry
from timonel.api.errors import BadRequest
from timonel.api.gvk import GVK

USER, GROUP, UID = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid"
EXTRA = "impersonate-extra-"
_PREFIX = "impersonate-"
VERB = "impersonate"

_ACCOUNT = "system:serviceaccount:"
_ACCOUNTS = "system:serviceaccounts"
_AUTHENTICATED, _UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
_IDENTITY = "authentication.k8s.io"

Headers = CIMultiDictProxy[str]


def wanted(headers: Headers) -> User | None:
    """Whom a request's headers name, with exactly the groups that they name; None when they name nobody.

    Raises:
        BadRequest: they name groups or more of a user, but no user.
    """
    if not any(header.lower().startswith(_PREFIX) for header in headers):
        return None
    name = headers.get(USER, "")
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in headers.items():
        if header.lower().startswith(EXTRA):
            key = unquote(header[len(EXTRA) :]).lower()
            extra[key] = (*extra.get(key, ()), value)
    user = User(name, headers.get(UID, ""), tuple(headers.getall(GROUP, ())), extra)
    if name:
        return user
    if user.uid or user.groups or extra:
        raise BadRequest(f"requested [{' '.join(_described(user))}] without impersonating a user")
    return None


def impersonate(registry: Registry, who: User, user: User) -> User:
    """The user that ``who`` acts as from here on, with the groups that such a user always has.

    Raises:
        Forbidden: ``who`` may not act as the user, or not as a member of one of the groups.
    """
    for asked in _asked(who, user):
        # Not by the registry's own check, whose verdicts are those that the audit log tells of.
        verdict = registry.core.authorizer.authorize(asked)
        if verdict.decision is not Decision.ALLOW:
            raise refusal(asked, verdict.reason)
    groups = user.groups
    account = _account(user.name)
    if account and not groups:
        groups = (_ACCOUNTS, f"{_ACCOUNTS}:{account[0]}")
    everybody = _UNAUTHENTICATED if user.name == ANONYMOUS.name else _AUTHENTICATED
    if not {_AUTHENTICATED, _UNAUTHENTICATED} & set(groups):
        groups = (*groups, everybody)
    return User(user.name, user.uid, groups, user.extra)


def _asked(who: User, user: User) -> Iterator[Attributes]:
    account = _account(user.name)
    if account:
        namespace, name = account
        yield Attributes(who, VERB, _resource("", "serviceaccounts", namespaced=True), namespace=namespace, name=name)
    else:
        yield Attributes(who, VERB, _resource("", "users"), name=user.name)
    for group in user.groups:
        yield Attributes(who, VERB, _resource("", "groups"), name=group)
    if user.uid:
        yield Attributes(who, VERB, _resource(_IDENTITY, "uids"), name=user.uid)
    for key, values in user.extra.items():
        for value in values:
            yield Attributes(who, VERB, _resource(_IDENTITY, "userextras"), key, name=value)


def _described(user: User) -> Iterator[str]:
    """What the headers name besides a user, as Go shows Kubernetes' references to it."""
    yield from (f"{{Group  {group}    }}" for group in user.groups)
    yield from (
        f"{{UserExtra  {value}  {_IDENTITY}/v1  {key}}}" for key, values in user.extra.items() for value in values
    )
    if user.uid:
        yield f"{{UID  {user.uid}  {_IDENTITY}/v1  }}"


def _account(name: str) -> tuple[str, str] | None:
    """The namespace and name of the service account whose user has this name."""
    namespace, colon, account = name.removeprefix(_ACCOUNT).partition(":")
    return (namespace, account) if name.startswith(_ACCOUNT) and colon and namespace and account else None


def _resource(group: str, plural: str, *, namespaced: bool = False) -> Resource:
    return Resource(GVK(group, "v1", ""), plural, plural, namespaced=namespaced, struct=None)
