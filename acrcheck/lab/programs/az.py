"""The Azure CLI: `az acr` and `az aks check-acr`.

Sources: Azure/azure-cli 2.91.0 command_modules/acr/{custom,credential,check_health,_docker_utils,_errors,_utils}.py
and acs/custom.py (aks_check_acr); microsoft/knack for `ERROR:` and `WARNING:`.
"""

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from acrcheck.lab import tokens
from acrcheck.lab.azure import Registry
from acrcheck.lab.path import Path, StoppedError
from acrcheck.lab.programs import canipull, docker, go
from acrcheck.lab.programs.containerd import PARAMETER
from acrcheck.lab.world import World

ARM = "https://management.azure.com"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
NULL_GUID = "00000000-0000-0000-0000-000000000000"
SUFFIX = ".azurecr.io"
SAMPLE = "mcr.microsoft.com/mcr/hello-world:latest"
HEALTH_ERRORS = (
    "https://learn.microsoft.com/azure/container-registry/container-registry-health-error-reference"
    "#connectivity_forbidden_error"
)
CHECKED = "pull,push,metadata_write,metadata_read,delete"
SECONDS = 60.0
TRACEBACK = (
    "To open an issue, please run: 'az feedback'",
    "Traceback (most recent call last):",
    '  File "azure/cli/command_modules/acs/custom.py", line 2364, in aks_check_acr',
    "    kubectl_server_patch = int(",
)


class _CliError(Exception):
    """The command ended with code 1. The text goes to standard error."""


class _NotFoundError(_CliError):
    """The registry is not among the resources of the current subscription."""


