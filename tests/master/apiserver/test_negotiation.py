"""Which media type and form an Accept header leads to."""

import pytest

from master.apiserver.negotiation import JSON, PROTOBUF, YAML, Choice, Form, accepts_gzip, choose, offers

ALL = offers(frozenset({Form.PLAIN, Form.TABLE, Form.METADATA}))
CUSTOM = offers(frozenset({Form.PLAIN, Form.TABLE, Form.METADATA}), has_protobuf=False)
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", Choice(JSON)),
        ("*/*", Choice(JSON)),
        ("application/*", Choice(JSON)),
        ("application/yaml", Choice(YAML)),
        ("application/json;q=0.5,application/yaml", Choice(YAML)),
        ("application/yaml;q=0.1, application/json;q=0.9", Choice(JSON)),
        ("application/vnd.kubernetes.protobuf,application/json", Choice(PROTOBUF)),
        ("application/json,application/vnd.kubernetes.protobuf", Choice(JSON)),
        ("application/yaml;q=0.5,application/vnd.kubernetes.protobuf;q=0.9", Choice(PROTOBUF)),
        ("application/vnd.kubernetes.protobuf;stream=watch", Choice(PROTOBUF)),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", Choice(JSON)),
        (METADATA, Choice(PROTOBUF, Form.METADATA)),
        (f"{TABLE},application/json", Choice(JSON, Form.TABLE)),
        ("application/json;as=Table;v=v1beta1;g=meta.k8s.io", Choice(JSON, Form.TABLE, "v1beta1")),
        ("application/json;as=Table;v=v7;g=meta.k8s.io,application/json", Choice(JSON)),
        ("application/json;as=Table;v=v1;g=other,application/json", Choice(JSON)),
        ("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io", Choice(JSON, Form.METADATA)),
        ("application/json;charset=utf-8", Choice(JSON)),
        ("application/json;q=oops,application/yaml", Choice(YAML)),
    ],
)
def test_choices(accept: str, expected: Choice) -> None:
    assert choose(accept, ALL) == expected


def test_custom_resources_have_their_metadata_alone_in_protobuf() -> None:
    assert choose(f"{PROTOBUF},{JSON}", CUSTOM) == Choice(JSON)
    assert choose(f"{PROTOBUF}, */*", CUSTOM) == Choice(JSON)
    assert choose(METADATA, CUSTOM) == Choice(PROTOBUF, Form.METADATA)
    assert choose(PROTOBUF, CUSTOM) is None


@pytest.mark.parametrize(
    "accept", ["text/html", "application/cbor", "application/json;q=0", "application/json;as=Teapot"]
)
def test_nothing_acceptable(accept: str) -> None:
    assert choose(accept, ALL) is None


def test_a_form_that_the_endpoint_lacks_is_passed_over() -> None:
    assert choose(f"{TABLE},application/json") == Choice(JSON)
    assert choose(TABLE) is None


@pytest.mark.parametrize(
    ("header", "expected"), [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("", False)]
)
def test_gzip(header: str, expected: bool) -> None:
    assert accepts_gzip(header) is expected
