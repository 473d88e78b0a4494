"""Admission plugins in Python: what they may do, that they come and go with their files, and that failing is theirs."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from timonel.api.errors import Forbidden, InternalError, StatusError
from timonel.api.types import core_v1

HEAD = "import time\nfrom timonel.admission import Denied, Request, mutating, validating\n"
SECONDS = 10.0


class Folder:
    """The folder of plugins, and what was reported of them."""

    def __init__(self, path: Path, api: Any) -> None:
        self.path = path
        self.api = api
        self.reports: list[tuple[str, str]] = []

    def write(self, body: str, name: str = "rules") -> None:
        (self.path / f"{name}.py").write_text(HEAD + body)

    async def use(self) -> None:
        await self.api.registry.use_functions(self.path, lambda name, why: self.reports.append((name, why)))

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until what awaitable ``holds`` gives is true."""
        end = time.monotonic() + SECONDS
        while not await holds():
            assert time.monotonic() < end
            await asyncio.sleep(0.02)

    async def passes(self) -> bool:
        """Whether a ConfigMap may be made."""
        try:
            await self.api.create(core_v1.ConfigMap, {"metadata": {"name": "try"}}, dry_run=True)
        except StatusError:
            return False
        return True


@pytest.fixture
def folder(tmp_path: Path, api: Any) -> Folder:
    path = tmp_path / "plugins"
    path.mkdir()
    return Folder(path, api)


async def test_a_function_denies(folder: Folder, api: Any) -> None:
    folder.write(
        "@validating('configmaps')\n"
        "def owned(request: Request) -> None:\n"
        "    if 'owner' not in request.object.metadata.labels:\n"
        "        raise Denied(f'{request.user.name} forgot the label owner')\n"
    )
    await folder.use()
    with pytest.raises(Forbidden, match=r'"rules\.py:owned" denied the request: system:admin forgot the label owner'):
        await api.create(core_v1.ConfigMap, {"metadata": {"name": "a"}})
    await api.create(core_v1.ConfigMap, {"metadata": {"name": "a", "labels": {"owner": "me"}}})
    await api.create(core_v1.Secret, {"metadata": {"name": "a"}})


async def test_a_function_changes(folder: Folder, api: Any, pod: Any) -> None:
    folder.write(
        "@mutating('pods', operations=['CREATE'], order=2)\n"
        "def second(request):\n"
        "    request.object.metadata.labels['order'] += '2'\n"
        "@mutating('pods', operations=['CREATE'], order=1)\n"
        "def first(request):\n"
        "    request.object.metadata.labels['order'] = '1'\n"
        "    request.object.spec.nodeSelector = {'disk': 'ssd'}\n"
        "    request.warn('moved to ssd')\n"
        "    return request.object\n"
    )
    await folder.use()
    made = await api.create(core_v1.Pod, pod)
    assert (made["metadata"]["labels"], made["spec"]["nodeSelector"]) == ({"order": "12"}, {"disk": "ssd"})
    assert api.warnings == ["moved to ssd"]


async def test_deletions_are_seen(folder: Folder, api: Any) -> None:
    folder.write(
        "@validating('configmaps', operations=['DELETE'])\n"
        "def kept(request):\n"
        "    if request.object is None and request.old.data.get('keep'):\n"
        "        raise Denied('kept')\n"
    )
    await folder.use()
    await api.create(core_v1.ConfigMap, {"metadata": {"name": "a"}, "data": {"keep": "yes"}})
    with pytest.raises(Forbidden, match="kept"):
        await api.delete(core_v1.ConfigMap, "a")


async def test_files_are_followed(folder: Folder) -> None:
    """New files, changed ones and removed ones count at once; a broken one leaves what was there."""
    await folder.use()
    assert await folder.passes()
    deny = "@validating('configmaps')\ndef no(request):\n    raise Denied('no')\n"
    folder.write(deny)

    async def refuses() -> bool:
        return not await folder.passes()

    await folder.until(refuses)
    folder.write("this is no Python")

    async def reported() -> bool:
        return bool(folder.reports)

    await folder.until(reported)
    assert "SyntaxError" in folder.reports[0][1]
    assert not await folder.passes()
    folder.write(deny.replace("raise Denied('no')", "return None"))
    await folder.until(folder.passes)
    folder.write(deny)
    await folder.until(refuses)
    (folder.path / "rules.py").unlink()
    await folder.until(folder.passes)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "RuntimeError: SystemExit: 3"),
        ("raise StopIteration('x')", "RuntimeError: StopIteration: x"),
        ("time.sleep(1)", "it has not returned within 0.1 s"),
        ("return 'x'", "it returned a str, not a ConfigMap"),
    ],
)
@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
async def test_failures_are_reported_and_stay_the_plugins(folder: Folder, body: str, why: str, policy: str) -> None:
    folder.write(
        f"@mutating('configmaps', seconds=0.1, failure_policy='{policy}')\ndef broken(request):\n    {body}\n"
        "@validating('configmaps', order=200)\ndef after(request):\n    request.warn('still asked')\n"
    )
    await folder.use()
    body_ = {"metadata": {"name": "a"}}
    if policy == "Fail":
        with pytest.raises(InternalError) as refused:
            await folder.api.create(core_v1.ConfigMap, body_)
        assert refused.value.message.endswith(f'admission plugin "rules.py:broken" failed: {why}')
    else:
        await folder.api.create(core_v1.ConfigMap, body_)
        assert folder.api.warnings == ["still asked"]
    assert folder.reports == [("rules.py:broken", why)]


async def test_a_function_that_hangs_is_not_called_for_ever(folder: Folder) -> None:
    folder.write("@validating('configmaps', seconds=0.05)\ndef hangs(request):\n    time.sleep(2)\n")
    await folder.use()
    for _ in range(4):
        assert not await folder.passes()
    before = time.monotonic()
    assert not await folder.passes()
    assert time.monotonic() - before < 0.05
    assert folder.reports[-1][1] == "4 earlier calls have not returned yet"


async def test_a_file_that_cannot_be_loaded_leaves_the_others(folder: Folder) -> None:
    folder.write("import nothing_of_that_name\n", "a")
    folder.write("@validating('configmaps')\ndef no(request):\n    raise Denied('no')\n", "b")
    await folder.use()
    assert not await folder.passes()
    assert folder.reports == [
        ("a.py", "it cannot be loaded: ModuleNotFoundError: No module named 'nothing_of_that_name'")
    ]


def test_decorators_refuse_what_makes_no_sense() -> None:
    from timonel.admission import mutating, validating

    with pytest.raises(ValueError, match="name the resources"):
        validating()
    with pytest.raises(ValueError, match="operations are some of CREATE, UPDATE, not DELETE"):
        mutating("pods", operations=["DELETE"])


async def test_entry_points_are_found(
    folder: Folder, api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed package is a module and its metadata on the path."""
    site = tmp_path / "site"
    (site / "house_rules-1.dist-info").mkdir(parents=True)
    (site / "house_rules-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: house-rules\nVersion: 1\n")
    (site / "house_rules-1.dist-info" / "entry_points.txt").write_text(
        "[timonel.admission]\nall = house_rules\none = house_rules:no_secrets\n"
    )
    (site / "house_rules.py").write_text(
        HEAD + "@validating('secrets')\ndef no_secrets(request):\n    raise Denied('no secrets')\n"
    )
    monkeypatch.syspath_prepend(str(site))
    await folder.use()
    with pytest.raises(Forbidden, match=r'"all:no_secrets" denied the request: no secrets'):
        await api.create(core_v1.Secret, {"metadata": {"name": "a"}})
