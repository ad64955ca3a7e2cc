"""`acrcheck version`."""

import click

from acrcheck.cli import options
from acrcheck.cli.output import write


@click.command("version")
@options.output("text", "json")
def command(output: str = "text") -> None:
    """Show the version of acrcheck and of Python."""
    import platform

    python = platform.python_version()
    if output == "json":
        from acrcheck.report import json

        about = {"apiVersion": json.API_VERSION, "kind": "Version", "version": installed(), "python": python}
        write(json.dumps(about))
    else:
        write(f"acrcheck {installed()} (Python {python})\n")


def installed() -> str:
    """Give the version of the installed package."""
    from importlib.metadata import version

    return version("acrcheck")
