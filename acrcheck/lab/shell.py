"""Applies the commands that acrcheck prints to a lab world: as much of a shell, kubectl, helm and az as they use.

Anything else is an error that names the command: a remedy that the lab cannot apply shall be noticed.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from acrcheck.cluster.reader import DEPLOYMENTS, NODES, PODS, REPLICASETS, Resource
from acrcheck.helm.setting import applied
from acrcheck.lab.azure import Registry, RoleAssignment
from acrcheck.lab.kube import KINDS, Json, merged
from acrcheck.lab.world import Release, World

PROPAGATION = timedelta(minutes=5)
"""Until a new role assignment counts at the registry."""
NAMES: dict[str, Resource] = {}
for _kind, _resource in KINDS.items():
    NAMES |= {_kind.lower(): _resource, _resource.plural: _resource}
RESTARTED = "kubectl.kubernetes.io/restartedAt"
ACR_LIST = re.compile(r"\[\?loginServer=='(?P<host>[^']+)'\]\.(?P<field>id|name)\|\[0\]")
VARIABLE = re.compile(r"\$\{(?P<name>\w+):\?(?P<message>[^}]*)\}|\$\{(?P<braced>\w+)\}|\$(?P<plain>\w+)")
ASSIGNMENT = re.compile(r"(?P<name>[A-Za-z_]\w*)=\$\((?P<command>.*)\)", re.DOTALL)
SED = re.compile(r"s/(?P<pattern>.*)/(?P<by>.*)/p")


class CommandError(Exception):
    """A command that the lab does not know, or that fails in this world; the message names it."""


def apply(world: World, text: str) -> str:
    """Run what is in a line of shell, and give what it prints.

    Raises:
        CommandError: something in it is not understood, or fails.
    """
    session = _Session(world)
    output = ""
    for command in _split(text, ";", "&&"):
        output += session.run(command)
    return output


@dataclass
class _Session:
    world: World
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, text: str) -> str:
        """Run one pipeline."""
        assigned = ASSIGNMENT.fullmatch(text)
        if assigned:
            self.variables[assigned["name"]] = self.run(assigned["command"].strip()).strip()
            return ""
        output = ""
        for part in _split(text, "|"):
            output = self._program(self._words(part), output, part)
        return output

    def _words(self, text: str) -> list[str]:
        """Take a command apart as a shell does: variables are put in, but not between single quotes."""
        pieces = re.findall(r"'[^']*'|[^']+", text)
        filled = "".join(
            piece if piece.startswith("'") else VARIABLE.sub(self._value, piece) for piece in pieces
        )
        return shlex.split(filled)

    def _value(self, match: re.Match[str]) -> str:
        name = match["name"] or match["braced"] or match["plain"]
        value = self.variables.get(name, "")
        if not value and match["message"] is not None:
            raise CommandError(f"{name}: {match['message']}")
        return value

    def _program(self, words: list[str], given: str, text: str) -> str:
        programs: dict[str, Callable[[], str]] = {
            "echo": lambda: " ".join(words[1:]) + "\n",
            "sed": lambda: _sed(words, given),
            "kubectl": lambda: _Kubectl(self.world, words[1:], given).run(),
            "helm": lambda: _helm(self.world, words[1:]),
            "az": lambda: _az(self.world, words[1:]),
        }
        program = programs.get(words[0]) if words else None
        if program is None:
            raise CommandError(f"the lab does not know this command: {text}")
        try:
            return program()
        except _UnknownError as error:
            raise CommandError(f"the lab does not understand ({error}): {text}") from error


class _UnknownError(Exception):
    """Which part of a command is not understood."""


def _split(text: str, *separators: str) -> list[str]:
    """Take a text apart at separators that stand outside of quotes and of $(…)."""
    parts, part, quote, depth, place = [], "", "", 0, 0
    while place < len(text):
        letter = text[place]
        found = next((item for item in separators if text.startswith(item, place)), "")
        if found and not quote and not depth:
            parts.append(part.strip())
            part, place = "", place + len(found)
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and not depth:
            quote = letter
        depth += (text[place - 1 : place + 1] == "$(" and not quote) - (letter == ")" and depth > 0)
        part, place = part + letter, place + 1
    return [item for item in (*parts, part.strip()) if item]


def _sed(words: list[str], given: str) -> str:
    """`sed -n 's/PATTERN/TEXT/p'`."""
    script = SED.fullmatch(words[2]) if words[1:2] == ["-n"] and len(words) == 3 else None  # noqa: PLR2004 - sed, -n, script
    if script is None:
        raise _UnknownError("sed")
    changed = [re.subn(script["pattern"], script["by"], line) for line in given.splitlines()]
    return "".join(f"{line}\n" for line, count in changed if count)


@dataclass
class _Options:
    """A command's words, its options apart."""

    words: list[str]
    values: dict[str, str]
    flags: set[str]


