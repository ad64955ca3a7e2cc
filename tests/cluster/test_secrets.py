"""That no secret leaves: what the simulators gave out is nowhere but where it was sent to."""

import json
from collections.abc import Iterator

from tests.cluster import minted
from tests.cluster.harness import Cluster
from tests.cluster.live import Played
from tests.cluster.minted import SIGNATURE


def test_no_signature_is_in_any_output(cluster: Cluster, played: Played) -> None:
    """Neither in the report, in either form and with all its details, nor in what goes to standard error."""
    known = minted.signatures(cluster.layout.state)
    assert len(known) > 20
    for name, text in _outputs(played):
        assert not [signature for signature in known if signature in text], name
        assert not SIGNATURE.search(text), name


def test_no_operator_token_is_in_any_output(cluster: Cluster, played: Played) -> None:
    """The bearer token that an operator's kubeconfig holds."""
    configs = [json.loads(path.read_text()) for path in cluster.layout.state.glob("operator-*.kubeconfig")]
    tokens = [config["users"][0]["user"]["token"] for config in configs]
    assert tokens
    for name, text in _outputs(played):
        assert not [token for token in tokens if token in text or token.rpartition(".")[2] in text], name


def test_no_signature_is_in_the_audit_log(cluster: Cluster, played: Played) -> None:
    """Which keeps the arguments of every exec."""
    known = minted.signatures(cluster.layout.state)
    events = [json.loads(line) for line in cluster.audit_log.read_text().splitlines()]
    # kubectl is the tests' own: it puts a token into a pull secret.
    others = [event for event in events if not str(event.get("userAgent", "")).startswith("kubectl/")]
    execs = [event for event in others if (event.get("objectRef") or {}).get("subresource") == "exec"]
    assert len(execs) > 20
    assert any("command=curl" in event["requestURI"] for event in execs)
    for event in others:
        text = json.dumps(event)
        assert not SIGNATURE.search(text), event["requestURI"]
        assert not [signature for signature in known if signature in text], event["requestURI"]


def _outputs(played: Played) -> Iterator[tuple[str, str]]:
    for outcome in played.outcomes.values():
        for run in outcome.runs:
            yield f"{outcome.scenario.name}: {' '.join(run.argv)}", run.stdout + run.stderr + run.text
    if played.rest:
        run = played.rest.run
        yield "healthy", run.stdout + run.stderr + run.text
