"""`acrcheck run`."""

import os
from typing import TYPE_CHECKING, Any

import click

from acrcheck.azure.clouds import NAMES
from acrcheck.cli import options
from acrcheck.cli.errors import Session
from acrcheck.cli.output import UNSEEN_WIDTH, look, write
from acrcheck.cli.recording import redaction, redactor, taping

if TYPE_CHECKING:
    from acrcheck.catalogue import Checks
    from acrcheck.cluster.kubeconfig import ConnectionFlags
    from acrcheck.helm.values import ValuesFiles
    from acrcheck.model import Report
    from acrcheck.profile import Profile
    from acrcheck.run import Options
    from acrcheck.target import Target
    from acrcheck.wire.vault import Vault

CODER_TOKENS = ("ACRCHECK_CODER_TOKEN", "CODER_TOKEN", "CODER_SESSION_TOKEN")
"""Variables that may hold a session token for Coder: our own, then those of the CLIs of version 1 and 2."""
TAPE = options.TAPE
HELP = """Find the workload and check what it needs to authenticate to and pull from the registry.

Without --workload, Coder's control plane is looked for. Nothing is created or changed unless --allow says so.
An ephemeral container (--allow debug-container) cannot be deleted: it ends by itself and stays in the pod's spec.
With --allow probe-pod the images are really pulled, once per node pool, for pods in which nothing of them runs and
that are deleted again; --timeout must leave time for that.

\b
Examples:
  acrcheck run
  acrcheck run --context aks-prod -n coder --workload deployment/coder
  acrcheck run --only token,registry --report json=report.json --report tape=run.tape
  coder tokens create acrcheck | acrcheck run --coder-url https://coder.example.com --coder-token-file -
  acrcheck run --only registry --vantage probe-pod --allow probe-pod --node aks-user-12345678-vmss000003
  acrcheck run --only registry --full --timeout 15m
  acrcheck run --profile pre-upgrade --to-chart 1.44.3 --values values.yaml --allow probe-pod
"""

VANTAGES = {"inside": "exec", "debug-container": "debug", "probe-pod": "pod", "here": "local"}
target_options = options.together(
    options.option(
        "--workload",
        type=options.Workload(),
        default=None,
        help="The workload, of whatever kind, or one of its pods (default: Coder's).",
    ),
    options.option("--registry", default="", metavar="HOST", help="The registry (default: the image's)."),
    options.option("--image", default="", help="An image that must be pullable (default: the workload's)."),
    options.option(
        "--identity-client-id", default="", metavar="GUID", help="The identity that must be given."
    ),
    options.option("--identity-resource-id", default="", metavar="ID", help="The same, by its resource id."),
    options.option(
        "--coder-url",
        default="",
        metavar="URL",
        help="Ask Coder's own API too: its registry entry, its images' tags, its audit log.",
    ),
    options.option(
        "--coder-token-file",
        default="",
        metavar="FILE",
        help="Read a site manager's session token from FILE, or from standard input (-); else it is looked for in "
        "ACRCHECK_CODER_TOKEN, CODER_TOKEN and CODER_SESSION_TOKEN.",
    ),
    options.option("--cloud", type=click.Choice(NAMES), help="The Azure cloud (default: by the registry)."),
)
upgrade_options = options.together(
    options.option(
        "--to-chart",
        default="",
        metavar="VERSION",
        help="Before an upgrade: the chart that will be installed.",
    ),
    options.option(
        "--to-image", default="", metavar="IMAGE", help="Before an upgrade: the image that will be run."
    ),
    options.option(
        "--values", "values", multiple=True, metavar="FILE", help="Before an upgrade: with these; repeatable."
    ),
    options.option(
        "--window", type=options.Duration(), default=None, help="How long the upgrade may take  [default: 2h]"
    ),
    options.option(
        "--database-snapshot", default="", metavar="REF", help="The snapshot that a way back begins with."
    ),
)
running_options = options.together(
    options.option(
        "--profile", default="", metavar="NAME|FILE", help="Judge by this profile: its checks and waivers."
    ),
    options.option("--only", type=options.Names(), multiple=True, help="Only these checks or categories."),
    options.option("--skip", type=options.Names(), multiple=True, help="Not these checks or categories."),
    options.option(
        "--allow",
        type=click.Choice(["debug-container", "probe-pod"]),
        multiple=True,
        help="Leave to create an ephemeral container, or pods for the run's time, which also make each node "
        "pool's kubelet pull the images; repeatable.",
    ),
    options.option("--probe-image", default="", metavar="IMAGE", help="For what is created."),
    options.option(
        "--vantage",
        type=click.Choice(list(VANTAGES)),
        help="From where the registry is asked (default: the first that has the programs for it); `here` is where "
        "acrcheck runs.",
    ),
    options.option(
        "--node", default="", metavar="NAME", help="The throw-away pod's node (--vantage probe-pod)."
    ),
    options.option(
        "--full",
        is_flag=True,
        help="Download the image's layers whole, to here, and verify their digests; let --timeout be long enough.",
    ),
    options.option(
        "--timeout", type=options.Duration(), default="2m", show_default=True, help="For the whole run."
    ),
    options.option(
        "--fail-on",
        type=click.Choice(["fail", "warn"]),
        default="fail",
        show_default=True,
        help="What makes the exit code 1.",
    ),
    options.option(
        "--report", "reports", type=options.ReportFile(), multiple=True, help="Write a report; repeatable."
    ),
)


