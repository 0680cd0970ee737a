"""The few kinds of widgets that the view is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import ipywidgets as w


def text(value: str = "", **layout: str) -> w.HTML:
    """Return a piece of HTML."""
    return _heard(w.HTML(value, layout=w.Layout(**{"width": "auto", "margin": "0", **layout})))


def button(
    label: str, act: Callable[[], None], *, icon: str = "", primary: bool = False
) -> w.Button:
    """Return a button as wide as its label, that is never disabled: so it keeps the focus."""
    made = w.Button(
        description=label,
        icon=icon,
        button_style="primary" if primary else "",
        layout=w.Layout(width="auto", max_width="100%"),
    )
    made.on_click(lambda _: act())
    return _heard(made)


def field(name: str, value: str = "", *, placeholder: str = "", width: str = "320px") -> w.Text:
    """Return a line for text with its name before it."""
    return _heard(
        w.Text(
            value,
            description=name,
            placeholder=placeholder,
            style={"description_width": "initial"},
            layout=w.Layout(width=width, max_width="100%"),
        )
    )


def area(name: str, *, rows: int = 8) -> w.Textarea:
    """Return room for several lines of text with its name before it."""
    return _heard(
        w.Textarea(
            "",
            description=name,
            rows=rows,
            style={"description_width": "initial"},
            layout=w.Layout(width="640px", max_width="100%"),
        )
    )


def choice(name: str) -> w.Combobox:
    """Return a line for text that offers what could be written; its value comes when it is left.

    No list to choose from: with the focus there, JupyterLab takes arrows and letters for its own.
    """
    return _heard(
        w.Combobox(
            description=name,
            continuous_update=False,
            style={"description_width": "initial"},
            layout=w.Layout(width="420px", max_width="100%"),
        )
    )


def flag(name: str, value: bool) -> w.Checkbox:
    """Return a box to tick."""
    return _heard(w.Checkbox(value, description=name, indent=False, layout=w.Layout(width="320px")))


def listed(name: str, options: Sequence[str], value: str) -> w.Combobox:
    """Return a line that takes one of `options` with its name before it."""
    made = choice(name)
    made.options = options
    made.value = value
    made.ensure_option = True
    return made


def lines(name: str, value: str, *, placeholder: str) -> w.Textarea:
    """Return room for texts, one a line, with its name before it."""
    made = area(name, rows=1)
    made.value, made.placeholder = value, placeholder
    return made


def hidden(**layout: str) -> w.Layout:
    """Return a layout that shows nothing until its `display` is emptied."""
    return w.Layout(display="none", **layout)


def only(widget: w.Widget, shown: object) -> None:
    """Show a widget if `shown` is true."""
    widget.layout.display = "" if shown else "none"


def put(widget: w.HTML, value: str) -> None:
    """Set a piece of HTML and show it, or hide it when there is nothing to show."""
    widget.value = value
    widget.layout.display = "" if value else "none"


def close_all(widgets: Iterable[w.Widget]) -> None:
    """Close widgets with all that is in them."""
    for widget in widgets:
        close_all(getattr(widget, "children", ()))
        widget.close()


def _heard(widget: w.Widget) -> w.Widget:
    """Return `widget`, whose messages are handled wherever the front end sends them.

    ipykernel 7.4 answers in the shell where a comm last spoke, which is the one that executes
    cells; a front end with subshells (JupyterLab 4.4) asks for another, so that buttons work
    while a cell runs. Our handlers may run anywhere.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda _, asked: asked  # noqa: SLF001 - there is no other way
    return widget
