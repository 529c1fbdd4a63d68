/* The attributes of a folder's entries, a slice of them at a time, as a string of `entry_t`. */

#include "listing.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
/* openat2's IN_ROOT, NO_MAGICLINKS and NO_SYMLINKS. */
#define RESOLVE_NO_LINKS 0x16

/* How often the clock is asked while entries are looked at: a disk that has to fetch them takes long. */
#define BETWEEN_CLOCKS 16

/* Python's own way to tell of (uid_t)-1. */
static int64_t
id_number(uint32_t id)
{
    return id == UINT32_MAX ? -1 : (int64_t)id;
}

static int
is_entry(const name_t *name)
{
    /* a NUL would cut it short on the way to the kernel, a path would lead out of the folder */
    return name->bytes != NULL && name->length > 0 && strlen(name->bytes) == (size_t)name->length
           && memchr(name->bytes, '/', (size_t)name->length) == NULL;
}

static void
fill(entry_t *entry, const struct stat *st)
{
    entry->accessed = st->st_atime;
    entry->modified = st->st_mtime;
    entry->changed = st->st_ctime;
    entry->size = st->st_size;
    entry->uid = id_number(st->st_uid);
    entry->gid = id_number(st->st_gid);
    entry->inode = st->st_ino;
    entry->device = st->st_dev;
    entry->links = st->st_nlink;
    entry->mode = st->st_mode;
    entry->gone = 0;
}

static int64_t
nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Look at entries until there is a link, or "..", which is `odd`; gives how many were looked at before it. */
static Py_ssize_t
look_at(int folder, const char *const *paths, Py_ssize_t count, entry_t *entries, int64_t patience, int *odd)
{
    struct stat st;
    int64_t until = nanoseconds() + patience;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i > 0 && i % BETWEEN_CLOCKS == 0 && nanoseconds() > until)
            return i;
        if (paths[i] == NULL || fstatat(folder, paths[i], &st, AT_SYMLINK_NOFOLLOW) != 0) {
            memset(&entries[i], 0, sizeof entries[i]);
            entries[i].gone = 1;
            continue;
        }
        if (S_ISLNK(st.st_mode) || !strcmp(paths[i], "..")) {
            *odd = 1;
            return i;
        }
        fill(&entries[i], &st);
    }
    return count;
}

/* The paths of names[start:start + count], which live as long as the list that is given: NULL for what is no entry. */
static PyObject *
paths_of(PyObject *names, Py_ssize_t start, Py_ssize_t count, const char **paths)
{
    PyObject *kept = PyList_New(0);
    for (Py_ssize_t i = 0; kept != NULL && i < count; i++) {
        name_t name;
        if (name_at(names, start + i, &name) < 0)
            Py_CLEAR(kept);
        else if (name.kept != NULL && PyList_Append(kept, name.kept) < 0)
            Py_CLEAR(kept);
        paths[i] = is_entry(&name) ? name.bytes : NULL;
        Py_XDECREF(name.kept);
    }
    return kept;
}

/* The attributes of names[start:stop]; NULL with an error set. */
static PyObject *
looked_at(int folder, PyObject *names, Py_ssize_t start, Py_ssize_t stop, int64_t patience, int *odd)
{
    Py_ssize_t size = stop > start ? stop - start : 0, seen = 0;
    const char **paths = PyMem_New(const char *, size ? size : 1);
    PyObject *kept = paths == NULL ? PyErr_NoMemory() : paths_of(names, start, size, paths);
    PyObject *looked = kept == NULL ? NULL : PyBytes_FromStringAndSize(NULL, size * (Py_ssize_t)sizeof(entry_t));
    *odd = 0;
    if (looked != NULL) {
        entry_t *entries = (entry_t *)PyBytes_AS_STRING(looked);
        Py_BEGIN_ALLOW_THREADS
        seen = look_at(folder, paths, size, entries, patience, odd);
        Py_END_ALLOW_THREADS
        if (seen < size)
            _PyBytes_Resize(&looked, seen * (Py_ssize_t)sizeof(entry_t));
    }
    PyMem_Free(paths);
    Py_XDECREF(kept);
    return looked;
}

/* look(folder, names, start, stop, patience) -> (attributes of names[start:stop], odd)

   They are fewer than asked where a link or ".." stands behind them, which is `odd`, or where `patience` nanoseconds
   are over.

   Who asks is who the thread is; other threads run meanwhile. */
PyObject *
look(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t folder, start, stop, patience;
    int odd;
    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "look(folder, names, start, stop, patience)");
        return NULL;
    }
    Py_ssize_t most = count_names(arguments[1]);
    if (most < 0 || number(arguments[0], &folder) < 0 || number(arguments[2], &start) < 0
        || number(arguments[3], &stop) < 0 || number(arguments[4], &patience) < 0)
        return NULL;
    start = start < 0 ? 0 : start > most ? most : start;
    stop = stop > most ? most : stop;
    PyObject *looked =
        looked_at((int)folder, arguments[1], (Py_ssize_t)start, (Py_ssize_t)stop, patience, &odd);
    return looked == NULL ? NULL : Py_BuildValue("(NO)", looked, odd ? Py_True : Py_False);
}

