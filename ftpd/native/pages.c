/* Memory that was given out page by page, brought together in large pages; its addresses stay what they are. */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "large.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#define MOST_PLACES 256

typedef struct {
    char *at;
    size_t size;
} place_t;

/* Whether what is written meanwhile, by us or by the kernel, lies there: this stack, and what a thread has for itself. */
static int
is_written_to(const place_t *place, const void *mine)
{
    const char *own[] = {mine, (const char *)&errno, (const char *)pthread_self()};
    for (int i = 0; i < 3; i++)
        if (own[i] >= place->at && own[i] < place->at + place->size)
            return 1;
    return 0;
}

/* -1 with an error set. */
static int
places_of(PyObject *given, place_t *places, Py_ssize_t *count, size_t *whole)
{
    *count = 0;
    *whole = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(given) && *count < MOST_PLACES; i++) {
        PyObject *pair = PyList_GET_ITEM(given, i);
        unsigned long long begin, end;
        if (!PyTuple_Check(pair)) {
            PyErr_SetString(PyExc_TypeError, "a place is (begin, end)");
            return -1;
        }
        if (!PyArg_ParseTuple(pair, "KK", &begin, &end))
            return -1;
        place_t place = {(char *)(uintptr_t)begin, (size_t)(end - begin)};
        if (end <= begin || is_written_to(&place, places))
            continue;
        places[(*count)++] = place;
        *whole += place.size;
    }
    return 0;
}

/* bring_together([(begin, end)]) -> bytes moved

   Private memory that may be written to, of whole pages. Nobody else may run in this process: what another thread wrote
   meanwhile would be lost. */
static PyObject *
bring_together(PyObject *module, PyObject *given)
{
    place_t places[MOST_PLACES];
    Py_ssize_t count;
    size_t whole, moved = 0;
    if (!PyList_CheckExact(given)) {
        PyErr_SetString(PyExc_TypeError, "bring_together(list of pairs)");
        return NULL;
    }
    if (places_of(given, places, &count, &whole) < 0)
        return NULL;
    size_t size = (whole + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    int failed = 0;
    char *room = whole == 0 ? NULL : map_large(size, 0, &failed);
    if (failed)
        munmap(room, size);
    if (room == NULL || failed)
        return PyLong_FromLong(0);
    /* to have them there before anything is taken away */
    for (size_t page = 0; page < size; page += LARGE_PAGE)
        room[page] = 0;
    /* what handles them writes to that memory, too */
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    for (Py_ssize_t i = 0; i < count; i++) {
        memcpy(room + moved, places[i].at, places[i].size);
        if (mremap(room + moved, places[i].size, places[i].size, MREMAP_MAYMOVE | MREMAP_FIXED, places[i].at) == MAP_FAILED)
            break;
        moved += places[i].size;
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (moved < size)
        munmap(room + moved, size - moved);
    return PyLong_FromSize_t(moved);
}

static PyMethodDef methods[] = {
    {"bring_together", bring_together, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_pages", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC
PyInit__pages(void)
{
    return PyModule_Create(&definition);
}
