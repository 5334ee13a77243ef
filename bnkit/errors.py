"""The error that a person can mend: one line that names the value, what is allowed, what to do."""


class InputError(ValueError):
    """Bad input to a command or a chapter. The command line prints it and exits with 2."""


class DataError(InputError):
    """A data set that is missing, damaged or of the wrong shape."""
