"""Claims are tests, and no personalisation test goes without its control."""

import json

import pytest
import scipy.stats  # noqa: F401 (or a session in this process would load it, and unload it)

from noisefloor_tests.results_planted import planted_result
from pytest_noisefloor.claims import ClaimError, load_claims

MODEL = "organisation/model"
LENIENT = {"ann": (1.2, 1.0, 1.3), "bob": (1.2, 1.0, 1.3), "cy": (1.0, 1.0, 1.3)}
STRICT = dict.fromkeys(LENIENT, (1.6, 1.0, 1.7))
ABSENT = dict.fromkeys(LENIENT, (1.0, 1.0, 1.3))
UNREACHED = dict.fromkeys(LENIENT, (1.01, 1.0, 1.02))
HARM = dict.fromkeys(LENIENT, (1.0, 1.3, 1.0))
INVERTED = {"ann": (0.95, 1.0, 1.2), "bob": (0.95, 1.0, 1.2), "cy": (1.2, 1.0, 1.2)}

_RESULTS = {}


def evidence(users):
    """The text of an evidence file; drawn and judged once for each set of users."""
    key = json.dumps(users)
    if key not in _RESULTS:
        _RESULTS[key] = json.dumps(planted_result(users, base=MODEL))
    return _RESULTS[key]


def entry(name, asserts, /, **changes):
    """An entry of a claims file."""
    fields = {
        "id": name,
        "bet": "bet60",
        "base": MODEL,
        "users": list(LENIENT),
        "method": "norm-only",
        "asserts": asserts,
        "evidence": f"{name}.json",
    } | changes
    lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items() if value is not None]
    return "\n".join(["[[claim]]", "date = 2026-11-23", *lines, ""])


@pytest.fixture
def project(pytester):
    """A project that only installs the plugin: one test, and the claims that are written to it."""
    pytester.makepyfile("def test_passes(): pass")

    def write(*claims, **files):
        pytester.path.joinpath("claims.toml").write_text("\n".join(claims))
        for name, users in files.items():
            pytester.path.joinpath(f"{name}.json").write_text(evidence(users))
        return pytester

    return write


def run(project, *words):
    return project.runpytest_inprocess(
        "-p", "no:randomly", "--noisefloor-claims=claims.toml", *words
    )


# --- outcomes ----------------------------------------------------------------------------------


def test_a_claims_file_with_one_entry_of_each_outcome(project):
    given = project(
        entry("lenient", "LENIENT"),
        entry("absent", "ABSENT"),
        entry("honest", "NOT_MET"),
        entry("inverted", "CATASTROPHIC"),
        entry("overclaimed", "STRICT"),
        entry("modest", "LENIENT"),
        entry("vague", "ABSENT"),
        entry("harmed", "LENIENT"),
        entry("hidden", "NOT_MET"),
        entry("missing", "LENIENT"),
        lenient=LENIENT,
        absent=ABSENT,
        honest=UNREACHED,
        inverted=INVERTED,
        overclaimed=LENIENT,
        modest=STRICT,
        vague=UNREACHED,
        harmed=HARM,
        hidden=INVERTED,
    )
    result = run(given, "-v")
    result.assert_outcomes(passed=5, failed=5, errors=1)
    result.stdout.fnmatch_lines(
        [
            "claims.toml::lenient PASSED*",
            "claims.toml::absent PASSED*",
            "claims.toml::honest PASSED*",
            "claims.toml::inverted PASSED*",
            "claims.toml::overclaimed FAILED*",
            "claims.toml::modest FAILED*",
            "claims.toml::vague FAILED*",
            "claims.toml::harmed FAILED*",
            "claims.toml::hidden FAILED*",
            "claims.toml::missing ERROR*",
        ]
    )
    result.stdout.fnmatch_lines(
        [
            "*missing.json: the evidence of claim 'missing' is missing; renew it with *train",
            "Claimed on 2026-11-23, of norm-only adapters on organisation/model for ann, bob, *",
            "STRICT is not what was measured: LENIENT. What may be asserted instead: LENIENT.",
            "The claim may be strengthened: the data supports STRICT. *",
            "ABSENT is not what was measured: NOT_MET. What may be asserted instead: NOT_MET.",
            "LENIENT came out, but it may not be claimed of these users. *nothing beyond *",
            "NOT_MET is not what was measured: CATASTROPHIC. *",
        ]
    )


