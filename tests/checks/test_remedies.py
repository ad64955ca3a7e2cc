"""That no command of a document is dangerous when it is pasted, and that each does what its remedy says it does."""

import json
from typing import Any

import pytest

from tests.checks.commands import Line, Ran, Started, lines, run, without_globals

PROGRAMS = frozenset(
    {
        *("kubectl", "helm", "az", "docker", "docker-credential-HELPER", "curl", "getent", "openssl", "jq"),
        *(
            "grep",
            "sed",
            "tr",
            "sort",
            "uniq",
            "base64",
            "od",
            "tail",
            "wc",
            "date",
            "ls",
            "journalctl",
            "cat",
        ),
        *("acrcheck", "coder"),
    }
)
"""What documents may start; of these only kubectl, helm, az and docker can change anything."""
LOOKS = {
    "kubectl": frozenset(
        {
            "get",
            "describe",
            "logs",
            "exec",
            "auth",
            "api-resources",
            "rollout status",
            "debug",
            "port-forward",
            "version",
        }
    ),
    "helm": frozenset({"list", "show", "version", "get", "search", "history", "status", "template"}),
    "docker": frozenset({"pull", "build", "login", "version", "context"}),
    "az": frozenset(
        {
            *("show", "list", "version", "get-access-token", "get-upgrades", "check-name", "check-health"),
            *("show-tags", "show-usage", "show-metadata", "list-metadata", "list-deleted-tags", "rest"),
        }
    ),
}
"""The verbs that change nothing that anybody else would feel; docker's stay on the machine of whoever types."""
CHANGES = {
    "kubectl": frozenset(
        {
            *("apply", "patch", "label", "annotate", "edit", "create", "run", "cordon", "delete", "scale"),
            "rollout restart",
        }
    ),
    "helm": frozenset({"upgrade", "rollback", "registry"}),
    "coder": frozenset({"tokens"}),
    "az": frozenset(
        {
            *("create", "update", "add", "assign", "remove", "set", "import", "upgrade", "reset", "generate"),
            *("update-credentials", "login", "logout", "restore"),
        }
    ),
}
"""The verbs that change something and that documents use, each looked at below."""
WIDE = frozenset({"-A", "--all-namespaces", "--all", "-l", "--selector", "--field-selector"})
HARSH = frozenset({"--force", "--grace-period", "--now", "--cascade", "--prune", "--purge", "--yes", "-y"})
SECRETS = frozenset({"--docker-password", "--client-secret", "--password", "-p"})
"""Options that take a secret; `-p` is helm's and docker's, not kubectl's."""
AS_ARGUMENT = frozenset({"sp-secret-expired"})
"""Where a typed secret is an argument: az has no other way to take one."""
CHANGES_VERSION = {"values-key-not-read", "mic-vmss-unsupported", "linked-resource-cross-tenant"}
"""Causes that only another version of the chart mends."""
REPEATED = {"helm-ownership-conflict": "the release is not there yet: the installation failed"}
"""Where a release is made, so that it has no values to reuse, and why."""
REMOVES = {"identity-recreated-stale-on-vm": "the same identity is assigned again, in the same line"}
"""Where something is removed in Azure, and why nothing is lost."""

LINES = list(lines())


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    """Give what every line starts where all it asks is answered."""
    return run([line.text for line in LINES], tmp_path_factory.mktemp("answered"), answering=True)


@pytest.fixture(scope="module")
def unanswered(tmp_path_factory: pytest.TempPathFactory) -> list[Ran]:
    """Give what every line starts where nothing is found and nothing typed."""
    return run([line.text for line in LINES], tmp_path_factory.mktemp("unanswered"), answering=False)


def verb(started: Started) -> str:
    """Give the word that says what a program is to do."""
    program, words = started.argv[0], without_globals(started.argv)
    if program == "az":
        options = next((n for n, word in enumerate(words) if word.startswith("-")), len(words))
        return words[options - 1]
    return " ".join(words[:2]) if words[0] == "rollout" else words[0]


