"""Label and field selectors: what they select, how they print, what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from timonel.api import selectors
from timonel.api.errors import BadRequest
from timonel.api.selectors import Operator, Requirement, Selector
from timonel.api.types.meta_v1 import LabelSelector, LabelSelectorRequirement

# What apimachinery v0.35's labels.Parse gives and prints.
PRINTED = [
    ("", ""),
    ("a", "a"),
    ("!a", "!a"),
    (" b = x , a == y ", "a==y,b=x"),
    ("a=", "a="),
    ("a!=b", "a!=b"),
    ("a in (y,x,y)", "a in (x,y)"),
    ("a notin (x)", "a notin (x)"),
    ("a in ()", "a in ()"),
    ("a in (,x)", "a in (,x)"),
    ("in in (in,notin)", "in in (in,notin)"),
    ("a>5,b<6", "a>5,b<6"),
    ("example.com/app=web", "example.com/app=web"),
]


@pytest.mark.parametrize(("text", "printed"), PRINTED)
def test_printed_form_is_kubernetes(text: str, printed: str) -> None:
    assert str(selectors.parse_labels(text)) == printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a in (x", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        (f"a>{'9' * 30}", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("\u2028", "name part must consist of"),
        ("a>x", "for 'Gt', 'Lt' operators, the value must be an integer"),
        ("-a=b", 'unable to parse requirement: <nil>: Invalid value: "-a": name part must consist of'),
        ("a=-b", 'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be'),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        selectors.parse_labels(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "labels", "selected"),
    [
        ("", {}, True),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("a=b", {"a": "b", "c": "d"}, True),
        ("a=b,c=e", {"a": "b", "c": "d"}, False),
        ("a!=b", {}, True),
        ("a notin (b,c)", {"a": "c"}, False),
        ("a in (b,c)", {"a": "c"}, True),
        ("a in (,c)", {}, False),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "x"}, False),
        ("a<5", {"a": "-1"}, True),
    ],
)
def test_selection(text: str, labels: dict[str, str], selected: bool) -> None:
    assert selectors.parse_labels(text).matches(labels) is selected


def test_label_selector_structs() -> None:
    struct = LabelSelector(
        matchLabels={"app": "web"},
        matchExpressions=[
            LabelSelectorRequirement(key="tier", operator="In", values=["b", "a"]),
            LabelSelectorRequirement(key="old", operator="DoesNotExist"),
        ],
    )
    selector = selectors.from_struct(struct)
    assert str(selector) == "app=web,!old,tier in (a,b)"
    assert selector.matches({"app": "web", "tier": "a"})
    assert not selector.matches({"app": "web", "tier": "a", "old": ""})


def test_absent_struct_selects_nothing_and_empty_struct_everything() -> None:
    assert not selectors.from_struct(None).matches({})
    assert selectors.from_struct(LabelSelector()).everything


@pytest.mark.parametrize(
    "requirement",
    [
        LabelSelectorRequirement(key="a", operator="Near"),
        LabelSelectorRequirement(key="a", operator="In"),
        LabelSelectorRequirement(key="a", operator="Exists", values=["x"]),
    ],
)
def test_bad_structs_are_refused(requirement: LabelSelectorRequirement) -> None:
    with pytest.raises(BadRequest):
        selectors.from_struct(LabelSelector(matchExpressions=[requirement]))


keys = st.sampled_from(["a", "b", "in", "notin", "x.io/y"])
values = st.text(alphabet="ab1", max_size=3)
requirements = st.one_of(
    st.builds(Requirement, keys, st.sampled_from([Operator.EXISTS, Operator.MISSING])),
    st.builds(
        Requirement,
        keys,
        st.sampled_from([Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.NOT_EQUALS]),
        values.map(lambda value: (value,)),
    ),
    st.builds(
        Requirement,
        keys,
        st.sampled_from([Operator.IN, Operator.NOT_IN]),
        st.sets(values, min_size=1).map(lambda found: tuple(sorted(found))),
    ),
)


@given(st.lists(requirements, max_size=4))
def test_what_is_printed_is_read_back(found: list[Requirement]) -> None:
    selector = Selector(tuple(sorted(found, key=lambda requirement: requirement.key)))
    assert selectors.parse_labels(str(selector)) == selector


@given(requirements, st.dictionaries(keys, values))
def test_opposite_operators_disagree(requirement: Requirement, labels: dict[str, str]) -> None:
    opposites = {
        Operator.EXISTS: Operator.MISSING,
        Operator.MISSING: Operator.EXISTS,
        Operator.EQUALS: Operator.NOT_EQUALS,
        Operator.DOUBLE_EQUALS: Operator.NOT_EQUALS,
        Operator.NOT_EQUALS: Operator.EQUALS,
        Operator.IN: Operator.NOT_IN,
        Operator.NOT_IN: Operator.IN,
    }
    opposite = Requirement(requirement.key, opposites[requirement.operator], requirement.values)
    assert requirement.matches(labels) != opposite.matches(labels)


@given(st.text(alphabet="ab=!,()<> in", max_size=12))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        selector = selectors.parse_labels(text)
    except BadRequest:
        return
    assert selectors.parse_labels(str(selector)) == selector


def test_field_selectors() -> None:
    selector = selectors.parse_fields("spec.nodeName=n1,status.phase!=Running")
    assert selector.matches({"spec.nodeName": "n1", "status.phase": "Pending"})
    assert not selector.matches({"spec.nodeName": "n1", "status.phase": "Running"})
    assert selector.exact("spec.nodeName") == "n1"
    assert selector.exact("status.phase") is None
    assert str(selector) == "spec.nodeName=n1,status.phase!=Running"
    assert selectors.parse_fields("spec.nodeName=").matches({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("a=b\\", "invalid field selector: invalid escape sequence: \\"),
    ],
)
def test_field_selectors_that_cannot_be_understood_are_refused(text: str, message: str) -> None:
    with pytest.raises(BadRequest) as caught:
        selectors.parse_fields(text)
    assert str(caught.value) == message


@given(st.text(alphabet="ab,=\\", max_size=8), st.booleans())
def test_field_values_survive_escaping(value: str, negated: bool) -> None:
    selector = selectors.FieldSelector((selectors.FieldTerm("f", value, negated),))
    assert selectors.parse_fields(str(selector)) == selector
