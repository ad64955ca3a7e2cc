"""Redaction: what is taken out, what stands there then, and what is left alone."""

import base64
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from acrcheck.bundle.redact import Redactor, Rules
from acrcheck.bundle.structure import COPIES
from acrcheck.catalogue import builtin_dir
from checks.workspaces import ACCOUNT

PLANTED = "hunter2-K9xQ7w"
PAIR = base64.b64encode(f"puller:{PLANTED}".encode()).decode()
CONFIG = json.dumps(
    {"auths": {"labreg.azurecr.io": {"username": "puller", "password": PLANTED, "auth": PAIR}}}
)


def redacted(text: str) -> str:
    """Redact a text with a salt of its own."""
    return Redactor().text(text, "a log")


def test_equal_secrets_are_equal_afterwards() -> None:
    """Within one bundle: wherever and however encoded they stand; in another bundle they are others."""
    one = Redactor()
    digits = {
        one.text(text, "here").rpartition(":")[2].partition(">")[0]
        for text in (f"password={PLANTED}", f"auth {PAIR}", json.dumps(f'{{"password":"{PLANTED}"}}'))
    }

    assert len(digits) == 1
    assert redacted(f"password={PLANTED}") != redacted(f"password={PLANTED}")


def test_counts_say_what_was_taken_and_where() -> None:
    """By place and kind, and never what it was."""
    redactor = Redactor()
    redactor.text(f"password={PLANTED}\npassword={PLANTED}", "a log")
    redactor.value({"token": f"x{PLANTED}"}, "an answer")

    assert redactor.counts == {"a log": {"password": 2}, "an answer": {"token": 1}}


def test_what_was_json_stays_json() -> None:
    """Also where a password is a number."""
    text = json.dumps({"password": 918273645, "inner": CONFIG, "list": ["--token", PLANTED]})

    assert set(json.loads(redacted(text))) == {"password", "inner", "list"}
    assert (
        json.loads(json.loads(redacted(text))["inner"])["auths"]["labreg.azurecr.io"]["username"] == "puller"
    )


def test_a_password_that_is_a_number_is_one() -> None:
    """In values and in pairs of name and value; lengths, ports and times are none."""
    value: dict[str, Any] = {
        "postgres": {"password": 918273645, "port": 54321, "passwordLength": 123456789},
        "env": [{"name": "PGPASSWORD", "value": 918273645}, {"name": "TOKEN_SECONDS", "value": 8640000}],
        "access_token": True,
    }
    got = Redactor().value(value, "values")

    assert "918273645" not in json.dumps(got)
    assert got["postgres"] | {"password": 0} == value["postgres"] | {"password": 0}
    assert got["env"][1] == value["env"][1]
    assert got["access_token"] is True


def test_of_a_jwt_all_is_kept_but_the_signature() -> None:
    """Header and claims can still be read."""
    token = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl"
    got = redacted(f"Authorization: Bearer {token}")

    assert got.startswith("Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.<jwt:")
    assert "c2lnbmF0dXJl" not in got


@pytest.mark.parametrize(
    "text", [f"password={PLANTED}", CONFIG, f"Bearer {PAIR}", f"x {PAIR} y", f"https://a:{PLANTED}@b"]
)
def test_redacting_again_changes_nothing(text: str) -> None:
    """What stands in a secret's place is none."""
    once = redacted(text)

    assert PLANTED not in once
    assert redacted(once) == once


def test_a_secret_shows_its_lint_and_no_data() -> None:
    """As a live run sees it: type, lengths, hosts and user names."""
    data = {".dockerconfigjson": base64.b64encode(CONFIG.encode()).decode()}
    item = {
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "acr"},
        "data": data,
    }
    got = Redactor().object(item, "secrets")

    assert got["entries"][0]["username"] == "puller"
    assert got["fields"] == {".dockerconfigjson": len(data[".dockerconfigjson"])}
    assert PLANTED not in json.dumps(got)
    assert "data" not in got


def test_an_object_is_kept_but_for_copies_and_values() -> None:
    """Annotations that hold it once more, the list of who set what, and values of the environment go."""
    env = [{"name": "CODER_X", "value": PLANTED}, {"name": "AZURE_CLIENT_ID", "value": "7a4f"}]
    copies = dict.fromkeys(COPIES, PLANTED)
    item = {
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "annotations": {**copies, "kept": "yes"},
            "managedFields": [{"manager": "helm"}],
        },
        "spec": {
            "containers": [{"name": "coderd", "env": env, "args": ["--password", PLANTED, "--port", "80"]}]
        },
    }
    got = Redactor(salt=b"x").object(item, "pods")

    assert got["metadata"] == {"name": "a", "annotations": {"kept": "yes"}}
    container = got["spec"]["containers"][0]
    assert container["env"][0]["value"].startswith("<env:")
    assert container["env"][1]["value"] == "7a4f"
    assert container["args"][0] == "--password"
    assert container["args"][1].startswith("<password:")
    assert container["args"][2:] == ["--port", "80"]