def _options(words: list[str], valued: set[str], flags: set[str]) -> _Options:
    """Tell options from words. Raises _UnknownError for an option that is in neither set."""
    found = _Options([], {}, set())
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word in flags:
            found.flags.add(word)
        elif name.startswith("-") and name in valued:
            given = value if equals else next(rest, "")
            found.values[name] = f"{found.values[name]},{given}" if name in found.values else given
        elif word.startswith("-") and word != "-":
            raise _UnknownError(word)
        else:
            found.words.append(word)
    return found


class _Kubectl:
    """kubectl, as far as remedies use it."""

    VALUED = frozenset({"--context", "--kubeconfig", "-n", "--type", "-p", "-f", "--timeout", "--replicas"})

    def __init__(self, world: World, words: list[str], given: str) -> None:
        self._world = world
        self._kubernetes = world.kubernetes
        self._given = given
        self._options = _options(words, set(self.VALUED), {"--overwrite"})
        if self._options.values.get("--context", "") != world.target.context:
            raise _UnknownError("it does not act on the lab's context")

    def run(self) -> str:
        verbs = {
            "patch": self._patch,
            "apply": self._apply,
            "rollout": self._rollout,
            "cordon": self._cordon,
            "delete": self._delete,
            "scale": self._scale,
            "label": self._label,
        }
        words = self._options.words
        if not words or words[0] not in verbs:
            raise _UnknownError(f"kubectl {' '.join(words[:1])}")
        return verbs[words[0]](words[1:])

    def _patch(self, words: list[str]) -> str:
        if self._options.values.get("--type") != "merge":
            raise _UnknownError("a patch of another type than merge")
        resource, item = self._named(words)
        before = merged(item.get("spec"), {})
        changed = merged(item, json.loads(self._options.values["-p"]))
        item.clear()
        item.update(changed)
        if before != item.get("spec"):
            item["metadata"]["generation"] = int(item["metadata"]["generation"]) + 1
        self._world.settle()
        return f"{_shown(resource, item)} patched\n"

    def _apply(self, words: list[str]) -> str:
        if words or self._options.values.get("-f") != "-":
            raise _UnknownError("kubectl apply of anything but standard input")
        document = json.loads(self._given)
        items = document["items"] if document["kind"] == "List" else [document]
        told = ""
        for item in items:
            resource = KINDS[item["kind"]]
            item["metadata"].setdefault("namespace", self._options.values.get("-n", "default"))
            known = self._kubernetes.find(resource, item["metadata"]["name"], item["metadata"]["namespace"])
            self._kubernetes.put(item)
            told += f"{_shown(resource, item)} {'configured' if known else 'created'}\n"
        self._world.settle()
        return told

    def _rollout(self, words: list[str]) -> str:
        _, item = self._named(words[1:])
        if words[:1] == ["restart"]:
            template = item["spec"]["template"]["metadata"]
            template.setdefault("annotations", {})[RESTARTED] = self._kubernetes.stamp()
            item["metadata"]["generation"] = int(item["metadata"]["generation"]) + 1
            self._world.settle()
            return f"{_shown(NAMES[item['kind'].lower()], item)} restarted\n"
        if words[:1] == ["status"]:
            self._finish(item)
            return f'deployment "{item["metadata"]["name"]}" successfully rolled out\n'
        raise _UnknownError(f"kubectl rollout {' '.join(words[:1])}")

    def _finish(self, deployment: Json) -> None:
        """Wait for a rollout: pods that are not as the template wants them go, new ones come."""
        wanted = deployment["spec"]["template"]["metadata"]["labels"].items()
        for pod in self._kubernetes.items(PODS, deployment["metadata"]["namespace"]):
            owners = [owner["name"] for owner in pod["metadata"].get("ownerReferences") or ()]
            sets = [self._kubernetes.find(REPLICASETS, name, pod["metadata"]["namespace"]) for name in owners]
            mine = any(
                item and item["metadata"]["ownerReferences"][0]["uid"] == deployment["metadata"]["uid"]
                for item in sets
            )
            if mine and not wanted <= pod["metadata"]["labels"].items():
                self._kubernetes.remove(PODS, pod["metadata"]["name"], pod["metadata"]["namespace"])
        self._world.settle()

    def _cordon(self, words: list[str]) -> str:
        node = self._kubernetes.find(NODES, words[0])
        if node is None:
            raise CommandError(f'nodes "{words[0]}" not found')
        node["spec"]["unschedulable"] = True
        return f"node/{words[0]} cordoned\n"

    def _delete(self, words: list[str]) -> str:
        resource, item = self._named(words)
        if resource is not PODS:
            raise _UnknownError("kubectl delete of anything but a pod")
        self._kubernetes.remove(PODS, item["metadata"]["name"], item["metadata"]["namespace"])
        self._world.settle()
        return f'pod "{item["metadata"]["name"]}" deleted\n'

    def _label(self, words: list[str]) -> str:
        *names, setting = words
        key, _, value = setting.partition("=")
        resource, item = self._named(names)
        item["metadata"].setdefault("labels", {})[key] = value
        self._world.settle()
        return f"{_shown(resource, item)} labeled\n"

    def _scale(self, words: list[str]) -> str:
        resource, item = self._named(words)
        item["spec"]["replicas"] = int(self._options.values["--replicas"])
        item["metadata"]["generation"] = int(item["metadata"]["generation"]) + 1
        self._world.settle()
        return f"{_shown(resource, item)} scaled\n"

    def _named(self, words: list[str]) -> tuple[Resource, Json]:
        """Find the one object that is named as KIND/NAME or KIND NAME."""
        names = words[0].split("/") if len(words) == 1 else words
        resource = NAMES.get(names[0].lower())
        if resource is None or len(names) != 2:  # noqa: PLR2004 - kind and name
            raise _UnknownError(" ".join(words))
        item = self._kubernetes.find(resource, names[1], self._options.values.get("-n", "default"))
        if item is None:
            raise CommandError(f'{resource.plural} "{names[1]}" not found')
        return resource, item


