"""The plan as a file:

JSON Lines, read and written as a stream, sealed by a hash chain that shows any edit and its line.

Line 1 is the header, then comes one line for each operation, then the trailer. Each line but the trailer ends in `"l"`,
the first sixteen hexadecimal digits of a SHA-256 chain over the bytes before it; the trailer holds the whole tip. The
plan's digest covers all three parts. A signature (see `trueup.plan.signing`) is stored beside the plan.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from trueup.changes import Group, Left, Plan, PlanSummary
from trueup.codec import GENESIS, canonical, link
from trueup.errors import PlanError
from trueup.output import Output, told

FORMAT = 1
LINK = 16
_HEX = re.compile("[0-9a-f]{64}")
_TAIL = len(b',"l":"') + LINK + len(b'"}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operation of a plan: `seq` from 1, its group, the key's tokens, both digests, both previews."""

    seq: int
    group: int
    key: tuple[str, ...]
    before: str
    after: str
    previews: tuple[str, str] = ("", "")

    def body(self) -> dict[str, Any]:
        """Return the operation's line of the file without its link."""
        body: dict[str, Any] = {"a": self.after, "b": self.before, "g": self.group, "k": list(self.key), "n": self.seq}
        if any(self.previews):
            body["p"] = list(self.previews)
        return body


class PlanWriter:
    """Writes a plan to a temporary file and renames that to its final path at the end."""

    def __init__(self, path: str, plan: Plan) -> None:
        self.path = Path(path)
        self._by_group = [0] * len(plan.groups)
        self._count = 0
        self._tip = GENESIS
        self._output = Output(path)
        self._line({"trueup": FORMAT, "plan": asdict(plan)})

    def _line(self, body: dict[str, Any]) -> None:
        data = canonical(body)[:-1]
        self._tip = link(self._tip, data)
        self._write(data + b',"l":"' + self._tip[:LINK].encode() + b'"}\n')

    def _write(self, data: bytes) -> None:
        with told(self.path):
            self._output.file.write(data)

    def add(self, group: int, key: tuple[str, ...], before: str, after: str, previews: tuple[str, str]) -> None:
        """Append one operation."""
        self._by_group[group] += 1
        self._count += 1
        self._line(Op(seq=self._count, group=group, key=key, before=before, after=after, previews=previews).body())

    def close(
        self, left: tuple[Left, ...], findings: int, letter: str, sign: Callable[[str], str] | None = None
    ) -> PlanSummary:
        """Write the trailer, sync the file to disk, and move it to its path.

        `sign` computes the signature of the digest.
        """
        body = {
            "count": self._count,
            "by_group": self._by_group,
            "left": [asdict(item) for item in left],
            "findings": findings,
            "letter": letter,
            "tip": self._tip,
        }
        seal = link(self._tip, canonical(body))
        signed = {"signature": sign(seal)} if sign else {}
        self._write(canonical({"trailer": body, "digest": seal, **signed}) + b"\n")
        self._output.keep()
        return _summary(body, seal)

    def discard(self) -> None:
        """Delete the temporary file."""
        self._output.discard()


class PlanFile:
    """A plan that was read back. The constructor verifies the whole chain, so nothing is written from an edited plan.

    `signature` is empty for a plan without one; `loose` says that every user may write to the file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.signature = ""
        try:
            # a pipe without a writer would wait for ever
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise PlanError(f"cannot read the plan {path!r}: {error.strerror}") from None
        except ValueError:
            raise PlanError(f"cannot read the plan {path!r}: that is no name of a file") from None
        # kept open, so that the file that was checked is the one that is read
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            os.close(descriptor)
            raise PlanError(f"cannot read the plan {path!r}: it is no file")
        self.loose = bool(mode & stat.S_IWOTH)
        self._file: IO[bytes] = os.fdopen(descriptor, "rb")
        try:
            self.plan, self.summary = self._check()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> PlanFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ops(self) -> Iterator[Op]:
        """Yield the operations in order. Raises `PlanError` when a line has changed since the file was opened."""
        self._file.seek(self._first)
        tip = self._headed
        for number in range(2, self.summary.count + 2):
            line = self._file.readline()
            tip = self._linked(tip, line, number)
            body = json.loads(line)
            previews = body.get("p") or ("", "")
            yield Op(
                seq=body["n"],
                group=body["g"],
                key=tuple(body["k"]),
                before=body["b"],
                after=body["a"],
                previews=(previews[0], previews[1]),
            )

    def _check(self) -> tuple[Plan, PlanSummary]:
        tip, count = GENESIS, -1
        header = b""
        for number, line in enumerate(self._file, 1):
            if line.startswith(b'{"digest":'):
                return self._finish(header, line, tip, count, number)
            if number == 1 and not line.startswith(b'{"plan":'):
                raise PlanError(f"{self.path} is no plan of trueup; 'trueup plan -o FILE' writes one")
            tip = self._linked(tip, line, number)
            if number == 1:
                header, self._first, self._headed = line, len(line), tip
            count += 1
        raise PlanError(f"{self.path}: not a whole trueup plan: it ends without its trailer; make it again")

    def _linked(self, tip: str, line: bytes, number: int) -> str:
        tip = link(tip, line[: -_TAIL - 1])
        if line[-_TAIL - 1 :] != b',"l":"' + tip[:LINK].encode() + b'"}\n':
            raise PlanError(self._edited(number))
        return tip

    def _edited(self, number: int) -> str:
        return f"{self.path}:{number}: this line is not as it was written; a plan cannot be edited, make it again"

    def _finish(self, header: bytes, line: bytes, tip: str, count: int, number: int) -> tuple[Plan, PlanSummary]:
        try:
            head = json.loads(header)
            last = json.loads(line)
            body, seal = last["trailer"], last["digest"]
            sound = body["tip"] == tip and body["count"] == count and seal == link(tip, canonical(body))
            signed = {"signature": last["signature"]} if "signature" in last else {}
            sealed = canonical({"trailer": body, "digest": seal, **signed}) + b"\n"
            sound = sound and line == sealed and not self._file.read(1)
            sound = sound and all(_HEX.fullmatch(one) for one in signed.values())
        except (ValueError, KeyError, TypeError, RecursionError):
            raise PlanError(self._edited(number)) from None
        if not sound:
            raise PlanError(self._edited(number))
        if head.get("trueup") != FORMAT:
            raise PlanError(f"{self.path}: plan format {head.get('trueup')!r} is not {FORMAT}; make the plan again")
        self.signature = signed.get("signature", "")
        try:
            return _plan(head["plan"]), _summary(body, seal)
        except (KeyError, TypeError, AttributeError):
            # the seal is right, but this program did not write the file
            raise PlanError(f"{self.path}: a plan of another version of trueup; make it again") from None


def _plan(data: dict[str, Any]) -> Plan:
    groups = tuple(Group(**{**group, "columns": tuple(group["columns"])}) for group in data["groups"])
    return Plan(**{**data, "groups": groups})


def _summary(body: dict[str, Any], seal: str) -> PlanSummary:
    left = tuple(Left(**item) for item in body["left"])
    return PlanSummary(
        count=body["count"],
        by_group=tuple(body["by_group"]),
        left=left,
        findings=body["findings"],
        letter=body["letter"],
        digest=seal,
    )
