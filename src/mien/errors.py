"""mien's errors and warnings, and the range check of parameters."""

# How to install mien with an extra such as "train". To be changed when mien is on the package index.
INSTALL_HINT = 'pip install ".[{extra}]" in a checkout of mien, or pip install "mien-VERSION-py3-none-any.whl[{extra}]"'

_PLACE = "{parameter}"
_SWITCH = "{parameter=True}"


class _Spoken(Exception):
    """A one-line message and the name of the Python parameter it is about, if any.

    In the message, "{parameter}" is replaced by that name, and "{parameter=True}" by how to switch it on; a message
    without either is prefixed with the name. The command line inserts its option instead.
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.parameter = parameter

    def __str__(self) -> str:
        return self.naming(self.parameter, f"{self.parameter}=True")

    def naming(self, name: str | None, switch: str | None = None) -> str:
        """The message with `name` as the parameter's name: `dataset` in Python, `--data` on the command line.

        switch: how the parameter is switched on, `overwrite=True` in Python; default: its name.
        """
        if name is None:
            return self.message
        filled = self.message.replace(_PLACE, name).replace(_SWITCH, switch or name)
        return filled if filled != self.message else f"{name}: {self.message}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (type(self), self.message, self.parameter)


def _rebuilt(kind: type[_Spoken], message: str, parameter: str | None) -> _Spoken:
    return kind(message, parameter=parameter)


class MienError(_Spoken, ValueError):
    """Invalid input, described in one line: what, where, what to do.

    parameter: the name of the Python parameter at fault, such as "rotate" or "dataset"; None if it is not a single
    parameter: a damaged file, several values that do not fit together.
    """


class MienWarning(_Spoken, UserWarning):
    """Something that affects how results should be read."""


def require(ok: bool, parameter: str, value: object, should: str) -> None:
    """Raise a MienError that names `parameter` and its value unless `ok`. should: description of valid values."""
    if not ok:
        raise MienError(f"{_PLACE} = {value} is not possible; it must be {should}", parameter=parameter)


def install_hint(extra: str) -> str:
    """The command that installs mien with an extra."""
    return INSTALL_HINT.format(extra=extra)
