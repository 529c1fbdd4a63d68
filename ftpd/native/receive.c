/* A file comes in: its connection is received from by the front as it sends, or by Python, until it is all there. */

#include "walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* File systems that are remembered. */
#define SURE 16
/* Not in every version of linux/magic.h. */
#define XFS_MAGIC 0x58465342

/* No longer upload is received here, and no more in one turn. */
#define MOST_RECEIVED (1 << 20)
#define TURN (128 << 10)
static char room[TURN];

/* The file that is there, or -ENOENT; any other error where the whole road is to be taken. */
static int
open_there(PyObject *const *arguments, int root, const char *path, int replaces)
{
    int flags = O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW;
    int file = calls->open_plain(arguments[0], arguments[1], root, path, flags | (replaces ? O_WRONLY : O_PATH), 0);
    struct stat st;
    if (file >= 0 && !(replaces && is_file(file, arguments[4], &st))) {
        close(file);
        return -EEXIST;
    }
    return file;
}

/* Whether the client has said something, or gone, behind its upload: that is for the whole road. */
static int
has_spoken(int control)
{
    char one;
    return recv(control, &one, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != EINTR);
}

static int
is_written(Walk *self, ssize_t came)
{
    for (ssize_t done = 0; done < came;) {
        ssize_t written = pwrite(self->file, room + done, (size_t)(came - done), (off_t)self->went);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            self->trouble = written < 0 ? errno : EIO;
            return 0;
        }
        done += written;
        self->went += written;
    }
    return 1;
}

/* What is on a file system whose files cannot fail as they are closed: there is nothing to be told by trying. */
static int
closes_surely(Walk *self)
{
    static dev_t sure[SURE];
    static int count;
    struct stat st;
    struct statfs about;
    if (fstat(self->file, &st) != 0)
        return 0;
    for (int i = 0; i < count; i++)
        if (sure[i] == st.st_dev)
            return 1;
    if (count == SURE || fstatfs(self->file, &about) != 0
        || (about.f_type != TMPFS_MAGIC && about.f_type != EXT4_SUPER_MAGIC && about.f_type != XFS_MAGIC
            && about.f_type != BTRFS_SUPER_MAGIC))
        return 0;
    sure[count++] = st.st_dev;
    return 1;
}

enum { COMES, WHOLE, ELSEWHERE };

/* Receive what has come. */
static int
receive(Walk *self)
{
    if (self->file < 0 || self->connection < 0 || self->trouble)
        return ELSEWHERE;
    ssize_t came, all = 0;
    while ((came = recv(self->connection, room, sizeof room, MSG_DONTWAIT)) > 0) {
        if (!is_written(self, came) || self->went >= MOST_RECEIVED)
            return ELSEWHERE;
        if ((all += came) >= TURN)
            return COMES;
    }
    if (came < 0 && (errno == EAGAIN || errno == EINTR))
        return COMES;
    if (came < 0) {
        self->trouble = -errno;
        return ELSEWHERE;
    }
    /* asked behind the end, never before: an ABOR came before the end if that was seen */
    if (has_spoken(self->control))
        return ELSEWHERE;
    if (closes_surely(self))
        return WHOLE;
    /* to close one descriptor is enough to be told what only then is known, and leaves the file to who deals with it */
    int other = fcntl(self->file, F_DUPFD_CLOEXEC, 0);
    if (other < 0)
        return ELSEWHERE;
    if (close(other) < 0 && errno != EINTR) {
        self->trouble = errno;
        return ELSEWHERE;
    }
    return WHOLE;
}

/* more() -> 0 where more is to come, 1 once all is in the file, 2 where the whole road is to go on. */
PyObject *
walk_more(Walk *self, PyObject *nothing)
{
    return PyLong_FromLong(receive(self));
}

