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
NAMES = r"(?i)((?:access_|refresh_|id_|identity)?token|client_?secret|client_assertion|password|passwd|pwd|secret|sig)"
BARE = (
    re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){1,2}"),
    re.compile(r"(?i)(?<=bearer )[\w.~+/=-]{12,}|(?<=basic )[\w+/=]{8,}"),
)
NAMED = (
    re.compile(NAMES + r"(\\*[\"']?\s*=\s*\\*[\"']?|\\*[\"']\s*:\s*\\*[\"']|: ?\\*[\"'])([^\s\"'\\&,;]{6,})"),
    re.compile(NAMES + r"(: ?)((?=[^\s\"'\\,;]*\d)[^\s\"'\\,;]{12,})"),
)
"""A name, what stands between, and its value; after a bare colon words follow as often as values do."""


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
    """Take secrets out of a text that will be shown: tokens, passwords, signatures of URLs."""
    for secret in BARE:
        text = secret.sub("HIDDEN", text)
    for secret in NAMED:
        text = secret.sub(r"\1\2HIDDEN", text)
    return text