@click.command("run", help=HELP, short_help="Check a workload on the cluster.")
@options.config_file
@target_options
@upgrade_options
@running_options
@redaction
@options.output("text", "json", "name", envvar="ACRCHECK_OUTPUT", show_envvar=True)
@options.presentation
@options.connection
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> int:
    """Check a workload on the cluster."""
    ctx.obj = _session(ctx, given)
    return _run(given)


def _session(ctx: click.Context, given: dict[str, Any]) -> Session:
    """Tell the error handler what is known now that flags, environment and file are read."""
    session = ctx.find_object(Session) or Session()
    session.json = given["output"] == "json"
    session.verbose = given["verbose"]
    return session


def _run(given: dict[str, Any]) -> int:
    from acrcheck.bundle.tapefile import Header
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.cli.progress import Progress
    from acrcheck.clock import SystemClock
    from acrcheck.run import refuse_unknown_names, run

    checks = load_checks(builtin_dir())
    causes = load_causes(builtin_dir(), checks)
    profile = profile_of(given, checks)
    chosen = options_of(given, profile)
    refuse_unknown_names(checks, chosen)

    from acrcheck.cli.doors import opened
    from acrcheck.wire.vault import Vault

    clock, vault = SystemClock(), Vault()
    flags, target = connection_flags(given), target_of(given, profile, vault)
    tapes = [path for form, path in given["reports"] if form == TAPE]
    with (
        Progress() as progress,
        opened(flags, target, clock, os.environ, vault, progress.received) as world,
    ):
        chosen.metadata["cluster"] = world.connection.server
        header = Header(chosen.metadata["version"], clock.now(), world.target, chosen)
        with taping(tapes, header, lambda: redactor(given)) as tape:
            report, _ = run(world.target, world.doors, clock, checks, causes, chosen, progress, tape)
    show(report, given)
    save(report, given)
    return report.exit_code


def show(report: "Report", given: dict[str, Any]) -> None:
    """Write a report to standard output, in the format and the look that were asked for."""
    from acrcheck.report import formats

    how = look(given["color"], ascii=given["ascii"], verbose=given["verbose"])
    text = formats.render(
        given["output"], report, width=how.width, ascii=how.ascii, color=how.color, verbose=how.verbose
    )
    write(text, color=how.color)


def save(report: "Report", given: dict[str, Any]) -> None:
    """Write a report to the files that were asked for; tapes are written while the run goes on."""
    for form, path in given["reports"]:
        if form != TAPE:
            _save(report, form, path, given["verbose"])


def _save(report: "Report", form: str, path: str, verbose: int) -> None:
    from pathlib import Path

    from acrcheck.errors import UsageError
    from acrcheck.report import formats

    text = formats.render(form, report, width=UNSEEN_WIDTH, verbose=verbose)
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"the report cannot be written: {error.strerror}",
            input=f"--report {form}={path}",
            expected="a file that may be written",
        ) from None


