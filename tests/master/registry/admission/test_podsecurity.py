"""The Pod Security Standards: each rule by itself, and the labels of namespaces."""

import json
from typing import Any

import pytest

from master.registry.podsecurity.base import Subject
from master.registry.podsecurity.levels import BASELINE, PRIVILEGED, RESTRICTED, Policy, policy_of
from master.registry.remarks import collect
from timonel.api import codec
from timonel.api.errors import Forbidden, Invalid
from timonel.api.types import apps_v1, core_v1

HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
ALL_FOUR = (
    'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), '
    'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), '
    'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), '
    'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or '
    '"Localhost")'
)


def pod(spec: dict[str, Any] | None = None, *contexts: dict[str, Any], **annotations: str) -> Subject:
    """A pod with a container for each security context, named c, d, e."""
    containers = [{"name": "cde"[n], "image": "i", "securityContext": c} for n, c in enumerate(contexts or [{}])]
    notes = {key.replace("__", "/").replace("_", "."): value for key, value in annotations.items()}
    body = {"metadata": {"annotations": notes}, "spec": {"containers": containers, **(spec or {})}}
    made = codec.convert(core_v1.Pod, body)
    return Subject(made.metadata, made.spec)


def said(policy: Policy, subject: Subject) -> str:
    return ", ".join(map(str, policy.violations(subject)))


BASELINE_CASES = [
    (pod({}, {"privileged": True}), 'privileged (container "c" must not set securityContext.privileged=true)'),
    (
        pod({}, {"capabilities": {"add": ["NET_ADMIN", "CHOWN"]}}, {"capabilities": {"add": ["SYS_TIME"]}}),
        'non-default capabilities (containers "c", "d" must not include "NET_ADMIN", "SYS_TIME" in '
        "securityContext.capabilities.add)",
    ),
    (pod({"hostNetwork": True, "hostPID": True}), "host namespaces (hostNetwork=true, hostPID=true)"),
    (pod({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}), 'hostPath volumes (volume "v")'),
    (
        pod({"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]}),
        'hostPort (container "c" uses hostPort 80)',
    ),
    (
        pod({"containers": [{"name": "c", "livenessProbe": {"httpGet": {"host": "10.0.0.1", "port": 80}}}]}),
        'probe or lifecycle host (container "c" uses probe or lifecycle host "10.0.0.1")',
    ),
    (
        pod({}, {"procMount": "Unmasked"}),
        'procMount (container "c" must not set securityContext.procMount to "Unmasked")',
    ),
    (pod({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}}), "forbidden sysctls (kernel.msgmax)"),
    (
        pod({"securityContext": {"seLinuxOptions": {"type": "spc_t", "user": "u"}}}, {"seLinuxOptions": {"role": "r"}}),
        'seLinuxOptions (pod and container "c" set forbidden securityContext.seLinuxOptions: type "spc_t"; '
        "user may not be set; role may not be set)",
    ),
    (
        pod({}, {"seccompProfile": {"type": "Unconfined"}}),
        'seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    (
        pod({"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}),
        'forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined")',
    ),
    (
        pod({}, container_apparmor_security_beta_kubernetes_io__c="unconfined"),
        'forbidden AppArmor profile (container.apparmor.security.beta.kubernetes.io/c="unconfined")',
    ),
    (
        pod({"securityContext": {"windowsOptions": {"hostProcess": True}}}),
        "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
    ),
    (pod(), ""),
]


@pytest.mark.parametrize(("subject", "expected"), BASELINE_CASES)
def test_baseline_refuses_one_thing_at_a_time(subject: Subject, expected: str) -> None:
    assert said(Policy(BASELINE), subject) == expected
    assert said(Policy(PRIVILEGED), subject) == ""


def without(*fields: str, **changed: Any) -> dict[str, Any]:
    return {key: value for key, value in HARDENED.items() if key not in fields} | changed


RESTRICTED_CASES = [
    (pod(), ALL_FOUR),
    (pod({}, HARDENED), ""),
    (pod({"securityContext": {"runAsNonRoot": True}}, without("runAsNonRoot")), ""),
    (
        pod({}, without(runAsNonRoot=False)),
        'runAsNonRoot != true (container "c" must not set securityContext.runAsNonRoot=false)',
    ),
    (pod({"securityContext": {"runAsUser": 0}}, HARDENED), "runAsUser=0 (pod must not set runAsUser=0)"),
    (pod({}, without(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})), ""),
    (
        pod({}, without(capabilities={"add": ["CHOWN"]})),
        'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]; container "c" '
        'must not include "CHOWN" in securityContext.capabilities.add)',
    ),
    (
        pod({"volumes": [{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "emptyDir": {}}]}, HARDENED),
        'restricted volume types (volume "v" uses restricted volume type "hostPath")',
    ),
    (
        pod({"os": {"name": "windows"}}, {}),
        'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)',
    ),
]


@pytest.mark.parametrize(("subject", "expected"), RESTRICTED_CASES)
def test_restricted_asks_for_hardening(subject: Subject, expected: str) -> None:
    assert said(Policy(RESTRICTED), subject) == expected


def test_what_baseline_refuses_restricted_refuses_too() -> None:
    for subject, expected in BASELINE_CASES:
        assert not expected or Policy(RESTRICTED).violations(subject)


def test_versions_have_their_own_rules_and_the_future_has_those_of_today() -> None:
    keepalive = pod({"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_fin_timeout"}]}})
    assert said(Policy(BASELINE, 28), keepalive)
    assert not said(Policy(BASELINE, 29), keepalive)
    windows = pod({"os": {"name": "windows"}}, {"runAsNonRoot": True})
    assert said(Policy(RESTRICTED, 24), windows)
    assert not said(Policy(RESTRICTED, 25), windows)
    assert said(Policy(RESTRICTED, 99), pod()) == ALL_FOUR
    old = pod({}, {"capabilities": {"add": ["SYS_ADMIN"]}})
    assert "non-default capabilities" in said(Policy(RESTRICTED, 21), old)


