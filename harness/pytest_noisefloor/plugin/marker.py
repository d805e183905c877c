"""The methodology rule: no test is about personalisation without a control.

A personalisation claim that cannot beat random-input training of the same method is regularisation
in disguise. So some tests must name a claim: those marked ``personalisation``, and those whose
names match the ini option ``noisefloor_personalisation_patterns``. The claim must say that the
user's text beat random input, and its evidence must support it. Otherwise the test is an error at
collection, even if it is not selected.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import pytest

from pytest_noisefloor.errors import NoisefloorError

from .claim_items import LICENSES, ClaimItem, Gate

if TYPE_CHECKING:
    from pytest_noisefloor.claims import Claim

MARKER = "personalisation"
LICENSING = ("LENIENT", "STRICT")
"""What a claim must assert before a test about personalisation may rest on it."""

NOT_BUILT = (
    'The word "personalisation" needs more, which cannot be measured here yet: that each of four '
    "or more authors of one genre is identified by their own adapter."
)


def add_patterns(parser: pytest.Parser) -> None:
    """Add the rule's ini option to a parser."""
    parser.addini(
        "noisefloor_personalisation_patterns",
        "names of tests, or of their classes or files, as test_personal*: such a test must be "
        "marked personalisation(claim=...)",
        type="args",
        default=[],
    )


_STOPPED = pytest.StashKey[str]()


