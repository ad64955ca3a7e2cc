"""The command `acrcheck`, and as a kubectl plug-in `kubectl acrcheck`."""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from acrcheck.cli import errors

COMMANDS = (
    "run",
    "bundle",
    "replay",
    "redact",
    "compare",
    "values",
    "creds",
    "diagnose",
    "demo",
    "list",
    "explain",
    "cleanup",
    "version",
)
"""One file each, imported when it is needed."""
HELP = """Say why a workload on AKS cannot authenticate to or pull from Azure Container Registry,
and print the command that mends it. Changes nothing in the cluster unless --allow is given.

\b
Examples:
  acrcheck run                                      find Coder's control plane and check it
  acrcheck run -n coder --workload deployment/coder -o json > report.json
  kubectl -n coder describe pod | acrcheck diagnose  say what an error text means
  acrcheck explain pod-label-missing                what it means, and what mends it

\b
Exit codes: 0 all well, 1 something failed, 2 usage, 3 inconclusive, 4 internal error, 130 interrupted.
"""


class Program(click.Group):
    """The group of all commands: imports one when it is called, and turns every error into an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import a command; None when there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"acrcheck.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments name. Raises UsageError with near matches."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from acrcheck.errors import UsageError

            raise UsageError(
                f"there is no command {args[0]}",
                input=args[0],
                expected=f"one of {', '.join(COMMANDS)}",
                remedy=f"{ctx.command_path} --help",
                candidates=COMMANDS,
            )
        return super().resolve_command(ctx, args)

    def main(  # type: ignore[override]  # it ends the program whatever the mode
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run the command line and exit with the command's code."""
        args = sys.argv[1:] if args is None else list(args)
        errors.tolerate_odd_characters()
        session = errors.Session.of(args)
        extra |= {"complete_var": "_ACRCHECK_COMPLETE", "standalone_mode": False, "obj": session}
        name = prog_name or program_name(sys.argv[0])
        sys.exit(errors.guard(lambda: click.Group.main(self, args, name, **extra), session))


def program_name(path: str) -> str:
    """Name the program as it was called: kubectl finds its plug-ins by `kubectl-NAME`."""
    name = path.rpartition("/")[2].removesuffix(".exe")
    return "kubectl acrcheck" if name == "kubectl-acrcheck" else "acrcheck"


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from acrcheck.cli import version

        ctx.exit(ctx.invoke(version.command))


main = Program(
    "acrcheck",
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Show the version and exit.",
        )
    ],
)
