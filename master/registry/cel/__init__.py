"""CEL, the language of validation rules and admission policies: compiled with types, evaluated with a bounded effort.

The library that does the work (Google's cel-expr-python) is met in this package only.
"""
