"""One form for a text however it was quoted, escaped, coloured or wrapped."""

import re

ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
COLOUR = re.compile("\x1b" + r"\[[0-9;]*m")
"""What is left of colour that was escaped."""
ESCAPE = re.compile(r"\\+(?:u00([0-9a-fA-F]{2})|([nrt])|([\"'`/]))")
ENTITY = re.compile(r"&(quot|apos|amp|lt|gt|#39|#34);")
ENTITIES = {"quot": '"', "apos": "'", "amp": "&", "lt": "<", "gt": ">", "#39": "'", "#34": '"'}
MARGIN = re.compile(r"^(?:[>|│]\s?)+")
QUOTES = str.maketrans(
    {
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{DOUBLE LOW-9 QUOTATION MARK}": '"',
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{ACUTE ACCENT}": "'",
        "\N{NO-BREAK SPACE}": " ",
        "\N{ZERO WIDTH NO-BREAK SPACE}": " ",
    }
)
SPACED = bytes(
    byte + 32
    if 65 <= byte <= 90  # noqa: PLR2004 - A to Z
    else byte
    if chr(byte).isascii() and (chr(byte).isalnum() or byte == ord("_"))
    else 32
    for byte in range(256)
)
"""Lower case, and a space for all that is not of a word."""


def uncoloured(data: bytes) -> bytes:
    """Take out what a terminal would obey."""
    return ANSI.sub(b"", data) if b"\x1b" in data else data


def spaced(data: bytes) -> bytes:
    """Give the same number of bytes, in lower case, with nothing but words and spaces."""
    if b"\\" in data:
        for escape in (b"\\n", b"\\t", b"\\r"):
            data = data.replace(escape, b"  ")
    return data.translate(SPACED)


def normal(line: str) -> str:
    """Give a line in lower case without its escapes, entities and margin of quotation."""
    line = MARGIN.sub("", line.translate(QUOTES))
    if "\\" in line:
        line = COLOUR.sub("", ESCAPE.sub(_unescaped, line))
    if "&" in line:
        line = ENTITY.sub(lambda found: ENTITIES[found[1]], line)
    return line.lower()


def _unescaped(found: re.Match[str]) -> str:
    code, blank, mark = found.groups()
    if code:
        return chr(int(code, 16))
    return " " if blank else str(mark)


def hidden(text: str) -> str:
    """Take secrets out of a text that will be shown; of a token nothing is left."""
    from acrcheck.bundle.secrets import without

    return without(text, lambda _: "HIDDEN")
