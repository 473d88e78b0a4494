"""Makes nodes of a template's text."""

from __future__ import annotations

from dataclasses import dataclass, field

from timonel.cli.gotemplate import nodes
from timonel.cli.gotemplate.errors import TemplateError
from timonel.cli.gotemplate.formatting import quoted
from timonel.cli.gotemplate.functions import FUNCTIONS, LAZY
from timonel.cli.gotemplate.literals import literal
from timonel.cli.gotemplate.tokens import Action, Token, fault, split

MAIN = "output"
_BRANCHES = ("if", "with", "range")
_BLOCKS = (*_BRANCHES, "define", "block")
_CONSTANTS = {"true": True, "false": False, "nil": None}


def parse(template: str) -> dict[str, list[nodes.Node]]:
    """The templates that a text defines by name; its own is `output`.

    Raises:
        TemplateError: it is malformed; the text says where.
    """
    return _Parser(template).templates()


@dataclass(slots=True)
class _Open:
    """A block whose `{{end}}` is still to come, and what that also ends: the `else if` chain that it closes."""

    word: str
    body: list[nodes.Node]
    variables: int
    branch: nodes.Branch | None = None
    chained: bool = False
    in_else: bool = False


@dataclass(slots=True)
class _Parser:
    template: str
    defined: dict[str, list[nodes.Node]] = field(default_factory=dict)
    variables: list[str] = field(default_factory=lambda: ["$"])
    open: list[_Open] = field(default_factory=list)

    def templates(self) -> dict[str, list[nodes.Node]]:
        main: list[nodes.Node] = []
        self.open.append(_Open("", main, 1))
        for piece in split(self.template):
            if isinstance(piece, Action):
                self._action(piece)
            elif piece:
                self.open[-1].body.append(nodes.Text(piece))
        if len(self.open) > 1:
            raise fault(self.template, len(self.template), "unexpected EOF")
        return {MAIN: main, **self.defined}

    def _action(self, action: Action) -> None:
        reader = _Reader(self.template, action.tokens, self.variables)
        first = reader.peek()
        word = first.text if first.kind == "word" else ""
        if word in _BLOCKS:
            reader.next()
            self._begin(word, reader)
        elif word == "else":
            reader.next()
            self._otherwise(reader, first)
        elif word == "end":
            reader.next()
            reader.done("end")
            self._end(first)
        elif word in ("break", "continue"):
            reader.next()
            reader.done(word)
            self._jump(word, first)
        elif word == "template":
            reader.next()
            position, name = reader.peek().position, reader.name()
            given = None if reader.peek().kind == "end" else reader.pipeline("template clause")
            self.open[-1].body.append(nodes.Call(position, name, given))
        else:
            self.open[-1].body.append(nodes.Print(reader.pipeline("command")))

    def _begin(self, word: str, reader: _Reader, *, chained: bool = False) -> None:
        known = len(self.variables)
        if word in _BRANCHES:
            branch = nodes.Branch(word, reader.pipeline(word, pairs=word == "range"))
            self.open[-1].body.append(branch)
            self.open.append(_Open(word, branch.body, known, branch, chained))
            return
        name, position = reader.name(), reader.peek().position
        if word == "define" and len(self.open) > 1:
            raise reader.unexpected("command", reader.tokens[0])
        body = self.defined.setdefault(name, [])
        body.clear()
        if word == "block":
            self.open[-1].body.append(nodes.Call(position, name, reader.pipeline("block clause")))
        else:
            reader.done("define clause")
        self.open.append(_Open(word, body, known))
        self.variables[1:] = []

    def _otherwise(self, reader: _Reader, token: Token) -> None:
        block = self.open[-1]
        if block.branch is None or block.in_else:
            raise self._stray("expected end; found {{else}}" if block.in_else else "unexpected {{else}}", token)
        block.body, block.in_else = block.branch.otherwise, True
        if (word := reader.peek().text) in ("if", "with") and word == block.word:
            reader.next()
            self._begin(word, reader, chained=True)
        else:
            reader.done("else")

    def _end(self, token: Token) -> None:
        while True:
            if len(self.open) == 1:
                raise self._stray("unexpected {{end}}", token)
            block = self.open.pop()
            del self.variables[block.variables :]
            if not block.chained:
                return

    def _jump(self, word: str, token: Token) -> None:
        if not any(block.word == "range" and not block.in_else for block in self.open):
            raise self._stray(f"{{{{{word}}}}} outside {{{{range}}}}", token)
        self.open[-1].body.append(nodes.Jump(word))

    def _stray(self, why: str, token: Token) -> TemplateError:
        return fault(self.template, token.position, why)


