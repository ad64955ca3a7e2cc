"""A release's Secret: unpacked, and sealed."""

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrcheck.cluster.pullsecret import sealed as sealed_secret
from acrcheck.helm.printed import printed
from acrcheck.helm.release import HIDDEN, MOST_BYTES, TYPE, as_printed, packed, sealed
from acrcheck.wire.vault import Vault

CANARY = "c4n4ry-3f9a"
VALUES: dict[str, Any] = {
    "coderd": {
        "extraLabels": {"aadpodidbinding": "coder", "team/auth-level": 80},
        "image": "team.azurecr.io/coder/coderd:1.44.3",
        "imagePullSecret": "pull",
        "replicas": 2,
        "proxy": {"http": f"http://user:{CANARY}@proxy:3128", "exempt": "cluster.local"},
        "extraEnvs": [
            {"name": "AZURE_ARM_ENDPOINT", "value": "https://arm/"},
            {"name": "DB_PASSWORD", "value": CANARY},
            {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": CANARY}}},
        ],
        "superAdmin": {"passwordSecret": {"name": "admin"}},
        "oidc": {"enableRefresh": True},
    },
    "logging": {"splunk": {"token": CANARY, "url": f"https://{CANARY}/"}},
    "postgres": {"password": 1234567, "host": CANARY},
    "extraLabels": None,
}
DEPLOYMENT = f"""---
# Source: coder/templates/secret.yaml
apiVersion: v1
kind: Secret
data: {{x: {CANARY}}}
---
# Source: coder/templates/coderd.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: coderd
  annotations: {{x: {CANARY}}}
spec:
  template:
    metadata:
      labels: {{coder.deployment: coderd}}
    spec:
      serviceAccountName: coder
      imagePullSecrets: [{{name: pull}}]
      containers:
        - name: coderd
          image: x:1
          args: [{CANARY}]
          env:
            - {{name: SPLUNK_TOKEN, value: {CANARY}}}
            - {{name: no_proxy, value: cluster.local}}
---
kind: Deployment
 broken: [
"""


def release(**changed: Any) -> dict[str, Any]:
    """A release as Helm 3 writes it."""
    return {
        "name": "coder",
        "namespace": "coder",
        "version": 3,
        "config": VALUES,
        "manifest": DEPLOYMENT,
        "info": {"status": "deployed", "description": f"Upgrade failed: {CANARY}", "notes": CANARY},
        "chart": {
            "metadata": {"name": "coder", "version": "1.44.3", "appVersion": "1.44.3"},
            "values": {"coderd": {"image": "docker.io/coderenvs/coder-service:1.44.3"}, "x": CANARY},
            "templates": [{"name": "x", "data": CANARY}],
        },
    } | changed


def test_harmless_values_are_shown_at_their_places() -> None:
    """Keys, labels, images, names of secrets, booleans and numbers, and proxies without their user."""
    shown = sealed(packed(release()))
    coderd = shown["values"]["coderd"]
    assert coderd["extraLabels"] == {"aadpodidbinding": "coder", "team/auth-level": 80}
    assert (coderd["image"], coderd["imagePullSecret"], coderd["replicas"]) == (
        VALUES["coderd"]["image"],
        "pull",
        2,
    )
    assert coderd["proxy"] == {"http": "http://proxy:3128", "exempt": "cluster.local"}
    assert coderd["extraEnvs"][0] == {"name": "AZURE_ARM_ENDPOINT", "value": "https://arm/"}
    assert coderd["extraEnvs"][1:] == [
        {"name": "DB_PASSWORD", "value": HIDDEN},
        {"name": "FROM", "valueFrom": {"secretKeyRef": {"name": HIDDEN}}},
    ]
    assert (coderd["superAdmin"]["passwordSecret"]["name"], coderd["oidc"]["enableRefresh"]) == (
        "admin",
        True,
    )
    assert shown["values"]["extraLabels"] is None
    assert shown["values"]["postgres"] == {"password": HIDDEN, "host": HIDDEN}
    assert (shown["status"], shown["revision"], shown["chart"]["version"]) == ("deployed", 3, "1.44.3")


def test_what_is_hidden_takes_as_many_lines_as_it_did() -> None:
    """So each line of sealed values is that of the same number in what helm prints."""
    values = {
        "certs": {"pem": f"-----BEGIN-----\n{CANARY}\n{CANARY}\n"},
        "coderd": {
            "extraEnvs": [{"name": "KEY", "value": f"{CANARY}\n\n"}, {"name": "PORT", "value": 8080}],
            "note": " ".join([CANARY] * 20),
        },
        "z": True,
    }
    text = as_printed(sealed(packed(release(config=values)))["values"])
    assert CANARY not in text
    assert "value: 8080" in text
    lines = [line.split(":")[0] for line in text.splitlines()]
    meant = [line.split(":")[0] for line in printed(values).splitlines()]
    assert len(lines) == len(meant)
    assert [lines.index(key) for key in ("certs", "coderd", "  note", "z")] == [
        meant.index(key) for key in ("certs", "coderd", "  note", "z")
    ]


def test_the_rendered_deployment_is_what_decides_how_its_pods_pull() -> None:
    """Labels, account, pull secrets, image and the names of its variables; what cannot be read is left out."""
    (item,) = sealed(packed(release()))["deployments"]
    spec = item["spec"]["template"]["spec"]
    assert item["metadata"] == {"name": "coderd"}
    assert spec["serviceAccountName"] == "coder"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert spec["containers"] == [
        {
            "name": "coderd",
            "image": "x:1",
            "env": [
                {"name": "SPLUNK_TOKEN", "value": HIDDEN},
                {"name": "no_proxy", "value": "cluster.local"},
            ],
        }
    ]


def test_nothing_secret_is_left() -> None:
    """Wherever it stood: in values, defaults, manifest, notes, templates, or in what Helm said."""
    secret = {"type": TYPE, "metadata": {"name": "s"}, "data": {"release": packed(release())}}
    seen = sealed_secret(secret, Vault().keep)
    assert seen["release"]["problem"] == ""
    assert CANARY not in json.dumps(seen)
    assert base64.b64encode(CANARY.encode()).decode()[:8] not in json.dumps(seen)


@given(
    st.recursive(
        st.just(CANARY),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["coderd", "http", "value", "name", "password", "image2", "exempt2", "key", "x"]
                ),
                inner,
                max_size=3,
            ),
        ),
        max_leaves=6,
    )
)
def test_text_at_any_other_place_is_hidden(tree: Any) -> None:
    """What is not known to be harmless does not stay, however it is nested."""
    assert CANARY not in json.dumps(sealed(packed(release(config={"any": tree})))["values"])


