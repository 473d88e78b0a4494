"""ServiceAccounts, and the tokens that they get."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from master.registry.objects import APIObject, Call
from master.registry.strategy import Strategy, kind
from master.registry.subresources import Action, Actor, TokenClaims
from timonel.api.errors import BadRequest, Conflict, Invalid, NotFound, ServiceUnavailable
from timonel.api.fields import FieldError, Path, invalid
from timonel.api.types import authentication_v1, core_v1

HOUR = 3600
SHORTEST = 600
LONGEST = 1 << 32
TOKEN_REQUEST = authentication_v1.TokenRequest.gvk.group_kind
BOUND_KINDS: dict[str, type[Any]] = {"Pod": core_v1.Pod, "Secret": core_v1.Secret, "Node": core_v1.Node}


class Token(Action[authentication_v1.TokenRequest]):
    """A signed token of the account, perhaps bound to an object and for audiences of one's own."""

    name = "token"
    struct = authentication_v1.TokenRequest
    gvk = authentication_v1.TokenRequest.gvk

    def prepare(self, call: Call, body: authentication_v1.TokenRequest) -> None:
        """A request that names no account is for the one that it is sent to."""
        if (body.metadata.name or call.name) != call.name:
            why = "must match the service account name if specified"
            raise Invalid(TOKEN_REQUEST, call.name, [invalid(Path("metadata.name"), body.metadata.name, why)])
        body.metadata.name = call.name
        if body.spec.expirationSeconds is None:
            body.spec.expirationSeconds = HOUR

    async def run(self, actor: Actor, call: Call, body: authentication_v1.TokenRequest) -> APIObject:
        """Have the token signed."""
        minter = actor.minter
        if minter is None:
            raise ServiceUnavailable("this server signs no ServiceAccount tokens")
        spec = body.spec
        faults = list(_faults(spec))
        if faults:
            raise Invalid(TOKEN_REQUEST, "", faults)
        account = await actor.reader.current(core_v1.ServiceAccount, call.namespace, call.name)
        if account is None:
            raise NotFound("serviceaccounts", call.name)
        spec.audiences = spec.audiences or list(minter.audiences)
        minted = await minter.mint(await _claims(actor, call, account, spec))
        body.metadata.uid, body.metadata.creationTimestamp = account.metadata.uid, call.now
        body.status = authentication_v1.TokenRequestStatus(token=minted.token, expirationTimestamp=minted.expires)
        return body


def _faults(spec: authentication_v1.TokenRequestSpec) -> Iterator[FieldError]:
    path = Path("spec.expirationSeconds")
    seconds = spec.expirationSeconds or 0
    if seconds < SHORTEST:
        yield invalid(path, seconds, "may not specify a duration less than 10 minutes")
    if seconds > LONGEST:
        yield invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")


async def _claims(
    actor: Actor, call: Call, account: core_v1.ServiceAccount, spec: authentication_v1.TokenRequestSpec
) -> TokenClaims:
    bound = spec.boundObjectRef
    if bound is None:
        return _plain_claims(account, spec)
    group, _, version = bound.apiVersion.rpartition("/")
    struct = None if group else BOUND_KINDS.get(bound.kind or "")
    if struct is None:
        raise BadRequest(f"cannot bind token to object of type {group}/{version}, Kind={bound.kind or ''}")
    if not bound.name:
        raise BadRequest("Name parameter required.")
    namespace = "" if struct is core_v1.Node else call.namespace
    target: Any = await actor.reader.current(struct, namespace, bound.name)
    if target is None:
        raise NotFound(f"{struct.gvk.kind.lower()}s", bound.name)
    if bound.uid and bound.uid != target.metadata.uid:
        why = f"the UID in the bound object reference ({bound.uid}) does not match the UID in record"
        raise Conflict(struct.gvk.kind, bound.name, f"{why}. The object might have been deleted and then recreated")
    node = target.spec.nodeName or "" if isinstance(target, core_v1.Pod) else ""
    if isinstance(target, core_v1.Pod) and target.spec.serviceAccountName != account.metadata.name:
        who = f'cannot bind token for serviceaccount "{account.metadata.name}"'
        raise BadRequest(f"{who} to pod running with different serviceaccount name.")
    return replace(
        _plain_claims(account, spec),
        bound_kind=struct.gvk.kind,
        bound_name=target.metadata.name or "",
        bound_uid=target.metadata.uid or "",
        node_name=node,
    )


def _plain_claims(account: core_v1.ServiceAccount, spec: authentication_v1.TokenRequestSpec) -> TokenClaims:
    return TokenClaims(
        namespace=account.metadata.namespace or "",
        service_account=account.metadata.name or "",
        uid=account.metadata.uid or "",
        audiences=tuple(spec.audiences),
        seconds=spec.expirationSeconds or HOUR,
    )


@kind(core_v1.ServiceAccount, plural="serviceaccounts", short=["sa"], shows_deleted=True)
class ServiceAccounts(Strategy[core_v1.ServiceAccount]):
    """Who pods are, towards the API."""

    subresources = [Token()]