/* Something has come, and the front calls. */
static PyObject *
go_on(PyObject *whose)
{
    Walk *self = (Walk *)whose;
    switch (receive(self)) {
    case COMES:
        Py_RETURN_NONE;
    case WHOLE:
        break;
    default:
        Py_RETURN_FALSE;
    }
    PyObject *recorded = Py_NewRef(self->recorded), *name = Py_NewRef(self->name), *done = Py_NewRef(self->done);
    long long moved = self->went;
    let_go(self);
    if (recorded == Py_None || PyTuple_CheckExact(recorded)) {
        self->files_taken++;
        self->bytes_taken += moved;
        note(self, recorded, name, moved, &self->began);
    } else {
        PyObject *told = calls->be_oneself() < 0
                             ? NULL
                             : PyObject_CallFunction(recorded, "OLiOd", name, moved, self->begun_at,
                                                     self->made ? Py_True : Py_False, seconds_since(&self->began));
        /* whoever records has answered */
        Py_SETREF(done, told == NULL ? NULL : PyBytes_FromStringAndSize(NULL, 0));
        Py_XDECREF(told);
    }
    Py_DECREF(recorded);
    Py_DECREF(name);
    return done;
}

/* Have Python wait for what comes; -1 with an error set. */
static int
begin_in_python(Walk *self)
{
    PyObject *told = calls->be_oneself() < 0
                         ? NULL
                         : PyObject_CallFunction(self->begun, "iO", self->connection, self->name);
    Py_XDECREF(told);
    return told == NULL ? -1 : 0;
}

/* take_back() -> whether there is an upload that the front waited for, of which Python has been told now. */
PyObject *
walk_take_back(Walk *self, PyObject *nothing)
{
    if (!self->lent)
        Py_RETURN_FALSE;
    take_back(self, 0);
    if (begin_in_python(self) < 0)
        return NULL;
    Py_RETURN_TRUE;
}

static int
ends_so(PyObject *name, PyObject *ends)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(ends); i++) {
        PyObject *end = PyTuple_GET_ITEM(ends, i);
        Py_ssize_t before = PyBytes_CheckExact(end) ? PyBytes_GET_SIZE(name) - PyBytes_GET_SIZE(end) : 0;
        if (!PyBytes_CheckExact(end)
            || (before >= 0 && memcmp(PyBytes_AS_STRING(name) + before, PyBytes_AS_STRING(end), PyBytes_GET_SIZE(end)) == 0))
            return 1;
    }
    return 0;
}

/* take(identity or None, otherwise, root, what keeps it open, devices of the kernel's own files, folder with a / at its
   end, before, done, mode of a new file, may replace, ends of names, guard or None, begun, front or None, recorded or
   None, name) -> b"" once the client has been told to send; None where the whole road is to be taken.

   That is so for all names with one of the ends. `guard` is called with the name, and False says that it is not for this
   road.  With a front the file is received as it comes, and the client given `done`; where somebody is told of each,
   `recorded` is as for send(), but called instead of that, with name, bytes, port, whether the file was made, and
   seconds, and sees to the reply. Without one, and after take_back(), `begun` is called with connection and name, and
   has more() called whenever something is there. */
