/* The front of the control connections: waits for what clients say, and answers at once what is known beforehand.

   ftpd/transfer/ioloop.py and ftpd/engine/recall.py hold the same in Python, which serves where this could not be
   compiled; tests run both. Nothing is decided here: which packet has which answer, and which function gives those to
   the lines of a verb, comes from there, in a dict for each connection, and all else that comes goes back there. */

#define _GNU_SOURCE
#include "front.h"

#include <errno.h>
#include <string.h>
#include <structmember.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

/* Connections served before all others get a turn, as in Python. */
#define MOST_EVENTS 64
#define PACKET 8192
/* No longer packet is ever known: to look one up costs a copy. */
#define LONGEST 256
/* Seconds: for whom a function took as long, as for a listing, is heard behind the others, for some time; and those all
   together for so long in one go. */
#define LONG 0.00025
#define SOME_TIME 1.0
#define IN_ONE_GO 0.001

typedef struct {
    PyObject *known; /* packet -> answer or function, verb and a blank -> function; NULL where nothing is remembered */
    double until;    /* no answer holds after that moment */
    long long received, sent;
    double when;
    /* of a data connection: what is to be called when it has something, for whom, and whose it is */
    go_on_t go_on;
    PyObject *whose;
    int control;
    int lent; /* of a control connection: one of its has been lent to us, and all that the client says is for Python */
    double took_long; /* until then it is one that functions took long for */
    double since;
} line_t;

typedef struct {
    PyObject_HEAD
    line_t *lines; /* by descriptor */
    int size;
    double when;    /* the last look at who has something to say */
    double slowest; /* seconds that a function took to answer, with those before it */
    double took;    /* the same of the last one alone */
    int *told; /* the descriptors with something to tell */
    int told_count;
    int epoll;       /* the one that was served last */
    int lent;        /* how many connections there are */
    char awake;      /* somebody looks after those that last */
    PyObject *waken; /* called with the first where nobody does */
    char packet[PACKET];
} Front;

static double
now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + 1e-9 * (double)at.tv_nsec;
}

static void
front_dealloc(Front *self)
{
    for (int fd = 0; fd < self->size; fd++) {
        Py_XDECREF(self->lines[fd].known);
        Py_XDECREF(self->lines[fd].whose);
    }
    Py_XDECREF(self->waken);
    PyMem_Free(self->lines);
    PyMem_Free(self->told);
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

static PyObject *
front_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    Front *self = (Front *)PyType_GenericNew(type, arguments, named);
    if (self != NULL)
        self->epoll = -1;
    return (PyObject *)self;
}

static int
has_room_for(Front *self, int fd)
{
    if (fd < self->size)
        return 1;
    int size = fd + 64;
    line_t *lines = PyMem_Realloc(self->lines, (size_t)size * sizeof *lines);
    if (lines != NULL) {
        memset(lines + self->size, 0, (size_t)(size - self->size) * sizeof *lines);
        self->lines = lines;
    }
    int *told = PyMem_Realloc(self->told, (size_t)size * sizeof *told);
    if (told != NULL)
        self->told = told;
    if (lines == NULL || told == NULL) {
        PyErr_NoMemory();
        return 0;
    }
    self->size = size;
    return 1;
}

/* recall(fd, known, until): answer the packets of this connection that are keys of the dict, as long as there are any
   and the clock has not come to `until`. */
static PyObject *
front_recall(Front *self, PyObject *arguments)
{
    int fd;
    PyObject *known;
    double until;
    if (!PyArg_ParseTuple(arguments, "iO!d", &fd, &PyDict_Type, &known, &until))
        return NULL;
    if (fd < 0) {
        PyErr_SetString(PyExc_ValueError, "a descriptor is no negative number");
        return NULL;
    }
    if (!has_room_for(self, fd))
        return NULL;
    Py_XSETREF(self->lines[fd].known, Py_NewRef(known));
    self->lines[fd].until = until;
    Py_RETURN_NONE;
}

static int put(PyObject *list, PyObject *item);

/* forget(fd): the connection is over; the number may soon be another one's. */
static PyObject *
front_forget(Front *self, PyObject *argument)
{
    long fd = PyLong_AsLong(argument);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    if (fd >= 0 && fd < self->size)
        Py_CLEAR(self->lines[fd].known);
    Py_RETURN_NONE;
}

/* -- data connections that are lent ------------------------------------------------------------------------------ */

