/* The kernel calls in the life of a data connection, from its port to its end, each stretch of them in one step.

   ftpd/transfer/kernel.py holds the same in Python, which serves where this could not be compiled; tests run both.
   Nothing is decided here: who may connect, what is sent and when it is over come from there. No call waits for the
   network; what cannot be done now is told by -errno and not by an exception, as it is no fault. */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include "data.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* More is no faster, and 256 KiB cost a sixth more for a gigabyte. */
#define MOST_IN_ONE_READ (1 << 20)

static int
numbers(PyObject *const *arguments, Py_ssize_t count, Py_ssize_t wanted, long long *out, const char *usage)
{
    if (count != wanted) {
        PyErr_SetString(PyExc_TypeError, usage);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        out[i] = PyLong_AsLongLong(arguments[i]);
        if (out[i] == -1 && PyErr_Occurred())
            return -1;
    }
    return 0;
}

int
read_address(PyObject *packed, long long scope, address_t *at)
{
    Py_ssize_t length = PyBytes_CheckExact(packed) ? PyBytes_GET_SIZE(packed) : 0;
    memset(at, 0, sizeof *at);
    if (length == 4) {
        at->v4.sin_family = AF_INET;
        memcpy(&at->v4.sin_addr, PyBytes_AS_STRING(packed), 4);
    } else if (length == 16) {
        at->v6.sin6_family = AF_INET6;
        at->v6.sin6_scope_id = (uint32_t)scope;
        memcpy(&at->v6.sin6_addr, PyBytes_AS_STRING(packed), 16);
    } else {
        PyErr_SetString(PyExc_ValueError, "an address has four bytes or sixteen");
        return -1;
    }
    return 0;
}

int
open_port(const address_t *at)
{
    int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int yes = 1, no = 0;
    /* the last transfer on this port may be in TIME_WAIT */
    int failed = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (!failed && at->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&at->v6.sin6_addr))
        failed = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no);
    if (failed) {
        int code = errno;
        close(fd);
        return -code;
    }
    return fd;
}

int
listen_on(int fd, address_t *at, int port, int backlog)
{
    /* both kinds of address have the port in one place */
    at->v4.sin_port = htons((uint16_t)port);
    if (bind(fd, &at->any, at->any.sa_family == AF_INET6 ? sizeof at->v6 : sizeof at->v4) < 0)
        return errno == EADDRINUSE || errno == EACCES ? 0 : -errno;
    /* two may have been bound to it before one listened */
    return listen(fd, backlog) == 0 ? 1 : -errno;
}

/* listen(address, scope, port, backlog) -> descriptor; -errno where there is none.

   `address` is packed: four bytes of IPv4, sixteen of IPv6. One that holds an IPv4 address takes IPv4 clients. */
static PyObject *
listen_at(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long given[3];
    address_t at;
    if (count != 4 || !PyBytes_CheckExact(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "listen(address, scope, port, backlog)");
        return NULL;
    }
    if (numbers(arguments + 1, 3, 3, given, "") < 0 || read_address(arguments[0], given[0], &at) < 0)
        return NULL;
    int fd = open_port(&at), how = fd < 0 ? fd : listen_on(fd, &at, (int)given[1], (int)given[2]);
    if (fd >= 0 && how <= 0) {
        how = how == 0 ? -errno : how;
        close(fd);
    }
    return PyLong_FromLong(how < 0 ? how : fd);
}

int
accept_tuned(int listener, int no_delay, int service, address_t *from)
{
    socklen_t size = sizeof *from;
    int fd = accept4(listener, &from->any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return -errno;
    int yes = 1;
    /* a client that is gone already, or a container that forbids it: the transfer will tell */
    if (no_delay)
        (void)!setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (from->any.sa_family == AF_INET6)
        (void)!setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &service, sizeof service);
    else
        (void)!setsockopt(fd, IPPROTO_IP, IP_TOS, &service, sizeof service);
    return fd;
}

void
write_host(const address_t *from, char *text, socklen_t room)
{
    int v6 = from->any.sa_family == AF_INET6;
    const void *host = v6 ? (const void *)&from->v6.sin6_addr : (const void *)&from->v4.sin_addr;
    if (inet_ntop(from->any.sa_family, host, text, room) == NULL)
        text[0] = 0;
}

/* accept(listener, no_delay, service) -> (descriptor, the client's address); -errno where there is none.

   What is accepted never blocks, is not inherited by programs, and has its type of service. */
static PyObject *
accept_one(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long given[3];
    address_t from;
    char text[INET6_ADDRSTRLEN];
    if (numbers(arguments, count, 3, given, "accept(listener, no_delay, service)") < 0)
        return NULL;
    int fd = accept_tuned((int)given[0], (int)given[1], (int)given[2], &from);
    if (fd < 0)
        return PyLong_FromLong(fd);
    write_host(&from, text, sizeof text);
    PyObject *found = Py_BuildValue("(is)", fd, text);
    if (found == NULL)
        close(fd);
    return found;
}

/* deliver(connection, file, offset, count, flags) -> bytes that the connection took; -errno of whatever failed.

   preadv2(2) with `flags`, and what it gave is sent; what fills no segment leaves with what follows it. */
static PyObject *
deliver(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long given[5];
    if (numbers(arguments, count, 5, given, "deliver(connection, file, offset, count, flags)") < 0)
        return NULL;
    char buffer[MOST_AT_ONCE];
    struct iovec into = {buffer, (size_t)(given[3] < 0 ? 0 : given[3] < MOST_AT_ONCE ? given[3] : MOST_AT_ONCE)};
    ssize_t done;
    Py_BEGIN_ALLOW_THREADS
    done = preadv2((int)given[1], &into, 1, (off_t)given[2], (int)given[4]);
    if (done > 0)
        done = send((int)given[0], buffer, (size_t)done, MSG_MORE | MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done < 0)
        done = -errno;
    Py_END_ALLOW_THREADS
    return PyLong_FromSsize_t(done);
}

/* give(connection, bytes) -> how many of them the connection took; -errno of whatever failed.

   What fills no segment leaves with what follows it. */
static PyObject *
give(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long connection;
    if (count != 2 || !PyBytes_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "give(connection, bytes)");
        return NULL;
    }
    if (numbers(arguments, 1, 1, &connection, "give(connection, bytes)") < 0)
        return NULL;
    ssize_t done;
    Py_BEGIN_ALLOW_THREADS
    done = send((int)connection, PyBytes_AS_STRING(arguments[1]), (size_t)PyBytes_GET_SIZE(arguments[1]),
                MSG_MORE | MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done < 0)
        done = -errno;
    Py_END_ALLOW_THREADS
    return PyLong_FromSsize_t(done);
}

/* Room for what comes, made when the first upload needs it; used by whoever holds the interpreter's lock first, and by
   another thread at the same time never. */
static char *room;
static int room_taken;

static ssize_t
write_all(int file, const char *from, size_t length, off_t at, int tries)
{
    size_t done = 0;
    while (done < length) {
        ssize_t written = at < 0 ? write(file, from + done, length - done)
                                 : pwrite(file, from + done, length - done, at + (off_t)done);
        if (written > 0)
            done += (size_t)written;
        else if (written == 0)
            errno = EIO;
        if (written <= 0 && (errno != EINTR && (errno != EAGAIN || --tries <= 0)))
            break;
    }
    return (ssize_t)done;
}

/* receive(connection, file, offset, turn) -> (bytes written, how it stands, errno).

   Take what comes and write it at `offset`, at the file's end where that is negative, until nothing is there (WAITS),
   the other side has ended in order (ENDED), `turn` bytes have come (TURN), or one side failed (LOST, FAILED): then
   `errno` says why, and what came last may have been written in part. */
enum { ENDED, WAITS, TURN, LOST, FAILED };

static PyObject *
receive(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long given[4];
    if (numbers(arguments, count, 4, given, "receive(connection, file, offset, turn)") < 0)
        return NULL;
    if (room_taken) {
        PyErr_SetString(PyExc_RuntimeError, "another thread receives");
        return NULL;
    }
    if (room == NULL && (room = PyMem_RawMalloc(MOST_IN_ONE_READ)) == NULL)
        return PyErr_NoMemory();
    int connection = (int)given[0], file = (int)given[1], how = TURN, code = 0;
    off_t at = (off_t)given[2];
    ssize_t stored = 0, left = (ssize_t)given[3];
    room_taken = 1;
    Py_BEGIN_ALLOW_THREADS
    while (left > 0) {
        ssize_t came = recv(connection, room, left < MOST_IN_ONE_READ ? (size_t)left : MOST_IN_ONE_READ, MSG_DONTWAIT);
        if (came <= 0) {
            code = came < 0 ? errno : 0;
            how = came == 0 ? ENDED : code == EAGAIN || code == EINTR ? WAITS : LOST;
            break;
        }
        errno = 0;
        ssize_t written = write_all(file, room, (size_t)came, at < 0 ? -1 : at + stored, 100);
        stored += written;
        left -= came;
        if (written < came) {
            code = errno;
            how = FAILED;
            break;
        }
    }
    Py_END_ALLOW_THREADS
    room_taken = 0;
    return Py_BuildValue("(nii)", stored, how, code);
}

int
end_connection(int fd)
{
    /* TCP takes no buffer for what is only to be thrown away (tcp(7)) */
    for (int i = 0; i < 4; i++)
        if (recv(fd, NULL, 1 << 20, MSG_TRUNC | MSG_DONTWAIT) <= 0)
            break;
    return close(fd);
}

/* end(connection): close it, after what has come unasked is thrown away: left unread it would make our end a reset. */
static PyObject *
end(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    long long fd;
    if (numbers(arguments, count, 1, &fd, "end(connection)") < 0)
        return NULL;
    if (end_connection((int)fd) < 0 && errno != EINTR)
        return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"listen", (PyCFunction)(void (*)(void))listen_at, METH_FASTCALL, NULL},
    {"accept", (PyCFunction)(void (*)(void))accept_one, METH_FASTCALL, NULL},
    {"give", (PyCFunction)(void (*)(void))give, METH_FASTCALL, NULL},
    {"deliver", (PyCFunction)(void (*)(void))deliver, METH_FASTCALL, NULL},
    {"receive", (PyCFunction)(void (*)(void))receive, METH_FASTCALL, NULL},
    {"end", (PyCFunction)(void (*)(void))end, METH_FASTCALL, NULL},
    {"serve_pumps", (PyCFunction)(void (*)(void))serve_pumps, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "ftpd.native._data", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__data(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module != NULL && (add_walk(module) < 0 || add_pump(module) < 0))
        Py_CLEAR(module);
    return module;
}
