"""The errors and warnings of mien, and the check behind every range of values."""

# How to get mien with an extra such as "train". One constant, to be changed when mien is on the package index.
INSTALL_HINT = 'pip install ".[{extra}]" in a checkout of mien, or pip install "mien-VERSION-py3-none-any.whl[{extra}]"'

_PLACE = "{parameter}"
_SWITCH = "{parameter=True}"


class _Spoken(Exception):
    """A message of one line, and the name of the Python parameter that it is about, where it is about one.

    In the message, "{parameter}" stands for it, and "{parameter=True}" for one that is to be switched on; a message
    without either gets the name in front. The command line prints its option in the same place.
    """

    def __init__(self, message: str, *, parameter: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.parameter = parameter

    def __str__(self) -> str:
        return self.naming(self.parameter, f"{self.parameter}=True")

    def naming(self, name: str | None, switch: str | None = None) -> str:
        """The message with `name` as that of the parameter: `dataset` in Python, `--data` on the command line.

        switch: how the parameter is switched on, `overwrite=True` in Python; by its name alone where that is not given.
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
    """Bad input, said in one line: what, where, what to do.

    parameter: the name of the Python parameter that is at fault, "rotate" or "dataset"; None where it is not one
    parameter: a damaged file, several that do not go together.
    """


class MienWarning(_Spoken, UserWarning):
    """Something that a careful reader of the results should know."""


def require(ok: bool, parameter: str, value: object, should: str) -> None:
    """Raise a MienError that names `parameter` and its value unless `ok`; should: what the value should be."""
    if not ok:
        raise MienError(f"{_PLACE} = {value} is not possible; it must be {should}", parameter=parameter)


def install_hint(extra: str) -> str:
    """The command that installs mien with an extra."""
    return INSTALL_HINT.format(extra=extra)
