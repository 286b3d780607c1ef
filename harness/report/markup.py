# SPDX-License-Identifier: MIT
"""HTML and SVG as trees of strings in which everything is escaped that this file did not make itself."""

import json
import re
from xml.sax.saxutils import escape

# Control characters, lone surrogates, and those that turn the direction of the text around them.
UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
VOID = {"meta", "input", "br", "link", "wbr"}


class Markup(str):
    """Text that is markup already."""


def clean(text):
    """Any text as characters that HTML and XML can hold."""
    return UNFIT.sub("\ufffd", str(text))


def safe(content):
    """Markup as it is, anything else escaped."""
    return content if isinstance(content, Markup) else Markup(escape(clean(content)))


def tag(name, /, *children, **attributes):
    """An element. Attributes that are None are left out; class_ is class, data_c is data-c, True has no value."""
    text = "".join(f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else
                   f'="{escape(clean(value), {chr(34): "&quot;", chr(10): "&#10;", chr(9): "&#9;"})}"')
                   for key, value in attributes.items() if value is not None and value is not False)
    if name in VOID:
        return Markup(f"<{name}{text}>")
    return Markup(f"<{name}{text}>" + "".join(safe(child) for child in children if child is not None) + f"</{name}>")


def join(parts, separator=""):
    return Markup(safe(separator).join(safe(part) for part in parts if part is not None))


def script_json(data):
    """Data for a script element of a type that is not executed; nothing in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))