def test_an_old_release_without_compression_is_read() -> None:
    """Helm 3 wrote plain JSON at first; an empty configuration is left out."""
    plain = {key: value for key, value in release().items() if key != "config"}
    field = base64.b64encode(base64.b64encode(json.dumps(plain).encode())).decode()
    assert sealed(field)["values"] == {}


BOMB = gzip.compress(b" " * (MOST_BYTES + 1), mtime=0)


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ("", "no JSON"),
        ("no base64!", "not base64"),
        (packed(release())[:400], "not base64 of base64|cut off"),
        (base64.b64encode(base64.b64encode(gzip.compress(b"{}", mtime=0)[:12])).decode(), "cut off"),
        (base64.b64encode(base64.b64encode(b"[1]")).decode(), "no JSON object"),
        (base64.b64encode(base64.b64encode(b"\x08\x96protobuf")).decode(), "no JSON"),
        (base64.b64encode(base64.b64encode(BOMB)).decode(), "more than 32 MB"),
    ],
    ids=["empty", "no-base64", "cut-text", "cut-gzip", "list", "helm-2", "bomb"],
)
def test_what_is_no_release_is_told(field: str, problem: str) -> None:
    """A Secret that is cut off, of Helm 2, or grows without end when it is unpacked."""
    shown = sealed(field)
    assert set(shown) == {"problem"}
    assert any(part in shown["problem"] for part in problem.split("|"))
