"""What names say: whether what stands under a name is a secret, and whether a value can be one."""

import re
from enum import IntEnum
from functools import lru_cache
from itertools import pairwise


class Strength(IntEnum):
    """How surely a value is a secret because of its name."""

    NONE = 0
    LIKELY = 1
    """It is one if it looks like one: `token`, `secret`, `auth` are names of other things too."""
    CERTAIN = 2


WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
CERTAIN = re.compile(
    r"(?:password|passwd|passwort|passphrase|pwd|clientsecret|appsecret|sharedsecret|tokensecret"
    r"|(?:access|refresh|id|identity|registry|session|auth|bearer|sas|api|client|gateway|proxy|security|admin)token"
    r"|(?:api|account|access|secretaccess|private|sharedaccess|shared|storage|encryption"
    r"|signing|master|subscription|functions|license|host|psk|provisioner|dbencryption|externaltokenencryption)key"
    r"|clientassertion|(?:connection|conn)(?:string|str)|connectionurl|accesssignature|dockerconfigjson|dockercfg"
    r"|passcode|bindpw|pgpass|basicauth|registryauth|npmauth|userpass|^sig)$"
)
LIKELY = re.compile(
    r"(?:^|[a-z])(?:secret|secretkey|token|authorization|credentials?|cookie|session|signature|pass|passw|pw|psk|apikeys?)$|^auth$"
    r"|(?:primary|secondary)key$"
)
PUBLIC = re.compile(
    r"(?:publickeytoken|nexttoken|skiptoken|continuetoken|nextpagetoken|publickey|cachekey|idempotencykey|bypass|compass)$"
)
IGNORED = frozenset(
    {
        *(
            "value",
            "data",
            "text",
            "plain",
            "plaintext",
            "raw",
            "string",
            "b64",
            "base64",
            "json",
            "enc",
            "encoded",
        ),
        *(
            "env",
            "config",
            "old",
            "new",
            "current",
            "previous",
            "primary",
            "secondary",
            "default",
            "override",
        ),
    }
)
"""Words after which nothing changes: `passwordOld` is a password."""


@lru_cache(4096)
def strength(name: str) -> Strength:
    """Tell from the last words of a name whether its value is a secret."""
    words = [word.lower() for word in WORDS.findall(name)]
    while words and (words[-1].isdigit() or words[-1] in IGNORED):
        words.pop()
    if words[-1:] == ["hash"] and words[-2:-1] and words[-2] in {"password", "passwd", "token", "secret"}:
        words.pop()
    joined = "".join(words)
    if not joined or PUBLIC.search(joined):
        return Strength.NONE
    if CERTAIN.search(joined):
        return Strength.CERTAIN
    return Strength.LIKELY if LIKELY.search(joined) else Strength.NONE


