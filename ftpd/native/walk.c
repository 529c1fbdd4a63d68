/* The walk of a transfer whose every decision was made with the one before: from PASV or EPSV to the 226 of a small file.

   ftpd/engine/walking.py says when that is, and hands over what was decided; whatever is otherwise than foreseen (a
   link, a folder, a large file, a client that is not there yet) is left to the whole road, as if nothing had been
   asked.  Only a connection that did not take all at once is handed on as it is: see overtaken(). */

#include "data.h"
#include "calls.h"
#include "front.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <structmember.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

/* As many strangers may stand in front of the client, and as many ports are tried, as in ftpd/transfer/ports.py. */
#define ACCEPTS 64
#define TRIES 16
/* Devices that are known not to say what is in memory: those in memory themselves, mostly. */
#define SILENT 16
#define LONGEST_REPLY 1024
/* Not in every version of linux/magic.h. */
#define XFS_MAGIC 0x58465342

static calls_t *calls;
static front_t *fronts;
static dev_t silent[SILENT];
static int silent_count;

typedef struct {
    PyObject_HEAD
    PyObject *refused; /* refused(host, port) is told of strangers; NULL once the walk is closed */
    int control;
    address_t local;
    unsigned char peer[16];
    Py_ssize_t peer_size;
    int no_delay, service, backlog;
    int listener, port;
    /* what began and is to be taken over: its connection, the bytes of the file that went, and of the 150 that did not */
    int connection, begun_at;
    long long went;
    PyObject *unsaid;
    /* the upload that is under way: its file, whether we made it, whether its connection is still ours to watch, and
       why it cannot go on (errno; negative: of the connection) */
    int file, made, trouble;
    char held; /* the session has a port of another kind */
    /* where the front waits for what comes: the front, how Python would begin to, the file's name, and the reply once
       it is whole, which is given by `recorded` where somebody is told of each */
    char lent;
    PyObject *front, *begun, *recorded, *name, *done;
    struct timespec began;
    long long files, bytes, said, files_taken, bytes_taken;
} Walk;

/* The front is not to wait any more. */
static void
take_back(Walk *self, int closes)
{
    if (!self->lent)
        return;
    self->lent = 0;
    fronts->take_back(self->front, self->connection, closes);
    Py_CLEAR(self->front);
}

static void
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

/* The client's connection, and the port closes; -1 where it is not there yet, -2 with an error set. */
static int
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

/* -- a file ------------------------------------------------------------------------------------------------------ */

static double
seconds_since(const struct timespec *began)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)(at.tv_sec - began->tv_sec) + 1e-9 * (double)(at.tv_nsec - began->tv_nsec);
}

/* Whether it is a regular file, and not on one of the devices whose files are the kernel's. */
static int
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

/* What the socket took of a text; 0 also where it has something against it, which the next attempt will tell. */
static size_t
given(int fd, const char *text, size_t length, int flags)
{
    ssize_t sent = send(fd, text, length, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : (size_t)sent;
}

/* Where somebody wants to be told of it in brief, and there are (a list, who is told): put the file on the list. */
static void
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

/* send(identity or None, otherwise, root, what keeps it open, devices of the kernel's own files, folder with a / at its
   end, before, done, recorded, name) -> `done`, once the client has the file; None where the whole road is to be taken.

   `before` is the text of the 150 before the name.  `recorded` is called with name, size, port and seconds before
   the client hears that it was all; where it is None, tell() has the sums, and also where it is (list, who), and
   (who, name, size, seconds) is put on the list. */
static PyObject *
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

/* -- an upload --------------------------------------------------------------------------------------------------- */

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
    static dev_t sure[SILENT];
    static int count;
    struct stat st;
    struct statfs about;
    if (fstat(self->file, &st) != 0)
        return 0;
    for (int i = 0; i < count; i++)
        if (sure[i] == st.st_dev)
            return 1;
    if (count == SILENT || fstatfs(self->file, &about) != 0
        || (about.f_type != TMPFS_MAGIC && about.f_type != EXT4_SUPER_MAGIC && about.f_type != XFS_MAGIC
            && about.f_type != BTRFS_SUPER_MAGIC))
        return 0;
    sure[count++] = st.st_dev;
    return 1;
}

enum { COMES, WHOLE, ELSEWHERE };

/* Receive what has come; `alone`: the client had said nothing when that was seen. */
static int
receive(Walk *self, int alone)
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
    if (!alone && has_spoken(self->control))
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
static PyObject *
walk_more(Walk *self, PyObject *nothing)
{
    return PyLong_FromLong(receive(self, 0));
}

/* Something has come, and the front calls. */
static PyObject *
go_on(PyObject *whose, int alone)
{
    Walk *self = (Walk *)whose;
    switch (receive(self, alone)) {
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
static PyObject *
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
static PyObject *
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
    if (calls->be_oneself() < 0 || file == OPEN_FAILED)
        return NULL;
    if (file < 0 && file != -ENOENT)
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
static PyObject *
walk_taken(Walk *self, PyObject *nothing)
{
    PyObject *told = Py_BuildValue("LiO", self->went, self->begun_at, self->made ? Py_True : Py_False);
    let_go(self);
    return told;
}

/* file() -> (descriptor, whether it was made) of an upload that the whole road goes on with, which is the caller's now;
   None where there is none. */
static PyObject *
walk_file(Walk *self, PyObject *nothing)
{
    if (self->file < 0)
        Py_RETURN_NONE;
    PyObject *found = Py_BuildValue("iO", self->file, self->made ? Py_True : Py_False);
    if (found != NULL)
        self->file = -1;
    return found;
}

/* -- what Python asks of it -------------------------------------------------------------------------------------- */

/* tell() -> (files sent, their bytes, files received, their bytes, bytes of preliminary replies) since it was last asked;
   of those only that nobody has recorded. */
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
