"""Tables whose cells are text as it is: never markup, never cut, never obeyed by a terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from beambell.visible import one_line


class PlainTable(Table):
    """A table of data: the first column to the left, the others to the right; what is too long goes on below."""

    def __init__(self, title: str, *columns: str) -> None:
        super().__init__(title=None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        self.title = Text(one_line(title), style="bold")
        for index, column in enumerate(columns):
            side = "left" if index == 0 else "right"
            self.add_column(Text(one_line(column)), justify=side, overflow="fold")  # type: ignore[arg-type]

    def add_row(self, *cells: str) -> None:  # type: ignore[override]
        """Add a row of text."""
        super().add_row(*(Text(one_line(cell)) for cell in cells))
