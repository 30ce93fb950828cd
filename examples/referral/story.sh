#!/usr/bin/env bash
# A merge drops what kept JSON changes; a month later the bonuses are wrong. Told from the first look to a mended database.
#
#   examples/referral/story.sh                                    on SQLite, with nothing to set up
#   DATABASE_URL=postgresql://me@127.0.0.1/referral examples/referral/story.sh
#
# It works in a folder of its own ($REFERRAL_FOLDER, a temporary one unless set); the database must be empty.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${REFERRAL_FOLDER:-$(mktemp -d)}
mkdir -p "$folder"
cd "$folder"
export DATABASE_URL=${DATABASE_URL:-sqlite:///$folder/referral.db}
export PYTHONPATH=$folder/app${PYTHONPATH:+:$PYTHONPATH}

phase() { printf '\n=== %s\n' "$*"; }
run() { printf '\n$ %s\n' "$*"; "$@"; }
# exits with 1 where there are findings: that is no failure here
look() { printf '\n$ %s\n' "$*"; "$@" || [ $? -eq 1 ]; }
at() { run git checkout --quiet "$1"; }
# the last line of what it says: the error, not how Python came to it
caught() {
  printf '\n$ %s\n' "$*"
  if "$@" > said.txt 2>&1; then echo "this should have been refused"; exit 1; fi
  tail -n 1 said.txt
}
referral() { python -m referral "$@"; }
build_history() { python "$here/build_history.py" "$@"; }
lint="trueup lint --select lost-json-change --no-cache"

phase "Three revisions of one application"
run build_history referral.bundle
run git clone --quiet referral.bundle app
cd app
cp "$here/trueup.yaml" .
run git log --oneline --graph --all

phase "A month with the revision that works"
at working
run referral seed --users 200
run referral play --purchases 60
run $lint referral
run trueup scan

phase "The merge: nobody notices, the application runs"
at damaged
run referral buy 150 6000
run referral show 150
run referral play --purchases 60 --seed 1

phase "What the code says: each protection is gone, and the commit that took it"
look $lint --compare working damaged
look $lint referral/bonuses.py

phase "The lost bonus, caught as it happens"
caught env TRUEUP_GUARD=raise python -m referral buy 151 6000

phase "What the data says"
look trueup scan --limit 2

phase "The code first: what is mended before would be lost again"
run git switch --quiet --create mended damaged
look $lint --fix referral
run git diff --stat damaged
run git diff damaged -- referral/bonuses.py
run git -c user.name=Ann -c user.email=ann@example.org commit --quiet --all --message "Flag changes inside JSON values"
run $lint --compare damaged mended
run referral buy 152 6000
run referral show 152

phase "Then the data: planned, rebuilt from the rows it derives from, proven"
# a plan is about rows as they are: of two checks that mend one document the second is planned after the first
look trueup plan -o bonuses.jsonl \
  --check pioneers-know-it --check pioneers-are-counted --check volume-and-its-twin-agree
run trueup apply bonuses.jsonl --yes
run trueup verify last
look trueup plan -o ranks.jsonl --check ranks-know-since-when
run trueup apply ranks.jsonl --yes
run trueup verify last
run trueup scan
run referral show 150

phase "And back, row by row"
run trueup undo last --yes
look trueup scan --limit 0
phase "done"