/* The names of a folder that looks like that, in their order; None where they are more than `most` or odd, NULL with an
   error set. */
static PyObject *
few_names(int folder, const struct stat *st, int dotted, int64_t order, int64_t most)
{
    int lasts = order > 0 && is_old(st);
    PyObject *names = lasts ? kept_names(st, dotted) : NULL;
    if (names != NULL && count_names(names) <= most && !any_odd_name(names))
        return names;
    Py_XDECREF(names);
    names = names_in(folder, dotted, 0, most < 0 ? 0 : (size_t)most, SIZE_MAX, 0);
    if (names == NULL)
        return NULL;
    if (count_names(names) > most || any_odd_name(names)) {
        Py_DECREF(names);
        Py_RETURN_NONE;
    }
    if (order != 0 && sort_names(names, order < 0) < 0)
        Py_CLEAR(names);
    if (names != NULL && lasts)
        keep_names(folder, st, dotted, names);
    return names;
}

/* What survey gives of a folder that looks like that; the arguments are those behind the folder. */
static PyObject *
surveyed(int folder, const struct stat *st, PyObject *const *arguments)
{
    int64_t dotted, order, most, patience;
    int odd = 0;
    if (number(arguments[0], &dotted) < 0 || number(arguments[1], &order) < 0 || number(arguments[2], &most) < 0
        || number(arguments[3], &patience) < 0)
        return NULL;
    PyObject *names = few_names(folder, st, dotted != 0, order, most);
    if (names == NULL || names == Py_None)
        return names;
    PyObject *looked = looked_at(folder, names, 0, count_names(names), patience, &odd);
    if (looked == NULL) {
        Py_DECREF(names);
        return NULL;
    }
    return Py_BuildValue("(NNO)", names, looked, odd ? Py_True : Py_False);
}

/* survey(folder, dotted, order, most, patience) -> (names, attributes of the first of them, odd), or None

   All of a small folder's, in one stay: read, with those that begin with a dot if `dotted`, sorted (`order` 1, or -1
   for the last first; 0 as they are), and looked at as look does it. None where they are more than `most`, or where
   one is no UTF-8. */
PyObject *
survey(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t folder;
    struct stat st;
    if (count != 5) {
        PyErr_SetString(PyExc_TypeError, "survey(folder, dotted, order, most, patience)");
        return NULL;
    }
    if (number(arguments[0], &folder) < 0)
        return NULL;
    return fstat((int)folder, &st) < 0 ? PyErr_SetFromErrno(PyExc_OSError) : surveyed((int)folder, &st, arguments + 1);
}

/* Whether it is a folder that is no longer than `largest`, and not on one of the devices. */
static int
is_small(int folder, struct stat *st, PyObject *devices, int64_t largest)
{
    if (fstat(folder, st) != 0 || !S_ISDIR(st->st_mode) || st->st_size > largest)
        return 0;
    PyObject *device = PyLong_FromUnsignedLongLong(st->st_dev);
    int kept = device == NULL ? -1 : PySequence_Contains(devices, device);
    Py_XDECREF(device);
    return kept < 0 ? -1 : !kept;
}