def connection_flags(given: dict[str, Any]) -> "ConnectionFlags":
    """Take kubectl's connection flags out of what was given."""
    from dataclasses import fields

    from acrcheck.cluster.kubeconfig import ConnectionFlags

    return ConnectionFlags(**{field.name: given[field.name] for field in fields(ConnectionFlags)})


def profile_of(given: dict[str, Any], checks: "Checks") -> "Profile":
    """Load the profile that was asked for; an empty one where none was."""
    from acrcheck.catalogue import builtin_dir
    from acrcheck.profile import Profile, load

    return load(given["profile"], builtin_dir(), checks) if given["profile"] else Profile("")


def target_of(given: dict[str, Any], profile: "Profile", vault: "Vault") -> "Target":
    """Take the target out of what was given: what a flag says goes before what the profile says.

    Secrets of it go into the vault.
    """
    from acrcheck.target import Target

    token = _coder_token(given["coder_token_file"]) if given["coder_url"] else ""

    return Target(
        namespace=given["namespace"],
        workload=given["workload"] or "",
        registry=given["registry"].lower(),
        image=given["image"],
        identity_client_id=given["identity_client_id"],
        identity_resource_id=given["identity_resource_id"],
        cloud=given["cloud"] or "",
        allow=frozenset(given["allow"]),
        probe_image=given["probe_image"],
        vantage="local"
        if given["full"] and not given["vantage"]
        else VANTAGES.get(given["vantage"] or "", ""),
        node=given["node"],
        full=given["full"],
        **_upgrade(given, profile),
        coder_url=given["coder_url"],
        coder_token=vault.keep(token).handle if token else "",
    )


def _coder_token(path: str) -> str:
    """Read the session token for Coder's API; empty where none was given."""
    from acrcheck.cli import secret
    from acrcheck.errors import UsageError

    if path:
        token = secret.read(path).strip()
    else:
        token = next((os.environ[name].strip() for name in CODER_TOKENS if os.environ.get(name)), "")
    if (path and not token) or any(not letter.isprintable() or letter == " " for letter in token):
        raise UsageError(
            "there is no session token"
            if not token
            else "the session token has a blank or a line break in it",
            input=path or "the environment",
            expected=f"one session token in --coder-token-file or in {CODER_TOKENS[0]}",
            remedy="coder tokens create acrcheck",
        )
    return token


def _upgrade(given: dict[str, Any], profile: "Profile") -> dict[str, Any]:
    """Say what the gate before an upgrade is told. Raises UsageError where the run is no such gate."""
    from acrcheck.errors import UsageError

    names = ("to_chart", "to_image", "values", "window", "database_snapshot")
    said = {name: given.get(name) for name in names}
    flags = [f"--{name.replace('_', '-')}" for name in names if said[name]]
    if flags and not profile.upgrade:
        raise UsageError(
            f"{', '.join(flags)} is for the gate before an upgrade",
            input=" ".join(flags),
            expected="a profile with `upgrade = true` beside it",
            remedy="--profile pre-upgrade",
        )
    window = {"window": said["window"]} if said["window"] else {}
    return {
        "upgrade": profile.upgrade,
        "thresholds": {**profile.thresholds, **window},
        "values": _values(said["values"] or ()),
        **{name: said[name] or "" for name in ("to_chart", "to_image", "database_snapshot")},
    }


def _values(files: tuple[str, ...]) -> "ValuesFiles | None":
    """Read values files; what they keep secret is hidden before anything can record it."""
    if not files:
        return None
    from acrcheck.cli.values import read_file
    from acrcheck.helm.files import together
    from acrcheck.helm.values import ValuesFiles, veiled

    values = together([read_file(file) for file in files])
    return ValuesFiles(files=values.files, values=veiled(values.values), places={})


def options_of(given: dict[str, Any], profile: "Profile") -> "Options":
    """Say how the run is run: what a flag says goes before what the profile says."""
    from uuid import uuid4

    from acrcheck.cli.version import installed

    return profile.options(
        {"version": installed(), "runId": uuid4().hex[:8]},
        only=options.flat(given["only"]),
        skip=options.flat(given["skip"]),
        timeout=given["timeout"],
        fail_on_warn=given["fail_on"] == "warn",
    )
