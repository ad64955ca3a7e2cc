"""Which contexts there are in a record, and how they weigh."""

from collections.abc import Iterable
from functools import cache
from math import prod

from acrcheck.model import Cause, Context
from acrcheck.text.pattern import plain


@cache
def _plain(text: str) -> str:
    return plain(text)


def present(context: Context, told: frozenset[str]) -> bool:
    """Tell whether a context is there, from the texts of contexts that are."""
    return not told.isdisjoint(map(_plain, context.texts)) and told.isdisjoint(map(_plain, context.unless))


def factor(cause: Cause, told: frozenset[str]) -> float:
    """Give how many times likelier a cause is for what is told around a signature; 0 excludes it."""
    return prod(weight for context, weight in cause.contexts if present(context, told))


def told_widely(causes: Iterable[Cause], told: Iterable[frozenset[str]]) -> frozenset[str]:
    """Give the texts of contexts that hold for all that was given, wherever in it they stand."""
    wide = {
        text
        for cause in causes
        for context, _ in cause.contexts
        if context.wide
        for text in map(_plain, context.texts)
    }
    return frozenset().union(*told) & wide
