"""The custom resource definitions of AAD Pod Identity 1.8.17, as apiextensions v1 with structural schemas.

Field names and types: aad-pod-identity, pkg/apis/aadpodidentity/v1/types.go.
"""

from typing import Any

Json = dict[str, Any]

GROUP = "aadpodidentity.k8s.io"
STRING: Json = {"type": "string"}
INTEGER: Json = {"type": "integer"}
REPLICAS: Json = {"type": "integer", "format": "int32", "nullable": True}
METADATA: Json = {"type": "object"}
SECRET: Json = {"type": "object", "properties": {"name": STRING, "namespace": STRING}}
AGE: Json = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}

IDENTITY_SPEC: Json = {
    "type": "object",
    "properties": {
        "metadata": METADATA,
        "type": INTEGER,
        "resourceID": STRING,
        "clientID": STRING,
        "clientPassword": SECRET,
        "tenantID": STRING,
        "auxiliaryTenantIDs": {"type": "array", "items": STRING, "nullable": True},
        "adResourceID": STRING,
        "adEndpoint": STRING,
        "replicas": REPLICAS,
    },
}
BINDING_SPEC: Json = {
    "type": "object",
    "properties": {"metadata": METADATA, "azureIdentity": STRING, "selector": STRING, "weight": INTEGER},
}
COUNTED_STATUS: Json = {
    "type": "object",
    "properties": {"metadata": METADATA, "availableReplicas": {"type": "integer", "format": "int32"}},
}


def definitions() -> list[Json]:
    """All four."""
    return [
        _definition(
            "AzureIdentity",
            "azureidentities",
            _schema(IDENTITY_SPEC, COUNTED_STATUS),
            [_column("Type", ".spec.type"), _column("ClientID", ".spec.clientID"), AGE],
        ),
        _definition(
            "AzureIdentityBinding",
            "azureidentitybindings",
            _schema(BINDING_SPEC, COUNTED_STATUS),
            [_column("AzureIdentity", ".spec.azureIdentity"), _column("Selector", ".spec.selector"), AGE],
        ),
        _definition(
            "AzureAssignedIdentity",
            "azureassignedidentities",
            _schema(_assigned_spec(), _assigned_status()),
            [],
        ),
        _definition("AzurePodIdentityException", "azurepodidentityexceptions", _schema(*_exception()), []),
    ]


def _assigned_spec() -> Json:
    return {
        "type": "object",
        "properties": {
            "metadata": METADATA,
            "azureIdentityRef": _embedded(IDENTITY_SPEC),
            "azureBindingRef": _embedded(BINDING_SPEC),
            "pod": STRING,
            "podNamespace": STRING,
            "nodename": STRING,
            "replicas": REPLICAS,
        },
    }


def _assigned_status() -> Json:
    properties = {**COUNTED_STATUS["properties"], "status": STRING}
    return {"type": "object", "properties": properties}


def _exception() -> tuple[Json, Json]:
    labels = {"type": "object", "additionalProperties": STRING}
    spec = {"type": "object", "properties": {"metadata": METADATA, "podLabels": labels}}
    return spec, {"type": "object", "properties": {"metadata": METADATA, "status": STRING}}


def _embedded(spec: Json) -> Json:
    """A whole object inside another: the API server then demands its apiVersion and kind."""
    return {**_schema(spec, COUNTED_STATUS), "x-kubernetes-embedded-resource": True}


def _schema(spec: Json, status: Json) -> Json:
    properties = {"apiVersion": STRING, "kind": STRING, "metadata": METADATA, "spec": spec, "status": status}
    return {"type": "object", "properties": properties}


def _column(name: str, path: str) -> Json:
    kind = "integer" if name == "Type" else "string"
    return {"name": name, "type": kind, "jsonPath": path}


def _definition(kind: str, plural: str, schema: Json, columns: list[Json]) -> Json:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "additionalPrinterColumns": columns,
    }
    names = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": kind.lower()}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{GROUP}",
            # The API server lets nobody take a name below k8s.io without saying so.
            "annotations": {"api-approved.kubernetes.io": "unapproved"},
        },
        "spec": {"group": GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }
