/* A small file goes out: opened, read, sent and answered at one go, if all of it is in memory and the client takes it. */

#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>
#include <unistd.h>

/* Devices that are known not to say what is in memory: those in memory themselves, mostly. */
#define SILENT 16

static dev_t silent[SILENT];
static int silent_count;

/* All of a small file that is in memory; its size, -1 where it is none such. */
static ssize_t
read_small(int file, PyObject *devices, char *into)
{
    struct stat st;
    if (!is_file(file, devices, &st) || st.st_size < 0 || st.st_size > MOST_AT_ONCE)
        return -1;
    /* some file systems call a file empty that is none */
    struct iovec room = {into, st.st_size ? (size_t)st.st_size : 1};
    int flags = RWF_NOWAIT;
    for (int i = 0; i < silent_count; i++)
        if (silent[i] == st.st_dev)
            flags = 0;
    ssize_t got = preadv2(file, &room, 1, 0, flags);
    if (got < 0 && errno == EOPNOTSUPP && flags) {
        if (silent_count < SILENT)
            silent[silent_count++] = st.st_dev;
        got = preadv2(file, &room, 1, 0, 0);
    }
    return got == st.st_size ? got : -1;
}

/* send(identity or None, otherwise, root, what keeps it open, devices of the kernel's own files, folder with a / at its
   end, before, done, recorded, name) -> `done`, once the client has the file; None where the whole road is to be taken.

   `before` is the text of the 150 before the name.  `recorded` is called with name, size, port and seconds before
   the client hears that it was all; where it is None, tell() has the sums, and also where it is (list, who), and
   (who, name, size, seconds) is put on the list. */
PyObject *
walk_send(Walk *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 10 || !PyBytes_CheckExact(arguments[6]) || !PyBytes_CheckExact(arguments[7])) {
        PyErr_SetString(PyExc_TypeError,
                        "send(identity, otherwise, root, keeper, devices, folder, before, done, recorded, name)");
        return NULL;
    }
    long root = PyLong_AsLong(arguments[2]);
    if (root == -1 && PyErr_Occurred())
        return NULL;
    PyObject *before = arguments[6], *done = arguments[7], *recorded = arguments[8], *name = arguments[9];
    char path[PATH_MAX], content[MOST_AT_ONCE], reply[LONGEST_REPLY];
    if (self->refused == NULL || self->listener < 0 || self->connection >= 0 || !calls->is_below(path, arguments[5], name)
        || PyBytes_GET_SIZE(before) + PyBytes_GET_SIZE(name) + 64 > LONGEST_REPLY)
        Py_RETURN_NONE;
    struct timespec began;
    clock_gettime(CLOCK_MONOTONIC, &began);
    int file = calls->open_plain(arguments[0], arguments[1], (int)root, path,
                                 O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (file == OPEN_FAILED)
        return NULL;
    ssize_t size = file < 0 ? -1 : read_small(file, arguments[4], content);
    if (file >= 0)
        close(file);
    if (calls->be_oneself() < 0)
        return NULL;
    if (size < 0)
        Py_RETURN_NONE;
    int connection = accept_peer(self);
    if (connection == -2)
        return NULL;
    if (connection < 0)
        Py_RETURN_NONE;
    int length = snprintf(reply, sizeof reply, "%s%s", PyBytes_AS_STRING(before), PyBytes_AS_STRING(name));
    length += size ? snprintf(reply + length, sizeof reply - (size_t)length, " (%zd byte%s)\r\n", size, size == 1 ? "" : "s")
                   : snprintf(reply + length, sizeof reply - (size_t)length, "\r\n");
    size_t said = given(self->control, reply, (size_t)length, 0);
    /* what fills no segment leaves with the end, which follows at once */
    size_t went = said < (size_t)length || !size ? 0 : given(connection, content, (size_t)size, MSG_MORE);
    self->said += (long long)said;
    if (said < (size_t)length || went < (size_t)size) {
        self->connection = connection;
        self->begun_at = self->port;
        self->went = (long long)went;
        self->trouble = 0;
        self->unsaid = PyBytes_FromStringAndSize(reply + said, length - (Py_ssize_t)said);
        if (self->unsaid == NULL)
            return NULL;
        Py_RETURN_NONE;
    }
    end_connection(connection);
    if (recorded == Py_None || PyTuple_CheckExact(recorded)) {
        self->files++;
        self->bytes += size;
        note(self, recorded, name, size, &began);
    } else {
        PyObject *told = PyObject_CallFunction(recorded, "Onid", name, (Py_ssize_t)size, self->port,
                                               seconds_since(&began));
        if (told == NULL)
            /* it is for whoever records to see to that; the client has its file */
            PyErr_WriteUnraisable(recorded);
        Py_XDECREF(told);
    }
    return Py_NewRef(done);
}