def test_claims_are_read_only_where_something_names_them(project):
    given = project(entry("x", "STRICT"))
    result = given.runpytest_inprocess("-p", "no:randomly")
    result.assert_outcomes(passed=1)


def test_an_ini_names_them_but_single_tests_run_alone(project):
    given = project(entry("lenient", "LENIENT"), lenient=LENIENT)
    given.makepyprojecttoml('[tool.pytest]\nnoisefloor_claims = "claims.toml"')
    given.runpytest_inprocess("-p", "no:randomly").assert_outcomes(passed=2)
    file = next(given.path.glob("test_*.py"))
    given.runpytest_inprocess("-p", "no:randomly", file).assert_outcomes(passed=2)
    alone = given.runpytest_inprocess("-p", "no:randomly", f"{file}::test_passes")
    alone.assert_outcomes(passed=1)


def test_a_claims_file_that_is_not_there_is_a_usage_error(pytester):
    result = pytester.runpytest_inprocess("--noisefloor-claims=claims.toml")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'claims.toml': a claims file (TOML)"])


# --- stale evidence ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("bet", "sha256"), "0" * 64, "bet.sha256 is '0000"),
        (("base", "name"), "other/model", "base.name is 'other/model'"),
        (("base", "fingerprint"), "e" * 64, "base.fingerprint is 'eeee"),
        (("method", "name"), "lora-r4", "method.name is 'lora-r4'"),
        (("versions", "method"), 99, "the method's version is 99"),
        (("versions", "scorer"), "sliding/0", "the scorer is 'sliding/0'"),
        (("versions", "arms", "random"), 0, "the version of arm random is 0"),
        (("recipe", "lr"), 5e-3, "the recipe is Recipe(lr=0.005"),
        (("seeds",), [1], "the seeds is [1]"),
        (("users", 0, "slices", 0, "sums"), {}, "scores in first, by arm is []"),
        (("users", 0, "user"), "dee", "the users is ['bob', 'cy', 'dee']"),
        (("verdict", "planted"), True, "verdict.planted is True"),
        (("schema",), 1, "the file's schema is 1"),
        (("users", 0, "mean_nll", "real"), 1.0, "mean NLL(real) is given as 1.0"),
        (("users", 0, "slices"), [], "slices of [] tokens"),
    ],
)
def test_evidence_of_something_else_is_an_error(tmp_path, path, value, message):
    from pytest_noisefloor.evidence import EvidenceError, judge_evidence

    file = tmp_path / "claims.toml"
    file.write_text(entry("x", "LENIENT", fingerprint="f" * 12))
    content = json.loads(evidence(LENIENT))
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (tmp_path / "x.json").write_text(json.dumps(content))
    (claim,) = load_claims(file)
    with pytest.raises(EvidenceError) as caught:
        judge_evidence(claim)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'x.json'}: ")


def test_shipped_users_must_have_been_measured_on_the_text_that_is_shipped(tmp_path):
    from pytest_noisefloor.evidence import EvidenceError, check_evidence

    file = tmp_path / "claims.toml"
    file.write_text(entry("x", "LENIENT", users="shipped"))
    shipped = dict.fromkeys(("programmer", "novelist", "scientist"), (1.2, 1.0, 1.3))
    (tmp_path / "x.json").write_text(evidence(shipped))
    with pytest.raises(EvidenceError, match="programmer's text is '0000"):
        check_evidence(load_claims(file)[0])


