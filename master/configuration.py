"""What is wrong with the files and flags that a master is given."""


class ConfigurationError(ValueError):
    """The master cannot run as it was told to; the text says what to change, and where."""
