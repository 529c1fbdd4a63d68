/* The walk of a transfer whose every decision was made with the one before: from PASV or EPSV to the 226 of a small file.

   ftpd/engine/walking.py says when that is, and hands over what was decided; whatever is otherwise than foreseen (a
   link, a folder, a large file, a client that is not there yet) is left to the whole road, as if nothing had been
   asked.  Only a connection that did not take all at once is handed on as it is: see overtaken().  Here are its port
   and its ends; the file goes out in send.c, and comes in in receive.c. */

#include "walk.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <structmember.h>
#include <sys/random.h>
#include <unistd.h>

/* As many strangers may stand in front of the client, and as many ports are tried, as in ftpd/transfer/ports.py. */
#define ACCEPTS 64
#define TRIES 16

calls_t *calls;
front_t *fronts;

void
take_back(Walk *self, int closes)
{
    if (!self->lent)
        return;
    self->lent = 0;
    fronts->take_back(self->front, self->connection, closes);
    Py_CLEAR(self->front);
}

void
let_go(Walk *self)
{
    take_back(self, 1);
    Py_CLEAR(self->begun);
    Py_CLEAR(self->recorded);
    Py_CLEAR(self->name);
    Py_CLEAR(self->done);
    if (self->listener >= 0)
        close(self->listener);
    if (self->connection >= 0)
        close(self->connection);
    if (self->file >= 0)
        close(self->file);
    self->listener = self->connection = self->file = -1;
    Py_CLEAR(self->unsaid);
}

static int
walk_traverse(Walk *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->refused);
    Py_VISIT(self->front);
    Py_VISIT(self->begun);
    Py_VISIT(self->recorded);
    return 0;
}

static int
walk_clear(Walk *self)
{
    Py_CLEAR(self->refused);
    Py_CLEAR(self->begun);
    Py_CLEAR(self->recorded);
    return 0;
}

static void
walk_dealloc(Walk *self)
{
    PyObject_GC_UnTrack(self);
    let_go(self);
    walk_clear(self);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

/* Walk(refused, control, local, scope, peer, no_delay, service, backlog): of the session whose control connection that
   descriptor is; both addresses are packed, and IPv4 ones have four bytes where it is not to listen in IPv6's clothes. */
static PyObject *
walk_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    PyObject *refused, *local, *peer;
    int control, scope, no_delay, service, backlog;
    address_t at;
    if (!PyArg_ParseTuple(arguments, "OiSiSpii", &refused, &control, &local, &scope, &peer, &no_delay, &service,
                          &backlog))
        return NULL;
    if (read_address(local, scope, &at) < 0)
        return NULL;
    if (PyBytes_GET_SIZE(peer) != 4 && PyBytes_GET_SIZE(peer) != 16) {
        PyErr_SetString(PyExc_ValueError, "an address has four bytes or sixteen");
        return NULL;
    }
    Walk *self = (Walk *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->refused = Py_NewRef(refused);
    self->control = control;
    self->local = at;
    self->peer_size = PyBytes_GET_SIZE(peer);
    memcpy(self->peer, PyBytes_AS_STRING(peer), (size_t)self->peer_size);
    self->no_delay = no_delay;
    self->service = service;
    self->backlog = backlog;
    self->listener = self->connection = self->file = -1;
    return (PyObject *)self;
}

/* -- a port ------------------------------------------------------------------------------------------------------ */

/* Numbers that nobody can foresee, some at a time; a process that forks off has none of them. */
static uint32_t drawn_before[32];
static int drawn_left;

static void
draw_anew(void)
{
    drawn_left = 0;
}

/* A number below `count` that nobody can foresee; -1 where there is none to be had. */
static int
drawn(uint32_t count)
{
    uint32_t fair = UINT32_MAX - UINT32_MAX % count, number;
    do {
        if (drawn_left == 0) {
            if (getrandom(drawn_before, sizeof drawn_before, GRND_NONBLOCK) != sizeof drawn_before)
                return -1;
            drawn_left = (int)(sizeof drawn_before / sizeof *drawn_before);
        }
        number = drawn_before[--drawn_left];
        drawn_before[drawn_left] = 0;
        /* what is left over at the upper end would make some ports likelier than others */
    } while (number >= fair);
    return (int)(number % count);
}

/* listen(first port, how many there are, before, after, in two numbers, b"") -> the reply with a port that is listened
   at; None where there is none to be had so. */
static PyObject *
walk_listen(Walk *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 6 || !PyBytes_CheckExact(arguments[2]) || !PyBytes_CheckExact(arguments[3])
        || !PyBytes_CheckExact(arguments[5])) {
        PyErr_SetString(PyExc_TypeError, "listen(first, count, before, after, in two numbers, argument)");
        return NULL;
    }
    long first = PyLong_AsLong(arguments[0]), many = PyLong_AsLong(arguments[1]);
    if (PyErr_Occurred())
        return NULL;
    if (self->refused == NULL || self->held || self->connection >= 0 || PyBytes_GET_SIZE(arguments[5]) || many < 1
        || many > 0xFFFF || first < 1 || first + many > 0x10000)
        Py_RETURN_NONE;
    let_go(self);
    if (calls->be_oneself() < 0)
        return NULL;
    int fd = open_port(&self->local), how = 0;
    for (int i = 0, number; fd >= 0 && how == 0 && i < TRIES && (number = drawn((uint32_t)many)) >= 0; i++) {
        self->port = (int)first + number;
        how = listen_on(fd, &self->local, self->port, self->backlog);
        if (how == -EADDRINUSE) {
            /* what is bound to one port cannot be to another */
            close(fd);
            fd = open_port(&self->local);
            how = 0;
        }
    }
    if (fd < 0 || how <= 0) {
        if (fd >= 0)
            close(fd);
        Py_RETURN_NONE;
    }
    self->listener = fd;
    const char *before = PyBytes_AS_STRING(arguments[2]), *after = PyBytes_AS_STRING(arguments[3]);
    return PyObject_IsTrue(arguments[4])
               ? PyBytes_FromFormat("%s%d,%d%s", before, self->port >> 8, self->port & 0xFF, after)
               : PyBytes_FromFormat("%s%d%s", before, self->port, after);
}

