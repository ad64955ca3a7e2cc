"""Secrets of every kind, planted in every encoding. Knows nothing of how redaction finds them."""

import base64
import json
import string
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from hypothesis import strategies as st

LETTERS, DIGITS = string.ascii_letters, string.digits
ALNUM = LETTERS + DIGITS
URLSAFE, STANDARD = ALNUM + "-_", ALNUM + "+/"
TYPED = ALNUM + "!#$%*+-.=?@^_~"
"""What people and generators of passwords use, and no shell, form or URL takes for an end."""

Form = Callable[[str], str]


@dataclass(frozen=True)
class Canary:
    """A text with a secret in it, and what of it must be nowhere afterwards."""

    kind: str
    text: str
    secret: str
    shaped: bool = False
    """Known by its own form, without a name beside it."""


def drawn(alphabet: str, least: int, most: int | None = None) -> st.SearchStrategy[str]:
    """Draw a text of an alphabet that has a digit, a small and a capital letter near its start."""
    tail = st.text(alphabet, min_size=least - 3, max_size=(most or least) - 3)
    return st.builds(
        "{}{}{}{}".format,
        st.sampled_from(string.ascii_uppercase),
        st.sampled_from(string.ascii_lowercase),
        st.sampled_from(DIGITS),
        tail,
    )


def encoded(text: str) -> str:
    """Give base64 as a token has it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def pair(password: str, user: str = "puller") -> str:
    """Give a user name and password as HTTP and docker have them."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def key_file(body: str, label: str, end: str) -> str:
    """Give a private key as a file has it."""
    lines = [body[at : at + 64] for at in range(0, len(body), 64)]
    return end.join([f"-----BEGIN {label}PRIVATE KEY-----", *lines, f"-----END {label}PRIVATE KEY-----"])


def key_in_one_line(body: bytes) -> str:
    """Give an RSA key's DER as base64 without its armour, as a variable has it."""
    return base64.b64encode(b"\x30\x82\x04\xa3\x02\x01\x00\x02\x82\x01\x01\x00" + body).decode()


def key_and_certificate(body: bytes) -> str:
    """Give a .pfx file's DER as base64."""
    return base64.b64encode(b"\x30\x82\x0a\x11\x02\x01\x03\x30\x82\x09" + body).decode()


def docker_config(password: str) -> str:
    """Give the configuration that a pull secret holds."""
    entry = {"username": "puller", "password": password, "auth": pair(password)}
    return json.dumps({"auths": {"contoso.azurecr.io": entry}})


def jwt(signature: str) -> str:
    """Give a token with this signature."""
    header, claims = {"alg": "RS256", "typ": "JWT"}, {"aud": "https://x/", "exp": 1}
    return f"{encoded(json.dumps(header))}.{encoded(json.dumps(claims))}.{signature}"


PASSWORDS = drawn(TYPED, 12, 40)
PLAIN_NAMES = st.sampled_from(
    [
        *(
            "password",
            "PGPASSWORD",
            "db_password",
            "clientSecret",
            "AZURE_CLIENT_SECRET",
            "registry-password",
        ),
        *(
            "CODER_SESSION_TOKEN",
            "access_token",
            "adminPassword",
            "SMTP_PASSWD",
            "refresh_token",
            "X-Api-Key",
        ),
        *("api_key", "pwd", "passphrase", "sharedAccessKey", "identitytoken"),
    ]
)
MANNERS = st.sampled_from(
    [
        '{{"user": "a", "{}": {}, "port": 1}}',
        "{}={}",
        "level=info {}={} user=puller",
        "{}: {}",
        "config:\n  {}: {}\n  port: 1",
        '[{{"name": "{}", "value": {}}}]',
        "- name: {}\n  value: {}\n",
    ]
)


def in_manner(manner: str, name: str, password: str) -> Canary:
    """Write a password under a name as JSON, YAML or a log has it."""
    value = json.dumps(password) if manner[0] in "{[" else password
    return Canary(name, manner.format(name, value), password)


def kind(
    name: str, secret: st.SearchStrategy[str], form: str, *, shaped: bool = True
) -> st.SearchStrategy[Canary]:
    """Give canaries of a form in which the secret stands once."""
    return secret.map(lambda value: Canary(name, form.replace("SECRET", value), value, shaped))


def made(name: str, secret: st.SearchStrategy[str], *forms: Form) -> st.SearchStrategy[Canary]:
    """Give canaries that a function makes of a secret."""

    def make(value: str, form: Form) -> Canary:
        return Canary(name, form(value), value, shaped=True)

    return st.builds(make, secret, st.sampled_from(forms))


