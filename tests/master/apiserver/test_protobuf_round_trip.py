"""Objects of every built-in kind are the same after a journey through protobuf."""

import json
import random

import msgspec
import pytest
from random_objects import KINDS, made

from master.apiserver.protobuf import decode, encode
from timonel.api import codec, scheme
from timonel.api.errors import BadRequest
from timonel.api.gvk import GVK


@pytest.mark.parametrize("gvk", KINDS, ids=lambda gvk: f"{gvk.api_version}/{gvk.kind}")
def test_round_trip(gvk: GVK) -> None:
    struct = scheme.lookup(gvk)
    assert struct is not None
    for seed in range(4):
        raw = msgspec.json.encode(made(gvk, seed))
        returned = json.loads(decode.to_json(encode.from_json(raw)))
        assert codec.decode(struct, msgspec.json.encode(returned)) == codec.decode(struct, raw)


def test_damaged_objects_are_refused_or_read_but_never_a_crash() -> None:
    chance = random.Random(5)
    whole = [encode.from_json(json.dumps(made(gvk, 1)).encode()) for gvk in KINDS]
    small = [message for message in whole if len(message) < 4000]
    outcomes = set()
    for _ in range(3000):
        damaged = bytearray(chance.choice(small))
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(4, len(damaged))
            damaged[at : at + chance.choice([0, 1, 1, 9])] = chance.randbytes(chance.choice([0, 1, 1, 9]))
        try:
            outcomes.add(type(json.loads(decode.to_json(bytes(damaged)))))
        except BadRequest:
            outcomes.add(BadRequest)
    assert outcomes == {dict, BadRequest}
