"""What the commands' options share: names, environment variables, types.

Each option has one name in three places: `--probe-image`, `ACRCHECK_PROBE_IMAGE`, and `probe-image` in the
configuration file; the first that says something wins.
"""

import os
import re
from collections.abc import Callable
from typing import Any

import click

from acrcheck.errors import UsageError
from acrcheck.report.formats import ENDINGS

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
TAPE = "tape"
FORMATS = (*ENDINGS, TAPE)
DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(h|ms|m|s))")
KINDS = {
    "deployment": ("deployments", "deploy"),
    "statefulset": ("statefulsets", "sts"),
    "daemonset": ("daemonsets", "ds"),
    "job": ("jobs",),
    "cronjob": ("cronjobs", "cj"),
    "pod": ("pods", "po"),
}

Decorator = Callable[[Any], Any]


def option(*names: str, **settings: Any) -> Decorator:
    """Make an option that its environment variable can set too."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    envvar = "ACRCHECK" + long[1:].upper().replace("-", "_")
    return click.option(*names, **{"envvar": envvar, "show_envvar": True, **settings})


def together(*decorators: Decorator) -> Decorator:
    """Apply several options, in the order they are shown."""

    def apply(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


class UnfitError(click.BadParameter):
    """A value that does not fit: what was given, and what would have."""

    def __init__(self, value: Any, message: str, expected: str, param: click.Parameter | None) -> None:
        super().__init__(message, param=param)
        self.given = f"{param.opts[-1]} {value}" if param else str(value)
        self.expected = expected


class Duration(click.ParamType[float]):
    """A time like 2m, 1m30s, 500ms, or a bare number of seconds; given on as seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, _: click.Context | None) -> float:
        """Read a duration."""
        if isinstance(value, int | float):
            return float(value)
        text = str(value).strip()
        parts = DURATION.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            seconds = sum(float(number) * UNITS[unit] for number, unit in parts)
        elif re.fullmatch(r"\d+(\.\d+)?", text):
            seconds = float(text)
        else:
            raise UnfitError(value, f"{text!r} is no duration", "one like 2m, 90s or 1m30s", param)
        if seconds <= 0:
            raise UnfitError(value, f"{text!r} is no time at all", "a duration above zero", param)
        return seconds