@dataclass
class Az:
    """One call of az.

    Attributes:
        shown: the lines that it printed, in order.
    """

    world: World
    shown: list[str] = field(default_factory=list)

    def acr_login(self, name: str) -> str:
        """`az acr login --name NAME`."""
        return self._ended(lambda: self._login(name))

    def login_identity(self, client_id: str) -> str:
        """`az login --identity --client-id ID`, in the first pod of the workload."""
        return self._ended(lambda: self._sign_in(client_id))

    def acr_credential_show(self, name: str) -> str:
        """`az acr credential show --name NAME`."""
        return self._ended(lambda: self._credential(name))

    def acr_build(self, name: str) -> str:
        """`az acr build --registry NAME .`."""
        return self._ended(lambda: self._build(name))

    def acr_network_rule_add(self, name: str, address: str) -> str:
        """`az acr network-rule add --name NAME --ip-address ADDRESS`."""
        return self._ended(lambda: self._rule(name, address))

    def acr_check_health(self, name: str, repository: str = "") -> str:
        """`az acr check-health --name NAME --ignore-errors --yes`."""
        return self._ended(lambda: self._health(name, repository))

    def aks_check_acr(self, host: str, node: str) -> str:
        """`az aks check-acr --acr HOST --node-name NODE`."""
        return self._ended(lambda: self._check(host, node))

    def _ended(self, command: Any) -> str:
        try:
            command()
        except _CliError as error:
            self.shown.append(f"ERROR: {error}")
        return "".join(f"{line}\n" for line in self.shown)

    # -- the commands -------------------------------------------------------------------------------

    def _login(self, name: str) -> None:
        tips = (
            f"You may want to use 'az acr login -n {name} --expose-token' to get a refresh token, "
            "which does not require Docker to be installed."
        )
        problem = self._docker()
        if problem:
            self._warn(tips)
            raise _CliError(problem)
        host, unfound = self._host(name)
        self._reach(name, host)
        try:
            refresh_token = self._refresh_token(host)
        except _CliError as error:
            self._warn(f"Unable to get AAD authorization tokens with message: {error}")
            admin = unfound or "Admin user is disabled."
            self._warn(f"Unable to get admin user credentials with message: {admin}")
            raise _CliError(
                "Unable to authenticate using AAD or admin login credentials. "
                "Please specify both username and password in non-interactive mode."
            ) from error
        try:
            docker.login(self.world, host, NULL_GUID, refresh_token)
        except docker.FailedError as error:
            self._warn(str(error))
            raise _CliError("Login failed.") from error
        self.shown.append("Login Succeeded")

    def _sign_in(self, client_id: str) -> None:
        identities = self.world.azure.identities
        self.world.workstation.login = next(item for item in identities if item.client_id == client_id)
        found = self._arm("GET", "/subscriptions")["value"]
        if not found:
            raise _CliError(
                "No access was configured for the managed identity, hence no subscriptions were found. "
                "If this is expected, use '--allow-no-subscriptions' to have tenant level access."
            )
        self.shown.append(json.dumps([item["displayName"] for item in found], indent=2))

    def _credential(self, name: str) -> None:
        if not self._registry(name).admin_user_enabled:
            raise _CliError(f"Run 'az acr update -n {name} --admin-enabled true' to enable admin first.")
        self.shown.append(json.dumps({"username": name}, indent=2))

    def _build(self, name: str) -> None:
        self._warn("Packing source code into tar to upload...")
        registry = self._registry(name)
        self._warn(f"Sending context (2.147 KiB) to registry: {name}...")
        run = {"type": "DockerBuildRequest", "dockerFilePath": "Dockerfile"}
        queued = self._arm("POST", f"{registry.resource_id}/scheduleRun", run)
        self._warn(f"Queued a build with ID: {queued['properties']['runId']}")

    def _rule(self, name: str, address: str) -> None:
        registry = self._registry(name)
        rules = [{"action": "Allow", "value": value} for value in (*registry.ip_rules, address)]
        wanted = {"properties": {"networkRuleSet": {"defaultAction": "Deny", "ipRules": rules}}}
        changed = self._arm("PATCH", registry.resource_id, wanted)
        self.shown.append(json.dumps(changed["properties"]["networkRuleSet"], indent=2))

    def _health(self, name: str, repository: str) -> None:
        problem = self._docker()
        if problem:
            self._error(problem)
        else:
            self._warn("Docker daemon status: available")
            self._warn("Docker version: 28.3.0, build 38b7060, platform linux/amd64")
            self._warn(f"Docker pull of '{SAMPLE}' : OK")
        self._warn("Azure CLI version: 2.91.0")
        self._connectivity(name, self._host(name)[0], repository)
        self._warn("Helm version: {}.{}.0".format(*self.world.workstation.helm))
        self._warn("\nPlease refer to https://aka.ms/acr/health-check for more information.")

    def _connectivity(self, name: str, host: str, repository: str) -> None:
        try:
            addresses, _ = Path(self.world).lookup(go.at_workstation(self.world), host)
        except StoppedError:
            said = (
                f"Failed to reach DNS for registry '{host}'. Please check if the spelling is correct, "
                "if the CLI environment is on correct cloud and your network connectivity."
            )
            self._error(self._timed("CONNECTIVITY_DNS_ERROR", said))
            return
        self._warn(f"DNS lookup to {host} at IP {addresses[0]} : OK")
        problem = self._challenged(name, host)
        if problem:
            self._error(problem)
            return
        try:
            refresh_token = self._refresh_token(host)
            self._warn(f"Challenge endpoint https://{host}/v2/ : OK")
            self._warn(f"Fetch refresh token for registry '{host}' : OK")
            self._permissions(host, repository, refresh_token)
        except _CliError as error:
            self._error(str(error))

    def _challenged(self, name: str, host: str) -> str:
        """What check-health has against the registry's first answer; empty when that is as it should be."""
        try:
            response = self._send("GET", f"https://{host}/v2/")
        except StoppedError as stopped:
            if stopped.objection:
                said = f"Unable to establish a secure connection to the registry '{host}'. "
                return self._timed("CONNECTIVITY_SSL_ERROR", f"{said}Are you using a proxy server?")
            said = f"Registry '{host}' did not issue a challenge."
            return self._timed("CONNECTIVITY_CHALLENGE_ERROR", said)
        if response.status_code != httpx.codes.FORBIDDEN:
            return ""
        said = (
            f"Looks like you don't have access to registry '{host}'. To see configured firewall rules, run "
            f"'az acr show --query networkRuleSet --name {name}'. Details: {HEALTH_ERRORS}"
        )
        return self._timed("CONNECTIVITY_FORBIDDEN_ERROR", said)

    def _reach(self, name: str, host: str) -> None:
        """Ask whether the registry is there before logging in."""
        url = f"https://{host}/v2/"
        try:
            response = self._send("GET", url)
        except StoppedError as stopped:
            raise _CliError(
                f"Could not connect to the registry login server '{host}'. Please verify that the registry exists "
                f"and the URL '{url}' is reachable from your environment.\n"
                f"Try running 'az acr check-health -n {name} --yes' to diagnose this issue."
            ) from stopped
        if response.status_code == httpx.codes.FORBIDDEN:
            raise _CliError(
                f"Looks like you don't have access to registry '{host}'. To see configured firewall rules, run "
                f"'az acr show --query networkRuleSet --name {name}'. To see if public network access is enabled, "
                "run 'az acr show --query publicNetworkAccess'.Please refer to "
                "https://aka.ms/acr/errors#connectivity_forbidden_error for more information."
            )

    def _permissions(self, host: str, repository: str, refresh_token: str) -> None:
        """Get an access token and, for a repository, want all that could be allowed in it."""
        scope = f"repository:{repository}:{CHECKED}" if repository else "registry:None:*"
        form = {
            "grant_type": "refresh_token",
            "service": host,
            "scope": scope,
            "refresh_token": refresh_token,
        }
        response = self._send("POST", f"https://{host}/oauth2/token", form=form)
        if not response.is_success:
            raise _CliError(self._denied("CONNECTIVITY_ACCESS_TOKEN_ERROR", host, response))
        access = (tokens.claims_of(response.json()["access_token"]) or {}).get("access") or [{}]
        allowed = access[0].get("actions", [])
        lacking = [action for action in CHECKED.split(",") if action not in allowed]
        if repository and lacking:
            said = (
                f"You have {_listed(allowed) or 'no'} permissions to the repository. You are lacking "
                f"{_listed(lacking)} repository permissions. Please verify if you have full read, write, and "
                "delete permissions to the repository in the registry."
            )
            raise _CliError(self._timed("CONNECTIVITY_ACCESS_TOKEN_ERROR", said))
        whose = f"repository '{repository}' in registry '{host}'" if repository else f"registry '{host}'"
        self._warn(f"Fetch access token for {whose} : OK")

    def _check(self, host: str, node: str) -> None:
        if not self.world.workstation.kubectl:
            raise _CliError("Can not find kubectl executable in PATH")
        patch = self.world.server_version.split(".")[-1]
        if not patch.isdigit():
            problem = f"invalid literal for int() with base 10: '{patch}'"
            self._error("The command failed with an unexpected error. Here is the traceback:")
            self._error(problem)
            self.shown += [*TRACEBACK, f"ValueError: {problem}"]
            return
        output, code_ = canipull.run(self.world, node, host)
        if code_:
            command = "Command '['/usr/local/bin/kubectl', 'run', '--rm', '--quiet', '-it', 'canipull']'"
            raise _CliError(
                f"Failed to check the ACR: {command} returned non-zero exit status {code_}. "
                f"Command output: {output}"
            )
        self.shown.append(output)

    # -- what they are made of ----------------------------------------------------------------------

    def _docker(self) -> str:
        """What is wrong with docker, as `docker ps` shows it; empty when nothing is."""
        if self.world.workstation.docker == "absent":
            said = "Please verify if Docker client is installed and running."
            return self._timed("DOCKER_COMMAND_ERROR", said)
        try:
            docker.ps(self.world)
        except docker.FailedError as error:
            return self._timed("DOCKER_COMMAND_ERROR", str(error))
        return ""

    def _host(self, name: str) -> tuple[str, str]:
        """The login server, or where there is no registry of that name what it should be, and what was said."""
        try:
            return self._registry(name).login_server, ""
        except _NotFoundError as error:
            return f"{name}{SUFFIX}".lower(), str(error)

    def _registry(self, name: str) -> Registry:
        """Find a registry in the current subscription, and read it."""
        current = self.world.workstation.subscription or self.world.azure.subscriptions[0].id
        query = {"$filter": f"resourceType eq '{REGISTRIES}'"}
        found = self._arm("GET", f"/subscriptions/{current}/resources", query=query)["value"]
        ids = [item["id"] for item in found if item["name"].lower() == name.lower()]
        if not ids:
            held = next(item for item in self.world.azure.subscriptions if item.id == current)
            raise _NotFoundError(
                f"The resource with name '{name}' and type '{REGISTRIES}' could not be found "
                f"in subscription '{held.name} ({held.id})'."
            )
        read = self._arm("GET", ids[0])
        registry = self.world.azure.registry(read["properties"]["loginServer"])
        assert registry is not None  # noqa: S101 - ARM has just named it
        return registry

    def _refresh_token(self, host: str) -> str:
        challenge = self._send("GET", f"https://{host}/v2/")
        if challenge.status_code != httpx.codes.UNAUTHORIZED:
            said = f"Registry '{host}' did not issue a challenge."
            raise _CliError(self._timed("CONNECTIVITY_CHALLENGE_ERROR", said))
        asked = dict(PARAMETER.findall(challenge.headers["www-authenticate"]))
        form = {
            "grant_type": "access_token",
            "service": asked["service"],
            "access_token": self._token(tokens.REGISTRY_AUDIENCES[0]),
        }
        response = self._send("POST", f"https://{host}/oauth2/exchange", form=form)
        if not response.is_success:
            raise _CliError(self._denied("CONNECTIVITY_REFRESH_TOKEN_ERROR", host, response))
        return str(response.json()["refresh_token"])

    def _denied(self, code: str, host: str, response: httpx.Response) -> str:
        said = (
            f"Access to registry '{host}' was denied. Response code: {response.status_code}. "
            "Please try running 'az login' again to refresh permissions."
        )
        return self._timed(code, said)

    def _arm(
        self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None
    ) -> dict[str, Any]:
        url = f"{ARM}{path}?{urlencode({'api-version': '2025-11-01', **(query or {})})}"
        response = self._send(method, url, body=body, token=self._token(tokens.ARM_AUDIENCES[0]))
        document: dict[str, Any] = response.json()
        if response.is_success:
            return document
        code, message = document["error"]["code"], document["error"]["message"]
        raise _CliError(f"({code}) {message}\nCode: {code}\nMessage: {message}")

    def _send(
        self,
        method: str,
        url: str,
        form: dict[str, str] | None = None,
        body: Any = None,
        token: str = "",
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        content = None if body is None else json.dumps(body)
        request = httpx.Request(method, url, headers=headers, content=content, data=form)
        return Path(self.world).send(go.at_workstation(self.world), request, SECONDS)

    def _token(self, audience: str) -> str:
        azure = self.world.azure
        if self.world.workstation.login is None:
            raise _CliError("Please run 'az login' to setup account.")
        claims = tokens.entra_claims(self.world.workstation.login, audience, self.world.clock.now())
        return tokens.encode(tokens.entra_signer(azure), claims)

    def _timed(self, code: str, message: str) -> str:
        return f"{self.world.clock.now():%Y-%m-%d %H:%M:%S.%f} An error occurred: {code}\n{message}"

    def _warn(self, text: str) -> None:
        self.shown.append(f"WARNING: {text}")

    def _error(self, text: str) -> None:
        self.shown.append(f"ERROR: {text}")


def _listed(actions: list[str]) -> str:
    return ", ".join(actions[:-1]) + " and " + actions[-1] if len(actions) > 1 else "".join(actions)