class Methodology:
    """The rule, applied to all tests of a session by the claims of a gate."""

    def __init__(self, config: pytest.Config, gate: Gate) -> None:
        config.addinivalue_line(
            "markers",
            f'{MARKER}(claim="<id>"): tests a personalisation claim, which must have its control',
        )
        self.gate = gate
        self.patterns: list[str] = config.getini("noisefloor_personalisation_patterns")
        for pattern in self.patterns:  # ["test_a*"] in an .ini file would match no name
            if pattern.startswith("[") and "]" not in pattern[1:-1]:
                raise pytest.UsageError(
                    f"noisefloor_personalisation_patterns: {pattern!r}; expected a pattern, as "
                    "test_personal*; in an .ini file without brackets, quotes and commas"
                )

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Turn a file's uncontrolled personalisation tests into a collection error of that file."""
        report = yield
        items = [node for node in report.result or () if isinstance(node, pytest.Item)]
        faults = [text for item in items if (text := self.uncontrolled(item))]
        if faults:
            report.outcome = "failed"
            report.longrepr = "\n".join(faults)
            report.result = []
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Do the same for tests that other hooks mark or make after collection."""
        before = list(items)
        result = yield
        for item in dict.fromkeys([*before, *items]):
            if text := self.uncontrolled(item):
                items[:] = [other for other in items if other is not item]
                report = pytest.CollectReport(item.nodeid, "failed", text, [])
                config.hook.pytest_collectreport(report=report)
        return result

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Check a test again before and after it runs, and say what its claims license.

        A test can be marked while it runs. If the session trains, evidence is not checked before.
        """
        self._stop(item)
        result = yield
        self._stop(item)
        if not isinstance(item, ClaimItem) and (marks := list(item.iter_markers(MARKER))):
            item.user_properties.append((LICENSES, self._licensed(marks)))
        return result

    def _stop(self, item: pytest.Item) -> None:
        __tracebackhide__ = True
        if text := self.uncontrolled(item, running=True):
            item.stash[_STOPPED] = text
            pytest.fail(text, pytrace=False)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report a stopped test as failed, even if it has an xfail mark."""
        report = yield
        if report.when == "call" and (text := item.stash.get(_STOPPED, "")):
            report.outcome, report.longrepr = "failed", text
            vars(report).pop("wasxfail", None)
        return report

    def uncontrolled(self, item: pytest.Item, *, running: bool = False) -> str | None:
        """The reason why a test lacks its control, or None if it has one or needs none.

        If the session trains, evidence is not checked until the test is ``running``.
        """
        if isinstance(item, ClaimItem):
            return None
        marks = list(item.iter_markers(MARKER))
        if not marks:
            names = list(_names(item))
            pattern = next((p for p in self.patterns if _matches(names, p)), None)
            if pattern is None:
                return None
            return (
                f"{item.nodeid}: its name matches {pattern!r} "
                "(noisefloor_personalisation_patterns), but it names no claim; mark it "
                f'{MARKER}(claim="<id>")'
            )
        waits = self.gate.training and not running
        refused = (self._refused(mark, waits=waits) for mark in marks)
        return next((f"{item.nodeid}: {text}" for text in refused if text), None)

    def _licensed(self, marks: Iterable[pytest.Mark]) -> str:
        """Say of each claim that a test's marks name what it licenses."""
        from pytest_noisefloor.claims import licensed_words

        named = {mark.kwargs["claim"] for mark in marks}
        said = [
            f"Claim {claim.id!r} asserts {claim.asserts}, which licenses: "
            f"{licensed_words(claim.bet)}."
            for claim in self.gate.claims
            if claim.id in named
        ]
        return " ".join([*said, NOT_BUILT])

    def _refused(self, mark: pytest.Mark, *, waits: bool) -> str | None:
        """The reason why one mark gives its test no control, or None if it gives one."""
        if mark.args or mark.kwargs.keys() != {"claim"} or type(mark.kwargs["claim"]) is not str:
            given = [*map(repr, mark.args), *(f"{k}={v!r}" for k, v in mark.kwargs.items())]
            return f'{MARKER}({", ".join(given)}); expected {MARKER}(claim="<id>")'
        name = mark.kwargs["claim"]
        if self.gate.file is None:
            return (
                f"claim {name!r}, but no claims file is named; give it with "
                "--noisefloor-claims=FILE or the ini noisefloor_claims"
            )
        try:
            claim = next((claim for claim in self.gate.claims if claim.id == name), None)
            if claim is None:
                known = ", ".join(claim.id for claim in self.gate.claims) or "none"
                return f"claim {name!r} is not in {self.gate.file}; there: {known}"
            return self._unlicensed(claim, waits=waits)
        except NoisefloorError as error:
            return f"claim {name!r} has no control: {error}"

    def _unlicensed(self, claim: Claim, *, waits: bool) -> str | None:
        """The reason why a personalisation test may not rest on a claim, or None if it may."""
        from pytest_noisefloor.claims import licensed_words
        from pytest_noisefloor.report import render_label

        if claim.withdrawn:
            return f"claim {claim.id!r} was {claim.withdrawal}"
        if claim.asserts not in LICENSING:
            return (
                f"claim {claim.id!r} asserts {claim.asserts}; expected one that asserts "
                f"{' or '.join(LICENSING)}, since what does not beat random-input training is "
                "regularisation in disguise. Measure it and claim that, or take the mark away: a "
                "test of a negative result is no test of personalisation"
            )
        if not licensed_words(claim.bet):
            return (
                f"claim {claim.id!r} is by Bet {claim.bet.id}, which compares with "
                f"{render_label(claim.bet.contrast.numerator)}; expected a bet that sets the "
                "user's own text against random tokens by the same method, since what "
                "beats another control may still lose to random tokens"
            )
        if waits:
            return None
        from pytest_noisefloor.bets import claimable

        allowed = claimable(self.gate.evidence(claim).verdict)
        if claim.asserts in allowed:
            adjustment = self.gate.adjustment(claim)
            fault = adjustment and adjustment.fault
            return f"claim {claim.id!r} does not hold: {fault}" if fault else None
        return (
            f"claim {claim.id!r} asserts {claim.asserts}, which its evidence does not bear out "
            f"(it supports {' or '.join(allowed) or 'nothing'}): see {claim.file}::{claim.id}"
        )


def _names(item: pytest.Item) -> Iterator[str]:
    """Yield the names of a test: its own, its function's, its class's and its file's."""
    for node in item.listchain():
        if isinstance(node, pytest.File):
            yield from (node.path.name, node.path.stem)
        elif not isinstance(node, (pytest.Session, pytest.Directory)):
            name = node.name.partition("[")[0]  # without its parameters
            yield from (name, name.rpartition(".")[2])  # a doctest's name is dotted
    yield getattr(getattr(item, "function", None), "__name__", "")


def _matches(names: Iterable[str], pattern: str) -> bool:
    """Whether any of the names matches a pattern. TestPersonal also matches test_personal*."""
    plain = pattern.lower().replace("_", "")
    return any(fnmatchcase(name.lower().replace("_", ""), plain) for name in names)
