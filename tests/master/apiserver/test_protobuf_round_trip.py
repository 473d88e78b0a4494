"""Objects of every built-in kind are the same after a journey through protobuf."""

import json

import msgspec
import pytest
from random_objects import KINDS, made

from master.apiserver.protobuf import decode, encode
from timonel.api import codec, scheme
from timonel.api.gvk import GVK


@pytest.mark.parametrize("gvk", KINDS, ids=lambda gvk: f"{gvk.api_version}/{gvk.kind}")
def test_round_trip(gvk: GVK) -> None:
    struct = scheme.lookup(gvk)
    assert struct is not None
    for seed in range(4):
        raw = json.dumps(made(gvk, seed)).encode()
        returned = json.loads(decode.to_json(encode.from_json(raw)))
        assert codec.decode(struct, msgspec.json.encode(returned)) == codec.decode(struct, raw)
