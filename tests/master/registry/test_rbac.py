"""Role-based access control: what rules mean, against a slow oracle; and how roles and bindings come to count."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.registry.authz import policy
from master.registry.authz.base import Attributes, Decision
from master.registry.authz.rbac import Index
from master.registry.authz.rules import EVERYTHING, CompiledRules, described, missing
from master.registry.base import ANONYMOUS, Resource, User
from master.registry.rbac_bootstrap import bootstrap_rbac
from timonel.api import codec
from timonel.api.errors import Forbidden, NotFound
from timonel.api.gvk import GVK
from timonel.api.types import apps_v1, core_v1, rbac_v1
from timonel.api.types.rbac_v1 import ClusterRole, PolicyRule, Role

JANE = User("jane", groups=("devs", "system:authenticated"))
ROBOT = User("system:serviceaccount:default:robot", groups=("system:serviceaccounts", "system:authenticated"))
DEADLINE = 10.0


def rule(verbs: str, groups: str = "", resources: str = "", names: str = "", urls: str = "") -> PolicyRule:
    return PolicyRule(
        verbs=verbs.split(),
        apiGroups=["" if group == "-" else group for group in groups.split()],
        resources=resources.split(),
        resourceNames=names.split(),
        nonResourceURLs=urls.split(),
    )


# What a rule means


@pytest.mark.parametrize(
    ("held", "asked", "allowed"),
    [
        (rule("get", "-", "pods"), ("get", "", "pods", "", "x"), True),
        (rule("get", "-", "pods"), ("list", "", "pods", "", ""), False),
        (rule("*", "-", "pods"), ("list", "", "pods", "", ""), True),
        (rule("get", "-", "pods"), ("get", "apps", "pods", "", "x"), False),
        (rule("get", "*", "pods"), ("get", "apps", "pods", "", "x"), True),
        (rule("get", "-", "pods"), ("get", "", "pods", "log", "x"), False),
        (rule("get", "-", "pods/log"), ("get", "", "pods", "log", "x"), True),
        (rule("get", "-", "pods/log"), ("get", "", "pods", "", "x"), False),
        (rule("get", "-", "*"), ("get", "", "pods", "log", "x"), True),
        (rule("get", "-", "*/log"), ("get", "", "pods", "log", "x"), True),
        (rule("get", "-", "*/log"), ("get", "", "pods", "exec", "x"), False),
        (rule("get", "-", "pods/*"), ("get", "", "pods", "log", "x"), False),
        (rule("get", "-", "pods", "a b"), ("get", "", "pods", "", "b"), True),
        (rule("get", "-", "pods", "a b"), ("get", "", "pods", "", "c"), False),
        (rule("list", "-", "pods", "a"), ("list", "", "pods", "", ""), False),
        (rule("create", "-", "pods", "a"), ("create", "", "pods", "", ""), False),
    ],
)
def test_rules_for_resources(held: PolicyRule, asked: tuple[str, str, str, str, str], allowed: bool) -> None:
    assert CompiledRules([held]).allows_resource(*asked) == allowed


@pytest.mark.parametrize(
    ("url", "path", "allowed"),
    [
        ("/metrics", "/metrics", True),
        ("/metrics", "/metrics/slis", False),
        ("/metrics/*", "/metrics/slis", True),
        ("/metrics/*", "/metrics", False),
        ("/metrics*", "/metrics", True),
        ("*", "/anything", True),
    ],
)
def test_rules_for_paths(url: str, path: str, allowed: bool) -> None:
    assert CompiledRules([rule("get", urls=url)]).allows_path("get", path) == allowed
    assert not CompiledRules([rule("get", urls=url)]).allows_path("post", path)


words = st.sampled_from
some_rules = st.lists(
    st.builds(
        PolicyRule,
        verbs=st.lists(words(["get", "list", "*"]), min_size=1, max_size=2),
        apiGroups=st.lists(words(["", "apps", "*"]), min_size=1, max_size=2),
        resources=st.lists(words(["pods", "pods/log", "*/log", "*", "nodes"]), min_size=1, max_size=2),
        resourceNames=st.lists(words(["a", "b"]), max_size=2),
    ),
    max_size=3,
)
requests = st.tuples(
    words(["get", "list"]), words(["", "apps"]), words(["pods", "nodes"]), words(["", "log"]), words(["", "a", "c"])
)


def slowly(rules: list[PolicyRule], asked: tuple[str, str, str, str, str]) -> bool:
    """The sentence of the documentation, word by word."""
    verb, group, resource, subresource, name = asked
    full = f"{resource}/{subresource}" if subresource else resource
    anything = ["*", full, f"*/{subresource}"] if subresource else ["*", full]
    return any(
        any(word in ("*", verb) for word in each.verbs)
        and any(word in ("*", group) for word in each.apiGroups)
        and any(word in anything for word in each.resources)
        and (not each.resourceNames or name in each.resourceNames)
        for each in rules
    )


@given(some_rules, requests)
def test_arranged_rules_mean_the_same(rules: list[PolicyRule], asked: tuple[str, str, str, str, str]) -> None:
    assert CompiledRules(rules).allows_resource(*asked) == slowly(rules, asked)


# Which rules grant more than others


@pytest.mark.parametrize(
    ("held", "wanted", "lacking"),
    [
        ([rule("get list", "-", "pods")], rule("get", "-", "pods"), []),
        (
            [rule("get", "-", "pods")],
            rule("get list", "-", "pods"),
            ['{APIGroups:[""], Resources:["pods"], Verbs:["list"]}'],
        ),
        ([rule("get", "-", "pods"), rule("list", "-", "pods")], rule("get list", "-", "pods"), []),
        ([rule("get", "-", "pods", "a")], rule("get", "-", "pods", "a"), []),
        (
            [rule("get", "-", "pods", "a")],
            rule("get", "-", "pods"),
            ['{APIGroups:[""], Resources:["pods"], Verbs:["get"]}'],
        ),
        ([rule("get", "-", "pods")], rule("get", "-", "pods", "a"), []),
        ([rule("get", "-", "*/log")], rule("get", "-", "pods/log"), []),
        ([rule("*", "*", "*")], rule("get", "-", "pods"), []),
        ([rule("get", "-", "pods")], rule("*", "-", "pods"), ['{APIGroups:[""], Resources:["pods"], Verbs:["*"]}']),
        ([rule("get", urls="/a/*")], rule("get", urls="/a/b"), []),
        ([rule("get", urls="/a/*")], rule("get", urls="/a"), ['{NonResourceURLs:["/a"], Verbs:["get"]}']),
        (
            [],
            rule("get update", "apps", "deployments", "x"),
            ['{APIGroups:["apps"], Resources:["deployments"], ResourceNames:["x"], Verbs:["get" "update"]}'],
        ),
    ],
)
def test_what_is_lacking(held: list[PolicyRule], wanted: PolicyRule, lacking: list[str]) -> None:
    assert described(missing(held, [wanted])) == lacking


@given(some_rules, some_rules, requests)
def test_who_lacks_nothing_can_do_all(
    held: list[PolicyRule], wanted: list[PolicyRule], asked: tuple[str, str, str, str, str]
) -> None:
    if not missing(held, wanted) and slowly(wanted, asked):
        assert slowly(held, asked)


# The default policy


def test_the_default_roles_hang_together() -> None:
    objects = {(type(obj), obj.metadata.namespace, obj.metadata.name): obj for obj in policy.defaults()}
    assert len(objects) == len(policy.defaults())
    roles: dict[Any, Any] = {name: obj for (kind, _, name), obj in objects.items() if kind is ClusterRole}
    for (_, namespace, _), obj in objects.items():
        if isinstance(obj, rbac_v1.RoleBinding | rbac_v1.ClusterRoleBinding):
            assert obj.roleRef.name in roles or (rbac_v1.Role, namespace, obj.roleRef.name) in objects
    for name, lower in (("admin", "edit"), ("edit", "view")):
        selector = roles[name].aggregationRule.clusterRoleSelectors[0].matchLabels
        assert selector.items() <= roles[lower].metadata.labels.items()
        assert selector.items() <= roles[f"system:aggregate-to-{name}"].metadata.labels.items()
    assert not missing(roles["cluster-admin"].rules, EVERYTHING)


@pytest.mark.parametrize(
    ("user", "asked", "allowed"),
    [
        (ANONYMOUS, ("get", "/healthz"), True),
        (ANONYMOUS, ("get", "/openapi/v3"), False),
        (JANE, ("get", "/openapi/v3"), True),
        (JANE, ("get", "/metrics"), False),
        (JANE, ("create", "selfsubjectaccessreviews.authorization.k8s.io"), True),
        (JANE, ("create", "subjectaccessreviews.authorization.k8s.io"), False),
        (User("system:kube-scheduler"), ("create", "pods/binding"), True),
        (User("system:kube-scheduler"), ("delete", "nodes"), False),
        (ROBOT, ("get", "/openid/v1/jwks"), True),
        (User("x", groups=("system:masters",)), ("impersonate", "users"), True),
    ],
)
def test_the_default_policy(user: User, asked: tuple[str, str], allowed: bool) -> None:
    index = Index()
    for obj in policy.defaults():
        index.role(None, obj) if isinstance(obj, Role | ClusterRole) else index.binding(None, obj)
    verb, what = asked
    resource, _, group = what.partition(".")
    resource, _, subresource = resource.partition("/")
    held = [rules for rules, _ in index.roles_of(user, "") if rules is not None]
    if what.startswith("/"):
        assert any(rules.allows_path(verb, what) for rules in held) == allowed
    else:
        assert any(rules.allows_resource(verb, group, resource, subresource, "") for rules in held) == allowed


async def test_a_second_start_changes_nothing(api: Any) -> None:
    for kind in (rbac_v1.ClusterRole, rbac_v1.ClusterRoleBinding, rbac_v1.Role, rbac_v1.RoleBinding):
        await api.registry.cache(kind).fresh()
    before = await api.registry.core.store.revision()
    await bootstrap_rbac(api.registry)
    assert await api.registry.core.store.revision() == before


async def test_a_start_mends_default_roles(api: Any) -> None:
    mine = {"apiGroups": ["x"], "resources": ["y"], "verbs": ["get"]}
    await api.merge(rbac_v1.ClusterRole, "system:basic-user", {"rules": [mine], "metadata": {"labels": None}}, "")
    kept = {"metadata": {"annotations": {policy.AUTOUPDATE: "false"}}, "rules": [mine]}
    await api.merge(rbac_v1.ClusterRole, "system:heapster", kept, "")
    await api.merge(rbac_v1.ClusterRoleBinding, "system:discovery", {"subjects": None}, "")
    for kind in (rbac_v1.ClusterRole, rbac_v1.ClusterRoleBinding):
        await api.registry.cache(kind).fresh()
    await bootstrap_rbac(api.registry)
    mended = await api.get(rbac_v1.ClusterRole, "system:basic-user", "")
    assert mine in mended["rules"]
    assert len(mended["rules"]) == 3
    assert mended["metadata"]["labels"] == policy.LABELS
    assert (await api.get(rbac_v1.ClusterRole, "system:heapster", ""))["rules"] == [mine]
    binding = await api.get(rbac_v1.ClusterRoleBinding, "system:discovery", "")
    assert [subject["name"] for subject in binding["subjects"]] == ["system:authenticated"]


# Roles and bindings in a registry


async def holds(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110  # the index follows the caches, and tells nobody
            await asyncio.sleep(0.005)


@pytest.fixture
def verdict(api: Any) -> Callable[..., Any]:
    """What the authorizer says now."""

    def ask(user: User, verb: str, kind: Any = core_v1.Pod, namespace: str = "default", **more: Any) -> Any:
        resource = kind if isinstance(kind, Resource) else api.registry.resources.of(kind)
        return api.registry.core.authorizer.authorize(Attributes(user, verb, resource, namespace=namespace, **more))

    return ask


@pytest.fixture
def allowed(verdict: Any) -> Callable[..., bool]:
    return lambda *args, **more: verdict(*args, **more).decision is Decision.ALLOW


def bound(name: str, role: str, *subjects: dict[str, str], kind: str = "Role") -> dict[str, Any]:
    return {"metadata": {"name": name}, "roleRef": {"kind": kind, "name": role}, "subjects": list(subjects)}


READER = {"metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}
DEVS = {"kind": "Group", "name": "devs"}


async def test_bindings_count_where_they_are(api: Any, verdict: Any, allowed: Any) -> None:
    await api.create(rbac_v1.Role, READER)
    await api.create(rbac_v1.RoleBinding, bound("b", "reader", DEVS, {"kind": "ServiceAccount", "name": "robot"}))
    await holds(lambda: allowed(JANE, "get"))
    why = 'RBAC: allowed by RoleBinding "b/default" of Role "reader" to Group "devs"'
    assert verdict(JANE, "get").reason == why
    assert allowed(ROBOT, "get"), "an account of the binding's own namespace need not say it"
    assert not allowed(JANE, "get", namespace="kube-system")
    assert not allowed(JANE, "get", namespace="")
    assert not allowed(User("joe"), "get")
    await api.update(rbac_v1.RoleBinding, bound("b", "reader", {"kind": "User", "name": "joe"}))
    await holds(lambda: allowed(User("joe"), "get"))
    assert not allowed(JANE, "get")
    await api.merge(rbac_v1.Role, "reader", {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]})
    await holds(lambda: allowed(User("joe"), "list"))
    assert not allowed(User("joe"), "get")
    await api.delete(rbac_v1.Role, "reader")
    await holds(lambda: not allowed(User("joe"), "list"))
    assert verdict(User("joe"), "list").reason == 'RBAC: role.rbac.authorization.k8s.io "reader" not found'


async def test_cluster_bindings_count_everywhere(api: Any, verdict: Any, allowed: Any) -> None:
    await api.create(rbac_v1.ClusterRole, READER, "")
    await api.create(rbac_v1.ClusterRoleBinding, bound("b", "reader", DEVS, kind="ClusterRole"), "")
    await holds(lambda: allowed(JANE, "get", namespace="kube-system"))
    assert allowed(JANE, "get", namespace="")
    why = 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "reader" to Group "devs"'
    assert verdict(JANE, "get").reason == why


async def test_a_selector_by_name_asks_for_one_object(api: Any, allowed: Any) -> None:
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"], "resourceNames": ["a"]}]
    await api.create(rbac_v1.Role, {"metadata": {"name": "one"}, "rules": rules})
    await api.create(rbac_v1.RoleBinding, bound("b", "one", DEVS))
    await holds(lambda: allowed(JANE, "list", field_selector="metadata.name=a"))
    assert not allowed(JANE, "list")
    assert not allowed(JANE, "list", field_selector="metadata.name=b")


async def test_what_is_not_served_can_be_asked_about(api: Any, allowed: Any) -> None:
    foo = Resource(GVK("example.com", "v1", "Foo"), "foos", "foo", namespaced=True, struct=None)
    rules = [{"apiGroups": ["example.com"], "resources": ["*"], "verbs": ["*"]}]
    await api.create(rbac_v1.Role, {"metadata": {"name": "foos"}, "rules": rules})
    await api.create(rbac_v1.RoleBinding, bound("b", "foos", DEVS))
    await holds(lambda: allowed(JANE, "frobnicate", foo))


# Escalation


@pytest.fixture
async def jane(api: Any, allowed: Any) -> Any:
    """A user who may write roles and bindings, and read pods."""
    rules = [
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["*"], "verbs": ["get", "create", "update", "patch"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
    ]
    await api.create(rbac_v1.ClusterRole, {"metadata": {"name": "keys"}, "rules": rules}, "")
    await api.create(rbac_v1.ClusterRoleBinding, bound("keys", "keys", DEVS, kind="ClusterRole"), "")
    await holds(lambda: allowed(JANE, "create", rbac_v1.Role))
    return api.as_user(JANE)


def role(name: str, *rules: PolicyRule, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "rules": [codec.to_dict(each) for each in rules], **more}


async def test_what_one_holds_can_be_granted(jane: Any) -> None:
    await jane.create(rbac_v1.Role, role("pods", rule("get", "-", "pods")))
    await jane.create(rbac_v1.RoleBinding, bound("pods", "pods", {"kind": "User", "name": "joe"}))


async def test_more_cannot(jane: Any, api: Any) -> None:
    secrets = rule("get list", "-", "secrets")
    with pytest.raises(Forbidden) as refused:
        await jane.create(rbac_v1.Role, role("thief", rule("get", "-", "pods"), secrets))
    assert refused.value.message == (
        'roles.rbac.authorization.k8s.io "thief" is forbidden: user "jane" (groups=["devs" "system:authenticated"]) '
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get" "list"]}'
    )
    await jane.create(rbac_v1.Role, role("thief"))
    with pytest.raises(Forbidden, match="not currently held"):
        await jane.merge(rbac_v1.Role, "thief", {"rules": [codec.to_dict(secrets)]})
    await api.create(rbac_v1.Role, role("secrets", secrets))
    with pytest.raises(Forbidden, match="not currently held"):
        await jane.create(rbac_v1.RoleBinding, bound("b", "secrets", DEVS))
    with pytest.raises(Forbidden, match="not currently held"):
        await jane.merge(rbac_v1.Role, "secrets", {"metadata": {"labels": {"a": "b"}}})
    await jane.merge(rbac_v1.Role, "secrets", {"metadata": {"finalizers": ["example.com/x"]}})
    with pytest.raises(NotFound, match=r'rolebindings.rbac.authorization.k8s.io "ghost" not found'):
        await jane.create(rbac_v1.RoleBinding, bound("b", "ghost", DEVS))


async def test_aggregation_is_for_administrators(jane: Any) -> None:
    selectors = {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
    with pytest.raises(Forbidden, match="must have cluster-admin privileges to use an aggregationRule"):
        await jane.create(rbac_v1.ClusterRole, role("all", aggregationRule=selectors), "")


@pytest.mark.parametrize(("verb", "resource"), [("escalate", "roles"), ("bind", "roles")])
async def test_verbs_that_allow_more(jane: Any, api: Any, allowed: Any, verb: str, resource: str) -> None:
    secrets = rule("get", "-", "secrets")
    await api.create(rbac_v1.Role, role("secrets", secrets))
    await api.create(rbac_v1.Role, role("more", rule(verb, "rbac.authorization.k8s.io", resource)))
    await api.create(rbac_v1.RoleBinding, bound("more", "more", DEVS))
    await holds(lambda: allowed(JANE, verb, rbac_v1.Role))
    if verb == "escalate":
        await jane.create(rbac_v1.Role, role("mine", secrets))
    else:
        await jane.create(rbac_v1.RoleBinding, bound("mine", "secrets", DEVS))


async def test_nodes_can_be_given_more(api: Any, allowed: Any) -> None:
    node = User("system:node:n", groups=("system:nodes", "system:authenticated"))
    assert not allowed(node, "list", apps_v1.Deployment)
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}]
    await api.create(rbac_v1.Role, {"metadata": {"name": "r"}, "rules": rules})
    await api.create(rbac_v1.RoleBinding, bound("b", "r", {"kind": "Group", "name": "system:nodes"}))
    await holds(lambda: allowed(node, "list", apps_v1.Deployment))