def changing(ran: Ran) -> list[Started]:
    """Give what a line starts that changes something, but what is only a rehearsal or only prints."""
    return [
        started
        for started in ran.started
        if started.argv[0] in CHANGES and verb(started) in CHANGES[started.argv[0]]
        if not has(started, frozenset({"--dry-run", "--expose-token"}))
    ]


def option(started: Started, name: str) -> str | None:
    """Give the value of an option, written in either way; None when it is not there."""
    for number, word in enumerate(started.argv):
        if word == name:
            return started.argv[number + 1] if number + 1 < len(started.argv) else ""
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def has(started: Started, names: frozenset[str]) -> list[str]:
    """Name the options of a list that a command has."""
    return [word for word in started.argv if word.partition("=")[0] in names]


def test_every_line_is_valid_shell(answered: list[Ran]) -> None:
    """A shell reads each to its end, and finds no unquoted pattern that another shell would trip over."""
    wrong = [f"{line}: {ran.error}" for line, ran in zip(LINES, answered, strict=True) if ran.error]
    assert wrong == []
    assert [str(line) for line, ran in zip(LINES, answered, strict=True) if not ran.started] == []


def test_only_known_programs_and_verbs_are_used(answered: list[Ran]) -> None:
    """What a document starts has been looked at: a program or verb that is new here is added knowingly."""
    started = [(line, item) for line, ran in zip(LINES, answered, strict=True) for item in ran.started]
    assert [str(line) for line, item in started if item.argv[0] not in PROGRAMS] == []
    strange = [
        str(line)
        for line, item in started
        if item.argv[0] in LOOKS
        and verb(item) not in LOOKS[item.argv[0]] | CHANGES.get(item.argv[0], frozenset())
    ]
    assert strange == []


def test_nothing_changes_where_nothing_is_found(answered: list[Ran], unanswered: list[Ran]) -> None:
    """A changing command that needs an answer or a typed word is not started without one."""
    widened = [
        str(line)
        for line, with_answers, without in zip(LINES, answered, unanswered, strict=True)
        for item in changing(without)
        if item.argv not in {other.argv for other in with_answers.started} or "" in item.argv
    ]
    assert widened == []


def test_a_remedy_changes_something_where_it_says_so_and_nowhere_else(answered: list[Ran]) -> None:
    """`changes` is what a reader goes by: it agrees with what the command's programs do."""
    lying = [
        str(line)
        for line, ran in zip(LINES, answered, strict=True)
        if line.changes is not None and line.changes != bool(changing(ran))
    ]
    assert lying == []


def test_what_is_not_a_remedy_changes_at_most_what_it_made(answered: list[Ran]) -> None:
    """Confirming and deciding only look and log in; the one thing that is made is a pod for a test."""
    found = {
        (line.cause, verb(item))
        for line, ran in zip(LINES, answered, strict=True)
        if line.changes is None
        for item in changing(ran)
    }
    assert {(cause, word) for cause, word in found if word != "login"} == {("check-tool-false-alarm", "run")}


def test_nothing_is_forced_nor_wide(answered: list[Ran]) -> None:
    """No changing command takes all of a kind, everything with a label, or does without the usual grace."""
    for line, ran in zip(LINES, answered, strict=True):
        for item in changing(ran):
            assert not has(item, HARSH | (WIDE if item.argv[0] == "kubectl" else frozenset())), line


def test_only_pods_that_come_again_are_deleted(answered: list[Ran]) -> None:
    """Nothing is deleted in a cluster but a workload's pod, by its name: its controller makes another one at once."""
    deleted = _with_verb(answered, "kubectl", "delete")
    assert deleted
    for line, item in deleted:
        words = without_globals(item.argv)
        assert words[1] == "pod", line
        assert len(words) == 3, line