def test_labels_that_cannot_be_read_count_as_the_strictest() -> None:
    prefix = "pod-security.kubernetes.io/"
    assert str(policy_of({}, "enforce")) == "privileged:latest"
    assert str(policy_of({f"{prefix}warn": "baseline", f"{prefix}warn-version": "v1.20"}, "warn")) == "baseline:v1.20"
    assert str(policy_of({f"{prefix}enforce": "lax"}, "enforce")) == "restricted:latest"


async def labelled(api: Any, **modes: str) -> None:
    labels = {f"pod-security.kubernetes.io/{mode.replace('_', '-')}": level for mode, level in modes.items()}
    await api.merge(core_v1.Namespace, "default", {"metadata": {"labels": labels}}, "")


async def test_a_namespace_enforces_its_level_and_warns_of_workloads(api: Any, pod: dict[str, Any]) -> None:
    await labelled(api, enforce="restricted", warn="baseline")
    with pytest.raises(Forbidden) as refused:
        await api.create(core_v1.Pod, pod)
    expected = ALL_FOUR.replace('"c"', '"main"')
    assert refused.value.message == f'pods "web" is forbidden: violates PodSecurity "restricted:latest": {expected}'
    spec = pod["spec"] | {"hostPID": True}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": spec}
    body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    await api.create(apps_v1.Deployment, body)
    assert api.warnings == ['would violate PodSecurity "baseline:latest": host namespaces (hostPID=true)']


async def test_a_new_level_names_the_pods_that_break_it_and_bad_labels_are_refused(api: Any, pod: Any) -> None:
    await api.create(core_v1.Pod, pod | {"spec": pod["spec"] | {"hostPID": True}})
    await api.registry.cache(core_v1.Pod).fresh()
    body = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}
    raw = json.dumps(body).encode()
    done = await api.registry.patch(api.who, core_v1.Namespace, "", "default", "application/merge-patch+json", raw)
    head = 'existing pods in namespace "default" violate the new PodSecurity enforce level "baseline:latest"'
    assert done.warnings == (head, "web: host namespaces")
    with pytest.raises(Invalid, match="must be one of privileged, baseline, restricted"):
        await labelled(api, enforce="none")
    with pytest.raises(Invalid, match=r"v1\.x"):
        await labelled(api, enforce_version="1.2")


async def test_the_audit_log_has_the_level_and_what_breaks_the_audited_one(api: Any, pod: Any) -> None:
    await labelled(api, enforce="baseline", audit="restricted")
    remarks = collect()
    await api.create(core_v1.Pod, pod)
    expected = ALL_FOUR.replace('"c"', '"main"')
    assert {key: text for key, text in remarks.items() if key.startswith("pod-security")} == {
        "pod-security.kubernetes.io/enforce-policy": "baseline:latest",
        "pod-security.kubernetes.io/audit-violations": f'would violate PodSecurity "restricted:latest": {expected}',
    }


async def test_root_in_a_user_namespace_is_nobody(api: Any, pod: Any) -> None:
    await labelled(api, enforce="baseline", warn="restricted")
    pod["spec"]["hostUsers"] = False
    pod["spec"]["containers"][0]["securityContext"] = {"procMount": "Unmasked", "runAsUser": 0}
    await api.create(core_v1.Pod, pod)
    [warning] = api.warnings
    assert "procMount" in warning
    assert "runAs" not in warning
