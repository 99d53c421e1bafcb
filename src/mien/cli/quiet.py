"""Silence for libraries that write to standard error by themselves, for the commands that read people's pictures."""

import glob
import os
import warnings


def quiet_decoders() -> None:
    """Let oddities in a picture that is read all the same stay unsaid: what cannot be read, mien says in its own line.

    Sets a warnings filter, and libtiff's handlers, for the whole process: for commands, not for libraries.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    import ctypes

    import PIL

    beside = os.path.join(os.path.dirname(os.path.dirname(PIL.__file__)), "pillow.libs")
    inside = os.path.join(os.path.dirname(PIL.__file__), ".dylibs")
    for path in [*glob.glob(os.path.join(beside, "libtiff*")), *glob.glob(os.path.join(inside, "libtiff*"))]:
        try:
            library = ctypes.CDLL(path)
            library.TIFFSetErrorHandler(None)
            library.TIFFSetWarningHandler(None)
        except (OSError, AttributeError):  # another build of Pillow: then libtiff speaks
            continue