def _shown(resource: Resource, item: Json) -> str:
    kind = next(kind for kind, other in KINDS.items() if other == resource).lower()
    return (
        f"{kind}.{resource.group}/{item['metadata']['name']}"
        if resource.group
        else f"{kind}/{item['metadata']['name']}"
    )


def _helm(world: World, words: list[str]) -> str:
    valued = {"--kube-context", "--kubeconfig", "-n", "--version", "--set-string", "--set", "--filter", "-o"}
    options = _options(words, valued, {"--reuse-values"})
    if options.values.get("--kube-context", "") != world.target.context:
        raise _UnknownError("it does not act on the lab's context")
    if options.words == ["list"] and options.values.get("-o") == "yaml":
        return _helm_list(world, options)
    if options.words[:1] == ["rollback"]:
        return _rollback(world, options)
    if options.words[:1] != ["upgrade"] or len(options.words) != 3:  # noqa: PLR2004 - upgrade, release, chart
        raise _UnknownError(f"helm {' '.join(options.words)}")
    _, name, chart = options.words
    namespace = options.values.get("-n", "default")
    release = next((r for r in world.releases if (r.name, r.namespace) == (name, namespace)), None)
    if release is None:
        raise CommandError(f'Error: UPGRADE FAILED: "{name}" has no deployed releases')
    if chart != f"coder/{release.chart}" or options.values.get("--version") != release.version:
        raise CommandError(
            f"this would install another chart than {release.chart} {release.version}: {' '.join(words)}"
        )
    if "--reuse-values" not in options.flags:
        raise CommandError(f"this would drop the release's values: {' '.join(words)}")
    return _upgrade(world, release, options.values.get("--set", ""), options.values["--set-string"])


def _helm_list(world: World, options: _Options) -> str:
    wanted = re.compile(options.values.get("--filter", ""))
    found = [
        r
        for r in world.releases
        if r.namespace == options.values.get("-n", "default") and wanted.search(r.name)
    ]
    return "".join(
        f"- app_version: {r.version}\n  chart: {r.chart}-{r.version}\n  name: {r.name}\n"
        f"  namespace: {r.namespace}\n  status: deployed\n"
        for r in found
    )


def _rollback(world: World, options: _Options) -> str:
    """Leave what was attempted after the deployed revision."""
    _, name, revision = options.words
    where = options.values.get("-n", "default")
    for release in world.releases:
        if (release.name, release.namespace) == (name, where) and str(release.revision) == revision:
            release.attempted = None
            release.revision += 2
            return "Rollback was a success! Happy Helming!\n"
    raise CommandError(f"Error: release has no {revision} version")


