"""The flags that say who is believed, and what is written down of what they do; named as kube-apiserver's."""

import argparse
from pathlib import Path

from master.apiserver.audit.log import DEFAULT_BACKUPS, DEFAULT_MEGABYTES, AuditSettings
from master.apiserver.authn.oidc import OidcSettings
from master.apiserver.authn.request_headers import RequestHeaderSettings, authority_in
from master.configuration import ConfigurationError


def add(parser: argparse.ArgumentParser) -> None:
    """Add the flags."""
    add = parser.add_argument
    add("--token-auth-file", type=Path, help='static tokens: token,user,uid,"group,..." a line')
    add("--oidc-issuer-url", default="", metavar="URL", help="an OpenID provider whose ID tokens are believed")
    add("--oidc-client-id", default="", metavar="ID", help="for whom the provider must have made its tokens")
    add("--oidc-username-claim", default="sub", metavar="CLAIM", help="the claim that names the user")
    add(
        "--oidc-username-prefix", metavar="PREFIX", help="put before users' names; - is none; default: the issuer and #"
    )
    add("--oidc-groups-claim", default="", metavar="CLAIM", help="the claim that names the user's groups")
    add("--oidc-groups-prefix", default="", metavar="PREFIX", help="put before groups' names")
    add("--oidc-required-claim", action="append", default=[], metavar="CLAIM=VALUE", help="a token must have this")
    add("--oidc-signing-algs", default="RS256", metavar="ALG,...", help="with what the provider may sign")
    add("--oidc-ca-file", type=Path, help="who signed the provider's certificate; default: the system's authorities")
    add("--oidc-jwks", default="", metavar="FILE|URL", help="the provider's keys; default: where its discovery says")
    add("--requestheader-client-ca-file", type=Path, help="who signs for proxies that tell by headers who asks")
    add("--requestheader-allowed-names", default="", metavar="NAME,...", help="how their certificates may be named")
    add(
        "--requestheader-username-headers",
        default="X-Remote-User",
        metavar="HEADER,...",
        help="which of its headers name the user",
    )
    add("--requestheader-uid-headers", default="X-Remote-Uid", metavar="HEADER,...", help="... the uid")
    add("--requestheader-group-headers", default="X-Remote-Group", metavar="HEADER,...", help="... the groups")
    add("--requestheader-extra-headers-prefix", default="X-Remote-Extra-", metavar="PREFIX,...", help="... more")
    add("--audit-policy-file", type=Path, help="what is written down of which requests; without it nothing is")
    add("--audit-log-path", type=Path, help="where; default: audit.log in the data directory, unless a webhook gets it")
    add(
        "--audit-log-maxsize",
        type=int,
        default=DEFAULT_MEGABYTES,
        metavar="MB",
        help="size at which the log is rotated",
    )
    add(
        "--audit-webhook-config-file",
        type=Path,
        metavar="FILE",
        help="the kubeconfig of a server that gets it in batches",
    )
    add("--audit-log-maxbackup", type=int, default=DEFAULT_BACKUPS, metavar="N", help="old logs that are kept")


def oidc(options: argparse.Namespace) -> OidcSettings | None:
    """The OpenID provider, if there is one.

    Raises:
        ConfigurationError: a required claim says no value.
    """
    if not options.oidc_issuer_url:
        return None
    required = {}
    for text in options.oidc_required_claim:
        claim, equals, value = text.partition("=")
        if not claim or not equals:
            raise ConfigurationError(f"--oidc-required-claim must be CLAIM=VALUE, not {text!r}")
        required[claim] = value
    return OidcSettings(
        issuer=options.oidc_issuer_url,
        client_id=options.oidc_client_id,
        username_claim=options.oidc_username_claim,
        username_prefix=options.oidc_username_prefix,
        groups_claim=options.oidc_groups_claim,
        groups_prefix=options.oidc_groups_prefix,
        required_claims=required,
        algorithms=tuple(options.oidc_signing_algs.split(",")),
        jwks=options.oidc_jwks,
        ca_file=options.oidc_ca_file,
    )


def request_headers(options: argparse.Namespace) -> RequestHeaderSettings | None:
    """The proxies in front of the API that are believed, if there are any.

    Raises:
        ConfigurationError: the file holds no certificate.
        OSError: it cannot be read.
    """
    if not options.requestheader_client_ca_file:
        return None

    def several(name: str) -> list[str]:
        return [part for part in getattr(options, f"requestheader_{name}").split(",") if part]

    return RequestHeaderSettings(
        authority_in(options.requestheader_client_ca_file),
        several("allowed_names"),
        several("username_headers"),
        several("uid_headers"),
        several("group_headers"),
        several("extra_headers_prefix"),
    )


def audit(options: argparse.Namespace) -> AuditSettings | None:
    """The audit log, if there is to be one.

    Raises:
        ConfigurationError: its size cannot be meant.
    """
    if options.audit_policy_file is None:
        return None
    if options.audit_log_maxsize < 1 or options.audit_log_maxbackup < 0:
        raise ConfigurationError("--audit-log-maxsize must be 1 or more, --audit-log-maxbackup 0 or more")
    webhook = options.audit_webhook_config_file
    path = options.audit_log_path or (None if webhook else options.data_dir / "audit.log")
    return AuditSettings(
        options.audit_policy_file, path, options.audit_log_maxsize, options.audit_log_maxbackup, webhook
    )