class _Reader:
    """Reads one action."""

    def __init__(self, template: str, tokens: list[Token], variables: list[str]) -> None:
        self.template = template
        self.tokens = tokens
        self.variables = variables
        self._next = 0

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self._next + ahead, len(self.tokens) - 1)]

    def next(self) -> Token:
        token = self.peek()
        self._next += 1
        return token

    def fault(self, token: Token, why: str) -> TemplateError:
        return fault(self.template, token.position, why)

    def unexpected(self, where: str, token: Token) -> TemplateError:
        return self.fault(token, f"unexpected {_shown(token)} in {where}")

    def done(self, where: str) -> None:
        if self.peek().kind != "end":
            raise self.unexpected(where, self.peek())

    def name(self) -> str:
        token = self.next()
        if token.kind != "text":
            raise self.unexpected("template clause", token)
        return str(literal(token))

    def pipeline(self, where: str, *, pairs: bool = False, closing: str = "") -> nodes.Pipeline:
        """A pipeline up to the end of the action or `closing`; with `pairs` it may set two variables."""
        start = self.peek().position
        variables, assigns = self._declaration(pairs)
        commands = [self._command(where)]
        while self.peek().text == "|" and self.peek().kind == "sign":
            self.next()
            commands.append(self._command(where))
        end = self.next()
        if (end.text if closing else end.kind) != (closing or "end"):
            raise self.unexpected(where, end)
        for command in commands[1:]:
            if not isinstance(command.operands[0], nodes.Function | nodes.Field | nodes.Variable | nodes.Chain):
                number = commands.index(command) + 1
                raise self.fault(end, f"non executable command in pipeline stage {number}")
        if not assigns:
            self.variables.extend(variables)
        return nodes.Pipeline(start, tuple(commands), variables, assigns)

    def _declaration(self, pairs: bool) -> tuple[tuple[str, ...], bool]:
        """The variables that a pipeline sets; none when it sets none."""
        count = 2 if pairs and self.peek(1).text == "," and self.peek(2).kind == "variable" else 1
        sign = self.peek(2 * count - 1)
        if self.peek().kind != "variable" or sign.kind != "sign" or sign.text not in (":=", "="):
            return (), False
        names = tuple(self.peek(2 * index).text for index in range(count))
        self._next += 2 * count
        return names, sign.text == "="

    def _command(self, where: str) -> nodes.Command:
        start = self.peek()
        operands: list[nodes.Operand] = []
        while self.peek().kind != "end" and self.peek().text not in ("|", ")"):
            if operands and not self.peek().spaced:
                raise self.unexpected("operand", self.peek())
            operands.append(self._operand(where))
        if not operands:
            missing = self.peek().kind == "end" or self.peek().text == ")"
            raise self.fault(start, f"missing value for {where}") if missing else self.unexpected(where, start)
        return nodes.Command(start.position, tuple(operands))

    def _operand(self, where: str) -> nodes.Operand:
        """A term with its members: `.a.b`, `$x.a`, `(...).a`."""
        token = self.next()
        inner = None
        if token.text == "(" and token.kind == "sign":
            inner = self.pipeline("parenthesized pipeline", closing=")")
        position, names = token.position, [token.text[1:]] if token.kind == "field" else []
        while self.peek().kind == "field" and not self.peek().spaced:
            if len(names) == (token.kind == "field"):
                position = self.peek().position
            names.append(self.next().text[1:])
        if inner is not None:
            return nodes.Chain(position, inner, tuple(names)) if names else inner
        if token.kind == "field":
            return nodes.Field(position, tuple(names))
        if token.kind == "variable":
            if token.text not in self.variables:
                raise self.fault(token, f'undefined variable "{token.text}"')
            return nodes.Variable(position, token.text, tuple(names))
        if names:
            raise self.fault(token, f"unexpected . after term {quoted(token.text)}")
        return self._term(token, where)

    def _term(self, token: Token, where: str) -> nodes.Operand:
        match token.kind:
            case "dot":
                return nodes.Dot(token.position)
            case "text" | "char" | "number":
                try:
                    return nodes.Constant(token.position, literal(token), token.text)
                except ValueError:
                    raise self.fault(token, f"bad number syntax: {_shown(token)}") from None
            case "word" if token.text in _CONSTANTS:
                return nodes.Constant(token.position, _CONSTANTS[token.text], token.text)
            case "word" if token.text in FUNCTIONS or token.text in LAZY:
                return nodes.Function(token.position, token.text)
            case "word" if token.text not in (*_BLOCKS, "else", "end", "template", "break", "continue"):
                raise self.fault(token, f'function "{token.text}" not defined')
        raise self.unexpected(where, token)


def _shown(token: Token) -> str:
    """A token as complaints name it."""
    if token.kind == "end":
        return '"}}"'
    return f"<{token.text}>" if token.kind in ("word", "field", "variable", "dot") else f'"{token.text}"'
