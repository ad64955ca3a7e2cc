"""The values files: what helm reads in them."""

from acrcheck.api import CannotLookError, Check, Looking, Target, fail, warn
from acrcheck.facts import ChartValues
from acrcheck.helm.values import dotted, leaves

from .chart import LAST, version_of

RENDERED = {("coderd", "affinity")}
"""Values that the chart itself renders as templates."""
TWICE = fail("values-key-twice", "{place}: {key} stands there a second time: helm takes the last one only")
MORE = fail("values-second-document", "{place}: a second document begins: helm reads the first one only")
TEMPLATE = warn("values-template", "{place}: {key} holds {value}: templates are not filled in inside values")


def files(target: Target) -> Looking[ChartValues]:
    """Each key stands once, in the one document that helm reads."""
    given = target.values
    if given is None:
        raise CannotLookError("no values were given")
    for path, place in given.twice:
        yield TWICE(place=place, key=dotted(path), evidence=_at(place))
    for place in given.more:
        yield MORE(place=place, evidence=_at(place))
    found = ChartValues(
        tree=given.values,
        version=given.chart_version or LAST,
        assumed=version_of(given.chart_version) is None,
        origin=", ".join(given.files) or "--set",
        places=dict(given.places),
        written=dict(given.written),
    )
    for path, value in leaves(given.values):
        if isinstance(value, str) and "{{" in value and path[:2] not in RENDERED:
            yield TEMPLATE(place=found.place(path), key=dotted(path), value=value[:80])
    return found


def _at(place: object) -> dict[str, object]:
    return {"place": {name: getattr(place, name) for name in ("file", "line", "column")}}


CHECKS = (Check("values-files", "helm reads what was written", files, sees=(TWICE, MORE, TEMPLATE)),)
