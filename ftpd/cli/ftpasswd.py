"""The ftpasswd command: makes and changes the files of AuthUserFile and AuthGroupFile, and hashes of passwords."""

from __future__ import annotations

import getopt
import os
import re
import sys
from dataclasses import field

from ftpd.cli.accounts import FileFaultError, MalformedError, Table, change, look
from ftpd.cli.passwords import SCHEMES, RefusedError, Rule, hashed, not_current, not_of_system, not_weak
from ftpd.core.record import dataclass
from ftpd.module.build import ftpd_version

USAGE = """\
usage: ftpasswd --passwd --name NAME --uid UID --home FOLDER --shell PATH [options]
       ftpasswd --passwd --name NAME --change-password | --lock | --unlock | --delete-user | ...
       ftpasswd --group --name NAME --gid GID [--member USER ...] [options]
       ftpasswd --group --name NAME --add-member USER | --delete-member USER | --delete-group
       ftpasswd --hash [options]

One of these says what it is about:
  --passwd\t\tan account in a file for AuthUserFile: it is made, or changed where it is there
  --group\t\ta group in a file for AuthGroupFile
  --hash\t\tno file: print the hash of a password, as UserPassword takes it

  --file PATH\t\tthe file, instead of ./ftpd.passwd or ./ftpd.group
  -F, --force\t\twrite the file anew, with this entry alone
  --name NAME\t\tthe account or the group
  -h, --help\t\tdisplay this message
  --version\t\tdisplay the version

An account:
  --uid UID\t\tits user id
  --gid GID\t\tits group id (that of --uid)
  --home FOLDER\t\tits home, an absolute path
  --shell PATH\t\tits shell; /bin/false will do with RequireValidShell off
  --gecos TEXT\t\ta description, mostly a full name
  --change-password\task for a new password and change nothing else
  --change-uid, --change-gid, --change-home, --change-shell, --change-gecos
\t\t\tchange this alone, to what --uid, --gid, --home, --shell, --gecos says
  -l, --lock\t\tno password is right any more
  -u, --unlock\t\tthe one from before is right again
  --delete-user\t\tremove it
  --not-previous-password, --not-system-password
\t\t\trefuse the password that it has, or that the system's user of this name has

A group:
  --gid GID\t\tits id
  -m, --member USER\tits members are those that are named so, and no others
  --add-member USER, --delete-member USER
\t\t\ttake a member in, or out; all these may be repeated
  --enable-group-passwd\task for a password for it
  --delete-group\tremove it

The password is asked for, or read:
  --stdin\t\tread it from standard input, one line
  --yescrypt, --sha512, --sha256, --blowfish, --md5, --des
\t\t\thow it is hashed (yescrypt; sha512 where libcrypt has none)
  --use-cracklib[=PATH]\trefuse one that cracklib calls weak, by the dictionary at PATH

exit status: 0, or 1 no such account or group, 2 the password is the present one, 4 it is the one of the system,
8 the home is no absolute path, 255 anything else; but for 0 nothing has been changed
"""
_MODES = ("passwd", "group", "hash")
_LETTERS = {"-F": "force", "-h": "help", "-l": "lock", "-u": "unlock", "-m": "member"}
_LISTS = ("member", "add-member", "delete-member")
_VALUES = ("file", "name", "uid", "gid", "home", "shell", "gecos", *_LISTS)
_PASSWORD = (*SCHEMES, "stdin", "use-cracklib")
_RULES = ("not-previous-password", "not-system-password")
_FIELDS = {"uid": 2, "gid": 3, "gecos": 4, "home": 5, "shell": 6}
_CHANGES = tuple(f"change-{name}" for name in _FIELDS)
_MARKS = ("force", "help", "version", "lock", "unlock", "delete-user", "delete-group", "enable-group-passwd",
          "change-password", *_CHANGES, *_MODES, *_PASSWORD, *_RULES)  # fmt: skip
