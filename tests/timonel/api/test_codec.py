"""Decoding what strangers send: right values, forgiven nulls, and errors that name the field."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonel.api import codec, parse
from timonel.api.errors import BadRequest
from timonel.api.types import apiextensions_v1, core_v1, meta_v1


def refusal(cls: type, raw: bytes) -> str:
    with pytest.raises(BadRequest) as caught:
        codec.decode(cls, raw)
    return str(caught.value)


POD = 'Pod in version "v1" cannot be handled as a Pod: '


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b'{"spec":{"containers":[{"name":5}]}}',
            "json: cannot unmarshal number into field spec.containers[0].name of type string",
        ),
        (
            b'{"spec":{"containers":[{"ports":[{"containerPort":"x"}]}]}}',
            "json: cannot unmarshal string into field spec.containers[0].ports[0].containerPort of type int32",
        ),
        (b'{"spec":{"containers":{}}}', "json: cannot unmarshal object into field spec.containers of type []Container"),
        (
            b'{"spec":{"priority":3000000000}}',
            "cannot unmarshal number 3000000000 into field spec.priority of type int32",
        ),
        (b'{"spec":{"priority":1.5}}', "json: cannot unmarshal number 1.5 into field spec.priority of type int32"),
        (b'{"spec":{"hostNetwork":"yes"}}', "cannot unmarshal string into field spec.hostNetwork of type bool"),
        (
            b'{"metadata":{"labels":{"a":1}}}',
            "json: cannot unmarshal number into field metadata.labels[a] of type string",
        ),
        (
            b'{"metadata":{"labels":["a"]}}',
            "cannot unmarshal array into field metadata.labels of type map[string]string",
        ),
        (b'{"metadata":[]}', "json: cannot unmarshal array into field metadata of type ObjectMeta"),
        (b"[]", "json: cannot unmarshal array into field <root> of type Pod"),
        (b"null", "json: cannot unmarshal null into field <root> of type Pod"),
        (
            b'{"spec":{"containers":[{"resources":{"limits":{"cpu":"lots"}}}]}}',
            "spec.containers[0].resources.limits[cpu]: quantities must match the regular expression",
        ),
        (
            b'{"status":{"startTime":"yesterday"}}',
            'status.startTime: parsing time "yesterday" as "2006-01-02T15:04:05Z07:00"',
        ),
    ],
)
def test_wrong_types_are_refused_by_path(raw: bytes, message: str) -> None:
    assert refusal(core_v1.Pod, raw).startswith(POD)
    assert message in refusal(core_v1.Pod, raw)


@pytest.mark.parametrize("raw", [b"", b"{", b'{"a":}', b"{} x", b'{"metadata":{"name":"\xff"}}', b'"\\ud800"'])
def test_malformed_json_is_refused(raw: bytes) -> None:
    assert refusal(core_v1.Pod, raw).startswith("the object provided is unrecognized (must be of type Pod)")


def test_deep_nesting_is_refused_and_what_is_taken_can_be_written() -> None:
    def nested(levels: int) -> bytes:
        return b'{"fieldsV1":' + b"[" * levels + b"]" * levels + b"}"

    assert "exceeded max depth" in refusal(meta_v1.ManagedFieldsEntry, nested(100_000))
    assert "exceeded max depth" in refusal(meta_v1.ManagedFieldsEntry, nested(parse.MAX_DEPTH))
    deepest = codec.decode(meta_v1.ManagedFieldsEntry, nested(parse.MAX_DEPTH - 1))
    assert codec.copy(deepest) == deepest


def test_brackets_in_strings_are_no_nesting() -> None:
    text = '[{"' * 1000
    raw = msgspec.json.encode({"data": {"k": text}})
    assert codec.decode(core_v1.ConfigMap, raw).data == {"k": text}


def test_null_stands_for_absence() -> None:
    raw = b"""{"metadata":{"creationTimestamp":null,"labels":null,"annotations":{"a":null}},
        "spec":{"containers":[{"name":null,"command":null,"env":[null]}],"volumes":null,"securityContext":null}}"""
    pod = codec.decode(core_v1.Pod, raw)
    assert pod.metadata == meta_v1.ObjectMeta(annotations={"a": ""})
    assert pod.spec == core_v1.PodSpec(containers=[core_v1.Container(env=[core_v1.EnvVar()])])


def test_null_inside_free_values_is_kept() -> None:
    raw = b'{"default":{"a":null},"title":null,"items":null,"properties":{"p":{"items":[{"enum":[null]}]}}}'
    props = codec.decode(apiextensions_v1.JSONSchemaProps, raw)
    assert codec.to_dict(props) == {"default": {"a": None}, "properties": {"p": {"items": [{"enum": [None]}]}}}


def test_unions_of_json_schemas() -> None:
    props = codec.decode(apiextensions_v1.JSONSchemaProps, b'{"additionalProperties":false,"items":{"type":"string"}}')
    assert props.additionalProperties is False
    assert props.items == apiextensions_v1.JSONSchemaProps(type="string")
    message = refusal(apiextensions_v1.JSONSchemaProps, b'{"properties":{"p":{"items":{"type":5}}}}')
    assert "into field properties[p].items.type of type string" in message
    message = refusal(apiextensions_v1.JSONSchemaProps, b'{"items":5}')
    assert "into field items of type JSONSchemaProps or []JSONSchemaProps" in message


def test_convert_refuses_as_decode_does() -> None:
    with pytest.raises(BadRequest, match=r"cannot unmarshal number into field spec\.nodeName of type string"):
        codec.convert(core_v1.Pod, {"spec": {"nodeName": 5}})


def test_strict_problems() -> None:
    raw = b"""{"foo":1,"spec":{"containers":[{"nme":"a","name":"b","name":"c"}],"nodeSelector":{"a":"b","a":"c"}},
        "metadata":{"labels":{"any":"thing"},"managedFields":[{"fieldsV1":{"f:a":{"x":1,"x":2}}}]}}"""
    assert codec.strict_problems(core_v1.Pod, raw) == [
        'unknown field "foo"',
        'unknown field "spec.containers[0].nme"',
        'duplicate field "spec.containers[0].name"',
        'duplicate field "spec.nodeSelector.a"',
        'duplicate field "metadata.managedFields[0].fieldsV1.f:a.x"',
    ]
    assert str(codec.strict_error(codec.subject(core_v1.Pod), ['unknown field "foo"', 'unknown field "bar"'])) == (
        POD + 'strict decoding error: unknown field "foo", unknown field "bar"'
    )


def test_strict_problems_in_unions() -> None:
    raw = b'{"items":[{"a":1}],"properties":{"q":{"not":{"c":1},"additionalProperties":{"d":1}}}}'
    assert codec.strict_problems(apiextensions_v1.JSONSchemaProps, raw) == [
        'unknown field "items[0].a"',
        'unknown field "properties.q.not.c"',
        'unknown field "properties.q.additionalProperties.d"',
    ]


def test_strict_problems_are_bounded() -> None:
    raw = msgspec.json.encode({f"field{number}": 1 for number in range(1000)})
    assert len(codec.strict_problems(core_v1.Pod, raw)) == 100


def test_strict_problems_of_yaml() -> None:
    value = codec.decode_yaml(b"spec:\n  nodeName: a\n  nodeName: b\n  foo: 1\n")
    assert codec.strict_problems(core_v1.Pod, value) == [
        'duplicate field "spec.nodeName"',
        'unknown field "spec.foo"',
    ]
    assert codec.convert(core_v1.Pod, value).spec.nodeName == "b"
    assert codec.strict_problems(core_v1.Pod, {"spec": {"foo": 1}}) == ['unknown field "spec.foo"']


names_with_traps = st.text(alphabet='ab":\\ ', max_size=3)


@given(
    st.lists(st.tuples(names_with_traps, names_with_traps), max_size=4),
    st.sampled_from(["%s:%s", "%s: %s", "%s :%s", "%s\n:%s"]),
    st.booleans(),
)
def test_repeated_keys_are_never_overlooked(pairs: list[tuple[str, str]], form: str, escaped: bool) -> None:
    def text(value: str) -> str:
        return '"' + "".join(f"\\u{ord(char):04x}" for char in value) + '"' if escaped else json.dumps(value)

    inner = "{" + ",".join(form % (text(key), text(value)) for key, value in pairs) + "}"
    raw = f'{{"metadata":{{"labels":{inner}}}}}'.encode()
    repeated = len(dict(pairs)) < len(pairs)
    assert not (repeated and parse.keys_are_unique(raw))
    assert bool(codec.decode_strictly(core_v1.Pod, raw)[1]) is repeated
    assert parse.keys_are_unique(b'{"a":":8080","b":{"a":"x\\":y"}}')


def test_repeated_keys_of_yaml_are_told_by_line() -> None:
    raw = b"a: &x\n  b: 1\n  b:\n    2\nc: *x\na:\n- {d: 1, d: 2}\n"
    assert parse.repeated_keys(raw) == [
        'line 4: key "b" already set in map',
        'line 7: key "d" already set in map',
        'line 7: key "a" already set in map',
    ]


def test_decoding_strictly_tells_what_is_wrong() -> None:
    raw = b'{"metadata":{"creationTimestamp":null},"spec":{"containers":[{"nme":"a"}],"nodeName":"a","nodeName":"b"}}'
    pod, problems = codec.decode_strictly(core_v1.Pod, raw)
    assert (pod.spec.nodeName, len(pod.spec.containers)) == ("b", 1)
    assert problems == ['unknown field "spec.containers[0].nme"', 'duplicate field "spec.nodeName"']
    assert codec.decode_strictly(core_v1.Pod, b'{"metadata":{"creationTimestamp":null}}')[1] == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "spec", "containers", "name", "labels", "env", "ports", "resources", "limits"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_read_or_refused(value: object) -> None:
    raw = msgspec.json.encode(value)
    try:
        pod = codec.decode(core_v1.Pod, raw)
    except BadRequest:
        return
    codec.strict_problems(core_v1.Pod, raw)
    assert codec.decode(core_v1.Pod, codec.encode(pod)) == pod


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    for read in (lambda: codec.decode(core_v1.Pod, raw), lambda: parse.parse_json(raw), lambda: codec.decode_yaml(raw)):
        try:
            read()
        except BadRequest as error:
            assert str(error)  # noqa: PT017  # both outcomes are right
