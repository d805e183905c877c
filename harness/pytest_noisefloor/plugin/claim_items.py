"""The gate: each claim is a test item that is checked against its evidence.

A claims file is read only if ``--noisefloor-claims`` or the ini option ``noisefloor_claims`` names
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_noisefloor._files import SystemRefusal, expanded, refusal
from pytest_noisefloor.errors import NoisefloorError

from .options import given

if TYPE_CHECKING:
    from pytest_noisefloor.bets import Bet
    from pytest_noisefloor.claims import Adjustment, Claim, Evidence, Families, Repository

NOT_COMPARED = "noisefloor_not_compared"
ADJUSTED = "noisefloor_adjusted"
WITHDRAWN = "noisefloor_withdrawn"
LICENSES = "noisefloor_licenses"
PRINTED = (NOT_COMPARED, ADJUSTED, WITHDRAWN, LICENSES)
"""Properties of a test that the end of the session prints, each with its test."""


class ClaimFailed(Exception):  # noqa: N818 (it is a finding, no error)
    """A claim that its evidence does not support."""


def add_claim_options(parser: pytest.Parser) -> None:
    """Add the gate's options to a parser."""
    group = parser.getgroup("noisefloor", "noisefloor: negative controls for adapters")
    about = "claims file (TOML): each claim becomes a test, held to its committed evidence"
    group.addoption("--noisefloor-claims", metavar="CLAIMS", default=None, help=about)
    parser.addini("noisefloor_claims", about, type="string", default=None)
    group.addoption(
        "--noisefloor-train",
        action="store_true",
        help="renew the evidence files of the claims; what the store lacks is trained first",
    )


class Gate:
    """The session's claims and their evidence. ``renew`` makes a claim's evidence again."""

    def __init__(self, config: pytest.Config, renew: Callable[[Claim], None]) -> None:
        self.renew = renew
        self.training: bool = config.getoption("noisefloor_train")
        self.file = _claims_file(config)
        if self.training and not self.file:
            raise pytest.UsageError(
                "--noisefloor-train: no claims file is named; give it with "
                "--noisefloor-claims=FILE or the ini noisefloor_claims"
            )
        self._evidence: dict[tuple[Path, str], Evidence | NoisefloorError] = {}
        self._renewed: set[tuple[Path, str]] = set()
        self._families: Families | None = None
        if self.file and _adds_claims(config, self.file):
            config.args.append(str(self.file))

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """All claims of the session's file.

        Raises:
            ClaimError: an entry cannot be checked.
        """
        from pytest_noisefloor.claims import ClaimError, load_claims

        if not self.file:
            return ()
        if not (found := load_claims(self.file)):
            raise ClaimError(f"{self.file}: no claims; expected at least one [[claim]]")
        return found

    @cached_property
    def repository(self) -> Repository:
        """The claims of the session's file, and of all others in its git work tree."""
        from pytest_noisefloor.claims import Repository, repository_of

        return repository_of(self.file, self.claims) if self.file else Repository((), ())

    def claim_about(
        self,
        *,
        bet: Bet,
        base: str,
        fingerprint: str,
        method: str,
        users: Iterable[str],
    ) -> Claim | None:
        """The claim about exactly this subject that was not withdrawn, or None.

        Raises:
            ClaimError: the claim is about a different base of the same name.
        """
        from pytest_noisefloor.bets import Status
        from pytest_noisefloor.models import locate

        subject = (bet.id, locate(base, Path.cwd()), method, tuple(sorted(users)))
        standing = (claim for claim in self.claims if not claim.withdrawn)
        claim = next((claim for claim in standing if claim.subject == subject), None)
        # claims are only about registered bets, unchanged and on their own texts
        if claim is None or bet.status() is not Status.REGISTERED or claim.bet.sha256 != bet.sha256:
            return None
        claim.check_fingerprint(fingerprint)
        return claim

    def evidence(self, claim: Claim) -> Evidence:
        """Judge a claim's evidence, once per session.

        If the session trains, the evidence is renewed first.

        Raises:
            NoisefloorError: there is no evidence that can be judged.
        """
        key = (claim.file, claim.id)
        if self.training and key not in self._renewed:
            self._renewed.add(key)
            self._evidence.pop(key, None)  # an older one may have been judged for other claims
            self._families = None
            try:
                self.renew(claim)
            except NoisefloorError as error:
                self._evidence[key] = error
        found = self._judged(claim)
        if isinstance(found, NoisefloorError):
            raise found
        return found

    def adjustment(self, claim: Claim) -> Adjustment | None:
        """Adjust a claim for the number of claims; None if it has no p value.

        The other claims' evidence is judged as it is, and never renewed for this.

        Raises:
            NoisefloorError: its evidence cannot be judged, or two claims are primary.
        """
        from pytest_noisefloor.claims import Families

        if self._families is None:
            self._families = Families(self.repository, self._judged)
        return self._families.adjustment(claim)

    def _judged(self, claim: Claim) -> Evidence | NoisefloorError:
        """Judge a claim's evidence as it is, once per session; an error is returned."""
        from pytest_noisefloor.claims import judge_evidence

        key = (claim.file, claim.id)
        if key not in self._evidence:
            try:
                self._evidence[key] = judge_evidence(claim)
            except NoisefloorError as error:
                self._evidence[key] = error
        return self._evidence[key]

    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Collect the claims file."""
        if self.file and file_path == self.file:
            collected: pytest.Collector = ClaimsFile.from_parent(parent, path=file_path, gate=self)
            return collected
        return None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print what is to be said of claims and of marked tests, whichever process ran them.

        Also say if the session trains and no claim was selected.
        """
        every = [one for of in terminalreporter.stats.values() for one in of]
        ran = [one for one in every if isinstance(one, pytest.TestReport)]
        claims = f"{self.file.name}::" if self.file else ""
        if self.training and not any(claims in report.nodeid for report in ran):
            terminalreporter.write_line("noisefloor: --noisefloor-train: no claim was selected")
        for report in ran:
            for name, value in report.user_properties if report.when == "call" else ():
                if name in PRINTED:
                    terminalreporter.write_line(f"noisefloor: {report.nodeid}: {value}")