_ALLOWED = {
    "hash": (*_PASSWORD,),
    "passwd": ("file", "name", "force", *_FIELDS, *_PASSWORD, *_RULES),
    "change-password": ("file", "name", *_PASSWORD, *_RULES),
    **{f"change-{name}": ("file", "name", name) for name in _FIELDS},
    "lock": ("file", "name"),
    "unlock": ("file", "name"),
    "delete-user": ("file", "name"),
    "group": ("file", "name", "force", "gid", *_LISTS, "enable-group-passwd", *_PASSWORD),
    "delete-group": ("file", "name"),
}
_ACTS = {
    "passwd": ("change-password", *_CHANGES, "lock", "unlock", "delete-user"),
    "group": ("delete-group",),
    "hash": (),
}
_HIGHEST_ID = 2**32 - 2
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)


class WrongError(Exception):
    """What is wrong with the command line, and the exit status that says so."""

    def __init__(self, message: str, status: int = 255) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Wanted:
    """What the command line asks for."""

    mode: str = ""
    act: str = ""
    """The mode itself where an entry is to be made or changed as a whole."""
    marks: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    cracklib: str | None = None

    @property
    def name(self) -> str:
        return self.values["name"]

    @property
    def path(self) -> str:
        return self.values.get("file") or f"./ftpd.{self.mode}"

    @property
    def size(self) -> int:
        return 7 if self.mode == "passwd" else 4


def main(words: list[str] | None = None) -> int:
    """Do what the options say; 0, or the status that tells why nothing was done."""
    try:
        wanted = understand(sys.argv[1:] if words is None else words)
        if "help" in wanted.marks:
            print(USAGE, end="")
        elif "version" in wanted.marks:
            print(ftpd_version())
        elif wanted.mode == "hash":
            print(f"ftpasswd: {_hashed(wanted, [])}")
        else:
            _work(wanted)
    except (WrongError, RefusedError) as error:
        return _fail(str(error), error.status)
    except (FileFaultError, MalformedError) as error:
        return _fail(str(error), 255)
    except (KeyboardInterrupt, EOFError):
        print(file=sys.stderr)
        return _fail("given up, and nothing is changed", 255)
    return 0


# -- the command line ----------------------------------------------------------------------------------------------


def understand(words: list[str]) -> Wanted:
    """What the words ask for; WrongError where that makes no sense."""
    wanted = Wanted()
    try:
        found, rest = getopt.gnu_getopt(_spelled(words, wanted), "Fhlum:", [*(f"{name}=" for name in _VALUES), *_MARKS])
    except getopt.GetoptError as error:
        raise WrongError(f"{error}; ftpasswd --help lists what there is") from None
    for option, value in found:
        name = _LETTERS.get(option) or option.removeprefix("--")
        if name in _LISTS:
            wanted.lists.setdefault(name, []).extend(value.split(","))
        elif name in _VALUES:
            wanted.values[name] = value
        else:
            wanted.marks.add(name)
    if not wanted.marks & {"help", "version"}:
        if rest:
            # not repeated: it may be a password, which has no business on a command line
            raise WrongError("a word that belongs to no option; a password is asked for, or read with --stdin")
        _settle(wanted)
    return wanted


def _spelled(words: list[str], wanted: Wanted) -> list[str]:
    """The words as getopt knows them: scripts for ProFTPD's, which is written in Perl, may say -name, --NAME or -m=tom.

    Left out is the only option whose argument may be left out.
    """
    kept: list[str] = []
    takes = False
    for at, word in enumerate(words):
        if word == "--":
            return kept + words[at:]
        option, equals, value = word.partition("=")
        name = option.lstrip("-").lower()
        if takes or not word.startswith("-"):
            takes = False
            kept.append(word)
        elif name == "use-cracklib":
            wanted.marks.add(name)
            wanted.cracklib = value
        elif option == "-m" and equals:
            kept.append(f"--member={value}")
        else:
            known = name in (*_VALUES, *_MARKS)
            kept.append(f"--{name}{equals}{value}" if known else word)
            takes = (name in _VALUES or option == "-m") and not equals
    return kept


