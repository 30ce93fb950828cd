"""A seal shows an edit; a signature shows who made the plan. Where it is required nothing else is applied."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli import shop
from tests.cli.conftest import Trueup
from trueup.codec import GENESIS, canonical, link
from trueup.config.config import load_config
from trueup.errors import ConfigError
from trueup.plan.file import LINK, PlanFile

REQUIRED = "sign_plans: required\nsign_key: team.key\n"
UNSIGNED = "trueup: plan.jsonl is not signed, and here plans must be (sign_plans: required)\n"
FORGED = "trueup: plan.jsonl: the signature is not made with this key; the plan comes from somebody else\n"
NO_KEY = "plans must be signed here (sign_plans: required); name the key"


def key(name: str = "team.key", text: str = "ab" * 32, mode: int = 0o600) -> str:
    Path(name).write_text(text + "\n")
    Path(name).chmod(mode)
    return name


def configure(more: str) -> None:
    Path("trueup.yaml").write_text(more + shop.CONFIG.format(environment="test"))


def forge(path: str, old: bytes, new: bytes, signature: str | None = None) -> None:
    """Change a plan and seal it anew, as anybody can who reads the source."""
    *lines, last = Path(path).read_bytes().splitlines()
    tip, out = GENESIS, []
    for line in lines:
        body = {name: value for name, value in json.loads(line.replace(old, new)).items() if name != "l"}
        data = canonical(body)[:-1]
        tip = link(tip, data)
        out.append(data + b',"l":"' + tip[:LINK].encode() + b'"}\n')
    trailer = json.loads(last)
    body = {**trailer["trailer"], "tip": tip}
    made = {"trailer": body, "digest": link(tip, canonical(body))}
    kept = trailer.get("signature") if signature is None else signature
    Path(path).write_bytes(b"".join(out) + canonical({**made, **({"signature": kept} if kept else {})}) + b"\n")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRUEUP_PLAN_KEY_FILE", raising=False)


def test_the_seal_alone_does_not_show_a_plan_that_was_forged(trueup: Trueup) -> None:
    trueup("plan")
    forge("plan.jsonl", b'"because":""', b'"because":"x"')
    with PlanFile("plan.jsonl") as plan:
        assert (plan.summary.count, plan.plan.because) == (15, "x")


def test_a_signed_plan_is_applied_and_a_forged_or_unsigned_one_is_not(trueup: Trueup) -> None:
    key()
    before = shop.contents()
    trueup("plan")
    configure(REQUIRED)
    for words in (["--yes"], []):
        told = trueup("apply", "plan.jsonl", *words)
        assert (told.code, told.out, told.err) == (2, "", UNSIGNED)
    assert trueup("plan", "--force").code == 0
    good = Path("plan.jsonl").read_bytes()
    for signature in (None, "0" * 64):
        Path("plan.jsonl").write_bytes(good)
        forge("plan.jsonl", b'"because":""', b'"because":"x"', signature)
        told = trueup("apply", "plan.jsonl", "--yes")
        assert (told.code, told.out, told.err) == (2, "", FORGED)
    forge("plan.jsonl", b"", b"", "")
    assert trueup("apply", "plan.jsonl", "--yes").err == UNSIGNED
    assert shop.contents() == before
    Path("plan.jsonl").write_bytes(good)
    assert trueup("apply", "plan.jsonl", "--yes").code == 0
    assert shop.contents() != before


def test_another_key_does_not_do(trueup: Trueup) -> None:
    key()
    configure(REQUIRED)
    trueup("plan")
    assert trueup("apply", "plan.jsonl", "--yes", "--sign-key", key("other.key", "cd" * 32)).err == FORGED
    configure("")
    assert trueup("apply", "plan.jsonl", "--yes", "--sign-key", "other.key").err == FORGED, "a wrong one never is right"
    assert trueup("apply", "plan.jsonl", "--yes", "--sign-key", "team.key").code == 0


def test_the_key_comes_from_an_option_or_the_environment(trueup: Trueup, monkeypatch: pytest.MonkeyPatch) -> None:
    configure("sign_plans: required\n")
    assert NO_KEY in trueup("plan").err
    assert trueup("plan", "--sign-key", key()).code == 0
    assert NO_KEY in trueup("apply", "plan.jsonl").err
    told = trueup("apply", "plan.jsonl", "--sign-key", "team.key")
    assert "trueup apply plan.jsonl --sign-key team.key --yes  # makes these changes" in told.out
    monkeypatch.setenv("TRUEUP_PLAN_KEY_FILE", "team.key")
    assert trueup("apply", "plan.jsonl", "--yes").code == 0


def test_where_signing_is_offered_a_plan_without_is_applied(trueup: Trueup) -> None:
    trueup("plan")
    with PlanFile("plan.jsonl") as plan:
        assert plan.signature == ""
    assert trueup("apply", "plan.jsonl", "--yes", "--sign-key", key()).code == 0


KEYS: dict[str, tuple[Callable[[], str], str]] = {
    "readable by all": (
        lambda: key(mode=0o644),
        "the key for plans 'team.key' is open to others, who could sign with it; chmod 600 it",
    ),
    "short": (
        lambda: key(text="ab"),
        "the key for plans 'team.key' is shorter than 32 bytes; 'openssl rand -hex 32 > FILE' makes one",
    ),
    "absent": (lambda: "team.key", "cannot read the key for plans 'team.key': No such file or directory"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_of_no_use_is_refused_in_one_line_that_does_not_show_it(trueup: Trueup, kind: str) -> None:
    make, expected = KEYS[kind]
    told = trueup("plan", "--sign-key", make())
    assert (told.code, told.out, told.err) == (2, "", f"trueup: {expected}\n")


def test_each_environment_may_say_for_itself(folder: Path) -> None:
    for environment, expected in (("production", "required"), ("test", "no"), ("staging", "offered")):
        text = "sign_plans: {production: required, test: no}\n" + shop.CONFIG.format(environment=environment)
        Path("trueup.yaml").write_text(text)
        assert load_config("trueup.yaml").sign_plans == expected
    configure("sign_plans: yes\n")
    with pytest.raises(ConfigError) as raised:
        load_config("trueup.yaml")
    assert str(raised.value) == "trueup.yaml:1: 'sign_plans' must be one of required, offered, no; it is 'yes'"


def test_a_plan_that_everybody_may_write_to_is_looked_at_and_not_applied(trueup: Trueup) -> None:
    trueup("plan")
    Path("plan.jsonl").chmod(0o666)
    before = shop.contents()
    assert trueup("apply", "plan.jsonl").code == 0
    told = trueup("apply", "plan.jsonl", "--yes")
    expected = (
        "trueup: plan.jsonl can be written to by everybody, so it may not be what you have read; "
        "chmod o-w it and read it again, or sign plans (sign_plans)\n"
    )
    assert (told.code, told.err) == (2, expected)
    assert shop.contents() == before
    key()
    configure(REQUIRED)
    trueup("plan", "-o", "signed.jsonl")
    Path("signed.jsonl").chmod(0o666)
    assert trueup("apply", "signed.jsonl", "--yes").code == 0


def test_what_is_no_file_is_no_plan(trueup: Trueup) -> None:
    os.mkfifo("pipe")
    done = threading.Timer(30, lambda: Path("pipe").write_text(""))  # a reader that waits would wait for this
    done.start()
    for name, why in (("pipe", "it is no file"), (".", "it is no file"), ("a\0b", "that is no name of a file")):
        told = trueup("apply", name)
        assert (told.code, told.out) == (2, "")
        assert told.err == f"trueup: cannot read the plan {name!r}: {why}\n"
    done.cancel()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\0" * 100, b'{"plan":', b'{"plan":{}}\n', b"\xff\xfe\n", b'{"digest":1}\n', b"[" * 100_000,
        b'{"digest":' + b"[" * 9999,
    ],
)  # fmt: skip
def test_garbage_is_no_plan(trueup: Trueup, content: bytes) -> None:
    Path("p.jsonl").write_bytes(content)
    told = trueup("apply", "p.jsonl")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("trueup: p.jsonl")
    assert told.err.count("\n") == 1


def test_a_sealed_plan_of_another_make_is_no_bug(trueup: Trueup) -> None:
    trueup("plan")
    forge("plan.jsonl", b'"plan_id"', b'"plan_ix"')
    told = trueup("apply", "plan.jsonl")
    assert (told.code, told.err) == (2, "trueup: plan.jsonl: a plan of another version of trueup; make it again\n")
