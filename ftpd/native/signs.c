/* By what is told that a file is still the one from before, as it was: what ftpd/core/signs.py asks os.stat for. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <errno.h>
#include <stdint.h>
#include <sys/stat.h>

/* sign(path or descriptor) -> bytes that change with the file, or -errno. */
static PyObject *
sign(PyObject *self, PyObject *file)
{
    struct stat known;
    int failed;
    long descriptor = -1;
    char *path = NULL;
    if (PyBytes_CheckExact(file)) {
        /* ValueError for a NUL in it */
        if (PyBytes_AsStringAndSize(file, &path, NULL) < 0)
            return NULL;
    } else if ((descriptor = PyLong_AsLong(file)) == -1 && PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    failed = (path != NULL ? stat(path, &known) : fstat((int)descriptor, &known)) < 0 ? errno : 0;
    Py_END_ALLOW_THREADS
    if (failed)
        return PyLong_FromLong(-failed);
    int64_t parts[] = {
        known.st_mtim.tv_sec, known.st_mtim.tv_nsec, known.st_ctim.tv_sec, known.st_ctim.tv_nsec,
        (int64_t)known.st_size, (int64_t)known.st_ino, (int64_t)known.st_dev, (int64_t)known.st_mode,
    };
    return PyBytes_FromStringAndSize((const char *)parts, sizeof parts);
}

static PyMethodDef methods[] = {
    {"sign", sign, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "ftpd.native._signs", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__signs(void)
{
    return PyModule_Create(&definition);
}
