/* Acting as a user and opening beneath a folder: the kernel calls of every file operation, in one step from Python.

   ftpd/core/identity.py and ftpd/fs/kernel.py hold the same in Python, which serves where this could not be compiled;
   tests run both. Nothing is decided here: who, where and how come from there.

   An identity is a string of native 32-bit numbers: user, group, supplementary groups. */

#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Newer than some headers; calls from 5.0 on have one number on all architectures. */
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_faccessat2
#define SYS_faccessat2 439
#endif
#undef STATX_INO
#undef STATX_MNT_ID
#define STATX_INO 0x100u
#define STATX_MNT_ID 0x1000u

/* openat2's IN_ROOT, NO_MAGICLINKS and NO_SYMLINKS. */
#define RESOLVE_NO_LINKS 0x16

/* On old 32-bit machines the plain calls take 16-bit numbers. */
#ifdef SYS_setgroups32
#define CALL_SETGROUPS SYS_setgroups32
#define CALL_SETFSUID SYS_setfsuid32
#define CALL_SETFSGID SYS_setfsgid32
#else
#define CALL_SETGROUPS SYS_setgroups
#define CALL_SETFSUID SYS_setfsuid
#define CALL_SETFSGID SYS_setfsgid
#endif

/* The id that the kernel refuses: asking for it changes nothing and tells who we are. */
#define NOBODY_AT_ALL 0xFFFFFFFFu

typedef struct {
    const uint32_t *ids; /* user, group */
    const uint32_t *groups;
    Py_ssize_t count;
} who_t;

/* Who this thread is; NULL before its first stay, and after a switch that failed half-way. A thread that ends keeps
   its reference: one to a string that the session or the daemon's configuration shared. */
static __thread PyObject *now;

static int
read_who(PyObject *raw, who_t *who)
{
    if (!PyBytes_CheckExact(raw) || PyBytes_GET_SIZE(raw) < 8 || PyBytes_GET_SIZE(raw) % 4) {
        PyErr_SetString(PyExc_TypeError, "an identity is a string of 32-bit numbers: user, group, groups");
        return -1;
    }
    who->ids = (const uint32_t *)PyBytes_AS_STRING(raw);
    who->groups = who->ids + 2;
    who->count = PyBytes_GET_SIZE(raw) / 4 - 2;
    return 0;
}

static int
same(PyObject *one, PyObject *other)
{
    return one == other || (one != NULL && PyBytes_GET_SIZE(one) == PyBytes_GET_SIZE(other)
                            && !memcmp(PyBytes_AS_STRING(one), PyBytes_AS_STRING(other), PyBytes_GET_SIZE(one)));
}

/* setfsuid(2) and setfsgid(2) report no failure: asking again with the impossible id tells who we are now. */
static int
change_id(long call, uint32_t id, const char *what)
{
    syscall(call, id);
    if ((uint32_t)syscall(call, NOBODY_AT_ALL) == id)
        return 0;
    PyErr_Format(PyExc_PermissionError, "the kernel refused the %s id %lu for file operations", what,
                 (unsigned long)id);
    return -1;
}

static int
change_groups(const who_t *to)
{
    /* not glibc's setgroups(3), which tells every thread of the process */
    if (syscall(CALL_SETGROUPS, to->count, to->groups) == 0)
        return 0;
    int code = errno;
    PyObject *text = PyUnicode_FromFormat("%s (setting %zd supplementary groups)", strerror(code), to->count);
    PyObject *arguments = text == NULL ? NULL : Py_BuildValue("(iN)", code, text);
    if (arguments != NULL) {
        PyErr_SetObject(PyExc_OSError, arguments);
        Py_DECREF(arguments);
    }
    return -1;
}