class Workload(click.ParamType[str]):
    """KIND/NAME as kubectl takes it; given on with the kind's full name."""

    name = "kind/name"

    def convert(self, value: Any, param: click.Parameter | None, _: click.Context | None) -> str:
        """Read a workload."""
        kind, slash, name = str(value).partition("/")
        full = next((full for full, short in KINDS.items() if kind.lower() in {full, *short}), "")
        if slash and full and re.fullmatch(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?", name):
            return f"{full}/{name}"
        expected = f"KIND/NAME with a kind of {', '.join(KINDS)}, such as deployment/coder"
        raise UnfitError(value, f"{value!r} is no workload", expected, param)


class ReportFile(click.ParamType[tuple[str, str]]):
    """FORMAT=PATH: a file to write a report to, in a folder that exists."""

    name = "format=path"

    def convert(self, value: Any, param: click.Parameter | None, _: click.Context | None) -> tuple[str, str]:
        """Read a format and a path."""
        if isinstance(value, tuple):
            return value
        form, equals, path = str(value).partition("=")
        if form not in FORMATS or not equals or not path:
            expected = f"FORMAT=PATH with a format of {', '.join(FORMATS)}"
            raise UnfitError(value, f"{value!r} names no format and file", expected, param)
        from pathlib import Path

        folder = Path(path).parent
        if not folder.is_dir():
            raise UnfitError(value, f"there is no folder {folder}", "a folder that exists", param)
        return form, path


class Names(click.ParamType[tuple[str, ...]]):
    """Check ids and categories, separated by commas."""

    name = "id[,id…]"

    def convert(self, value: Any, _: click.Parameter | None, __: click.Context | None) -> tuple[str, ...]:
        """Take the names apart; whether they exist is known when the checks are."""
        return value if isinstance(value, tuple) else tuple(filter(None, re.split(r"[,\s]+", value)))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:  # noqa: ARG002 - click's signature
        """Offer the ids and categories that begin so."""
        from click.shell_completion import CompletionItem

        from acrcheck.catalogue import builtin_dir, load_checks

        checks = load_checks(builtin_dir())
        done, comma, last = incomplete.rpartition(",")
        names = {item.id: item.title for item in checks.categories}
        names |= {item.id: item.title for item in checks.checks}
        return [
            CompletionItem(f"{done}{comma}{name}", help=title)
            for name, title in names.items()
            if name.startswith(last)
        ]


def flat(values: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Join what a repeated option of names gave."""
    return tuple(dict.fromkeys(name for names in values for name in names))


def read_config(ctx: click.Context, _: click.Parameter, path: str | None) -> None:
    """Let the configuration file give what neither flags nor environment say.

    The file is that of `run`; another command takes what it shares with it, the format of its output excepted.
    """
    from acrcheck import config
    from acrcheck.cli.run import command as run

    options = {
        item.opts[-1].removeprefix("--"): item
        for item in run.params
        if isinstance(item, click.Option) and item.opts[-1] not in {"--config", "--token"}
    }
    kinds = {
        name: bool if item.is_flag else list if item.multiple else int if item.count else str
        for name, item in options.items()
    }
    place, given = config.load(path or "", os.environ, kinds)
    values = {
        str(options[key].name): _checked(ctx, options[key], key, value, place) for key, value in given.items()
    }
    if ctx.command is not run:
        values.pop("output", None)
    ctx.default_map = {**values, **(ctx.default_map or {})}


def _checked(ctx: click.Context, item: click.Option, key: str, value: Any, place: object) -> Any:
    """Give the value if it is one of the option's. Raises UsageError that names file and key."""
    try:
        item.type_cast_value(ctx, value)
    except click.BadParameter as error:
        raise UsageError(
            f"{place}: {key}: {error.message}",
            input=f"{key} = {value!r}",
            expected=getattr(error, "expected", ""),
        ) from None
    return value


config_file = click.option(
    "--config",
    metavar="FILE",
    envvar="ACRCHECK_CONFIG",
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=read_config,
    help="Read options from this TOML file  [default: $XDG_CONFIG_HOME/acrcheck/config.toml]",
)

connection = together(
    option("-n", "--namespace", default="", help="Look in this namespace (default: all that may be seen)."),
    option("--context", default="", help="The kubeconfig's context."),
    option("--kubeconfig", default="", metavar="FILE", help="The kubeconfig (default: as kubectl)."),
    option("--cluster", default="", help="The kubeconfig's cluster."),
    option("--user", default="", help="The kubeconfig's user."),
    option("--as", "as_user", default="", metavar="USER", help="Impersonate a user."),
    option(
        "--as-group", "as_groups", multiple=True, metavar="GROUP", help="Impersonate a group; repeatable."
    ),
    option("--as-uid", default="", metavar="UID", help="Impersonate a UID."),
    option(
        "--request-timeout", type=Duration(), default="10s", show_default=True, help="For one API request."
    ),
    option("--token", default="", help="Bearer token for the API server; better by its variable."),
    option("-s", "--server", default="", metavar="URL", help="The API server."),
    option("--certificate-authority", default="", metavar="FILE", help="Who signs the API server."),
    option("--client-certificate", default="", metavar="FILE", help="Client certificate."),
    option("--client-key", default="", metavar="FILE", help="Its key."),
    option("--insecure-skip-tls-verify", is_flag=True, help="Do not check the API server's certificate."),
    option("--tls-server-name", default="", metavar="NAME", help="The name its certificate must bear."),
)

presentation = together(
    option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True),
    option("--ascii", is_flag=True, help="Marks and texts in ASCII (as a locale without UTF-8 does)."),
    option("-v", "--verbose", count=True, envvar=None, help="Show all that was seen; -vv tracebacks too."),
)


def output(*formats: str, **settings: Any) -> Decorator:
    """Make the option that chooses the format of standard output, the first one by default."""
    settings = {"type": click.Choice(formats), "default": formats[0], "show_default": True, **settings}
    return click.option("-o", "--output", help="Format of standard output.", **settings)