TOKEN = re.compile(r"<[a-z]+(?:-[a-z]+)*:[0-9a-f]{1,16}>")
"""What stands where a secret was."""
PLACEHOLDER = re.compile(
    r"\$\(\w+\)?|\$+\{+[^}]*\}*|\$\w+|\{\{.*\}\}|%\(?\w+\)?s|%[A-Z_]+%|\*+|[xX]{3,}|\.{3}|…|<[^<>]*>|\[[\w -]*\]"
    r"|\(?(?:redacted|hidden|removed|masked|sanitized|sensitive)\)?|HIDDEN\b.*",
    re.IGNORECASE | re.DOTALL,
)
PLAIN_WORDS = frozenset(
    {
        *(
            "true",
            "false",
            "yes",
            "no",
            "on",
            "off",
            "null",
            "none",
            "nil",
            "undefined",
            "empty",
            "unset",
            "default",
        ),
        *(
            "enabled",
            "disabled",
            "required",
            "optional",
            "provided",
            "missing",
            "absent",
            "unknown",
            "auto",
            "manual",
        ),
        *(
            "invalid",
            "incorrect",
            "wrong",
            "expired",
            "revoked",
            "rotated",
            "changed",
            "managed",
            "static",
            "ok",
        ),
        *("failed", "failure", "error", "denied", "rejected", "unauthorized", "forbidden", "unauthenticated"),
        *(
            "is",
            "was",
            "not",
            "must",
            "cannot",
            "for",
            "from",
            "file",
            "env",
            "string",
            "object",
            "bearer",
            "basic",
        ),
        *(
            "secret",
            "token",
            "password",
            "key",
            "auth",
            "jwt",
            "opaque",
            "msi",
            "via",
            "and",
            "or",
            "flag",
            "option",
        ),
        *(
            "stdin",
            "with",
            "has",
            "to",
            "in",
            "on",
            "the",
            "instead",
            "field",
            "value",
            "must",
            "should",
            "expiry",
        ),
    }
)
WELL_KNOWN_FOLDERS = re.compile(
    r"/(?:var|etc|run|mnt|home|opt|tmp|usr|root|secrets|app|config|data|dev|proc|api|v[0-9])(?:/[\w.@:-]+)*/?"
)
UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NUMBER = re.compile(r"[-+]?\d[\d.,_:/TZ+-]*(?:ns|us|µs|ms|s|m|h|d|[KMGT]i?B?)?")
LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:[./][a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
DIGEST = re.compile(r"[a-z0-9]+:[0-9a-f]{32,}")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://\S*", re.IGNORECASE)
RESOURCE = re.compile(r"/?(?:subscriptions|providers)/\S*", re.IGNORECASE)
REFERENCE = re.compile(r"[a-z0-9][a-z0-9.-]*(?::\d+)?(?:/[a-z0-9._-]+)+(?::[\w][\w.-]*)?(?:@\w+:[0-9a-f]+)?")
MARKS = "\"'`.,;:!?()[]{}<>|…"
CALL = re.compile(r"[A-Za-z_][\w.]*[(\[{]")
"""What stands in code where a value would stand."""
PARTS = re.compile(r"[^A-Za-z0-9]+")
PLAIN_PART = re.compile(r"[A-Z]?[a-z]*\d{0,4}|[A-Z]+\d{0,7}|[A-Za-z]+|\d+[a-z]{0,2}")
"""A word, a number, or a word with a number after it."""
ODD = re.compile(r"[!#$%^*+=~]")
"""What passwords have, and names have not."""
SHORTEST = 8
"""A value below this length under a name that only suggests a secret is a word."""
SOLID = 16
"""So many small letters and digits without a break are no name that a person gave."""


def is_empty(value: str) -> bool:
    """Tell whether nothing stands in a secret's place: a placeholder, or what redaction has put there."""
    bare = value.strip().strip("\"'`")
    if not bare or PLACEHOLDER.fullmatch(bare) or bare.lower() in PLAIN_WORDS:
        return True
    return not TOKEN.sub("", bare).strip(" .,;:&|") if "<" in bare else False


def is_random(value: str) -> bool:
    """Tell whether a value looks like a secret rather than a name, a path, a digest, a number, code or words."""
    bare = value.strip().strip(MARKS)
    if len(bare) < SHORTEST or is_empty(bare) or len(bare.split()) > 2:  # noqa: PLR2004 - a scheme and a value
        return False
    known = (NUMBER, DIGEST, ADDRESS, RESOURCE, WELL_KNOWN_FOLDERS)
    if any(pattern.fullmatch(bare) for pattern in known) or CALL.match(bare):
        return False
    if UUID.fullmatch(bare):
        return True
    parts = PARTS.split(bare)
    if LABEL.fullmatch(bare) or REFERENCE.fullmatch(bare):
        return any(map(is_solid, parts))
    return bool(ODD.search(bare)) or any(not PLAIN_PART.fullmatch(part) or _mixed(part) for part in parts)


def is_solid(part: str) -> bool:
    """Tell whether a part of a name is too long, and of too many digits, to have been given by a person."""
    digits = sum(map(str.isdigit, part))
    return len(part) >= SOLID and digits > 1 and not part.isdigit()


def _mixed(word: str) -> bool:
    """Tell whether a word changes between small and capital letters more often than words do."""
    changes = sum(a.isupper() != b.isupper() for a, b in pairwise(word))
    return changes > max(3, len(word) // 4)
