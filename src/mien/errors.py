"""What mien raises for bad input. The command line prints it as one line and exits with code 2."""


class MienError(ValueError):
    """Bad input or an impossible request; its message is one line: what, where, what to do."""


class MienWarning(UserWarning):
    """Something the user should know that does not stop the work."""
