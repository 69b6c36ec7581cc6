"""Live progress inside a Jupyter notebook: a bar and a line below the cell, which change in place."""

from __future__ import annotations

import sys
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

STYLE = "font-family: var(--jp-code-font-family, monospace); font-size: 13px; line-height: 1.6"


def notebook_console() -> Console | None:
    """A console that shows what it prints below a notebook's cell; None where this is no notebook."""
    if "IPython" not in sys.modules:
        return None
    from rich.console import Console

    console = Console()
    return console if console.is_jupyter else None


class NotebookDisplay:
    """As the terminal's display: `start`, `show` and `stop`. It needs IPython alone, and no widgets."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: Any = None
        self._last = ""

    def start(self) -> None:
        """Make a place below the cell."""
        from IPython.display import HTML, display

        self._handle = display(HTML(""), display_id=True)

    def show(self, share: float, trials: str, time: str, details: str) -> None:
        """Show these now."""
        from IPython.display import HTML

        text = html(self._name, share, trials, time, details)
        if self._handle is not None and text != self._last:
            self._handle.update(HTML(text))
            self._last = text

    def stop(self) -> None:
        """Leave what is shown as it is."""


def html(name: str, share: float, trials: str, time: str, details: str) -> str:
    """The bar, `share` of which is full, with what is beside and below it in words."""
    return (
        f'<div style="{STYLE}"><b>{escape(name)}</b> '
        f'<progress max="1" value="{share:.4f}" style="width: 16em; vertical-align: middle"></progress> '
        f'{escape(trials)}, {escape(time)}<br><span style="opacity: 0.7">{escape(details)}&nbsp;</span></div>'
    )
