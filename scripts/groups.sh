# Sourced by scripts/test: the groups in which all the tests run, each a process of its own and four at once.

# A file belongs to the first line that names it, the last one names them all. In each are about as many seconds of
# processor time; those that wait most come first, so that none goes on alone at the end.
groups='
tests/wire/test_hostile_[a-l]*.py
tests/wire/test_[i-s]*.py
tests/wire/test_d*.py
tests/wire/test_hostile_[m-z]*.py
tests/wire/test_[t-z]*.py tests/wire/test_howto*.py
tests/modules/test_*sql*.py tests/modules/test_[a-k]*.py
tests/unit/test_[t-z]*.py
tests/wire/test_*.py
tests/unit/test_*.py
tests/*/test_*.py
'

# one a line
files_of_groups() {
    echo "$groups" | while read -r names; do
        # shellcheck disable=SC2086  # they are patterns
        [ -z "$names" ] || echo $names
    done | awk '{ line = ""; for (i = 1; i <= NF; i++) if (!taken[$i]++) line = line " " $i; if (line) print line }'
}
