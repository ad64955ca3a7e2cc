"""Errors of use and configuration: what the person who called can put right."""

from collections.abc import Iterable


class UsageError(Exception):
    """Something given to acrcheck cannot work: the command ends with exit code 2 and no traceback.

    `input` is what was given and where it stands, `expected` what would have been right, `remedy` a sentence
    or a command that puts it right. Each may be empty. Of `candidates`, the names that would have been right,
    the closest to the input are kept in `near`.
    """

    def __init__(
        self,
        message: str,
        *,
        input: str = "",  # noqa: A002 - the field's own word, as in the JSON
        expected: str = "",
        remedy: str = "",
        candidates: Iterable[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.input = input
        self.expected = expected
        self.remedy = remedy
        self.near = _near(input, list(candidates)) if input else ()


def _near(word: str, candidates: list[str]) -> tuple[str, ...]:
    import difflib

    return tuple(difflib.get_close_matches(word, candidates, n=3))