static int
is_peer(const Walk *self, const address_t *from)
{
    if (from->any.sa_family == AF_INET)
        return self->peer_size == 4 && memcmp(&from->v4.sin_addr, self->peer, 4) == 0;
    const unsigned char *host = from->v6.sin6_addr.s6_addr;
    if (IN6_IS_ADDR_V4MAPPED(&from->v6.sin6_addr))
        return self->peer_size == 4 && memcmp(host + 12, self->peer, 4) == 0;
    return self->peer_size == 16 && memcmp(host, self->peer, 16) == 0;
}

int
accept_peer(Walk *self)
{
    for (int i = 0; i < ACCEPTS; i++) {
        address_t from;
        /* one that is over at once sends nothing late (overtaken() sees to the others) */
        int fd = accept_tuned(self->listener, 0, self->service, &from);
        if (fd == -ECONNABORTED || fd == -EPROTO)
            continue;
        if (fd < 0)
            return -1;
        if (is_peer(self, &from)) {
            /* further connections in the queue are reset by this */
            close(self->listener);
            self->listener = -1;
            return fd;
        }
        close(fd);
        char host[INET6_ADDRSTRLEN];
        write_host(&from, host, sizeof host);
        PyObject *told = PyObject_CallFunction(self->refused, "si", host, self->port);
        if (told == NULL)
            return -2;
        Py_DECREF(told);
        if (self->refused == NULL || self->listener < 0)
            return -1;
    }
    return -1;
}

/* -- what both ways have in common ------------------------------------------------------------------------------- */

double
seconds_since(const struct timespec *began)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)(at.tv_sec - began->tv_sec) + 1e-9 * (double)(at.tv_nsec - began->tv_nsec);
}

int
is_file(int file, PyObject *devices, struct stat *st)
{
    if (fstat(file, st) != 0 || !S_ISREG(st->st_mode))
        return 0;
    PyObject *device = PyLong_FromUnsignedLongLong(st->st_dev);
    int kept = device == NULL ? -1 : PySequence_Contains(devices, device);
    Py_XDECREF(device);
    if (kept < 0)
        PyErr_Clear();
    return kept == 0;
}

