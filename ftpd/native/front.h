/* What front.c lends to other extension modules, in a capsule: it waits for data connections of theirs as well. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#define FRONT "ftpd.native._front.shared"

/* Called when the connection has something. Gives None for more to come, the reply to the client once it is all over,
   and anything else where Python is to have its turn. */
typedef PyObject *(*go_on_t)(PyObject *whose);

typedef struct {
    int (*is_front)(PyObject *it);
    /* Wait for the data connection of that control connection, until it is taken back; meanwhile all that the client
       says is for Python. -1 where that is not to be had. */
    int (*lend)(PyObject *front, int data, int control, go_on_t go_on, PyObject *whose);
    /* Have somebody look after those that last; -1 with an error set. */
    int (*wake)(PyObject *front);
    /* What is closed at once need not be taken out of the kernel's list. */
    void (*take_back)(PyObject *front, int data, int closes);
} front_t;
