"""Errors of use."""

from acrcheck.errors import UsageError


def test_offers_the_closest_of_the_candidates() -> None:
    """Of the names that would have been right, those like the input are kept, the closest first."""
    error = UsageError("no", input="lable", candidates=["token", "label", "labels"])

    assert error.near == ("label", "labels")


def test_offers_nothing_without_an_input() -> None:
    """Nothing resembles nothing."""
    assert UsageError("no", candidates=["label"]).near == ()
