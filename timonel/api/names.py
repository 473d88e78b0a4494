"""The rules for names, label keys and values; each gives Kubernetes' messages, none when all is right."""

from __future__ import annotations

import re
from functools import lru_cache

LABEL_MAX = 63
"""Longest RFC 1123 or 1035 label, name part of a label key, and label value."""
SUBDOMAIN_MAX = 253

_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_UNDERSCORED = r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"

_ENDS = "and must start and end with an alphanumeric character"
_KEY_RULE = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"


def subdomain(name: str, unit: str = "characters") -> list[str]:
    """A lowercase RFC 1123 subdomain: what most kinds' names must be. `unit` is the message's word for its length."""
    rule = f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}"
    return _too_long(name, SUBDOMAIN_MAX, unit) + _mismatch(name, _SUBDOMAIN, rule, "example.com")


def subdomain_with_underscores(name: str) -> list[str]:
    """A subdomain as DNS itself has them."""
    rule = (
        f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', {_ENDS}"
    )
    return _too_long(name, SUBDOMAIN_MAX) + _mismatch(name, _UNDERSCORED, rule, "example.com")


def label(name: str) -> list[str]:
    """A lowercase RFC 1123 label: the names of namespaces, containers and volumes."""
    faults = _too_long(name, LABEL_MAX)
    if not _matches(name, _LABEL) and _matches(name, _SUBDOMAIN):
        return [*faults, "must not contain dots"]
    rule = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
    return faults + _mismatch(name, _LABEL, rule, "my-name", "123-abc")


def label_1035(name: str) -> list[str]:
    """A DNS-1035 label: the names of services before they could start with a digit."""
    rule = (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
        "start with an alphabetic character, and end with an alphanumeric character"
    )
    return _too_long(name, LABEL_MAX) + _mismatch(name, _LABEL_1035, rule, "my-name", "abc-123")


def prefix(base: str) -> str:
    """A generateName as its name rule should see it: what will be appended makes a trailing dash right."""
    return base[:-2] + "a" if len(base) > 1 and base.endswith("-") else base


def qualified(name: str) -> list[str]:
    """A label key, annotation key, finalizer or resource name: `name` or `example.com/name`."""
    parts = name.split("/")
    faults: list[str] = []
    if len(parts) > 2:
        tail = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [_rule_text(f"a valid label key {_KEY_RULE}", _KEY, "MyName", "my.name", "123-abc") + tail]
    if len(parts) == 2:
        found = subdomain(parts[0], "bytes") if parts[0] else ["must be non-empty"]
        faults += [f"prefix part {fault}" for fault in found]
    last = parts[-1]
    found = _too_long(last, LABEL_MAX, "bytes") if last else ["must be non-empty"]
    found += _mismatch(last, _KEY, _KEY_RULE, "MyName", "my.name", "123-abc")
    return faults + [f"name part {fault}" for fault in found]


def label_value(value: str) -> list[str]:
    """A label's value; may be empty."""
    rule = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " + _ENDS
    return _too_long(value, LABEL_MAX, "bytes") + _mismatch(value, _VALUE, rule, "MyValue", "my_value", "12345")


def env_var(name: str) -> list[str]:
    """An environment variable's name, by the rule that v1.35 has as its default: printable ASCII without '='."""
    if not name:
        return ["environment variable name must be non-empty"]
    if name.isascii() and name.isprintable() and "=" not in name:
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def config_key(key: str) -> list[str]:
    """A key of a ConfigMap or Secret, which must also do as a file's name."""
    rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    faults = _too_long(key, SUBDOMAIN_MAX) + _mismatch(key, _CONFIG_KEY, rule, "key.name", "KEY_NAME", "key-name")
    if key in (".", ".."):
        faults.append(f"must not be '{key}'")
    elif key.startswith(".."):
        faults.append("must not start with '..'")
    return faults


def port_name(name: str) -> list[str]:
    """The name of a container's or service's port."""
    faults = _too_long(name, 15)
    if not _matches(name, "[-a-z0-9]+"):
        faults.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", name):
        faults.append("must contain at least one letter (a-z)")
    if "--" in name:
        faults.append("must not contain consecutive hyphens")
    if name.startswith("-") or name.endswith("-"):
        faults.append("must not begin or end with a hyphen")
    return faults


def port_number(port: int) -> list[str]:
    """A TCP, UDP or SCTP port."""
    return [] if 1 <= port <= 65535 else ["must be between 1 and 65535, inclusive"]


def path_segment(name: str) -> list[str]:
    """A name that may be any text that a URL's path can hold, as RBAC's kinds have."""
    if name in (".", ".."):
        return [f"may not be '{name}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in name]


def _matches(text: str, pattern: str) -> bool:
    return _match(text, pattern) if len(text) <= SUBDOMAIN_MAX else re.fullmatch(pattern, text) is not None


@lru_cache(maxsize=8192)
def _match(text: str, pattern: str) -> bool:
    """Remembered, but for texts that are too long anyway: thousands of them could fill the memory."""
    return re.fullmatch(pattern, text) is not None


def _mismatch(text: str, pattern: str, rule: str, *examples: str) -> list[str]:
    return [] if _matches(text, pattern) else [_rule_text(rule, pattern, *examples)]


def _rule_text(rule: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{rule} (e.g. {shown}regex used for validation is '{pattern}')"


def _too_long(text: str, limit: int, unit: str = "characters") -> list[str]:
    return [f"must be no more than {limit} {unit}"] if len(text.encode()) > limit else []