def test_nothing_is_scaled_to_zero(answered: list[Ran]) -> None:
    """A workload that is stopped is an outage."""
    for line, item in _with_verb(answered, "kubectl", "scale"):
        assert int(option(item, "--replicas") or 0) > 0, line


def test_a_patch_takes_nothing_away(answered: list[Ran]) -> None:
    """A patch is JSON without null or directive, which would delete a field, and lists are added to."""
    patches = _with_verb(answered, "kubectl", "patch")
    assert patches
    for line, item in patches:
        patch = json.loads(option(item, "-p") or "")
        kind = option(item, "--type")
        # A merge replaces a list whole; a strategic one adds to it, by the names of what is in it.
        assert kind == ("strategic" if "imagePullSecrets" in (option(item, "-p") or "") else "merge"), line
        assert not _has_null(patch), line
        assert "$patch" not in (option(item, "-p") or ""), line


def test_helm_keeps_the_values_of_a_release(answered: list[Ran]) -> None:
    """An upgrade without them would take back what somebody set: it reuses them, or is given the whole file."""
    keeping = {"--reuse-values", "--reset-then-reuse-values", "-f"}
    for line, item in _with_verb(answered, "helm", "upgrade"):
        assert keeping & set(item.argv) or line.cause in REPEATED, line


def test_helm_keeps_old_defaults_only_within_a_version(answered: list[Ran]) -> None:
    """With `--reuse-values` another version of the chart would run the images of the one before."""
    for line, item in _with_verb(answered, "helm", "upgrade"):
        if "--reuse-values" in item.argv:
            assert "--version" in item.argv, line
            assert line.cause not in CHANGES_VERSION, line


def test_what_is_removed_in_azure_is_put_back(answered: list[Ran]) -> None:
    """Only with a reason, and only by name: without `--identities` all would go."""
    for line, item in _with_verb(answered, "az", "remove"):
        assert line.cause in REMOVES, line
        again = Started(tuple("assign" if word == "remove" else word for word in item.argv), item.stdin)
        assert again in answered[LINES.index(line)].started, line
        assert option(item, "--identities"), line


def test_a_plain_request_to_azure_only_reads(answered: list[Ran]) -> None:
    """`az rest` can do anything."""
    assert {option(item, "--method") for _, item in _with_verb(answered, "az", "rest")} == {"get"}


def test_a_new_application_secret_leaves_the_old_ones(answered: list[Ran]) -> None:
    """Without `--append` az deletes every secret that is in use."""
    resets = [item for _, item in _with_verb(answered, "az", "reset")]
    assert resets
    assert [item for item in resets if "--append" not in item.argv] == []


def test_a_role_is_given_on_one_thing(answered: list[Ran]) -> None:
    """Every role assignment has a scope, which is what was found."""
    created = [(line, item) for line, item in _with_verb(answered, "az", "create") if "role" in item.argv]
    assert created
    for line, item in created:
        assert (option(item, "--scope") or "").startswith("/subscriptions/"), line


def test_a_secret_is_typed_and_not_pasted(answered: list[Ran]) -> None:
    """What is on a command line is in the shell's history and in the list of processes: what is typed is in neither."""
    for line, ran in zip(LINES, answered, strict=True):
        assert line.cause in AS_ARGUMENT or not any("typed" in item.argv for item in ran.started), line
        for item in changing(ran):
            for name in SECRETS - ({"-p"} if item.argv[0] == "kubectl" else set()):
                assert option(item, name) in {None, "typed"}, line


def _with_verb(answered: list[Ran], program: str, wanted: str) -> list[tuple[Line, Started]]:
    return [
        (line, item)
        for line, ran in zip(LINES, answered, strict=True)
        for item in ran.started
        if item.argv[0] == program and verb(item) == wanted
    ]


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_null(item) for item in value.values())
    return value is None or (isinstance(value, list) and any(_has_null(item) for item in value))
