"""The gate: claims as test items, and no personalisation test without its control.

A claims file is read only where ``--noisefloor-claims`` or the ini ``noisefloor_claims`` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .errors import NoisefloorError

if TYPE_CHECKING:
    from .bets import Bet
    from .claims import Claim

MARKER = "personalisation"


class ClaimFailed(Exception):  # noqa: N818 (it is a finding, no error)
    """A claim that its evidence does not bear out."""


def add(parser: pytest.Parser) -> None:
    """Give a parser the gate's options."""
    group = parser.getgroup("noisefloor", "noisefloor: negative controls for adapters")
    about = "claims file (TOML): each claim becomes a test, held to its committed evidence"
    group.addoption("--noisefloor-claims", metavar="CLAIMS", default=None, help=about)
    parser.addini("noisefloor_claims", about, type="string", default=None)
    group.addoption(
        "--noisefloor-train",
        action="store_true",
        help="train anew what the claims rest on, and renew their evidence files",
    )
    parser.addini(
        "noisefloor_personalisation_patterns",
        "names of tests, as test_personal*, that must be marked personalisation(claim=...)",
        type="args",
        default=[],
    )


class Gate:
    """The session's claims, and the rule that no personalisation test goes without one.

    ``renew`` makes a claim's evidence anew.
    """

    def __init__(self, config: pytest.Config, renew: Callable[[Claim], None]) -> None:
        config.addinivalue_line(
            "markers",
            f'{MARKER}(claim="<id>"): tests a personalisation claim, which must have its control',
        )
        self.renew = renew
        self.training: bool = config.getoption("noisefloor_train")
        self.patterns: list[str] = config.getini("noisefloor_personalisation_patterns")
        self.file = _claims_file(config)
        if self.file and _adds_claims(config) and str(self.file) not in config.args:
            config.args.append(str(self.file))

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """All claims of the session's file.

        Raises:
            ClaimError: an entry that cannot be checked.
        """
        from .claims import load_claims

        return load_claims(self.file) if self.file else ()

    def claim_about(
        self, *, bet: Bet, base: str, fingerprint: str, method: str, users: Iterable[str]
    ) -> Claim | None:
        """The claim about just this, or None."""
        for claim in self.claims:
            same = (claim.bet.sha256, claim.base, claim.method, sorted(claim.users)) == (
                bet.sha256,
                base,
                method,
                sorted(users),
            )
            if same and fingerprint.startswith(claim.fingerprint):
                return claim
        return None

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect the claims file."""
        if self.file and file_path == self.file:
            collected: pytest.Collector = ClaimsFile.from_parent(parent, path=file_path, gate=self)
            return collected
        return None

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Turn a file's uncontrolled personalisation tests into its collection error."""
        report = yield
        items = [node for node in report.result or () if isinstance(node, pytest.Item)]
        faults = [text for item in items if (text := self.uncontrolled(item))]
        if faults:
            report.outcome = "failed"
            report.longrepr = "\n".join(faults)
            report.result = []
        return report

    def uncontrolled(self, item: pytest.Item) -> str | None:
        """Why a test may not speak of personalisation; None if it may, or does not."""
        if isinstance(item, ClaimItem):
            return None
        name = getattr(item, "originalname", None) or item.name
        marks = list(item.iter_markers(MARKER))
        if not marks:
            pattern = next((p for p in self.patterns if fnmatch(name, p)), None)
            if pattern is None:
                return None
            return (
                f"{item.nodeid}: its name matches {pattern!r} "
                "(noisefloor_personalisation_patterns), but it names no claim; mark it "
                f'{MARKER}(claim="<id>")'
            )
        return next((text for mark in marks if (text := self._refused(item, mark))), None)

    def _refused(self, item: pytest.Item, mark: pytest.Mark) -> str | None:
        """Why one mark does not control its test."""
        from .evidence import check_evidence

        if mark.args or mark.kwargs.keys() != {"claim"} or type(mark.kwargs["claim"]) is not str:
            given = [*map(repr, mark.args), *(f"{k}={v!r}" for k, v in mark.kwargs.items())]
            return f'{item.nodeid}: {MARKER}({", ".join(given)}); expected {MARKER}(claim="<id>")'
        name = mark.kwargs["claim"]
        if self.file is None:
            return (
                f"{item.nodeid}: claim {name!r}, but no claims file is named; give it with "
                "--noisefloor-claims=FILE or the ini noisefloor_claims"
            )
        try:
            claim = next((claim for claim in self.claims if claim.id == name), None)
            if claim is None:
                known = ", ".join(claim.id for claim in self.claims) or "none"
                return f"{item.nodeid}: claim {name!r} is not in {self.file}; there: {known}"
            if not self.training:
                check_evidence(claim)
        except NoisefloorError as error:
            return f"{item.nodeid}: claim {name!r} has no control: {error}"
        return None


class ClaimsFile(pytest.File):
    """A claims file, whose items are its claims."""

    def __init__(self, *, gate: Gate, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate

    def collect(self) -> Iterable[pytest.Item]:
        """An item for each claim.

        Raises:
            CollectError: an entry that cannot be checked.
        """
        try:
            claims = self.gate.claims
        except NoisefloorError as error:
            raise self.CollectError(str(error)) from None
        return [
            ClaimItem.from_parent(self, name=claim.id, claim=claim, gate=self.gate)
            for claim in claims
        ]


class ClaimItem(pytest.Item):
    """A claim, held to its evidence: an error without it, a failure against it."""

    def __init__(self, *, claim: Claim, gate: Gate, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.claim = claim
        self.gate = gate

    def setup(self) -> None:
        """Check the evidence, made anew first where the session trains; judge it again."""
        from .evidence import judge_evidence

        try:
            if self.gate.training:
                self.gate.renew(self.claim)
            self.verdict = judge_evidence(self.claim)
        except NoisefloorError as error:
            message = str(error)
        else:
            return
        pytest.fail(message, pytrace=False)

    def runtest(self) -> None:
        """Hold the claim to the verdict.

        Raises:
            ClaimFailed: with what a reviewer would write.
        """
        from .claims import fault

        self.add_report_section("call", "claim", self.claim.sentence)
        text = fault(self.claim, self.verdict)
        if text:
            raise ClaimFailed(text)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """A finding or a mistake in its own words; anything else with its traceback."""
        if isinstance(excinfo.value, (ClaimFailed, NoisefloorError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the claim stands."""
        return self.path, None, f"claim {self.name}"


def _claims_file(config: pytest.Config) -> Path | None:
    """The claims file that the command line (seen from here) or the ini file (from there) names."""
    here = config.invocation_params.dir
    value = config.getoption("noisefloor_claims")
    if value is None:
        value = config.getini("noisefloor_claims")
        here = config.inipath.parent if config.inipath else here
    if value is None:
        return None
    file = (here / Path(value).expanduser()).resolve()
    if not file.is_file():
        raise pytest.UsageError(
            f"--noisefloor-claims (or noisefloor_claims) = {value!r}: a claims file (TOML)"
        )
    return file


def _adds_claims(config: pytest.Config) -> bool:
    """Whether claims are collected beside what was named: not where single tests were asked for."""
    single = bool(config.args) and all("::" in argument for argument in config.args)
    return config.getoption("noisefloor_claims") is not None or not single
