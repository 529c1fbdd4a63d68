/* Counting by key in a dict, several keys in one go: what OwnTally of ftpd/core/tally.py does, key by key, in Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* One more or less of the key; gives how many there are now, -1 with an error set. */
static long
change(PyObject *counts, PyObject *key, long by)
{
    PyObject *known = PyDict_GetItemWithError(counts, key);
    if (known == NULL && PyErr_Occurred())
        return -1;
    if (known == NULL && by < 0) {
        _PyErr_SetKeyError(key);
        return -1;
    }
    long many = (known == NULL ? 0 : PyLong_AsLong(known)) + by;
    if (many <= 0)
        return PyErr_Occurred() || PyDict_DelItem(counts, key) < 0 ? -1 : 0;
    PyObject *number = PyLong_FromLong(many);
    int failed = number == NULL || PyDict_SetItem(counts, key, number) < 0;
    Py_XDECREF(number);
    return failed ? -1 : many;
}

static PyObject *
with(PyObject *list, PyObject *one)
{
    if (list == NULL)
        list = PyList_New(0);
    if (list != NULL && PyList_Append(list, one) < 0)
        Py_CLEAR(list);
    return list;
}

/* add(counts, counted): one more of the key of each pair; gives the pairs of keys that had no count before and are one
   of another, None for none. */
static PyObject *
tally_add(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || !PyDict_CheckExact(arguments[0])) {
        PyErr_SetString(PyExc_TypeError, "a dict and pairs of keys are wanted");
        return NULL;
    }
    PyObject *pairs = PySequence_Fast(arguments[1], "pairs of keys are wanted"), *first = NULL;
    if (pairs == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(pairs); i++) {
        PyObject *pair = PySequence_Fast_GET_ITEM(pairs, i);
        if (!PyTuple_CheckExact(pair) || PyTuple_GET_SIZE(pair) != 2) {
            PyErr_SetString(PyExc_TypeError, "a pair of keys is wanted");
            goto failed;
        }
        long many = change(arguments[0], PyTuple_GET_ITEM(pair, 0), 1);
        if (many < 0)
            goto failed;
        if (many == 1 && PyTuple_GET_ITEM(pair, 1) != Py_None && (first = with(first, pair)) == NULL)
            goto failed;
    }
    Py_DECREF(pairs);
    return first == NULL ? Py_NewRef(Py_None) : first;
failed:
    Py_DECREF(pairs);
    Py_XDECREF(first);
    return NULL;
}

/* drop(counts, keys, above): one less of each; gives those that have no count any more and are keys of `above`, None
   for none. KeyError at the first that has none. */
static PyObject *
tally_drop(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 3 || !PyDict_CheckExact(arguments[0]) || !PyDict_CheckExact(arguments[2])) {
        PyErr_SetString(PyExc_TypeError, "a dict, keys and another dict are wanted");
        return NULL;
    }
    PyObject *keys = PySequence_Fast(arguments[1], "keys are wanted"), *last = NULL;
    if (keys == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(keys); i++) {
        PyObject *key = PySequence_Fast_GET_ITEM(keys, i);
        long many = change(arguments[0], key, -1);
        int is_of = many == 0 ? PyDict_Contains(arguments[2], key) : 0;
        if (many < 0 || is_of < 0 || (is_of && (last = with(last, key)) == NULL)) {
            Py_DECREF(keys);
            Py_XDECREF(last);
            return NULL;
        }
    }
    Py_DECREF(keys);
    return last == NULL ? Py_NewRef(Py_None) : last;
}

static PyMethodDef methods[] = {
    {"add", (PyCFunction)(void (*)(void))tally_add, METH_FASTCALL, NULL},
    {"drop", (PyCFunction)(void (*)(void))tally_drop, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "ftpd.native._tally", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__tally(void)
{
    return PyModule_Create(&definition);
}