def _settle(wanted: Wanted) -> None:
    """Which mode and act it is, and whether all that is said makes sense with these."""
    modes = [mode for mode in _MODES if mode in wanted.marks]
    if not modes:
        raise WrongError("missing required --passwd, --group or --hash; ftpasswd --help tells of them")
    if len(modes) > 1:
        raise WrongError("please use one of --passwd, --group and --hash")
    wanted.mode = modes[0]
    acts = [act for act in _ACTS[wanted.mode] if act in wanted.marks]
    if any(act not in ("change-password", *_CHANGES) for act in acts) and len(acts) > 1:
        raise WrongError(f"--{acts[0]} and --{acts[1]} do not go together")
    wanted.act = acts[0] if acts else wanted.mode
    allowed = {name for act in acts or [wanted.mode] for name in (*_ALLOWED[act], act)} | {wanted.mode}
    for name in (*wanted.marks, *wanted.values, *wanted.lists):
        if name not in allowed:
            raise WrongError(f"--{name} has no meaning with --{wanted.act}")
    if len(wanted.marks & set(SCHEMES)) > 1:
        raise WrongError("please name one way to hash")
    for name in _needed(wanted, acts):
        if name not in wanted.values:
            raise WrongError(f"--{wanted.act}: missing required argument: --{name}")
    _check(wanted)


def _needed(wanted: Wanted, acts: list[str]) -> list[str]:
    if wanted.mode == "hash":
        return []
    if acts:
        return ["name", *(act.removeprefix("change-") for act in acts if act in _CHANGES)]
    if wanted.mode == "passwd":
        return ["name", "home", "uid", "shell"]
    return ["name"] if {"add-member", "delete-member"} & wanted.lists.keys() else ["name", "gid"]


def _check(wanted: Wanted) -> None:
    """Nothing is written that would be read as something else."""
    for option, text in wanted.values.items():
        if option == "file":
            continue
        if ":" in text or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
            raise WrongError(f"--{option} has a colon or a control character in it, which would break the line")
        if option in ("uid", "gid") and not (_NUMBER.fullmatch(text) and int(text) <= _HIGHEST_ID):
            raise WrongError(f"--{option} takes a number from 0 to {_HIGHEST_ID}")
    for option, members in wanted.lists.items():
        for member in members:
            if not re.fullmatch(r"[^\s:\x00-\x1f\x7f]+", member):
                raise WrongError(f"--{option} takes a name, without colons and spaces")
    name = wanted.values.get("name", "x")
    if not name or name != name.strip() or name.startswith("#"):
        raise WrongError("--name takes a name that neither is empty nor begins with # nor has spaces around it")
    home = wanted.values.get("home", "/")
    if not home.startswith("/"):
        raise WrongError(f"--home takes an absolute path, not {home or 'nothing'}", 8)


# -- what is done --------------------------------------------------------------------------------------------------


def _work(wanted: Wanted) -> None:
    """Look, ask what has to be asked, and then, with the lock, change the file as it is by now."""
    if "file" in wanted.values:
        _say(f"using alternate file: {wanted.path}")
    table = Table("", wanted.size) if "force" in wanted.marks else look(wanted.path, wanted.size)
    entry = table.find(wanted.name) if wanted.act not in ("delete-user", "delete-group") else None
    kind = "user" if wanted.mode == "passwd" else "group"
    creates = wanted.act == wanted.mode and entry is None
    if wanted.mode == "group" and creates and "gid" not in wanted.values:
        raise _nobody(wanted)
    if wanted.act != wanted.mode and not table.remove(wanted.name):
        raise _nobody(wanted)
    _say(f"{'creating' if creates else 'updating'} {wanted.mode} entry for {kind} {wanted.name}")
    _advise(wanted)
    secret = _secret(wanted, entry)

    def act(table: Table) -> None:
        if wanted.act in ("delete-user", "delete-group"):
            if not table.remove(wanted.name):
                raise _nobody(wanted)
            return
        entry = table.find(wanted.name)
        if entry is None and not creates:
            raise _nobody(wanted)
        table.put(_account(wanted, entry, secret) if wanted.mode == "passwd" else _group(wanted, entry, secret))

    for told in change(wanted.path, wanted.size, act, anew="force" in wanted.marks):
        _say(told)
    deleted = wanted.act in ("delete-user", "delete-group")
    _say(f"entry {'deleted' if deleted else 'created' if creates else 'updated'}")