static void
take_back(PyObject *front, int data, int closes)
{
    Front *self = (Front *)front;
    line_t *line = data >= 0 && data < self->size ? &self->lines[data] : NULL;
    if (line == NULL || line->go_on == NULL)
        return;
    line->go_on = NULL;
    self->lines[line->control].lent = 0;
    self->lent--;
    Py_CLEAR(line->whose);
    /* the kernel takes out what is closed */
    if (!closes)
        epoll_ctl(self->epoll, EPOLL_CTL_DEL, data, NULL);
}

static int
lend(PyObject *front, int data, int control, go_on_t go_on, PyObject *whose)
{
    Front *self = (Front *)front;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = data};
    if (self->epoll < 0 || !has_room_for(self, data > control ? data : control)
        || epoll_ctl(self->epoll, EPOLL_CTL_ADD, data, &event) < 0) {
        PyErr_Clear();
        return -1;
    }
    line_t *line = &self->lines[data];
    line->go_on = go_on;
    Py_XSETREF(line->whose, Py_NewRef(whose));
    line->control = control;
    line->since = now();
    self->lines[control].lent = 1;
    self->lent++;
    return 0;
}

/* wake(): have somebody look after the connections that are lent, once they last. */
static int
wake(PyObject *front)
{
    Front *self = (Front *)front;
    if (self->awake || self->waken == NULL || self->waken == Py_None)
        return 0;
    PyObject *done = PyObject_CallNoArgs(self->waken);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
is_front(PyObject *it)
{
    return Py_TYPE(it)->tp_dealloc == (destructor)front_dealloc;
}

/* lasting(before) -> the control connections for which one is there that came before that moment. */
static PyObject *
front_lasting(Front *self, PyObject *argument)
{
    double before = PyFloat_AsDouble(argument);
    if (before == -1.0 && PyErr_Occurred())
        return NULL;
    PyObject *found = PyList_New(0);
    for (int fd = 0; found != NULL && self->lent && fd < self->size; fd++)
        if (self->lines[fd].go_on != NULL && self->lines[fd].since <= before
            && put(found, PyLong_FromLong(self->lines[fd].control)) < 0)
            Py_CLEAR(found);
    return found;
}

/* -- what is answered -------------------------------------------------------------------------------------------- */

static int
put(PyObject *list, PyObject *item)
{
    int failed = item == NULL || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return failed ? -1 : 0;
}

/* What a function has to say to these bytes; None where it fails. A new reference. */
static PyObject *
ask(Front *self, PyObject *function, const char *text, Py_ssize_t length)
{
    double began = now();
    PyObject *argument = PyBytes_FromStringAndSize(text, length);
    PyObject *answer = argument == NULL ? NULL : PyObject_CallOneArg(function, argument);
    Py_XDECREF(argument);
    double done = now();
    self->took = done - began;
    if (done - self->when > self->slowest)
        self->slowest = done - self->when;
    if (answer == NULL && PyErr_ExceptionMatches(PyExc_Exception)) {
        /* who takes the whole road will be told */
        PyErr_Clear();
        Py_RETURN_NONE;
    }
    return answer;
}

/* What a verb's function has to say to the argument of a packet that is one line; None where there is none such, or it
   has nothing to say. A new reference. */
static PyObject *
answer_shortly(Front *self, PyObject *known, const char *packet, Py_ssize_t length)
{
    const char *blank = memchr(packet, ' ', (size_t)length);
    if (blank == NULL)
        Py_RETURN_NONE;
    const char *argument = blank + 1, *end = packet + length - 2;
    /* a name that begins with a blank, line ends and NULs inside, telnet: those are looked at more closely */
    if (end <= argument || *argument == ' ' || end[0] != '\r' || end[1] != '\n'
        || memchr(packet, '\r', (size_t)length) != end || memchr(packet, '\n', (size_t)length) != end + 1
        || memchr(packet, '\0', (size_t)length) != NULL || memchr(packet, '\xff', (size_t)length) != NULL)
        Py_RETURN_NONE;
    /* up to the last slash it is a folder, of which is known what the verb's function has to say to names in it */
    const char *slash = memrchr(argument, '/', (size_t)(end - argument));
    if (slash != NULL)
        argument = slash + 1;
    if (argument == end)
        Py_RETURN_NONE;
    PyObject *verb = PyBytes_FromStringAndSize(packet, argument - packet);
    if (verb == NULL)
        return NULL;
    PyObject *function = PyDict_GetItemWithError(known, verb);
    Py_XINCREF(function);
    Py_DECREF(verb);
    if (function == NULL || !PyCallable_Check(function)) {
        Py_XDECREF(function);
        if (PyErr_Occurred())
            return NULL;
        Py_RETURN_NONE;
    }
    PyObject *answer = ask(self, function, argument, end - argument);
    Py_DECREF(function);
    return answer;
}

/* The answer to a packet, or what the function has to say that stands in its place; else None, or NULL with an error
   set. A new reference. */
static PyObject *
answer_to(Front *self, PyObject *known, PyObject *packet)
{
    PyObject *answer = Py_XNewRef(PyDict_GetItemWithError(known, packet));
    if (answer == NULL)
        return PyErr_Occurred() ? NULL
                                : answer_shortly(self, known, PyBytes_AS_STRING(packet), PyBytes_GET_SIZE(packet));
    if (PyCallable_Check(answer))
        Py_SETREF(answer, ask(self, answer, "", 0));
    return answer;
}

/* Give the client an answer that is known, to what was read of it, or came by another connection. */
static int
give(Front *self, int fd, const struct epoll_event *event, PyObject *packet, PyObject *answer, double when, PyObject *rest)
{
    Py_ssize_t whole = PyBytes_GET_SIZE(answer), got = PyBytes_GET_SIZE(packet);
    /* of nothing the reply comes later */
    ssize_t sent = whole ? send(fd, PyBytes_AS_STRING(answer), (size_t)whole, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
    if (sent != whole)
        /* what the socket has against it, the next attempt will tell */
        return put(rest, Py_BuildValue("iIOOi", fd, event->events, packet, answer, sent < 0 ? 0 : (int)sent));
    line_t *line = &self->lines[fd];
    if (line->received == 0 && line->sent == 0 && (got || sent))
        self->told[self->told_count++] = fd;
    line->received += got;
    line->sent += sent;
    line->when = when;
    return 0;
}

/* A data connection that was lent has something: have it gone on with; what becomes of it otherwise is for Python. */
static int
go_on(Front *self, const struct epoll_event *event, double when, PyObject *rest)
{
    line_t *line = &self->lines[event->data.fd];
    int control = line->control, failed;
    PyObject *whose = Py_NewRef(line->whose), *answer = line->go_on(whose);
    double took = now() - self->when;
    if (took > self->slowest)
        self->slowest = took;
    if (answer == NULL && !PyErr_ExceptionMatches(PyExc_Exception))
        failed = -1;
    else if (answer == Py_None)
        failed = 0;
    else if (answer != NULL && PyBytes_CheckExact(answer)) {
        PyObject *nothing = PyBytes_FromStringAndSize(NULL, 0);
        failed = nothing == NULL ? -1 : give(self, control, event, nothing, answer, when, rest);
        Py_XDECREF(nothing);
    } else {
        if (answer == NULL)
            PyErr_WriteUnraisable(whose);
        failed = put(rest, Py_BuildValue("iI", control, EPOLLIN));
    }
    Py_XDECREF(answer);
    Py_DECREF(whose);
    return failed;
}

/* One connection has something for us: answer it, or put on the list what Python has to do; -1 with an error set. */
static int
hear(Front *self, const struct epoll_event *event, double when, PyObject *rest)
{
    int fd = event->data.fd;
    line_t *line = fd < self->size ? &self->lines[fd] : NULL;
    if (line != NULL && line->go_on != NULL)
        return go_on(self, event, when, rest);
    if (event->events != EPOLLIN || line == NULL || line->known == NULL || PyDict_GET_SIZE(line->known) == 0
        || when >= line->until || line->lent)
        return put(rest, Py_BuildValue("iI", fd, event->events));
    ssize_t got = recv(fd, self->packet, PACKET, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : put(rest, Py_BuildValue("iIiOi", fd, event->events, errno, Py_None, 0));
    PyObject *packet = PyBytes_FromStringAndSize(self->packet, got);
    if (packet == NULL)
        return -1;
    PyObject *known = Py_NewRef(line->known), *answer = NULL;
    int failed = 0;
    self->took = 0.0;
    if (got > 0 && got <= LONGEST)
        answer = answer_to(self, known, packet);
    /* it may have made room for others */
    if (self->took > LONG)
        self->lines[fd].took_long = when + SOME_TIME;
    Py_DECREF(known);
    if (PyErr_Occurred())
        failed = -1;
    else if (answer == NULL || !PyBytes_CheckExact(answer))
        failed = put(rest, Py_BuildValue("iIOOi", fd, event->events, packet, Py_None, 0));
    else
        failed = give(self, fd, event, packet, answer, when, rest);
    Py_XDECREF(answer);
    Py_DECREF(packet);
    return failed;
}

static int
takes_long(Front *self, const struct epoll_event *event)
{
    return event->events == EPOLLIN && event->data.fd < self->size
           && self->lines[event->data.fd].took_long > self->when;
}

/* All that have something for us: who wants little first, so that it does not wait for all who want much. Who has not
   come to their turn then is told of again. */
static int
hear_all(Front *self, struct epoll_event *events, int count, PyObject *rest)
{
    double when = self->when;
    int failed = 0, late = 0;
    for (int i = 0; i < count && !failed; i++)
        if (takes_long(self, &events[i]))
            events[late++] = events[i];
        else
            failed = hear(self, &events[i], when, rest);
    double until = late > 1 ? now() + IN_ONE_GO : 0.0;
    for (int i = 0; i < late && !failed && (i == 0 || now() < until); i++)
        failed = hear(self, &events[i], when, rest);
    return failed;
}

/* What was answered since it was last asked: (fd, bytes received, bytes sent, the moment of the last). */
static PyObject *
tell(Front *self)
{
    PyObject *told = PyList_New(0);
    for (int i = 0; told != NULL && i < self->told_count; i++) {
        line_t *line = &self->lines[self->told[i]];
        if (put(told, Py_BuildValue("iLLd", self->told[i], line->received, line->sent, line->when)) < 0)
            Py_CLEAR(told);
        line->received = line->sent = 0;
    }
    self->told_count = 0;
    return told;
}

/* serve(epoll, wait, until, most) -> (what is left to do, what was answered, connections served at the last look, the
   seconds that the slowest function took)

   Wait for at most `wait` seconds for connections that have something to say, no more than `most` of them, and again
   and again while all of it could be answered and the clock (CLOCK_MONOTONIC) has not come to `until`. What is left to
   do: (fd, events) where nothing was read, else behind them the packet, or the number of the error that came instead,
   the answer that was known, or None, and how many of its bytes the socket took. */
static PyObject *
front_serve(Front *self, PyObject *arguments)
{
    int epoll, most, count, failed = 0;
    double wait, until, when;
    if (!PyArg_ParseTuple(arguments, "iddi", &epoll, &wait, &until, &most))
        return NULL;
    self->slowest = 0.0;
    self->epoll = epoll;
    most = most < 1 ? 1 : most > MOST_EVENTS ? MOST_EVENTS : most;
    int milliseconds = (int)(wait * 1000.0 + 0.5);
    struct epoll_event events[MOST_EVENTS];
    PyObject *rest = PyList_New(0);
    if (rest == NULL)
        return NULL;
    do {
        if (milliseconds == 0) {
            count = epoll_wait(epoll, events, most, 0);
        } else {
            Py_BEGIN_ALLOW_THREADS
            count = epoll_wait(epoll, events, most, milliseconds);
            Py_END_ALLOW_THREADS
        }
        if (count < 0 && errno != EINTR) {
            PyErr_SetFromErrno(PyExc_OSError);
            failed = -1;
        } else if (count < 0)
            failed = PyErr_CheckSignals();
        when = self->when = now();
        if (!failed)
            failed = hear_all(self, events, count, rest);
    } while (!failed && count > 0 && PyList_GET_SIZE(rest) == 0 && when < until);
    PyObject *told = failed ? NULL : tell(self);
    if (told == NULL) {
        Py_DECREF(rest);
        return NULL;
    }
    return Py_BuildValue("NNid", rest, told, count < 0 ? 0 : count, self->slowest);
}

static PyMethodDef methods[] = {
    {"recall", (PyCFunction)front_recall, METH_VARARGS, NULL},
    {"forget", (PyCFunction)front_forget, METH_O, NULL},
    {"serve", (PyCFunction)front_serve, METH_VARARGS, NULL},
    {"lasting", (PyCFunction)front_lasting, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"awake", T_BOOL, offsetof(Front, awake), 0, NULL},
    {"waken", T_OBJECT, offsetof(Front, waken), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, front_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_tp_new, front_new},
    {0, NULL},
};

static PyType_Spec specification = {
    "ftpd.native._front.Front", sizeof(Front), 0, Py_TPFLAGS_DEFAULT, slots,
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "ftpd.native._front", NULL, -1, NULL, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__front(void)
{
    static front_t shared = {is_front, lend, wake, take_back};
    PyObject *module = PyModule_Create(&definition);
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&specification);
    if (type == NULL || PyModule_AddObject(module, "Front", type) < 0) {
        Py_XDECREF(type);
        Py_XDECREF(module);
        return NULL;
    }
    PyObject *capsule = PyCapsule_New(&shared, FRONT, NULL);
    if (capsule == NULL || PyModule_AddObject(module, "shared", capsule) < 0) {
        Py_XDECREF(capsule);
        Py_CLEAR(module);
    }
    return module;
}
