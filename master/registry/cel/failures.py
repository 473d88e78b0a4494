"""What can go wrong with an expression; apart from the library, which is loaded with the first rule only."""


class CompileError(ValueError):
    """The expression is no expression, or its types do not fit."""


class EvaluationError(Exception):
    """The expression has no value for these variables."""


class TooExpensive(EvaluationError):
    """The expression takes more steps than one may."""


TOO_MUCH = "operation cancelled: actual cost limit exceeded"
