"""The signature of a plan: it proves that somebody who holds the team's key made the plan or approved it.

A plan's seal has no key. It shows an accidental edit, a truncated file or a missing line, but a forger can compute a
new seal. The signature is HMAC-SHA256 over the seal, with a key of the team that is kept apart from the plans:
`sign_plans: required` in the configuration of an environment refuses every plan without it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

from trueup.config.config import Config
from trueup.errors import PlanError, Refused, UsageError
from trueup.plan.file import PlanFile

#: The environment variable with the path of the key, used where the configuration names no key.
VARIABLE = "TRUEUP_PLAN_KEY_FILE"
#: The minimum length of a key in bytes: `openssl rand -hex 32` gives 64.
SHORTEST = 32
_PURPOSE = b"trueup plan 1\n"


def signature(key: bytes, seal: str) -> str:
    """Return the signature of a seal (64 hexadecimal digits) as 64 hexadecimal digits."""
    return hmac.new(key, _PURPOSE + seal.encode(), hashlib.sha256).hexdigest()


def key_of(config: Config) -> bytes:
    """Return the signing key; empty when there is none or plans are not signed.

    Raises `UsageError` for an unusable one.
    """
    path = config.sign_key or os.environ.get(VARIABLE, "")
    if config.sign_plans == "no" or not path:
        return b""
    try:
        with Path(path).open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            key = file.read(4096).strip()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "that is no name of a file"
        raise UsageError(f"cannot read the key for plans {path!r}: {why}") from None
    if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
        raise UsageError(f"the key for plans {path!r} is open to others, who could sign with it; chmod 600 it")
    if len(key) < SHORTEST:
        raise UsageError(
            f"the key for plans {path!r} is shorter than {SHORTEST} bytes; 'openssl rand -hex 32 > FILE' makes one"
        )
    return key


def key_to_sign(config: Config) -> bytes:
    """Return the key for signing a new plan. Raises `Refused` when plans must be signed and there is no key."""
    key = key_of(config)
    if config.sign_plans == "required" and not key:
        raise Refused(f"plans must be signed here (sign_plans: required); name the key by --sign-key or {VARIABLE}")
    return key


def vouched(config: Config, plan: PlanFile, *, write: bool) -> None:
    """Raise `Refused` for a plan whose signature is wrong, or missing where it is required.

    Before anything is written, a plan without a signature that every user may write to is refused as well.
    """
    key = key_of(config)
    required = config.sign_plans == "required"
    if required and not key:
        raise Refused(
            f"plans must be signed here (sign_plans: required); name the key to look with by --sign-key or {VARIABLE}"
        )
    if required and not plan.signature:
        raise PlanError(f"{plan.path} is not signed, and here plans must be (sign_plans: required)")
    if key and plan.signature:
        if not hmac.compare_digest(signature(key, plan.summary.digest), plan.signature):
            raise PlanError(f"{plan.path}: the signature is not made with this key; the plan comes from somebody else")
    elif write and plan.loose:
        raise Refused(
            f"{plan.path} can be written to by everybody, so it may not be what you have read; "
            "chmod o-w it and read it again, or sign plans (sign_plans)"
        )
