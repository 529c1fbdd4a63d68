# Sourced by the scripts beside it: set_up_venv brings .venv in the checkout up to what pyproject.toml asks for.
# Expects $root, the checkout. Needs Python 3.11 or newer and pip, nothing else.

find_python() {
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "${0##*/}: Python 3.11 or newer is needed, and none was found; install it or name it, as in PYTHON=/opt/python/bin/python3 $0" >&2
    return 1
}

make_venv() {
    rm -rf "$root/.venv"
    # Debian keeps ensurepip in python3-venv: without it, the pip that is there installs into the new one from outside
    if "$1" -c 'import ensurepip' 2>/dev/null; then
        "$1" -m venv "$root/.venv"
    else
        "$1" -m venv --without-pip "$root/.venv"
    fi
}

pip_install() {
    if "$root/.venv/bin/python" -c 'import pip' 2>/dev/null; then
        "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check -c "$root/scripts/constraints.txt" "$@"
    else
        "$python" -m pip --python "$root/.venv/bin/python" install --quiet --disable-pip-version-check \
            -c "$root/scripts/constraints.txt" "$@"
    fi
}

# set_up_venv [dev]: .venv as pyproject.toml wants it, and the bytecode of what changed, for a daemon that starts at once
set_up_venv() {
    install_venv "${1:-}" && compile_ahead
}

# Where PYTHONDONTWRITEBYTECODE is set, as in many containers, every start would compile all modules anew
compile_ahead() {
    "$root/.venv/bin/python" -m compileall -q "$root/ftpd" >/dev/null 2>&1 || true
    # shared modules have a form of their own, which is bound to their source
    "$root/.venv/bin/python" -P -m ftpd.module.prepared "$root/libexec" >/dev/null 2>&1 || true
}

# Does nothing when what it would install is what it installed last time; else it starts afresh, for a folder that
# was moved, whose Python is gone or which was left half made is not worth mending. What a module needs and somebody
# installed, as asyncmy for mod_sql_mysql, is installed again
install_venv() {
    stamp="$root/.venv/stamp"
    want="$(cat "$root/pyproject.toml" "$root/scripts/constraints.txt" "$root/scripts/setup.sh" "$root"/ftpd/native/*.[ch] | cksum) $root"
    case "$(cat "$stamp" 2>/dev/null)" in
        "$want ${1:-}" | "$want dev")
            # sources that were changed and changed back are newer than what was compiled of them, and the same
            touch -c "$root"/ftpd/native/*.so 2>/dev/null || :
            return 0
            ;;
    esac
    python=$(find_python) || return 1
    echo "${0##*/}: setting up $root/.venv" >&2
    extras=$("$python" "$root/scripts/extras.py" "$root" ${1:+"$1"}) || return 1
    make_venv "$python" &&
        # the build tool comes from the constraints too, which a build in isolation would not heed
        pip_install setuptools &&
        # a plain path: the finder that setuptools would make costs each start 8 ms
        pip_install --no-build-isolation --config-settings editable_mode=compat -e "$root${extras:+[$extras]}" &&
        case ",$extras," in *,dev,*) echo "$want dev" ;; *) echo "$want " ;; esac >"$stamp"
}
