"""Go's text/template, as far as `-o go-template` needs it: templates over JSON values.

Own, because the libraries there are on PyPI bind to compiled Go and are not kept. Facts are those of Go's text/template
and fmt packages and of kubectl, which adds `exists` and `base64decode`; tests compare with kubectl itself.
"""

from timonel.cli.gotemplate.errors import TemplateError
from timonel.cli.gotemplate.evaluate import Template

__all__ = ["Template", "TemplateError"]