size_t
given(int fd, const char *text, size_t length, int flags)
{
    ssize_t sent = send(fd, text, length, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : (size_t)sent;
}

void
note(Walk *self, PyObject *recorded, PyObject *name, long long size, const struct timespec *began)
{
    if (recorded == Py_None)
        return;
    PyObject *noted = PyTuple_GET_SIZE(recorded) == 2 && PyList_CheckExact(PyTuple_GET_ITEM(recorded, 0))
                          ? Py_BuildValue("OOLd", PyTuple_GET_ITEM(recorded, 1), name, size, seconds_since(began))
                          : NULL;
    if (noted == NULL || PyList_Append(PyTuple_GET_ITEM(recorded, 0), noted) < 0)
        PyErr_WriteUnraisable((PyObject *)self);
    Py_XDECREF(noted);
}

/* -- what Python asks of it -------------------------------------------------------------------------------------- */

/* tell() -> (files sent, their bytes and those of listings, files received, their bytes, bytes of preliminary replies)
   since it was last asked; of those only that nobody has recorded. */
static PyObject *
walk_tell(Walk *self, PyObject *nothing)
{
    PyObject *told = Py_BuildValue("LLLLL", self->files, self->bytes, self->files_taken, self->bytes_taken, self->said);
    if (told != NULL)
        self->files = self->bytes = self->files_taken = self->bytes_taken = self->said = 0;
    return told;
}

/* prepared() -> (listener, port), which are the caller's now; None where there is none. */
static PyObject *
walk_prepared(Walk *self, PyObject *nothing)
{
    if (self->listener < 0)
        Py_RETURN_NONE;
    PyObject *found = Py_BuildValue("ii", self->listener, self->port);
    if (found != NULL)
        self->listener = -1;
    return found;
}

/* adopt(listener, port): listen there from now on. */
static PyObject *
walk_adopt(Walk *self, PyObject *arguments)
{
    int listener, port;
    if (!PyArg_ParseTuple(arguments, "ii", &listener, &port))
        return NULL;
    let_go(self);
    self->listener = listener;
    self->port = port;
    Py_RETURN_NONE;
}

/* overtaken() -> (connection, its port here, bytes that went, the rest of the 150, trouble): of a transfer that does not
   end here, which is the caller's now; None where there is none.  The rest is None where nothing was said; `trouble` is
   the errno of the file, or negative, that of the connection. */
static PyObject *
walk_overtaken(Walk *self, PyObject *nothing)
{
    if (self->connection < 0)
        Py_RETURN_NONE;
    int yes = 1;
    if (self->no_delay)
        (void)!setsockopt(self->connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    PyObject *found = Py_BuildValue("iiLOi", self->connection, self->begun_at, self->went,
                                    self->unsaid == NULL ? Py_None : self->unsaid, self->trouble);
    if (found != NULL) {
        self->connection = -1;
        Py_CLEAR(self->unsaid);
    }
    return found;
}

/* drop(): close what there is. */
static PyObject *
walk_drop(Walk *self, PyObject *nothing)
{
    let_go(self);
    Py_RETURN_NONE;
}

/* abandon(): what was begun is not gone on with, and another command must not take its connection. */
static PyObject *
walk_abandon(Walk *self, PyObject *nothing)
{
    if (self->connection >= 0 && self->unsaid != NULL)
        let_go(self);
    Py_RETURN_NONE;
}

/* close(): and nothing is done from now on. */
static PyObject *
walk_close(Walk *self, PyObject *nothing)
{
    let_go(self);
    Py_CLEAR(self->refused);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"listen", (PyCFunction)(void (*)(void))walk_listen, METH_FASTCALL, NULL},
    {"send", (PyCFunction)(void (*)(void))walk_send, METH_FASTCALL, NULL},
    {"meet", (PyCFunction)walk_meet, METH_NOARGS, NULL},
    {"give", (PyCFunction)(void (*)(void))walk_give, METH_FASTCALL, NULL},
    {"take", (PyCFunction)(void (*)(void))walk_take, METH_FASTCALL, NULL},
    {"take_back", (PyCFunction)walk_take_back, METH_NOARGS, NULL},
    {"more", (PyCFunction)walk_more, METH_NOARGS, NULL},
    {"taken", (PyCFunction)walk_taken, METH_NOARGS, NULL},
    {"file", (PyCFunction)walk_file, METH_NOARGS, NULL},
    {"tell", (PyCFunction)walk_tell, METH_NOARGS, NULL},
    {"prepared", (PyCFunction)walk_prepared, METH_NOARGS, NULL},
    {"overtaken", (PyCFunction)walk_overtaken, METH_NOARGS, NULL},
    {"adopt", (PyCFunction)walk_adopt, METH_VARARGS, NULL},
    {"abandon", (PyCFunction)walk_abandon, METH_NOARGS, NULL},
    {"drop", (PyCFunction)walk_drop, METH_NOARGS, NULL},
    {"close", (PyCFunction)walk_close, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"held", T_BOOL, offsetof(Walk, held), 0, NULL},
    {"lent", T_BOOL, offsetof(Walk, lent), READONLY, NULL},
    {"went", T_LONGLONG, offsetof(Walk, went), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, walk_dealloc},
    {Py_tp_traverse, walk_traverse},
    {Py_tp_clear, walk_clear},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_new, walk_new},
    {0, NULL},
};

static PyType_Spec specification = {
    "ftpd.native._data.Walk", sizeof(Walk), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots,
};

int
add_walk(PyObject *module)
{
    /* without those of calls.c there is no walk */
    PyObject *lender = PyImport_ImportModule("ftpd.native._calls");
    PyObject *shared = lender == NULL ? NULL : PyObject_GetAttrString(lender, "shared");
    calls = shared == NULL ? NULL : PyCapsule_GetPointer(shared, CALLS);
    Py_XDECREF(lender);
    Py_XDECREF(shared);
    if (calls != NULL) {
        /* without a front, Python waits for what comes */
        lender = PyImport_ImportModule("ftpd.native._front");
        shared = lender == NULL ? NULL : PyObject_GetAttrString(lender, "shared");
        fronts = shared == NULL ? NULL : PyCapsule_GetPointer(shared, FRONT);
        Py_XDECREF(lender);
        Py_XDECREF(shared);
        PyErr_Clear();
        pthread_atfork(NULL, NULL, draw_anew);
    }
    if (calls == NULL) {
        PyErr_Clear();
        return PyModule_AddObjectRef(module, "Walk", Py_None);
    }
    PyObject *type = PyType_FromSpec(&specification);
    int failed = type == NULL ? -1 : PyModule_AddObjectRef(module, "Walk", type);
    Py_XDECREF(type);
    return failed;
}
