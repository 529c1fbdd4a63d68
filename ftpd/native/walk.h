/* What the files of the walk have in common: what it is, and how a small file ends. */

#include "data.h"
#include "calls.h"
#include "front.h"

#include <sys/stat.h>
#include <time.h>

#define LONGEST_REPLY 1024

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

/* Lent by calls.c, and by front.c where that is there. */
extern calls_t *calls;
extern front_t *fronts;

/* Nothing is begun any more, and all is closed. */
void let_go(Walk *self);

/* The front is not to wait any more. */
void take_back(Walk *self, int closes);

/* The client's connection, and the port closes; -1 where it is not there yet, -2 with an error set. */
int accept_peer(Walk *self);

double seconds_since(const struct timespec *began);

/* Whether it is a regular file, and not on one of the devices whose files are the kernel's. */
int is_file(int file, PyObject *devices, struct stat *st);

/* What the socket took of a text; 0 also where it has something against it, which the next attempt will tell. */
size_t given(int fd, const char *text, size_t length, int flags);

/* Where somebody wants to be told of it in brief, and there are (a list, who is told): put the file on the list. */
void note(Walk *self, PyObject *recorded, PyObject *name, long long size, const struct timespec *began);

PyObject *walk_send(Walk *self, PyObject *const *arguments, Py_ssize_t count);

PyObject *walk_meet(Walk *self, PyObject *nothing);
PyObject *walk_give(Walk *self, PyObject *const *arguments, Py_ssize_t count);

PyObject *walk_take(Walk *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *walk_take_back(Walk *self, PyObject *nothing);
PyObject *walk_more(Walk *self, PyObject *nothing);
PyObject *walk_taken(Walk *self, PyObject *nothing);
PyObject *walk_file(Walk *self, PyObject *nothing);