def _upgrade(world: World, release: Release, setting: str, text_setting: str) -> str:
    """Set values of a release, and render what the chart makes of them: labels of the pod template."""
    before = release.values.get("coderd", {}).get("extraLabels") or {}
    values = applied(applied(release.values, setting), text_setting, as_text=True)
    release.values = _kept(values, release.values)
    release.attempted = None
    release.revision += 1
    extra = release.values.get("coderd", {}).get("extraLabels") or {}
    item = world.kubernetes.get(DEPLOYMENTS, "coderd", release.namespace)
    labels = item["spec"]["template"]["metadata"]["labels"]
    for key in before.keys() - extra.keys():
        labels.pop(key, None)
    if labels != {**labels, **extra}:
        labels.update(extra)
        item["metadata"]["generation"] = int(item["metadata"]["generation"]) + 1
    world.settle()
    return f'Release "{release.name}" has been upgraded. Happy Helming!\n'


def _kept(values: Json, before: Json) -> Json:
    """What helm keeps of values when it reuses those of before: a null takes away what was there, no other null."""
    kept = {}
    for key, value in values.items():
        known = before.get(key)
        if value is not None or known is None:
            kept[key] = (
                _kept(value, known if isinstance(known, dict) else {}) if isinstance(value, dict) else value
            )
    return kept


def _az(world: World, words: list[str]) -> str:
    valued = {
        "--assignee-object-id",
        "--assignee-principal-type",
        "--identities",
        "--ids",
        "--ip-address",
        "--name",
        "--query",
        "--registry",
        "--role",
        "--scope",
        "--status",
        "-g",
        "-n",
        "-o",
    }
    options = _options(words, valued, set())
    commands: dict[str, Callable[[World, dict[str, str]], str]] = {
        "acr list": _acr_list,
        "acr network-rule add": _network_rule,
        "acr config authentication-as-arm update": _as_arm,
        "identity show": _identity_show,
        "role assignment create": _role,
        "vmss identity assign": _vmss_assign,
        "vmss identity remove": _vmss_remove,
    }
    command = commands.get(" ".join(options.words))
    if command is None:
        raise _UnknownError(f"az {' '.join(options.words)}")
    return command(world, options.values)


def _acr_list(world: World, values: dict[str, str]) -> str:
    query = ACR_LIST.fullmatch(values.get("--query", ""))
    if query is None or values.get("-o") != "tsv":
        raise _UnknownError("az acr list with this query")
    registry = world.azure.registry(query["host"])
    if registry is None:
        return ""
    return f"{registry.resource_id if query['field'] == 'id' else registry.name}\n"


def _registry(world: World, name: str) -> Registry:
    for registry in world.azure.registries:
        if registry.name == name:
            return registry
    raise CommandError(
        f"The resource with name '{name}' and type 'Microsoft.ContainerRegistry/registries' could not be found"
    )


def _network_rule(world: World, values: dict[str, str]) -> str:
    _registry(world, values["--name"]).ip_rules.append(values["--ip-address"])
    return ""


def _as_arm(world: World, values: dict[str, str]) -> str:
    _registry(world, values["--registry"]).arm_audience_enabled = values["--status"] == "enabled"
    return ""


def _identity_show(world: World, values: dict[str, str]) -> str:
    identity = world.azure.identity(values["--ids"])
    if identity is None or values.get("--query") != "clientId":
        raise CommandError(f"(ResourceNotFound) The Resource '{values['--ids']}' was not found.")
    return f"{identity.client_id}\n"


def _role(world: World, values: dict[str, str]) -> str:
    if not values["--scope"]:
        raise CommandError("a role without a scope would be given on the whole subscription")
    effective = world.clock.now() + PROPAGATION
    world.azure.roles.append(
        RoleAssignment(
            values["--assignee-object-id"], values["--role"], values["--scope"], effective_at=effective
        )
    )
    return ""


def _vmss_assign(world: World, values: dict[str, str]) -> str:
    if world.azure.identity(values["--identities"]) is None:
        raise CommandError(f"(FailedIdentityOperation) Resource '{values['--identities']}' was not found.")
    held = world.azure.scale_set(values["-n"]).identities
    if values["--identities"] not in held:
        held.append(values["--identities"])
    return ""


def _vmss_remove(world: World, values: dict[str, str]) -> str:
    held = world.azure.scale_set(values["-n"]).identities
    if values["--identities"] in held:
        held.remove(values["--identities"])
    return ""
