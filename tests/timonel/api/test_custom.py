"""Objects without a Struct: read, written and copied as built-in ones are."""

import pytest

from timonel.api import codec
from timonel.api.custom import CustomObject, Document
from timonel.api.errors import BadRequest
from timonel.api.gvk import GVK


class Boat(CustomObject):
    __slots__ = ()
    gvk = GVK("sea.example.com", "v1", "Boat")

    @classmethod
    def normalized(cls, document: Document) -> Document:
        return {name: value for name, value in document.items() if name != "wreck"}

    @classmethod
    def unknown_fields(cls, document: Document) -> list[str]:
        return [name for name in document if name == "wreck"]


RAW = b'{"metadata":{"name":"x","labels":{"a":"b"}},"spec":{"sails":[1,null]},"wreck":1,"other":{"deep":true}}'


def test_reading_and_writing() -> None:
    boat = codec.decode(Boat, RAW)
    assert (boat.apiVersion, boat.kind, boat.metadata.name) == ("sea.example.com/v1", "Boat", "x")
    assert boat.content == {"spec": {"sails": [1, None]}, "other": {"deep": True}}
    document = {
        "apiVersion": "sea.example.com/v1",
        "kind": "Boat",
        "metadata": {"name": "x", "labels": {"a": "b"}},
        "spec": {"sails": [1, None]},
        "other": {"deep": True},
    }
    assert codec.to_dict(boat) == document
    assert codec.to_dict(codec.decode(Boat, codec.encode(boat))) == document
    assert codec.to_dict(codec.convert(Boat, document)) == document


def test_a_copy_shares_nothing() -> None:
    boat = codec.decode(Boat, RAW)
    copied = codec.copy(boat)
    copied.spec["sails"].append(2)
    copied.metadata.labels["a"] = "c"
    copied.status = {"afloat": True}
    assert (boat.spec, boat.metadata.labels, boat.status) == ({"sails": [1, None]}, {"a": "b"}, None)
    copied.status = None
    assert "status" not in copied.content


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"[]", "the object must be a map"),
        (b'{"metadata":3}', "cannot unmarshal number into field metadata of type ObjectMeta"),
        (b'{"metadata":{"name":3}}', "cannot unmarshal number into field metadata.name of type string"),
        (b"{", "json parse error"),
    ],
)
def test_what_is_no_object(raw: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        codec.decode(Boat, raw)


def test_what_strict_decoding_finds() -> None:
    raw = b'{"metadata":{"name":"x","bogus":1},"spec":1,"spec":2,"wreck":1}'
    assert codec.strict_problems(Boat, raw) == [
        'duplicate field "spec"',
        'unknown field "metadata.bogus"',
        'unknown field "wreck"',
    ]
