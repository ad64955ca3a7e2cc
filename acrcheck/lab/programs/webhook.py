"""The API server when it cannot call the webhook of workload identity, as the ReplicaSet's events show it.

Sources: kubernetes/kubernetes staging/src/k8s.io/apiserver pkg/util/webhook/error.go, pkg/util/proxy/proxy.go,
pkg/admission/plugin/webhook/mutating/dispatcher.go; golang/go src/crypto/x509/verify.go; azure-workload-identity
deploy/azure-wi-webhook.yaml; the texts in Azure/AKS#4139 and #5686 on GitHub.
"""

from acrcheck.lab.programs.kubectl import Event, events
from acrcheck.lab.webhook import Webhook
from acrcheck.lab.world import World

SERVICE = "azure-wi-webhook-webhook-service"
REASONS = {
    "absent": f'no endpoints available for service "{SERVICE}"',
    "silent": "context deadline exceeded",
    "plain": "http: server gave HTTP response to HTTPS client",
}


def events_of_replicaset(world: World) -> str:
    """What `kubectl describe replicaset` shows of a pod that was not admitted; nothing where it was."""
    webhook = world.webhook
    reason = "" if webhook is None or webhook.failure_policy == "Ignore" else _reason(world, webhook)
    if not reason or webhook is None:
        return ""
    url = f"https://{SERVICE}.{webhook.namespace}.svc:443/mutate-v1-pod?timeout=10s"
    said = (
        'Error creating: Internal error occurred: failed calling webhook "mutation.azure-workload-identity.io": '
        f'failed to call webhook: Post "{url}": {reason}'
    )
    return events([Event("Warning", "FailedCreate", said, 12, "replicaset-controller")])


def _reason(world: World, webhook: Webhook) -> str:
    now = world.clock.now()
    if webhook.answers == "yes" and webhook.certificate <= now:
        return (
            "tls: failed to verify certificate: x509: certificate has expired or is not yet valid: "
            f"current time {now:%Y-%m-%dT%H:%M:%SZ} is after {webhook.certificate:%Y-%m-%dT%H:%M:%SZ}"
        )
    return REASONS.get(webhook.answers, "")
