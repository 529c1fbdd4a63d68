/* The middle of a long file goes out without Python being asked for each megabyte: whoever is ready is sent what it takes.

   Python begins each transfer and ends it, and meets whatever is otherwise than a megabyte of memory that goes out:
   a client that is gone, a file that shrank, a piece that the disk has to bring first.

   What goes to a client on this machine may be gathered first, in a pipe: the pages of a piece are then looked up at
   once, and sent at once, quicker than the client takes them. Otherwise it is asleep again whenever the next few pages
   come, and to wake it takes longer than to send them. */

#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <structmember.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST_EVENTS 64

typedef struct {
    PyObject_HEAD
    int connection, file;
    long long at, until, most;
    int flags; /* for preadv2: asks whether a piece is in memory; 0 where that need not be asked */
    int pipe[2]; /* where a piece is gathered; -1 where none is */
    size_t gathered; /* bytes in it, the first of them at `at` */
} Pump;

/* A pipe that holds a piece; where there is none to be had, none is needed. */
static void
open_pipe(Pump *self)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return;
    if (fcntl(ends[1], F_SETPIPE_SZ, (int)self->most) < self->most) {
        close(ends[0]);
        close(ends[1]);
        return;
    }
    self->pipe[0] = ends[0];
    self->pipe[1] = ends[1];
}

/* Pump(connection, file, at, until, most, flags, gather): of the file's bytes in front of `until`, `most` of them at a
   time. */
static PyObject *
pump_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    int connection, file, flags, gather;
    long long at, until, most;
    if (!PyArg_ParseTuple(arguments, "iiLLLip", &connection, &file, &at, &until, &most, &flags, &gather))
        return NULL;
    Pump *self = (Pump *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->connection = connection;
    self->file = file;
    self->at = at;
    self->until = until;
    self->most = most;
    self->flags = flags;
    self->pipe[0] = self->pipe[1] = -1;
    self->gathered = 0;
    if (gather)
        open_pipe(self);
    return (PyObject *)self;
}

static void
close_pipe(Pump *self)
{
    if (self->pipe[0] >= 0) {
        close(self->pipe[0]);
        close(self->pipe[1]);
    }
    self->pipe[0] = self->pipe[1] = -1;
    self->gathered = 0;
}

/* close(): what was gathered and has not gone is let go, and `at` says from where on it has not. */
static PyObject *
pump_close(PyObject *self, PyObject *nothing)
{
    close_pipe((Pump *)self);
    Py_RETURN_NONE;
}

static void
pump_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    close_pipe((Pump *)self);
    type->tp_free(self);
    Py_DECREF(type);
}

static int
is_cold(Pump *self, off_t last)
{
    char byte;
    struct iovec room = {&byte, 1};
    return self->flags && preadv2(self->file, &room, 1, last, self->flags) < 0 && errno == EAGAIN;
}

/* sendfile(2) by way of the pipe, with what it gives; straight from where the pipe is of no use. */
static ssize_t
send_gathered(Pump *self, off_t at, size_t piece)
{
    if (!self->gathered) {
        off_t from = at;
        ssize_t came = splice(self->file, &from, self->pipe[1], NULL, piece, 0);
        if (came < 0 && errno != EINTR) {
            close_pipe(self);
            return sendfile(self->connection, self->file, &at, piece);
        }
        if (came <= 0)
            return came;
        self->gathered = (size_t)came;
    }
    ssize_t sent = splice(self->pipe[0], NULL, self->connection, NULL, self->gathered, SPLICE_F_NONBLOCK);
    if (sent > 0)
        self->gathered -= (size_t)sent;
    return sent;
}

/* What went, 0 where nothing could now, -1 where Python has to see what it is. */
static ssize_t
send_more(Pump *self)
{
    long long left = self->until - self->at;
    if (left <= 0)
        return -1;
    size_t piece = (size_t)(left < self->most ? left : self->most);
    ssize_t sent;
    Py_BEGIN_ALLOW_THREADS
    off_t at = (off_t)self->at;
    if (!self->gathered && is_cold(self, at + (off_t)piece - 1))
        sent = -1;
    else {
        sent = self->pipe[0] < 0 ? sendfile(self->connection, self->file, &at, piece) : send_gathered(self, at, piece);
        sent = sent > 0 ? sent : sent < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    Py_END_ALLOW_THREADS
    if (sent > 0)
        self->at += sent;
    return sent;
}

static PyTypeObject *pump_type;

/* The pump of that connection; NULL where there is none. */
static Pump *
pump_of(PyObject *pumps, int fd)
{
    PyObject *key = PyLong_FromLong(fd);
    PyObject *found = key == NULL ? NULL : PyDict_GetItemWithError(pumps, key);
    Py_XDECREF(key);
    return found != NULL && Py_TYPE(found) == pump_type && ((Pump *)found)->connection == fd ? (Pump *)found : NULL;
}

static int
append(PyObject *list, int fd, long long number)
{
    PyObject *item = Py_BuildValue("(iL)", fd, number);
    int failed = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    return failed;
}

/* serve_pumps(epoll, timeout in milliseconds, batch, {connection: Pump}) -> ([(connection, events)], [(connection, sent)])

   Waits for events, and gives those of whoever has no pump, or one that cannot go on; the others are sent more. */
PyObject *
serve_pumps(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 4 || !PyDict_CheckExact(arguments[3])) {
        PyErr_SetString(PyExc_TypeError, "serve_pumps(epoll, timeout, batch, pumps)");
        return NULL;
    }
    long epoll = PyLong_AsLong(arguments[0]), timeout = PyLong_AsLong(arguments[1]), batch = PyLong_AsLong(arguments[2]);
    if (PyErr_Occurred())
        return NULL;
    struct epoll_event events[MOST_EVENTS];
    int came;
    Py_BEGIN_ALLOW_THREADS
    came = epoll_wait((int)epoll, events, batch < 1 ? 1 : batch > MOST_EVENTS ? MOST_EVENTS : (int)batch, (int)timeout);
    Py_END_ALLOW_THREADS
    if (came < 0 && errno != EINTR)
        return PyErr_SetFromErrno(PyExc_OSError);
    PyObject *ready = PyList_New(0), *went = PyList_New(0);
    int failed = ready == NULL || went == NULL;
    for (int i = 0; !failed && i < came; i++) {
        int fd = events[i].data.fd;
        Pump *pump = events[i].events == EPOLLOUT ? pump_of(arguments[3], fd) : NULL;
        Py_XINCREF(pump);
        ssize_t sent = pump == NULL ? -1 : send_more(pump);
        Py_XDECREF(pump);
        failed = PyErr_Occurred() != NULL;
        if (!failed && sent)
            failed = sent > 0 ? append(went, fd, sent) : append(ready, fd, events[i].events);
    }
    if (failed) {
        Py_XDECREF(ready);
        Py_XDECREF(went);
        return NULL;
    }
    return Py_BuildValue("(NN)", ready, went);
}

static PyMemberDef members[] = {
    {"at", T_LONGLONG, offsetof(Pump, at), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef methods[] = {
    {"close", pump_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, pump_new},
    {Py_tp_dealloc, pump_dealloc},
    {Py_tp_members, members},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec specification = {
    "ftpd.native._data.Pump", sizeof(Pump), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots,
};

int
add_pump(PyObject *module)
{
    pump_type = (PyTypeObject *)PyType_FromSpec(&specification);
    return pump_type == NULL ? -1 : PyModule_AddObjectRef(module, "Pump", (PyObject *)pump_type);
}
