"""Exec credential plug-ins (kubelogin and others): run with a time limit, their answer read strictly.

The protocol is client.authentication.k8s.io's ExecCredential (kubernetes.io, "client-go credential plugins").
The kubernetes package runs plug-ins too, but without a time limit, and logs their failures instead of
raising them.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from acrcheck.cluster.kubefiles import Entry
from acrcheck.errors import UsageError

SECONDS = 60.0
"""A plug-in may ask a person to log in with a browser; longer than this a check never waits."""
BY_HAND = "kubectl get --raw /version   (runs the same plug-in, and shows what it says)"
"""The plug-in's arguments are never printed: they may hold a client secret."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plug-in gave: a bearer token or a client certificate, and until when."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: datetime | None = None


def run(user: Entry, cluster: Entry, environ: Mapping[str, str], seconds: float = SECONDS) -> Credential:
    """Run the plug-in that a user entry asks for. Raises UsageError when it is missing, fails or hangs."""
    spec = user.value["exec"]
    where = f"users[name={user.name}].user.exec in {user.path}"
    if not isinstance(spec, dict) or not isinstance(spec.get("command"), str) or not spec.get("apiVersion"):
        raise UsageError(
            "the kubeconfig's exec plug-in is malformed",
            input=where,
            expected="command and apiVersion",
        )
    argv = [_find(spec, user, environ, where), *(str(word) for word in spec.get("args") or [])]
    environment = {**environ, **_variables(spec), "KUBERNETES_EXEC_INFO": json.dumps(_info(spec, cluster))}
    name = Path(spec["command"]).name
    try:
        done = subprocess.run(  # noqa: S603 - the person's own kubeconfig names the program
            argv,
            env=environment,
            cwd=user.path.parent,
            stdin=None if _interactive(spec) else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if _interactive(spec) else subprocess.PIPE,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"the exec plug-in {name} gave no credential within {seconds:g} s",
            input=where,
            expected="a credential on its standard output",
            remedy=BY_HAND,
        ) from None
    except OSError as error:
        raise UsageError(f"the exec plug-in {name} cannot be run: {error.strerror}", input=where) from None
    if done.returncode:
        said = " ".join((done.stderr or b"").decode(errors="replace").split())[:300]
        raise UsageError(
            f"the exec plug-in {name} failed with code {done.returncode}" + (f": {said}" if said else ""),
            input=where,
            expected="a credential on its standard output",
            remedy=BY_HAND,
        )
    return _credential(done.stdout, name, where)


def _find(spec: dict[str, Any], user: Entry, environ: Mapping[str, str], where: str) -> str:
    """Find the program. One with a slash is relative to the kubeconfig's folder, as in kubectl."""
    command = spec["command"]
    if "/" in command:
        found = shutil.which(str((user.path.parent / command).absolute()))
    else:
        found = shutil.which(command, path=environ.get("PATH", os.defpath))
    if found:
        return found
    hint = str(spec.get("installHint") or "").strip()
    if not hint and Path(command).name == "kubelogin":
        hint = "az aks install-cli   (installs kubectl and kubelogin)"
    raise UsageError(
        f"{command} not found",
        input=where,
        expected=f"the exec plug-in {command!r}, which the kubeconfig asks for credentials, on the PATH",
        remedy=hint,
    )


def _variables(spec: dict[str, Any]) -> dict[str, str]:
    listed = spec.get("env") or []
    return {
        str(item["name"]): str(item.get("value") or "")
        for item in listed
        if isinstance(item, dict) and "name" in item
    }


def _info(spec: dict[str, Any], cluster: Entry) -> dict[str, Any]:
    told: dict[str, Any] = {"interactive": _interactive(spec)}
    if spec.get("provideClusterInfo"):
        told["cluster"] = {
            key: cluster.value[key]
            for key in ("server", "tls-server-name", "certificate-authority-data", "proxy-url")
            if key in cluster.value
        }
    return {"apiVersion": spec["apiVersion"], "kind": "ExecCredential", "spec": told}


def _interactive(spec: dict[str, Any]) -> bool:
    return spec.get("interactiveMode") != "Never" and sys.stdin.isatty() and sys.stderr.isatty()


def _credential(output: bytes, name: str, where: str) -> Credential:
    try:
        status = json.loads(output)["status"]
        expires = status.get("expirationTimestamp")
        credential = Credential(
            str(status.get("token") or ""),
            str(status.get("clientCertificateData") or ""),
            str(status.get("clientKeyData") or ""),
            datetime.fromisoformat(expires).astimezone(UTC) if expires else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        # Never quoted: it may hold half a token.
        raise UsageError(
            f"the exec plug-in {name} answered something that is no ExecCredential",
            input=where,
            expected='JSON with "status": {"token": …}',
        ) from None
    if not credential.token and not (credential.certificate and credential.key):
        raise UsageError(
            f"the exec plug-in {name} gave neither a token nor a certificate with its key",
            input=where,
            expected='"token", or "clientCertificateData" and "clientKeyData"',
        )
    return credential
