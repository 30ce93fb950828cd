"""The signature of a plan: who holds the key has made it, or has let it pass.

A plan's seal has no key. It shows an edit by accident, a file that was cut off, a line that went missing; whoever means
to forge a plan seals it anew. The signature is HMAC-SHA256 over the seal, by a key of the team's that lies outside of
the plan's way: `sign_plans: required` in the configuration of an environment refuses every plan without it.
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

#: The variable that names the file of the key, where the configuration does not.
VARIABLE = "TRUEUP_PLAN_KEY_FILE"
#: Bytes that a key has at least: `openssl rand -hex 32` gives 64.
SHORTEST = 32
_PURPOSE = b"trueup plan 1\n"


def signature(key: bytes, seal: str) -> str:
    """The signature of a seal (64 hexadecimal digits), as 64 hexadecimal digits."""
    return hmac.new(key, _PURPOSE + seal.encode(), hashlib.sha256).hexdigest()


def key_of(config: Config) -> bytes:
    """The key at hand, empty when there is none or plans are not signed. Raises `UsageError` for one of no use."""
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
    """The key that a new plan is signed with. Raises `Refused` when plans must be signed and there is none."""
    key = key_of(config)
    if config.sign_plans == "required" and not key:
        raise Refused(f"plans must be signed here (sign_plans: required); name the key by --sign-key or {VARIABLE}")
    return key


def vouched(config: Config, plan: PlanFile, *, write: bool) -> None:
    """Refuse a plan whose signature is wrong, or missing where it must not be.

    One without a signature that everybody may write to is refused as well, before anything is written.
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