/* Change what differs from the thread's present identity; a failure half-way is remembered as "unknown". */
static int
switch_to(PyObject *raw)
{
    who_t to, from = {0};
    if (same(now, raw))
        return 0;
    if (read_who(raw, &to) < 0 || (now != NULL && read_who(now, &from) < 0))
        return -1;
    PyObject *was = now;
    now = NULL;
    int failed = 0;
    if (was == NULL || from.count != to.count || memcmp(from.groups, to.groups, 4 * (size_t)to.count))
        failed = change_groups(&to);
    if (!failed && (was == NULL || from.ids[1] != to.ids[1]))
        failed = change_id(CALL_SETFSGID, to.ids[1], "group");
    if (!failed && (was == NULL || from.ids[0] != to.ids[0]))
        failed = change_id(CALL_SETFSUID, to.ids[0], "user");
    if (!failed)
        now = Py_NewRef(raw);
    Py_XDECREF(was);
    return failed;
}

/* Back to `before`; an error that is on its way stays the one that is told. */
static int
switch_back(PyObject *before)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    if (switch_to(before) < 0) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(trace);
        return -1;
    }
    PyErr_Restore(type, value, trace);
    return 0;
}

/* The end of a stay that opened a descriptor, or not: a stay that cannot be ended leaves none. */
static int
end_stay(PyObject *before, long opened)
{
    if (before == NULL)
        return 0;
    int failed = switch_back(before);
    Py_DECREF(before);
    if (failed && opened >= 0)
        close((int)opened);
    return failed ? -1 : 0;
}

/* become(identity, otherwise) -> who the thread was; where that is not known it is taken to be `otherwise`. */
static PyObject *
become(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    who_t checked;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "become(identity, otherwise)");
        return NULL;
    }
    if (read_who(arguments[0], &checked) < 0 || read_who(arguments[1], &checked) < 0)
        return NULL;
    PyObject *before = Py_NewRef(now != NULL ? now : arguments[1]);
    if (switch_to(arguments[0]) < 0) {
        switch_back(before);
        Py_DECREF(before);
        return NULL;
    }
    return before;
}