ACR = st.builds(
    "{}+ACR{}{}".format,
    drawn(STANDARD, 42),
    st.sampled_from("ABCD"),
    st.text(STANDARD, min_size=5, max_size=5),
)
ENTRA = st.builds(
    "{}8Q~{}".format, drawn(ALNUM + "_~", 3), drawn(ALNUM + "_~.-", 33).map(lambda text: text[:-1] + "x")
)
SHAPED = st.one_of(
    made("jwt", drawn(URLSAFE, 43, 342), jwt, lambda value: f"Authorization: Bearer {jwt(value)}"),
    made(
        "key file",
        drawn(STANDARD, 200, 1600),
        *(
            lambda value, label=label, end=end: key_file(value, label, end)
            for label in ("", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED ")
            for end in ("\n", "\r\n", "\\n")
        ),
    ),
    made("docker config", PASSWORDS, docker_config),
    made(
        "pair",
        PASSWORDS,
        pair,
        lambda value: f"Authorization: Basic {pair(value)}",
        lambda value: f'"auth":"{pair(value)}"',
    ),
    made(
        "url",
        PASSWORDS,
        lambda value: f"postgres://coder:{quote(value, safe='')}@db.example:5432/coder?sslmode=require",
    ),
    kind("admin password", ACR, "docker said SECRET and failed"),
    kind("client secret", ENTRA, "az login with SECRET and failed"),
    kind("session", st.builds("{}-{}".format, drawn(ALNUM, 10), drawn(ALNUM, 22)), "coder login SECRET done"),
    kind("github", drawn(ALNUM, 36).map(lambda text: f"ghp_{text}"), "remote: SECRET is revoked"),
    kind(
        "storage key",
        drawn(STANDARD, 86).map(lambda text: f"{text}=="),
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=SECRET;EndpointSuffix=core.windows.net",
    ),
    kind(
        "service bus",
        drawn(STANDARD, 43).map(lambda text: f"{text}="),
        "Endpoint=sb://a.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey=SECRET;EntityPath=q",
    ),
    made(
        "shared access",
        drawn(STANDARD, 43).map(lambda text: f"{text}="),
        lambda value: (
            f"https://a.blob.core.windows.net/c/b?sv=2024-11-04&se=2026-11-02&sr=b&sp=r&sig={quote(value, safe='')}"
        ),
    ),
    kind("cookie", drawn(ALNUM, 24), "Cookie: theme=dark; coder_session_token=SECRET; a=b"),
    kind("set-cookie", drawn(ALNUM, 24), "Set-Cookie: id=SECRET; Path=/; HttpOnly"),
    kind("bearer", drawn(URLSAFE, 24, 60), "> Authorization: Bearer SECRET"),
    kind("flag", PASSWORDS, "docker login contoso.azurecr.io --username puller --password SECRET"),
    kind("xml", drawn(ALNUM, 16), "<user>a</user><password>SECRET</password>"),
    kind("netrc", PASSWORDS, "machine contoso.azurecr.io login puller password SECRET"),
    kind("mysql", PASSWORDS, "mysql -uroot -pSECRET coder"),
    kind("sshpass", PASSWORDS, "sshpass -p 'SECRET' ssh host"),
    kind("curl", PASSWORDS, "curl -u puller:SECRET https://contoso.azurecr.io/v2/"),
    made(
        "bare key",
        st.binary(min_size=400, max_size=900).flatmap(
            lambda body: st.sampled_from([key_in_one_line(body), key_and_certificate(body)])
        ),
        lambda value: f"AZURE_CERT={value} is set",
    ),
    kind(
        "scoped token",
        drawn(ALNUM, 24).map(lambda text: f"{text}7Qa8Wb9Zc2XdRe5Tf6Ug4Vh1Ij3K"),
        "got SECRET of the token",
    ),
    kind("creds", PASSWORDS, "crictl pull --creds puller:SECRET contoso.azurecr.io/coder"),
    kind("two creds", PASSWORDS, "skopeo copy --src-creds=puller:SECRET docker://contoso.azurecr.io/a dir:b"),
    kind("many flags", PASSWORDS, "curl -sSLu puller:SECRET https://contoso.azurecr.io/v2/"),
    kind("literal", PASSWORDS, "kubectl create secret generic db --from-literal=anything=SECRET -n coder"),
    kind("before a host", drawn(ALNUM, 18), "cannot reach puller:SECRET@contoso.azurecr.io today"),
    kind("block", PASSWORDS, "clientSecret: |-\n  first-Line-0fIt\n  SECRET\nport: 1", shaped=False),
    kind(
        "form",
        drawn(ALNUM, 30),
        "grant_type=refresh_token&service=contoso.azurecr.io&refresh_token=SECRET&scope=x",
    ),
)
NAMED = st.builds(in_manner, MANNERS, PLAIN_NAMES, PASSWORDS)
CANARIES = st.one_of(SHAPED, NAMED)


def wrapped(width: int, end: str, text: str) -> str:
    """Give base64 in lines."""
    line = base64.b64encode(text.encode()).decode()
    return end.join(line[at : at + width] for at in range(0, len(line), width))


ENCODINGS: dict[str, Form] = {
    "plain": lambda text: text,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": encoded,
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64 in lines": lambda text: wrapped(76, "\n", text),
    "base64 in indented lines": lambda text: wrapped(64, "\r\n    ", text),
    "base64 in escaped lines": lambda text: json.dumps({"data": wrapped(76, "\n", text)}),
    "url": lambda text: f"https://x.example/?state={quote(text, safe='')}&n=1",
    "url twice": lambda text: f"https://x.example/?state={quote(quote(text, safe=''), safe='')}&n=1",
    "json": lambda text: json.dumps({"msg": text, "n": 1}),
    "json twice": lambda text: json.dumps({"line": json.dumps({"msg": text}), "n": 1}),
    "json, escaped": lambda text: (
        json.dumps({"msg": text}).replace("=", "\\u003d").replace("&", "\\u0026").replace("/", "\\/")
    ),
    "json three times": lambda text: json.dumps(json.dumps(json.dumps({"msg": text}))),
    "yaml": lambda text: "data: |\n  " + text.replace("\n", "\n  "),
    "base64 of json": lambda text: base64.b64encode(json.dumps({"msg": text}).encode()).decode(),
}
"""How a text may be written within another."""


def traces(secret: str) -> list[str]:
    """Give what would show that a secret is still there: itself, and its middle in each encoding that hides it."""
    middle = secret.replace("\n", "")[1:-1]
    found = [secret, middle, quote(secret, safe=""), json.dumps(secret)[1:-1]]
    for shift in range(3):
        line = base64.b64encode(b"\0" * shift + secret.encode()).decode()
        found.append(line[4 : len(line) - 4])
    return [trace for trace in found if len(trace) >= 6]
