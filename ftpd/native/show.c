/* A listing goes out that Python has made: to a client that is there already, together with the replies around it. */

#include "walk.h"

#include <sys/socket.h>
#include <sys/uio.h>

/* meet() -> whether the client is there: its connection waits for give(), or for the whole road. */
PyObject *
walk_meet(Walk *self, PyObject *nothing)
{
    if (self->refused == NULL || self->listener < 0 || self->connection >= 0)
        Py_RETURN_FALSE;
    if (calls->be_oneself() < 0)
        return NULL;
    int connection = accept_peer(self);
    if (connection == -2)
        return NULL;
    if (connection < 0)
        Py_RETURN_FALSE;
    self->connection = connection;
    self->begun_at = self->port;
    self->went = 0;
    self->trouble = 0;
    Py_RETURN_TRUE;
}

#define MOST_PIECES 8

/* What the connection took of the pieces, which are bytes. */
static size_t
given_all(int fd, PyObject *pieces)
{
    struct iovec parts[MOST_PIECES];
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)PyTuple_GET_SIZE(pieces)};
    for (size_t i = 0; i < message.msg_iovlen; i++) {
        PyObject *piece = PyTuple_GET_ITEM(pieces, (Py_ssize_t)i);
        parts[i] = (struct iovec){PyBytes_AS_STRING(piece), (size_t)PyBytes_GET_SIZE(piece)};
    }
    /* what fills no segment leaves with the end, which follows at once */
    ssize_t sent = sendmsg(fd, &message, MSG_MORE | MSG_DONTWAIT | MSG_NOSIGNAL);
    return sent < 0 ? 0 : (size_t)sent;
}

/* The bytes of all of them; -1 with an error set where they are no such thing. */
static Py_ssize_t
size_of(PyObject *pieces)
{
    Py_ssize_t size = PyTuple_CheckExact(pieces) && PyTuple_GET_SIZE(pieces) <= MOST_PIECES ? 0 : -1;
    for (Py_ssize_t i = 0; size >= 0 && i < PyTuple_GET_SIZE(pieces); i++) {
        PyObject *piece = PyTuple_GET_ITEM(pieces, i);
        size = PyBytes_CheckExact(piece) ? size + PyBytes_GET_SIZE(piece) : -1;
    }
    if (size < 0)
        PyErr_SetString(PyExc_TypeError, "the pieces of a text are a tuple of bytes, and few");
    return size;
}

/* give(before, pieces, all, done) -> `done`, once the client that was met has heard `before` and has all of the text.

   None where the whole road is to go on, as the connection did not take it, or because there is more to come than this
   (not `all`): `went` tells how many bytes it took. */
PyObject *
walk_give(Walk *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 4 || !PyBytes_CheckExact(arguments[0]) || !PyBytes_CheckExact(arguments[3])) {
        PyErr_SetString(PyExc_TypeError, "give(before, pieces, all, done)");
        return NULL;
    }
    int all = PyObject_IsTrue(arguments[2]);
    Py_ssize_t size = size_of(arguments[1]);
    if (all < 0 || size < 0)
        return NULL;
    if (self->connection < 0 || self->unsaid != NULL || self->file >= 0)
        Py_RETURN_NONE;
    size_t length = (size_t)PyBytes_GET_SIZE(arguments[0]);
    size_t said = given(self->control, PyBytes_AS_STRING(arguments[0]), length, 0);
    size_t went = said < length || !size ? 0 : given_all(self->connection, arguments[1]);
    self->said += (long long)said;
    if (!all || said < length || went < (size_t)size) {
        self->went = (long long)went;
        self->unsaid = PyBytes_FromStringAndSize(PyBytes_AS_STRING(arguments[0]) + said, (Py_ssize_t)(length - said));
        if (self->unsaid == NULL)
            return NULL;
        Py_RETURN_NONE;
    }
    end_connection(self->connection);
    self->connection = -1;
    self->bytes += (long long)size;
    return Py_NewRef(arguments[3]);
}