@pytest.mark.parametrize(
    "words",
    [
        ["curl", "-u", f"puller:{PLANTED}", "https://x"],
        ["docker", "login", "-u", "puller", "-p", PLANTED, "x.azurecr.io"],
        ["az", "login", "--service-principal", "-u", "x", "-p", PLANTED],
        ["crictl", "pull", "--creds", f"puller:{PLANTED}", "x"],
        ["kubectl", "create", "secret", "generic", "x", "--from-literal", f"a={PLANTED}"],
    ],
)
def test_words_of_a_command_are_seen_together(words: list[str]) -> None:
    """A container's command is a list: what is a secret is said by the words before it."""
    got = Redactor().value({"command": words}, "pods")["command"]

    assert PLANTED not in json.dumps(got)
    assert len(got) == len(words)
    assert [word for word in got if "<" not in word] == [word for word in words if PLANTED not in word]
    plain = ["docker", "run", "-u", "1000:1000", "--user", "0:0", "-p", "8080:80", "nginx"]
    assert Redactor().value({"command": plain}, "pods")["command"] == plain


def test_what_is_too_much_to_be_looked_through_is_taken_out() -> None:
    """Gzip in base64 that unpacks to more than is read might hold a secret behind that."""
    packed = base64.b64encode(gzip.compress(b"all is well\n" * 1_000_000 + PLANTED.encode())).decode()
    small = base64.b64encode(gzip.compress(b"all is well\n" * 1000)).decode()

    assert redacted(f"release {packed} end").startswith("release <unread:")
    assert redacted(f"release {small} end") == f"release {small} end"


def test_a_file_name_stays_a_file_name() -> None:
    """What stands for a secret there has no mark that a file name must not have."""
    name = Redactor().name(f"token={PLANTED}.log")

    assert PLANTED not in name
    assert not set(name) & set("<>:/")


LOOKALIKES = [
    line
    for line in Path(__file__).with_name("lookalikes.txt").read_text("utf-8").splitlines()
    if line.strip() and not line.startswith("# ")
]


@pytest.mark.parametrize("line", LOOKALIKES)
def test_what_only_looks_like_a_secret_is_left_alone(line: str) -> None:
    """As a line of a log, with its escapes read, as a field's value, and quoted in JSON."""
    redactor = Redactor()
    read = line.replace("\\n", "\n").replace("\\t", "\t")

    for text in (line, read, f"2026-11-02T09:00:00Z x[1]: {line}; next", json.dumps({"msg": line, "n": 1})):
        assert redactor.text(text, "log") == text
    assert redactor.value({"message": line, "list": [line]}, "answer") == {"message": line, "list": [line]}
    assert redactor.name(line) == line


def test_what_documents_quote_is_left_alone() -> None:
    """The messages, commands and sentences of all cause documents."""
    documents = sorted((builtin_dir() / "causes").glob("*.md"))

    assert len(documents) > 100
    for document in documents:
        text = document.read_text("utf-8")
        assert redacted(text) == text, document.name


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "eyJ",
            "eyJaaaa.eyJaaaa.",
            "://a:",
            '"',
            "\\",
            '\\"',
            "%25",
            "curl ",
            "login ",
            "password ",
            "password=",
        ),
        *(
            "-----BEGIN RSA PRIVATE KEY-----",
            "-----END RSA PRIVATE KEY-----",
            "Authorization: ",
            "Ab1-",
            "a:b@tcp(",
        ),
        *("&quot;", "<a:1>password=b ", "password" + " " * 70, "A" * 76 + "\n"),
    ],
)
def test_a_hostile_text_is_gone_through_once(piece: str) -> None:
    """What looks like the beginning of a secret again and again takes time as its length does, not its square."""
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    redacted(text)

    assert time.process_time() - began < 10


def test_a_name_that_a_check_asks_for_stays() -> None:
    """A replay asks for the workspaces' service account by the name that Coder gives it everywhere."""
    redactor = Redactor(Rules(names=True))
    spec = {"serviceAccountName": ACCOUNT, "nodeName": "blue-node"}

    kept = redactor.value(spec, "a pod")

    assert kept["serviceAccountName"] == ACCOUNT
    assert kept["nodeName"] != "blue-node"


def test_labels_that_name_a_person_are_learned() -> None:
    """Whose a workspace is stands in its pod's labels, and in other texts."""
    redactor = Redactor(Rules(names=True))
    pod = {
        "metadata": {
            "name": "ws-1",
            "labels": {"com.coder.username": "mallory", "com.coder.workspace.name": "sandbox"},
        }
    }
    redactor.learn(pod)

    told = json.dumps(redactor.object(pod, "pods")) + redactor.text("mallory started sandbox", "log")
    assert "mallory" not in told
    assert "sandbox" not in told
