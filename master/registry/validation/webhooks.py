"""The rules of webhook configurations, and what admission policies share with them
(Kubernetes' apis/admissionregistration/validation).

The kinds of two API versions come here, which have the same fields; so the types are `Any` where both do.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from master.registry.validation.common import is_given, obeys, repeats
from master.registry.validation.expressions import Expressions
from master.registry.validation.placement import validate_selector
from timonel.api import names
from timonel.api.fields import FieldError, Path, duplicate, invalid, not_supported, required, too_many
from timonel.api.types import admissionregistration_v1 as v1

AnyWebhook = v1.ValidatingWebhook | v1.MutatingWebhook

FAIL = "Fail"
EQUIVALENT = "Equivalent"
EVERYTHING = "*"
SECONDS = 10
LONGEST_SECONDS = 30
HTTPS_PORT = 443
FAILURE_POLICIES = (FAIL, "Ignore")
MATCH_POLICIES = (EQUIVALENT, "Exact")
SCOPES = (EVERYTHING, "Cluster", "Namespaced")
OPERATIONS = (EVERYTHING, "CONNECT", "CREATE", "DELETE", "UPDATE")
REVIEW_VERSIONS = ("v1", "v1beta1")
MAX_CONDITIONS = 64
DOMAIN_PARTS = 3
FORMAT = "; desired format: https://host[/path]"


def default_rules(rules: Sequence[Any]) -> None:
    """Rules are about objects with and without namespaces."""
    for rule in rules:
        if rule.scope is None:
            rule.scope = EVERYTHING


def validate_webhooks(webhooks: Sequence[AnyWebhook]) -> Iterator[FieldError]:
    """All webhooks of a configuration; their names differ."""
    seen: set[str] = set()
    for index, webhook in enumerate(webhooks):
        at = Path("webhooks").index(index)
        yield from _webhook(webhook, at)
        if webhook.name in seen:
            yield duplicate(at.child("name"), webhook.name)
        seen.add(webhook.name)


def _webhook(webhook: AnyWebhook, path: Path) -> Iterator[FieldError]:
    yield from _full_name(webhook.name, path.child("name"))
    for index, rule in enumerate(webhook.rules):
        yield from validate_rule(rule, path.child("rules").index(index))
    yield from validate_policies(webhook, path)
    if webhook.sideEffects is None:
        yield required(path.child("sideEffects"), "must specify one of None, NoneOnDryRun")
    elif webhook.sideEffects not in ("None", "NoneOnDryRun"):
        yield not_supported(path.child("sideEffects"), webhook.sideEffects, ("None", "NoneOnDryRun"))
    seconds = webhook.timeoutSeconds
    if seconds is not None and not 1 <= seconds <= LONGEST_SECONDS:
        why = f"the timeout value must be between 1 and {LONGEST_SECONDS} seconds"
        yield invalid(path.child("timeoutSeconds"), seconds, why)
    for field in ("namespaceSelector", "objectSelector"):
        if selector := getattr(webhook, field):
            yield from validate_selector(selector, path.child(field))
    if isinstance(webhook, v1.MutatingWebhook) and webhook.reinvocationPolicy not in ("IfNeeded", "Never"):
        yield not_supported(path.child("reinvocationPolicy"), webhook.reinvocationPolicy, ("IfNeeded", "Never"))
    yield from _client(webhook.clientConfig, path.child("clientConfig"))
    yield from _review_versions(webhook.admissionReviewVersions, path.child("admissionReviewVersions"))
    expressions = Expressions(namespace=False)
    yield from validate_conditions(webhook.matchConditions, path.child("matchConditions"), expressions)


def validate_policies(obj: Any, path: Path) -> Iterator[FieldError]:
    """What happens when a call or an expression fails, and which versions of a resource count."""
    if obj.failurePolicy not in FAILURE_POLICIES:
        yield not_supported(path.child("failurePolicy"), obj.failurePolicy, FAILURE_POLICIES)
    if getattr(obj, "matchPolicy", EQUIVALENT) not in MATCH_POLICIES:
        yield not_supported(path.child("matchPolicy"), obj.matchPolicy, MATCH_POLICIES)


def _full_name(name: str, path: Path) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    faults = names.subdomain(name)
    for fault in faults:
        yield invalid(path, name, fault)
    if not faults and len(name.split(".")) < DOMAIN_PARTS:
        yield invalid(path, name, "should be a domain with at least three segments separated by dots")


def _review_versions(versions: Sequence[str], path: Path) -> Iterator[FieldError]:
    known = ", ".join(REVIEW_VERSIONS)
    if not versions:
        yield required(path, f"must specify one of {known}")
        return
    again = repeats(versions)
    for index, version in enumerate(versions):
        if again[index]:
            yield invalid(path.index(index), version, "duplicate version")
        yield from obeys(path.index(index), version, names.label_1035)
    if not set(versions) & set(REVIEW_VERSIONS):
        yield invalid(path, list(versions), f"must include at least one of {known}")


def validate_rule(rule: Any, path: Path) -> Iterator[FieldError]:
    """What operations on which resources a rule is about."""
    for field, word in (("operations", "operations"), ("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values, at = getattr(rule, field), path.child(field)
        if not values:
            yield required(at)
        if EVERYTHING in values and len(values) > 1:
            yield invalid(at, values, f"if '*' is present, must not specify other {word}")
    for index, version in enumerate(rule.apiVersions):
        if not version:
            yield required(path.child("apiVersions").index(index))
    for index, operation in enumerate(rule.operations):
        if operation not in OPERATIONS:
            yield not_supported(path.child("operations").index(index), operation, OPERATIONS)
    yield from _resources(rule.resources, path.child("resources"))
    if rule.scope not in SCOPES:
        yield not_supported(path.child("scope"), rule.scope, SCOPES)


def _resources(resources: Sequence[str], path: Path) -> Iterator[FieldError]:
    if not resources:
        yield required(path)
    present = set(resources)
    if EVERYTHING in present and any("/" not in other for other in present - {EVERYTHING}):
        why = "if '*' is present, must not specify other resources without subresources"
        yield invalid(path, list(resources), why)
    for index, resource in enumerate(resources):
        at = path.index(index)
        if not resource:
            yield required(at)
            continue
        if resource == "*/*" and len(resources) > 1:
            yield invalid(path, list(resources), "if '*/*' is present, must not specify other resources")
        kind, _, part = resource.partition("/")
        if part and kind != EVERYTHING and f"*/{part}" in present:
            yield invalid(at, resource, f"if '*/{part}' is present, must not specify {resource}")
        if part and part != EVERYTHING and f"{kind}/*" in present:
            yield invalid(at, resource, f"if '{kind}/*' is present, must not specify {resource}")


def validate_conditions(conditions: Sequence[Any], path: Path, expressions: Expressions) -> Iterator[FieldError]:
    """Conditions under which a request counts: named, and each with an expression."""
    if len(conditions) > MAX_CONDITIONS:
        yield too_many(path, len(conditions), MAX_CONDITIONS)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        at = path.index(index)
        if not condition.expression.strip():
            yield required(at.child("expression"))
        else:
            yield from expressions.faults(condition.expression, at.child("expression"), "bool")
        yield from is_given(at.child("name"), condition.name, names.qualified)
        if condition.name in seen:
            yield duplicate(at.child("name"), condition.name)
        seen.add(condition.name)


def _client(config: v1.WebhookClientConfig, path: Path) -> Iterator[FieldError]:
    if (config.url is None) is (config.service is None):
        yield required(path, "exactly one of url or service is required")
    elif config.url is not None:
        yield from _url(config.url, path.child("url"))
    elif config.service is not None:
        yield from _service(config.service, path.child("service"))


def _url(text: str, path: Path) -> Iterator[FieldError]:
    try:
        url = urlsplit(text)
    except ValueError as error:
        yield required(path, f"url must be a valid URL: {error}{FORMAT}")
        return
    if url.scheme != "https":
        yield invalid(path, url.scheme, f"'https' is the only allowed URL scheme{FORMAT}")
    if not url.hostname:
        yield invalid(path, url.netloc, f"host must be specified{FORMAT}")
    if url.username or url.password:
        yield invalid(path, url.netloc.rpartition("@")[0], "user information is not permitted in the URL")
    if url.fragment:
        yield invalid(path, url.fragment, "fragments are not permitted in the URL")
    if url.query:
        yield invalid(path, url.query, "query parameters are not permitted in the URL")


def _service(service: v1.ServiceReference, path: Path) -> Iterator[FieldError]:
    if not service.name:
        yield required(path.child("name"))
    if not service.namespace:
        yield required(path.child("namespace"))
    port = HTTPS_PORT if service.port is None else service.port
    for fault in names.port_number(port):
        yield invalid(path.child("port"), port, f"port is not valid: {fault}")
    if service.path:
        yield from _service_path(service.path, path.child("path"))


def _service_path(text: str, path: Path) -> Iterator[FieldError]:
    if text == "/":
        return
    if not text.startswith("/"):
        yield invalid(path, text, "must start with a '/'")
    for number, step in enumerate(text.removeprefix("/").split("/")):
        if not step:
            yield invalid(path, text, f"segment[{number}] may not be empty")
        else:
            for fault in names.subdomain(step):
                yield invalid(path, text, f"segment[{number}]: {fault}")
