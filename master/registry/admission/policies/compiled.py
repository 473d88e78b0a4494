"""Policies with their expressions compiled: when a policy is first met, and again when its spec has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from timonel.api.types import admissionregistration_v1 as v1
from timonel.api.types import admissionregistration_v1beta1 as v1beta1

if TYPE_CHECKING:
    from master.registry.cel.admission import Vocabulary
    from master.registry.cel.environment import Program

Policy = v1.ValidatingAdmissionPolicy | v1beta1.MutatingAdmissionPolicy


@dataclass(frozen=True, slots=True)
class Common:
    """What policies of both sorts have."""

    conditions: Sequence[Program]
    variables: Mapping[str, Program]


@dataclass(frozen=True, slots=True)
class Rule:
    """One validation."""

    index: int
    program: Program
    message: str
    """What is said when it fails and no message is worked out."""
    message_program: Program | None
    reason: str


@dataclass(frozen=True, slots=True)
class Judge(Common):
    """A validating policy."""

    rules: Sequence[Rule]
    annotations: Sequence[tuple[str, Program]]


@dataclass(frozen=True, slots=True)
class Changer(Common):
    """A mutating policy: its mutations with their patch types."""

    mutations: Sequence[tuple[str, Program]]


def judge(policy: v1.ValidatingAdmissionPolicy) -> Judge:
    """Compile a validating policy.

    Raises:
        CompileError: an expression does not compile.
    """
    spec, vocabulary = policy.spec, _vocabulary(policy)
    conditions = [vocabulary.compile(condition.expression) for condition in spec.matchConditions]
    _define(vocabulary, spec.variables)
    rules = [
        Rule(
            index=index,
            program=vocabulary.compile(each.expression),
            message=each.message.strip() or f"failed expression: {each.expression.strip()}",
            message_program=_optional(vocabulary, each.messageExpression),
            reason=each.reason or "Invalid",
        )
        for index, each in enumerate(spec.validations)
    ]
    annotations = [(each.key, vocabulary.compile(each.valueExpression)) for each in spec.auditAnnotations]
    return Judge(conditions, vocabulary.variables, rules, annotations)


def changer(policy: v1beta1.MutatingAdmissionPolicy) -> Changer:
    """Compile a mutating policy.

    Raises:
        CompileError: an expression does not compile.
    """
    from master.registry.cel.mutation import compiled

    spec, vocabulary = policy.spec, _vocabulary(policy)
    conditions = [vocabulary.compile(condition.expression) for condition in spec.matchConditions]
    _define(vocabulary, spec.variables)
    environment = vocabulary.environment()
    mutations = [(each.patchType, compiled(environment, text)[0]) for each, text in expressions_of(spec.mutations)]
    return Changer(conditions, vocabulary.variables, mutations)


def expressions_of(mutations: Sequence[v1beta1.Mutation]) -> Iterator[tuple[v1beta1.Mutation, str]]:
    """The mutations with their expressions."""
    for mutation in mutations:
        patch = mutation.applyConfiguration or mutation.jsonPatch
        yield mutation, (patch.expression if patch else None) or ""


def _vocabulary(policy: Policy) -> Vocabulary:
    from master.registry.cel.admission import Vocabulary

    return Vocabulary(params=policy.spec.paramKind is not None)


def _define(vocabulary: Vocabulary, variables: Sequence[v1.Variable | v1beta1.Variable]) -> None:
    for variable in variables:
        vocabulary.define(variable.name, variable.expression)


def _optional(vocabulary: Vocabulary, expression: str | None) -> Program | None:
    return vocabulary.compile(expression, authorizer=False) if expression else None


P = TypeVar("P", bound=Any)
C = TypeVar("C", bound=Common)


class Compiled(Generic[P, C]):
    """The compiled policies of a sort, by their names."""

    def __init__(self, compiler: Callable[[P], C]) -> None:
        self._compile = compiler
        self._known: dict[str, tuple[tuple[str | None, int | None], C]] = {}

    def of(self, policy: P) -> C:
        """The compiled form of a policy as it is now.

        Raises:
            CompileError: see `judge` and `changer`.
        """
        meta = policy.metadata
        state = (meta.uid, meta.generation)
        known = self._known.get(meta.name)
        if known is None or known[0] != state:
            known = self._known[meta.name] = (state, self._compile(policy))
        return known[1]

    def keep(self, names: set[str]) -> None:
        """Forget the policies that are not named."""
        for name in self._known.keys() - names:
            del self._known[name]
