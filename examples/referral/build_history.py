"""`python build_history.py FILE`: the application's history as one git bundle.

Tags: `working` (each change inside a JSON value is flagged), `damaged` (a merge took a branch's files, and the flags
with them), `fixed` (`trueup lint --fix` on the damaged revision). The sources in `app/` are those of `working`.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

APP = Path(__file__).parent / "app"
FLAG = re.compile(r"( *)flag_modified\((\w+), \"(\w+)\"\)")
IMPORT = "from sqlalchemy.orm.attributes import flag_modified\n"
#: What was protected in which commit.
FIXES = {
    "Volumes are kept: SQLAlchemy does not see a change inside a JSON value": ["volumes.py"],
    "Ranks: the same for mlmStatus": ["ranks.py"],
    "Bonuses: pioneers were granted twice, as the first time was never written": ["bonuses.py"],
    "Activity and status: the same, and tests": ["activity.py", "status.py"],
}


def unprotected(text: str) -> str:
    """A source as it was before anybody knew."""
    return "".join(line for line in without_import(text).splitlines(keepends=True) if not FLAG.match(line))


def without_import(text: str) -> str:
    """Without the import, and without the blank lines around it where it stood alone."""
    return text.replace(f"\n\n{IMPORT}\n", "\n\n").replace(IMPORT, "")


def logged(text: str) -> str:
    """An unprotected source on the branch that brought logging: it touches the lines that the fixes touch."""
    if IMPORT not in text:
        return text
    body = FLAG.sub(r'\1log.info("user %s: \3", \2.userID)', without_import(text))
    first = re.search(r"^(?:import|from) ", body, re.MULTILINE)
    assert first is not None
    body = f"{body[: first.start()]}import logging\n{body[first.start() :]}"
    last = list(re.finditer(r"^(?:import|from) .*\n", body, re.MULTILINE))[-1]
    return f"{body[: last.end()]}\nlog = logging.getLogger(__name__)\n{body[last.end() :]}"


class History:
    """A git repository in the making; each commit is a day later than the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.day = 0
        self.git("init", "--quiet", "--initial-branch", "main")

    def git(self, *words: str, check: bool = True) -> None:
        who = {
            "NAME": "The Referral Team",
            "EMAIL": "team@example.org",
            "DATE": f"2024-05-{self.day + 1:02} 09:00 +0000",
        }
        env = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()}
        subprocess.run(
            ["git", "-c", "commit.gpgsign=false", "-c", "advice.detachedHead=false", *words],
            cwd=self.folder, env={**os.environ, **env}, check=check, stdout=subprocess.DEVNULL,
        )  # fmt: skip

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def commit(self, message: str) -> None:
        self.day += 1
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)


def build(folder: Path) -> History:
    """The history, in a folder."""
    sources = {str(path.relative_to(APP)): path.read_text() for path in sorted(APP.glob("referral/*.py"))}
    history = History(folder)
    history.write(".gitignore", "__pycache__/\n*.db\n.trueup_cache/\n")
    history.write("pyproject.toml", '[project]\nname = "referral"\nversion = "1"\n')
    for name, text in sources.items():
        history.write(name, unprotected(text))
    history.commit("The referral programme")

    history.git("switch", "--quiet", "--create", "logging")
    for name, text in sources.items():
        history.write(name, logged(text))
    history.commit("Log what is changed")

    history.git("switch", "--quiet", "main")
    for message, names in FIXES.items():
        for name in names:
            history.write(f"referral/{name}", sources[f"referral/{name}"])
        if "tests" in message:
            history.write("tests/test_referral.py", (APP / "tests" / "test_referral.py").read_text())
        history.commit(message)
    history.git("tag", "working")

    history.git("merge", "--quiet", "--no-commit", "logging", check=False)  # it conflicts wherever a flag stands
    history.git("checkout", "logging", "--", "referral")
    history.commit("Merge branch 'logging'")
    history.git("tag", "damaged")

    lint = [sys.executable, "-m", "trueup", "lint", "--select", "lost-json-change", "--no-cache", "--fix", "referral"]
    subprocess.run(lint, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    history.commit("Flag changes inside JSON values again (trueup lint --fix)")
    history.git("tag", "fixed")
    return history


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    bundle = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory() as name:
        build(Path(name)).git("bundle", "create", "--quiet", str(bundle), "HEAD", "main", "logging", "--tags")


if __name__ == "__main__":
    main()
