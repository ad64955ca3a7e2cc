"""`acrcheck creds`."""

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from acrcheck.cli import options

if TYPE_CHECKING:
    from acrcheck.model import Report
    from acrcheck.target import Target
    from acrcheck.wire.vault import Vault

PASSWORD = "ACRCHECK_PASSWORD"  # noqa: S105 - the variable's name
LONGEST = 65_536
"""Bytes that a password, or what stands in its place, may have."""
HELP = """Say whether a user name and password are good for an image, and for how long.

IMAGE is HOST/REPOSITORY[:TAG]. The password is read from --password-file, else from the variable ACRCHECK_PASSWORD,
else from standard input; never from the command line. With --docker-config, name and password are those that the
kubelet would take from that file for the image. Asked is from here: what a node or a pod reaches may differ.
With --full let --timeout be as long as the download may take.

\b
Examples:
  acrcheck creds myregistry.azurecr.io/coder/envbox:1.44 --username puller < password.txt
  acrcheck creds myregistry.azurecr.io/coder/envbox:1.44 --docker-config ~/.docker/config.json
  acrcheck creds myregistry.azurecr.io/coder/envbox:1.44 --username puller --full --timeout 10m < password.txt

\b
Exit codes: 0 good, 1 not, 2 usage, 3 inconclusive.
"""


@click.command("creds", help=HELP, short_help="Try a user name and password on an image.")
@click.argument("image")
@options.option("--username", default="", metavar="NAME", help="The user name.")
@click.option("--password-file", default="", metavar="FILE", help="Read the password from a file.")
@click.option("--docker-config", default="", metavar="FILE", help="Take both from a docker configuration.")
@click.option("--full", is_flag=True, help="Download all layers whole and verify their digests.")
@options.option("--timeout", type=options.Duration(), default="1m", show_default=True, help="For all of it.")
@options.output("text", "json", "name")
@options.presentation
def command(image: str, **given: Any) -> int:
    """Try a user name and password on an image."""
    from contextlib import closing

    from acrcheck.bundle.store import Store
    from acrcheck.catalogue import builtin_dir, load_causes, load_checks
    from acrcheck.cli.progress import Progress
    from acrcheck.cli.run import show
    from acrcheck.cli.version import installed
    from acrcheck.clock import SystemClock
    from acrcheck.run import Doors, Options, run
    from acrcheck.target import Target
    from acrcheck.wire.local import LocalWire
    from acrcheck.wire.vault import Vault

    vault, clock = Vault(), SystemClock()
    target = Target(image=image, full=given["full"])
    target.refuse_malformed()
    target = _with_credential(target, given, vault)
    causes = load_causes(builtin_dir(), load_checks(builtin_dir()))
    checks = load_checks(builtin_dir(), "CREDENTIAL_ORDER")
    chosen = Options(timeout=given["timeout"], metadata={"version": installed(), "image": image})
    with Progress() as progress, closing(LocalWire(vault, clock, progress.received)) as wire:
        report, _ = run(target, Doors(Store(), wire), clock, checks, causes, chosen, progress)
    show(report, given)
    if given["output"] == "text":
        _add_notes(report)
    return report.exit_code


def _add_notes(report: "Report") -> None:
    """Say what was noted of the credential itself: until when it is good is asked even where all is well."""
    from acrcheck.cli.output import write
    from acrcheck.model import Level

    for result in report.results:
        noted = [item.text for item in result.observations if item.kind.level is Level.NOTE]
        if result.check.category == "given" and noted:
            write("\n" + "\n".join(noted) + "\n")


def _with_credential(target: "Target", given: dict[str, Any], vault: "Vault") -> "Target":
    from dataclasses import replace

    from acrcheck.cluster.pullsecret import credential
    from acrcheck.errors import UsageError

    if given["docker_config"]:
        return replace(target, credential=_configured(target, given["docker_config"], vault))
    if not given["username"]:
        raise UsageError(
            "whose password it is was not said",
            input="no --username",
            expected="--username NAME, or --docker-config FILE",
        )
    found = credential(given["username"], _password(given["password_file"]), vault.keep)
    return replace(target, credential=found)


def _password(path: str) -> str:
    """Read the password: of a text, the line break at its end is not part of it."""
    from acrcheck.errors import UsageError

    if not path and PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not path and sys.stdin.isatty():
        typed: str = click.prompt("Password", hide_input=True, err=True)
        return typed
    password = (_read(path) if path else sys.stdin.read(LONGEST)).removesuffix("\n").removesuffix("\r")
    if not password:
        raise UsageError(
            "there is no password",
            input=path or "standard input",
            expected=f"a password in --password-file, in {PASSWORD} or on standard input",
        )
    return password


def _configured(target: "Target", path: str, vault: "Vault") -> dict[str, Any]:
    from acrcheck.azure.image import parse_image
    from acrcheck.cluster.keyring import Entry, lookup
    from acrcheck.cluster.pullsecret import read_config
    from acrcheck.errors import UsageError

    try:
        entries = read_config(_read(path), vault.keep)
    except ValueError as error:
        raise UsageError(f"{path}: {error}", input=path, expected="a docker configuration file") from error
    image = parse_image(target.image)
    stored = {Entry(path, item["key"], item["username"], item["password"]): item for item in entries}
    taken = lookup(stored, f"{image.host}/{image.repository}")
    if not taken:
        raise UsageError(
            f"{path} has no credential that the kubelet would take for {image.host}",
            input=path,
            expected=f"an entry of `auths` for {image.host}; there are {', '.join(item['key'] for item in entries)}",
        )
    return stored[taken[0]]


def _read(path: str) -> str:
    from acrcheck.errors import UsageError

    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib cannot read a part
            return file.read(LONGEST)
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise UsageError(
            f"cannot read {path}: {said}", input=path, expected="a file that can be read"
        ) from error