def _secret(wanted: Wanted, entry: list[str] | None) -> str | None:
    """The hash of a new password, where the act needs one."""
    rules: list[Rule] = []
    if wanted.mode == "group":
        return _hashed(wanted, rules) if "enable-group-passwd" in wanted.marks else None
    changes = "change-password" in wanted.marks
    if wanted.act != "passwd" and not changes:
        return None
    if entry is not None and (changes or "not-previous-password" in wanted.marks):
        rules.append(not_current(entry[1]))
    if "not-system-password" in wanted.marks:
        rules.append(not_of_system(wanted.name))
    return _hashed(wanted, rules)


def _hashed(wanted: Wanted, rules: list[Rule]) -> str:
    if wanted.cracklib is not None:
        rules = [*rules, not_weak(wanted.cracklib)]
    scheme = next((name for name in SCHEMES if name in wanted.marks), "")
    return hashed(scheme, rules, stdin="stdin" in wanted.marks)


def _account(wanted: Wanted, entry: list[str] | None, secret: str | None) -> list[str]:
    fields = entry or [wanted.name, "", "", "", "", "", ""]
    for name, at in _FIELDS.items():
        fields[at] = wanted.values.get(name, fields[at])
    if wanted.act == "passwd" and "gid" not in wanted.values:
        fields[3] = fields[2]
    locked = fields[1].startswith("!")
    if wanted.act == "lock":
        fields[1] = fields[1] if locked else f"!{fields[1]}"
    elif wanted.act == "unlock":
        fields[1] = fields[1].lstrip("!")
        if not fields[1]:
            raise WrongError(f"{wanted.name} has no password to go back to; --change-password gives one")
    elif secret is not None:
        fields[1] = f"!{secret}" if locked else secret
        if locked:
            _say(f"{wanted.name} stays locked; --unlock lets in with the new password")
    return fields


def _group(wanted: Wanted, entry: list[str] | None, secret: str | None) -> list[str]:
    fields = entry or [wanted.name, "x", "", ""]
    fields[1] = fields[1] if secret is None else secret
    fields[2] = wanted.values.get("gid", fields[2])
    members = wanted.lists.get("member") or [one.strip() for one in fields[3].split(",") if one.strip()]
    gone = wanted.lists.get("delete-member", [])
    kept = [one for one in (*members, *wanted.lists.get("add-member", [])) if one not in gone]
    fields[3] = ",".join(dict.fromkeys(kept))
    return fields


def _advise(wanted: Wanted) -> None:
    """What may be meant so and often is not."""
    if wanted.act == "passwd" and "gid" not in wanted.values:
        _say("missing --gid: it is the same as --uid")
    home, shell = wanted.values.get("home"), wanted.values.get("shell")
    if home is not None and not os.path.isdir(home):
        _say(f"there is no folder {home} yet: CreateHome on makes it at the login, or make it for uid and gid")
    if shell is not None and shell not in _shells():
        _say(f"{shell} is not in /etc/shells: it takes RequireValidShell off to log in")


def _shells() -> list[str]:
    try:
        with open("/etc/shells", errors="replace") as file:
            return [line.strip() for line in file if line.startswith("/")]
    except OSError:
        # as getusershell(3) has it
        return ["/bin/sh", "/bin/csh"]


def _nobody(wanted: Wanted) -> WrongError:
    kind = "user" if wanted.mode == "passwd" else "group"
    return WrongError(f"error: no such {kind} {wanted.name} in {wanted.path}", 1)


def _say(text: str) -> None:
    print(f"ftpasswd: {text}", file=sys.stderr)


def _fail(text: str, status: int) -> int:
    _say(text)
    return status