PyObject *
walk_take(Walk *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 16 || !PyTuple_CheckExact(arguments[10]) || !PyBytes_CheckExact(arguments[6])
        || !PyBytes_CheckExact(arguments[7])) {
        PyErr_SetString(PyExc_TypeError, "take(identity, otherwise, root, keeper, devices, folder, before, done, mode,"
                                         " replaces, ends, guard, begun, front, recorded, name)");
        return NULL;
    }
    long root = PyLong_AsLong(arguments[2]), mode = PyLong_AsLong(arguments[8]);
    if (PyErr_Occurred())
        return NULL;
    PyObject *before = arguments[6], *guard = arguments[11], *front = arguments[13], *name = arguments[15];
    if (front != Py_None && (fronts == NULL || !fronts->is_front(front))) {
        PyErr_SetString(PyExc_TypeError, "no front that could wait");
        return NULL;
    }
    char path[PATH_MAX], reply[LONGEST_REPLY];
    if (self->refused == NULL || self->listener < 0 || self->connection >= 0
        || !calls->is_below(path, arguments[5], name)
        || PyBytes_GET_SIZE(before) + PyBytes_GET_SIZE(name) + 64 > LONGEST_REPLY || ends_so(name, arguments[10]))
        Py_RETURN_NONE;
    if (guard != Py_None) {
        PyObject *passes = calls->be_oneself() < 0 ? NULL : PyObject_CallOneArg(guard, name);
        int passed = passes == NULL ? -1 : PyObject_IsTrue(passes);
        Py_XDECREF(passes);
        if (passed < 0)
            return NULL;
        if (!passed || self->refused == NULL || self->listener < 0)
            Py_RETURN_NONE;
    }
    clock_gettime(CLOCK_MONOTONIC, &self->began);
    int file = open_there(arguments, (int)root, path, PyObject_IsTrue(arguments[9]));
    /* where that is to count, the mode is more than this road knows */
    int inherits = file != -ENOENT
                       ? 0
                       : calls->has_default_acl(arguments[0], arguments[1], (int)root, PyBytes_AS_STRING(arguments[5]));
    if (calls->be_oneself() < 0 || file == OPEN_FAILED || inherits < 0)
        return NULL;
    if (inherits || (file < 0 && file != -ENOENT))
        Py_RETURN_NONE;
    int connection = accept_peer(self);
    if (connection < 0) {
        if (file >= 0)
            close(file);
        if (connection == -2)
            return NULL;
        Py_RETURN_NONE;
    }
    int made = file < 0;
    if (made) {
        file = calls->open_plain(arguments[0], arguments[1], (int)root, path,
                                 O_WRONLY | O_CREAT | O_EXCL | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, (int)mode);
        if (calls->be_oneself() < 0) {
            close(connection);
            return NULL;
        }
    }
    self->connection = connection;
    self->begun_at = self->port;
    self->went = 0;
    self->trouble = 0;
    self->made = made;
    if (file < 0)
        /* the whole road will tell why, and finds its connection here */
        Py_RETURN_NONE;
    int length = snprintf(reply, sizeof reply, "%s%s\r\n", PyBytes_AS_STRING(before), PyBytes_AS_STRING(name));
    size_t said = given(self->control, reply, (size_t)length, 0);
    self->said += (long long)said;
    self->file = file;
    if (!made && ftruncate(file, 0) < 0)
        self->trouble = errno;
    self->unsaid = PyBytes_FromStringAndSize(reply + said, length - (Py_ssize_t)said);
    if (self->unsaid == NULL)
        return NULL;
    if (said < (size_t)length || self->trouble)
        Py_RETURN_NONE;
    self->begun = Py_NewRef(arguments[12]);
    self->name = Py_NewRef(name);
    if (front != Py_None && fronts->lend(front, connection, self->control, go_on, (PyObject *)self) == 0) {
        self->lent = 1;
        self->front = Py_NewRef(front);
        self->recorded = Py_NewRef(arguments[14]);
        self->done = Py_NewRef(arguments[7]);
        if (fronts->wake(front) < 0)
            PyErr_WriteUnraisable(front);
    } else if (begin_in_python(self) < 0)
        return NULL;
    return PyBytes_FromStringAndSize(NULL, 0);
}

/* taken() -> (bytes, port, whether the file was made) of an upload that has come whole; file and connection are closed. */
PyObject *
walk_taken(Walk *self, PyObject *nothing)
{
    PyObject *told = Py_BuildValue("LiO", self->went, self->begun_at, self->made ? Py_True : Py_False);
    let_go(self);
    return told;
}

/* file() -> (descriptor, whether it was made) of an upload that the whole road goes on with, which is the caller's now;
   None where there is none. */
PyObject *
walk_file(Walk *self, PyObject *nothing)
{
    if (self->file < 0)
        Py_RETURN_NONE;
    PyObject *found = Py_BuildValue("iO", self->file, self->made ? Py_True : Py_False);
    if (found != NULL)
        self->file = -1;
    return found;
}