static int
number(PyObject *value, long long *out)
{
    *out = PyLong_AsLongLong(value);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

/* openat2(identity or None, otherwise, folder, path, flags, mode, resolve) -> descriptor; -errno where there is none.

   openat2(2) as the identity, and the one from before again. */
static PyObject *
open_as(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long folder, flags, mode, resolve;
    if (count != 7 || !PyBytes_CheckExact(arguments[3])) {
        PyErr_SetString(PyExc_TypeError, "openat2(identity, otherwise, folder, path, flags, mode, resolve)");
        return NULL;
    }
    if (number(arguments[2], &folder) < 0 || number(arguments[4], &flags) < 0 || number(arguments[5], &mode) < 0
        || number(arguments[6], &resolve) < 0)
        return NULL;
    PyObject *before = NULL;
    if (arguments[0] != Py_None && (before = become(self, arguments, 2)) == NULL)
        return NULL;
    struct {
        uint64_t flags, mode, resolve;
    } how = {(uint64_t)flags, (uint64_t)mode, (uint64_t)resolve};
    const char *path = PyBytes_AS_STRING(arguments[3]);
    long opened;
    Py_BEGIN_ALLOW_THREADS
    opened = syscall(SYS_openat2, (int)folder, path, &how, sizeof how);
    if (opened < 0)
        opened = -errno;
    Py_END_ALLOW_THREADS
    if (end_stay(before, opened) < 0)
        return NULL;
    return PyLong_FromLong(opened);
}

/* enter(identity or None, otherwise, path, flags) -> (descriptor, place or None, searchable or None), or -errno.

   Opens a folder as the identity, and tells by what it is known (inode, device and mount of statx(2), where the kernel
   has the mount) and whether one may go on from it (faccessat2(2); None where the kernel cannot be asked). */
static PyObject *
enter(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long flags;
    if (count != 4 || !PyBytes_CheckExact(arguments[2])) {
        PyErr_SetString(PyExc_TypeError, "enter(identity, otherwise, path, flags)");
        return NULL;
    }
    if (number(arguments[3], &flags) < 0)
        return NULL;
    PyObject *before = NULL;
    if (arguments[0] != Py_None && (before = become(self, arguments, 2)) == NULL)
        return NULL;
    const char *path = PyBytes_AS_STRING(arguments[2]);
    unsigned char about[256] = {0};
    int known = 0, searchable = 0;
    long opened;
    Py_BEGIN_ALLOW_THREADS
    opened = syscall(SYS_openat, AT_FDCWD, path, (int)flags, 0);
    if (opened < 0)
        opened = -errno;
    else {
#ifdef SYS_statx
        uint32_t got;
        known = syscall(SYS_statx, (int)opened, "", AT_EMPTY_PATH, STATX_INO | STATX_MNT_ID, about) == 0;
        memcpy(&got, about, sizeof got);
        known = known && got & STATX_MNT_ID;
#endif
        searchable = syscall(SYS_faccessat2, (int)opened, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) == 0 ? 1 : -errno;
    }
    Py_END_ALLOW_THREADS
    if (end_stay(before, opened) < 0)
        return NULL;
    if (opened < 0)
        return PyLong_FromLong(opened);
    /* struct statx: the inode at 32, the device's two numbers and the mount from 136 on */
    memmove(about + 40, about + 136, 16);
    PyObject *place = known ? PyBytes_FromStringAndSize((char *)about + 32, 24) : Py_NewRef(Py_None);
    PyObject *answer = searchable == -ENOSYS ? Py_NewRef(Py_None) : PyBool_FromLong(searchable > 0);
    PyObject *found = place == NULL ? NULL : Py_BuildValue("(lNN)", opened, place, answer);
    if (found == NULL)
        close((int)opened);
    return found;
}

/* Whether glances leave the thread as whom they looked, for the next one, and who it was before the first that did. */
static __thread int lingering;
static __thread PyObject *lingered_from;

/* linger(): from now on, until settle(), glances do. Nothing else may act in this thread meanwhile. */
static PyObject *
linger(PyObject *self, PyObject *nothing)
{
    lingering = 1;
    Py_RETURN_NONE;
}

/* Be who we were before the glances; the next ones linger again. */
static int
be_oneself(void)
{
    PyObject *before = lingered_from;
    if (before == NULL)
        return 0;
    lingered_from = NULL;
    int failed = switch_to(before);
    Py_DECREF(before);
    return failed;
}

/* settle(): be who we were before the glances. */
static PyObject *
settle(PyObject *self, PyObject *nothing)
{
    lingering = 0;
    if (be_oneself() < 0)
        return NULL;
    Py_RETURN_NONE;
}

static int
is_plain_name(const char *name, Py_ssize_t length)
{
    return length > 0 && length <= NAME_MAX && memchr(name, '/', (size_t)length) == NULL
           && strlen(name) == (size_t)length && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int
is_below(char path[PATH_MAX], PyObject *folder, PyObject *name)
{
    if (!PyBytes_CheckExact(folder) || !PyBytes_CheckExact(name))
        return 0;
    Py_ssize_t above = PyBytes_GET_SIZE(folder), length = PyBytes_GET_SIZE(name);
    if (!is_plain_name(PyBytes_AS_STRING(name), length) || strlen(PyBytes_AS_STRING(folder)) != (size_t)above
        || above + length >= PATH_MAX)
        return 0;
    memcpy(path, PyBytes_AS_STRING(folder), (size_t)above);
    memcpy(path + above, PyBytes_AS_STRING(name), (size_t)length + 1);
    return 1;
}

static int
open_plain(PyObject *identity, PyObject *otherwise, int root, const char *path, int flags, int mode)
{
    PyObject *who[] = {identity, otherwise}, *before = NULL;
    if (identity != Py_None && (before = become(NULL, who, 2)) == NULL)
        return OPEN_FAILED;
    struct {
        uint64_t flags, mode, resolve;
    } how = {(uint64_t)flags, (uint64_t)mode, RESOLVE_NO_LINKS};
    int opened = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (opened < 0)
        opened = -errno;
    if (before != NULL && lingering) {
        if (lingered_from == NULL)
            lingered_from = Py_NewRef(before);
        Py_DECREF(before);
    } else if (end_stay(before, opened) < 0)
        return OPEN_FAILED;
    return opened;
}

static int
has_default_acl(PyObject *identity, PyObject *otherwise, int root, const char *folder)
{
    PyObject *who[] = {identity, otherwise}, *before = NULL;
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "/proc/self/fd/%d%s", root, folder);
    if (identity != Py_None && (before = become(NULL, who, 2)) == NULL)
        return -1;
    int has = getxattr(path, "system.posix_acl_default", NULL, 0) > 0;
    if (before != NULL && lingering) {
        if (lingered_from == NULL)
            lingered_from = Py_NewRef(before);
        Py_DECREF(before);
    } else if (end_stay(before, -1) < 0)
        return -1;
    return has;
}

/* glance(identity or None, otherwise, root, folder with a / at its end, name) -> (size, seconds of the last change)

   Of a regular file beneath the root, as the identity; None for all else, whatever the reason. No link is followed. */
static PyObject *
glance(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long root;
    if (count != 5 || !PyBytes_CheckExact(arguments[3]) || !PyBytes_CheckExact(arguments[4])) {
        PyErr_SetString(PyExc_TypeError, "glance(identity, otherwise, root, folder, name)");
        return NULL;
    }
    if (number(arguments[2], &root) < 0)
        return NULL;
    char path[PATH_MAX];
    if (!is_below(path, arguments[3], arguments[4]))
        Py_RETURN_NONE;
    struct stat st = {0};
    int opened = open_plain(arguments[0], arguments[1], (int)root, path, O_PATH | O_CLOEXEC | O_NOFOLLOW, 0);
    if (opened == OPEN_FAILED)
        return NULL;
    if (opened >= 0) {
        if (fstat(opened, &st) != 0)
            st.st_mode = 0;
        close(opened);
    }
    if (!S_ISREG(st.st_mode))
        Py_RETURN_NONE;
    return Py_BuildValue("LL", (long long)st.st_size, (long long)st.st_mtime);
}

/* searchable(identity or None, otherwise, root, folder with a / at its end, name) -> whether there is a folder beneath
   the root, with no link on the way, from which the identity may go on. False for all else, whatever the reason. */
static PyObject *
searchable(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long root;
    if (count != 5 || !PyBytes_CheckExact(arguments[3]) || !PyBytes_CheckExact(arguments[4])) {
        PyErr_SetString(PyExc_TypeError, "searchable(identity, otherwise, root, folder, name)");
        return NULL;
    }
    if (number(arguments[2], &root) < 0 || be_oneself() < 0)
        return NULL;
    char path[PATH_MAX];
    if (!is_below(path, arguments[3], arguments[4]))
        Py_RETURN_FALSE;
    PyObject *before = NULL;
    if (arguments[0] != Py_None && (before = become(self, arguments, 2)) == NULL)
        return NULL;
    struct {
        uint64_t flags, mode, resolve;
    } how = {O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_NO_LINKS};
    int opened = (int)syscall(SYS_openat2, (int)root, path, &how, sizeof how), may = 0;
    if (opened >= 0) {
        may = syscall(SYS_faccessat2, opened, "", X_OK, AT_EACCESS | AT_EMPTY_PATH) == 0;
        close(opened);
    }
    if (end_stay(before, -1) < 0)
        return NULL;
    return PyBool_FromLong(may);
}

static PyMethodDef methods[] = {
    {"become", (PyCFunction)(void (*)(void))become, METH_FASTCALL, NULL},
    {"glance", (PyCFunction)(void (*)(void))glance, METH_FASTCALL, NULL},
    {"searchable", (PyCFunction)(void (*)(void))searchable, METH_FASTCALL, NULL},
    {"linger", linger, METH_NOARGS, NULL},
    {"settle", settle, METH_NOARGS, NULL},
    {"openat2", (PyCFunction)(void (*)(void))open_as, METH_FASTCALL, NULL},
    {"enter", (PyCFunction)(void (*)(void))enter, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "ftpd.native._calls", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__calls(void)
{
    static calls_t shared = {is_below, open_plain, has_default_acl, be_oneself};
    PyObject *module = PyModule_Create(&definition);
    PyObject *capsule = module == NULL ? NULL : PyCapsule_New(&shared, CALLS, NULL);
    if (capsule == NULL || PyModule_AddObject(module, "shared", capsule) < 0) {
        Py_XDECREF(capsule);
        Py_CLEAR(module);
    }
    return module;
}