/* A folder beneath the root, with no link on the way; -1 where there is none such. */
static int
open_below(int root, const char *path, int flags)
{
    struct {
        uint64_t flags, mode, resolve;
    } how = {(uint64_t)(flags | O_DIRECTORY | O_CLOEXEC), 0, RESOLVE_NO_LINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

/* The same as in an os.stat_result, and of the one above that folder; the root is its own. None where that is not to
   be had. */
static PyObject *
dots_of(int folder, int root, const char *path)
{
    char above[PATH_MAX];
    struct stat st[2];
    int length = snprintf(above, sizeof above, "%s/..", path);
    int other = length < (int)sizeof above ? open_below(root, above, O_PATH) : -1;
    int seen = other >= 0 && fstat(folder, &st[0]) == 0 && fstat(other, &st[1]) == 0;
    if (other >= 0)
        close(other);
    if (!seen)
        Py_RETURN_NONE;
    PyObject *dots[2];
    for (int i = 0; i < 2; i++)
        dots[i] = Py_BuildValue("(IKKKLLLLLL)", st[i].st_mode, (unsigned long long)st[i].st_ino,
                                (unsigned long long)st[i].st_dev, (unsigned long long)st[i].st_nlink,
                                (long long)id_number(st[i].st_uid), (long long)id_number(st[i].st_gid),
                                (long long)st[i].st_size, (long long)st[i].st_atime, (long long)st[i].st_mtime,
                                (long long)st[i].st_ctime);
    return Py_BuildValue("(NN)", dots[0], dots[1]);
}

/* survey_below(root, path, devices, largest, dots, dotted, order, most, patience)
   -> (dots, device, inode, what survey gives)

   Of the folder beneath the root, with no link on the way. `dots`: what it looks like itself, and the one above it, as
   two tuples, where that is asked for. None where there is no such folder, it is longer than `largest`, or on one of
   the devices of the kernel's own files. */
PyObject *
survey_below(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t root, largest, dots;
    if (count != 9 || !PyBytes_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError,
                        "survey_below(root, path, devices, largest, dots, dotted, order, most, patience)");
        return NULL;
    }
    const char *path = PyBytes_AS_STRING(arguments[1]);
    if (number(arguments[0], &root) < 0 || number(arguments[3], &largest) < 0 || number(arguments[4], &dots) < 0)
        return NULL;
    int folder = strlen(path) == (size_t)PyBytes_GET_SIZE(arguments[1])
                     ? open_below((int)root, path, O_RDONLY | O_NONBLOCK)
                     : -1;
    if (folder < 0)
        Py_RETURN_NONE;
    struct stat st;
    int small = is_small(folder, &st, arguments[2], largest);
    PyObject *told = small < 0 ? NULL : small && dots ? dots_of(folder, (int)root, path) : Py_NewRef(Py_None);
    PyObject *found = told == NULL ? NULL : small ? surveyed(folder, &st, arguments + 5) : Py_NewRef(Py_None);
    close(folder);
    if (found == NULL || found == Py_None) {
        Py_XDECREF(told);
        return found;
    }
    return Py_BuildValue("(NKKN)", told, (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, found);
}

static int
pack_one(PyObject *known, entry_t *entry)
{
    int64_t fields[10];
    if (!PyTuple_Check(known) || PyTuple_GET_SIZE(known) < 10) {
        PyErr_SetString(PyExc_TypeError, "attributes are an os.stat_result");
        return -1;
    }
    for (int i = 0; i < 10; i++) {
        PyObject *field = PyTuple_GET_ITEM(known, i);
        if (i == 1 || i == 2 || i == 3) /* inode, device, links */
            fields[i] = (int64_t)PyLong_AsUnsignedLongLong(field);
        else
            fields[i] = PyLong_AsLongLong(field);
        if (fields[i] == -1 && PyErr_Occurred())
            return -1;
    }
    *entry = (entry_t){
        .mode = (uint32_t)fields[0], .inode = (uint64_t)fields[1], .device = (uint64_t)fields[2],
        .links = (uint64_t)fields[3], .uid = fields[4], .gid = fields[5], .size = fields[6],
        .accessed = fields[7], .modified = fields[8], .changed = fields[9],
    };
    return 0;
}

/* pack(found) -> the same of what was looked at before, a list of os.stat_result. */
PyObject *
pack(PyObject *module, PyObject *found)
{
    if (!PyList_CheckExact(found)) {
        PyErr_SetString(PyExc_TypeError, "pack(list of os.stat_result)");
        return NULL;
    }
    Py_ssize_t size = PyList_GET_SIZE(found);
    PyObject *packed = PyBytes_FromStringAndSize(NULL, size * (Py_ssize_t)sizeof(entry_t));
    for (Py_ssize_t i = 0; packed != NULL && i < size; i++)
        if (pack_one(PyList_GET_ITEM(found, i), (entry_t *)PyBytes_AS_STRING(packed) + i) < 0)
            Py_CLEAR(packed);
    return packed;
}

const entry_t *
entries_of(PyObject *names, PyObject *packed, int64_t start, Py_ssize_t *count)
{
    Py_ssize_t size = count_names(names);
    if (size < 0)
        return NULL;
    if (!PyBytes_CheckExact(packed)) {
        PyErr_SetString(PyExc_TypeError, "attributes are what look or pack gave");
        return NULL;
    }
    *count = PyBytes_GET_SIZE(packed) / (Py_ssize_t)sizeof(entry_t);
    if (start < 0 || start > size || *count > size - start) {
        PyErr_SetString(PyExc_ValueError, "there are more attributes than names");
        return NULL;
    }
    return (const entry_t *)PyBytes_AS_STRING(packed);
}

/* folders(names, start, attributes) -> those of names[start:] that are folders, but for ".". */
PyObject *
folders(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t start;
    Py_ssize_t size;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "folders(names, start, attributes)");
        return NULL;
    }
    if (number(arguments[1], &start) < 0)
        return NULL;
    const entry_t *entries = entries_of(arguments[0], arguments[2], start, &size);
    PyObject *found = entries == NULL ? NULL : PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < size; i++) {
        if (!S_ISDIR(entries[i].mode))
            continue;
        PyObject *name = name_as_str(arguments[0], (Py_ssize_t)start + i);
        if (name == NULL
            || (PyUnicode_CompareWithASCIIString(name, ".") != 0 && PyList_Append(found, name) < 0))
            Py_CLEAR(found);
        Py_XDECREF(name);
    }
    return found;
}
