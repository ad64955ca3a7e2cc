"""One form for a text however it was quoted, escaped, coloured or wrapped."""

import re

ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
COLOUR = re.compile("(?:\x1b|\\^\\[)" + r"\[[0-9;]*m")
"""What is left of colour that was escaped, or that an editor spelled out."""
ESCAPE = re.compile(r"\\+(?:u00([0-9a-fA-F]{2})|([nrt])|([\"'`/]))")
ENTITY = re.compile(r"&(?:amp;)*(?:(quot|apos|amp|lt|gt|nbsp)|#(\d{1,4})|#[xX]([0-9a-fA-F]{1,4}));")
"""A character as HTML writes it, escaped once or more."""
ENTITIES = {"quot": '"', "apos": "'", "amp": "&", "lt": "<", "gt": ">", "nbsp": " "}
TAG = re.compile(
    r"</?(a|b|br|code|div|em|font|i|li|p|pre|span|strong|td|tr)(?:\s[^<>]{0,200})?/?>", re.IGNORECASE
)
INLINE = frozenset({"a", "b", "code", "em", "font", "i", "span", "strong"})
"""The elements that may stand within a word."""
EMPHASIS = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
MARGIN = re.compile(r"^(?:[>|│]\s?)+")
BOXED = re.compile(r"^[|│] (.*?) *[|│]\s*$")
"""A line in a box: what fills it up is not of the text."""
QUOTES = str.maketrans(
    {
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{DOUBLE LOW-9 QUOTATION MARK}": '"',
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{SINGLE LOW-9 QUOTATION MARK}": "'",
        "\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}": '"',
        "\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}": '"',
        "\N{PRIME}": "'",
        "\N{DOUBLE PRIME}": '"',
        "\N{ACUTE ACCENT}": "'",
        "\N{FULLWIDTH COLON}": ": ",
        "\N{HYPHEN}": "-",
        "\N{NON-BREAKING HYPHEN}": "-",
        "\N{SOFT HYPHEN}": None,
        "\N{ZERO WIDTH SPACE}": None,
        "\N{ZERO WIDTH NON-JOINER}": None,
        "\N{WORD JOINER}": None,
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


def unbordered(line: str) -> str:
    """Give a line without what stands around it in a box or before it in a quotation."""
    return MARGIN.sub("", BOXED.sub(r"\1", line))


def normal(line: str) -> str:
    """Give a line in lower case without its escapes, entities, markup and margin of quotation."""
    line = unbordered(line.translate(QUOTES))
    if "\\" in line:
        line = ESCAPE.sub(_unescaped, line)
    if "[" in line:
        line = COLOUR.sub("", line)
    if "%0" in line:
        line = line.replace("%0A", " ").replace("%0D", " ")
    if "**" in line:
        line = EMPHASIS.sub(r"\1", line)
    if "<" in line:
        line = TAG.sub(lambda found: "" if found[1].lower() in INLINE else " ", line)
    if "&" in line:
        line = ENTITY.sub(_character, line)
    return line.lower()


def _character(found: re.Match[str]) -> str:
    name, decimal, hexadecimal = found.groups()
    return ENTITIES[name] if name else chr(int(decimal) if decimal else int(hexadecimal, 16))


def _unescaped(found: re.Match[str]) -> str:
    code, blank, mark = found.groups()
    if code:
        return chr(int(code, 16))
    return " " if blank else str(mark)


def hidden(text: str) -> str:
    """Take secrets out of a text that will be shown; of a token nothing is left."""
    from acrcheck.bundle.secrets import without

    return without(text, lambda _: "HIDDEN")