class ClaimsFile(pytest.File):
    """A claims file, whose items are its claims."""

    def __init__(self, *, gate: Gate, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate

    def collect(self) -> Iterable[pytest.Item]:
        """Make an item for each claim.

        Raises:
            CollectError: an entry cannot be checked.
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
    """A claim as a test: an error if it has no evidence, a failure if its evidence disagrees.

    It is skipped if the claim was withdrawn.
    """

    def __init__(self, *, claim: Claim, gate: Gate, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.claim = claim
        self.gate = gate

    def setup(self) -> None:
        """Judge the evidence again. If the session trains, the evidence is renewed first.

        The evidence of a claim that was withdrawn is left alone.
        """
        if self.claim.withdrawn:
            return
        try:
            self.evidence = self.gate.evidence(self.claim)
            self.adjustment = self.gate.adjustment(self.claim)
        except NoisefloorError as error:
            message = str(error)
        except OSError as error:  # at a place that no message of ours names
            message = str(refusal(error))
        else:
            return
        pytest.fail(message, pytrace=False)

    def runtest(self) -> None:
        """Compare the claim with the verdict.

        Raises:
            ClaimFailed: they disagree, or the claim does not hold after adjustment. The message is
                what a reviewer would write.
        """
        from pytest_noisefloor.claims import disagreement, finding

        claim = self.claim
        if claim.withdrawn:
            self.user_properties.append((WITHDRAWN, f"{claim.withdrawal} ({claim.sentence})"))
            pytest.skip(claim.withdrawal)
        verdict, gaps, adjustment = self.evidence.verdict, self.evidence.gaps, self.adjustment
        said: list[tuple[str, object]] = []
        if adjustment:
            said.append((ADJUSTED, adjustment.sentence))
        if gaps:
            said.append((NOT_COMPARED, f"Not compared with what is here today: {'; '.join(gaps)}."))
        text = disagreement(claim, verdict)
        found = "" if text else f"Found: {finding(verdict, claim.asserts)}."
        lines = [
            f"{claim.sentence} {self.evidence.count}",
            found,
            *(str(words) for _, words in said),
        ]
        self.add_report_section("call", "claim", "\n".join(filter(None, lines)))
        self.user_properties += said
        if text:
            raise ClaimFailed(f"{text}\n\n{adjustment.sentence}" if adjustment else text)
        if adjustment and adjustment.fault:
            raise ClaimFailed(f"{claim.sentence}\n{adjustment.fault}\n{adjustment.sentence}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show a failed claim or a user's mistake as a message, other errors with a traceback."""
        if isinstance(excinfo.value, (ClaimFailed, NoisefloorError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The claim's file and name."""
        return self.path, None, f"claim {self.name}"


def _claims_file(config: pytest.Config) -> Path | None:
    """The claims file that the command line or the ini file names, or None.

    A path on the command line is relative to the current folder. A path in the ini file is relative
    to that file's folder.
    """
    value, here = given(config, "claims")
    if value is None:
        return None
    try:
        file = (here / expanded(value)).resolve()
    except (SystemRefusal, OSError, ValueError) as error:
        raise pytest.UsageError(f"--noisefloor-claims (or noisefloor_claims): {error}") from None
    if not file.is_file():
        raise pytest.UsageError(
            f"--noisefloor-claims (or noisefloor_claims) = {value!r}: no such file; expected a "
            "claims file (TOML)"
        )
    return file


def _adds_claims(config: pytest.Config, file: Path) -> bool:
    """Whether to collect the claims beside what the command line names.

    They are not added if their file is named already. They are not added if only single tests are
    named, unless the command line also names the claims file or asks for training.
    """
    here = config.invocation_params.dir
    named = [argument.partition("::")[0] for argument in config.args]
    if any((here / name).resolve() == file for name in named):
        return False
    single = bool(config.args) and all("::" in argument for argument in config.args)
    named_here = config.getoption("noisefloor_claims") is not None
    return named_here or config.getoption("noisefloor_train") or not single
