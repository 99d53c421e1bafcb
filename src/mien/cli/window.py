"""A window that shows what a camera sees, by tkinter, which comes with Python."""

import os
import sys
from typing import Any

from PIL import Image

from mien.errors import MienError


class Window:
    """One window. `show` is given pictures; closing the window, q or Escape ends it."""

    def __init__(self, title: str) -> None:
        """Raises MienError, saying why, where there is no display."""
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise MienError("there is no display (DISPLAY is not set)")
        try:
            import tkinter

            from PIL import ImageTk

            self._window = tkinter.Tk()
        except Exception as error:  # no tkinter in this Python, or a display that refuses
            raise MienError(f"cannot open a window ({error})") from error
        self._window.title(title)
        self._label = tkinter.Label(self._window, borderwidth=0)
        self._label.pack()
        self._make_photo: Any = ImageTk.PhotoImage
        self._photo: Any = None
        self.open = True
        self._window.protocol("WM_DELETE_WINDOW", self.close)
        for key in ("q", "<Escape>"):
            self._window.bind(key, lambda _: self.close())

    def show(self, picture: Image.Image) -> bool:
        """Show an RGB picture. Returns whether the window is still open."""
        if self.open:
            self._photo = self._make_photo(picture)
            self._label.configure(image=self._photo)
            self._window.update()
        return self.open

    def close(self) -> None:
        """Close the window; a second call does nothing."""
        if self.open:
            self.open = False
            self._window.destroy()