# --- malformed entries -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "key 'colour' = 'red'; expected one of id, bet, base"),
        ({"bet": "bet99"}, "key 'bet': bet 'bet99': expected bet60"),
        ({"bet": None}, "key 'bet' is missing; expected text"),
        ({"base": "nowhere"}, "key 'base' = 'nowhere'; expected tiny, reference"),
        ({"method": "magic"}, "key 'method' = 'magic'; expected norm-only"),
        ({"asserts": "MAYBE"}, "key 'asserts' = 'MAYBE'; expected STRICT or LENIENT or NOT_MET"),
        ({"users": []}, "key 'users' = []; expected \"shipped\" or a list of names"),
        ({"users": "ann"}, "key 'users' = 'ann'; expected \"shipped\" or a list of names"),
        ({"fingerprint": "xyz"}, "key 'fingerprint' = 'xyz'; expected 12 hexadecimal digits"),
        ({"note": 7}, "key 'note' = 7; expected text"),
        ({"id": "a b"}, "key 'id' = 'a b'; expected letters"),
    ],
)
def test_a_malformed_entry_names_file_claim_and_key(tmp_path, changes, message):
    file = tmp_path / "claims.toml"
    file.write_text(entry("x", "LENIENT", **changes))
    with pytest.raises(ClaimError) as caught:
        load_claims(file)
    assert str(caught.value).startswith(f"{file}: claim ")
    assert message in str(caught.value)


def test_an_id_that_is_given_twice_is_refused(tmp_path):
    file = tmp_path / "claims.toml"
    file.write_text(entry("x", "LENIENT") + entry("x", "STRICT"))
    with pytest.raises(ClaimError, match="claim 'x': key 'id': given twice"):
        load_claims(file)


def test_a_malformed_entry_is_a_collection_error(project):
    result = run(project(entry("x", "MAYBE")))
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*claims.toml: claim 'x': key 'asserts' = 'MAYBE'; expected *"])


# --- the methodology rule ----------------------------------------------------------------------

MARKED = """
    import pytest

    @pytest.mark.personalisation({})
    def test_it_learned_the_user():
        pass
"""


def test_a_personalisation_test_whose_claim_has_its_control_runs(project):
    given = project(entry("lenient", "LENIENT"), lenient=LENIENT)
    given.makepyfile(test_mine=MARKED.format('claim="lenient"'))
    run(given).assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ('claim="other"', "claim 'other' is not in *claims.toml; there: lenient, missing"),
        ('claim="missing"', "claim 'missing' has no control: *missing.json: the evidence of *"),
        ("", 'personalisation(); expected personalisation(claim="<id>")'),
        ('"lenient"', "personalisation('lenient'); expected *"),
        ('claim="lenient", strict=True', "personalisation(claim='lenient', strict=True); *"),
    ],
)
def test_an_uncontrolled_personalisation_test_is_stopped_at_collection(project, mark, message):
    given = project(entry("lenient", "LENIENT"), entry("missing", "LENIENT"), lenient=LENIENT)
    given.makepyfile(test_mine=MARKED.format(mark))
    result = run(given)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"*test_mine.py::test_it_learned_the_user: {message}"])
    result.assert_outcomes(errors=1)


def test_a_mark_without_any_claims_file_is_stopped_and_cannot_be_deselected(pytester):
    pytester.makepyfile(test_mine=MARKED.format('claim="x"'))
    result = pytester.runpytest_inprocess("-p", "no:randomly", "-k", "something_else")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*claim 'x', but no claims file is named; give it with *"])


def test_a_name_that_speaks_of_personalisation_needs_the_mark(pytester):
    pytester.makepyprojecttoml(
        '[tool.pytest]\nnoisefloor_personalisation_patterns = ["test_personal*"]'
    )
    pytester.makepyfile("def test_personal_touch(): pass\ndef test_other(): pass")
    result = pytester.runpytest_inprocess("-p", "no:randomly")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["*::test_personal_touch: its name matches 'test_personal?' *but it names no claim; *"]
    )


def test_the_gate_imports_no_torch(project):
    given = project(entry("lenient", "LENIENT"), lenient=LENIENT)
    given.makepyfile(test_mine=MARKED.format('claim="lenient"'))
    given.makeconftest(
        "import sys\n"
        "def pytest_sessionfinish(session):\n"
        "    print('heavy:', sorted({'torch', 'transformers'} & sys.modules.keys()))\n"
    )
    result = given.runpytest_subprocess(
        "-p", "no:randomly", "--noisefloor-claims=claims.toml", "-s", timeout=120
    )
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*heavy: []*"])
