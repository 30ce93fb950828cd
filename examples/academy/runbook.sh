#!/usr/bin/env bash
# The production runbook, played on the academy from the first stack trace to a guarded database and back.
#
#   examples/academy/runbook.sh                                   on SQLite, with nothing to set up
#   DATABASE_URL=mysql://root@127.0.0.1/academy examples/academy/runbook.sh
#
# It works in a folder of its own ($ACADEMY_FOLDER, a temporary one unless set); the database must be empty.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${ACADEMY_FOLDER:-$(mktemp -d)}
mkdir -p "$folder"
cp -r "$here/." "$folder"
cd "$folder"
export DATABASE_URL=${DATABASE_URL:-sqlite:///$folder/academy.db}

phase() { printf '\n=== %s\n' "$*"; }
run() { printf '\n$ %s\n' "$*"; "$@"; }
# exits with 1 where there are findings: that is no failure here
look() { printf '\n$ %s\n' "$*"; "$@" || [ $? -eq 1 ]; }
refused() {
  printf '\n$ %s\n' "$*"
  if "$@"; then echo "this should have been refused"; exit 1; fi
}
trueup() { python manage.py trueup "$@"; }
confirmed() { trueup "$@" | grep -o 'production:[0-9]*:[0-9a-f]*' | head -1; }
check=metadata-holds-an-object

phase "The application, healthy"
run python manage.py migrate --verbosity 0
run python manage.py seed_academy --events "${ACADEMY_EVENTS:-2000}"
run trueup scan

phase "Strategy A: nothing to mend, the guard is all there is to do"
run trueup plan -o a.jsonl

phase "The crash: its cause is in the code, clean rows crash it too"
refused python manage.py broken_report

phase "Strategy B: few rows"
run python manage.py damage_academy --rows 20
look trueup scan --limit 3 --json before.json
look trueup plan -o b.jsonl
run trueup apply b.jsonl
refused trueup apply b.jsonl --yes
run trueup apply b.jsonl --confirm "$(confirmed apply b.jsonl)"
run trueup verify last

phase "Strategy C: find where they come from, keep a copy, then clean up"
run python manage.py damage_academy --rows 120 --seed 8
look trueup plan -o c.jsonl
token=$(confirmed apply c.jsonl)
refused trueup apply c.jsonl --confirm "$token"
look trueup explain $check --html explained.html
look trueup scan --limit 0 --export broken.jsonl
refused trueup apply c.jsonl --confirm "$token"
run trueup apply c.jsonl --confirm "$token" --because "the importer of the night wrote scalars"

phase "Strategy D: root cause, approval, a proven backup, a rehearsal, a window"
run python manage.py damage_academy --rows 520 --seed 9
run trueup backup
look trueup plan -o d.jsonl --because "the importer ran again"
run trueup notice d.jsonl --kind before
token=$(confirmed apply d.jsonl)
refused trueup apply d.jsonl --confirm "$token"
look trueup explain $check
look trueup scan --limit 0 --export broken.jsonl --json production.json
look trueup compare before.json production.json
run trueup rehearse d.jsonl
refused trueup apply d.jsonl --confirm "$token" --root-cause "importer 4.2 writes json.dumps twice"
run trueup apply d.jsonl --confirm "$token" --maintenance \
  --root-cause "importer 4.2 writes json.dumps twice" --approved-by "Ann, on call"
test ! -e maintenance.flag
run trueup verify last
run trueup notice last --kind after

phase "The jobs run"
run python manage.py compute_content_difficulty
run python manage.py compute_user_abilities
run python manage.py compute_match_scores --top-n 5

phase "Prevention: a guard, and a bad write on every path"
refused trueup guard $check --apply
run trueup guard $check --apply --confirm production
run python manage.py try_bad_writes
run trueup scan
look trueup checklist last

phase "Back again, row by row"
run trueup undo last
refused trueup undo last --confirm "$token"
run trueup guard $check --remove --confirm production
run trueup undo last --confirm "$token"
run trueup notice last --kind rollback --format txt
look trueup scan --limit 0
phase "done"
