"""Asks the real az whether it would take commands, without running one; for az's own Python, in one process.

On standard input, a list of argument lists in JSON, without `az` itself; on standard output, for each what az
complains of, empty when it would run it.
"""

import contextlib
import io
import json
import sys
from collections.abc import Callable
from typing import Any

from azure.cli.core import get_default_cli
from azure.cli.core.commands import register_cache_arguments
from azure.cli.core.commands.arm import register_global_subscription_argument, register_ids_argument
from azure.cli.core.commands.events import EVENT_INVOKER_POST_LOAD_ARGUMENTS, EVENT_INVOKER_PRE_LOAD_ARGUMENTS
from knack.events import EVENT_INVOKER_POST_CMD_TBL_CREATE


def main() -> None:
    """Answer for all commands."""
    commands: list[list[str]] = json.load(sys.stdin)
    answers = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()):
        parse = parser(commands)
    json.dump([complaint(parse, command) for command in commands], answers)


def parser(commands: list[list[str]]) -> Callable[[list[str]], Any]:
    """Give az's own argument parser, for those of its commands that are asked for.

    Az itself does so for the one command that it runs; `azure.cli.core.file_util` for all 6,000, which takes
    half a minute.
    """
    cli = get_default_cli()
    register_global_subscription_argument(cli)
    register_ids_argument(cli)
    register_cache_arguments(cli)
    invoker = cli.invocation_cls(
        cli_ctx=cli,
        commands_loader_cls=cli.commands_loader_cls,
        parser_cls=cli.parser_cls,
        help_cls=cli.help_cls,
    )
    cli.invocation = invoker
    loader = invoker.commands_loader
    loader.load_command_table(None)
    wanted = {" ".join(command[:end]) for command in commands for end in range(1, len(command) + 1)}
    loader.command_table = {name: known for name, known in loader.command_table.items() if name in wanted}
    cli.raise_event(EVENT_INVOKER_PRE_LOAD_ARGUMENTS, commands_loader=loader)
    for name in loader.command_table:
        # Az's modules look here for what to load.
        invoker.data["command_string"] = name
        loader.load_arguments(name)
    for event in (EVENT_INVOKER_POST_LOAD_ARGUMENTS, EVENT_INVOKER_POST_CMD_TBL_CREATE):
        cli.raise_event(event, commands_loader=loader)
    invoker.parser.cli_ctx = cli
    invoker.parser.load_command_table(loader)
    parse: Callable[[list[str]], Any] = invoker.parser.parse_args
    return parse


def complaint(parse: Callable[[list[str]], Any], command: list[str]) -> str:
    """Say why az refuses a command; its parser ends the process after it has said why."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            parsed = parse(command)
        except SystemExit:
            return errors.getvalue().strip().partition("\n")[0] or "refused"
    return "" if hasattr(parsed, "func") else f"no command: {' '.join(command)}"


if __name__ == "__main__":
    main()
