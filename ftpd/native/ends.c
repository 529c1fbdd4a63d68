/* The line ends of a text, as TYPE A has them on the wire (RFC 959 3.1.1.1).

   ftpd/transfer/lineends.py holds the same in Python, which serves where this could not be compiled; tests run both.
   bytes.replace looks for two bytes at a tenth of the speed at which memchr looks for one. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <string.h>

static Py_ssize_t
count_of_lf(const char *from, const char *end)
{
    Py_ssize_t many = 0;
    while ((from = memchr(from, '\n', (size_t)(end - from))) != NULL) {
        many++;
        from++;
    }
    return many;
}

/* widened(text): with CRLF for each LF that has no CR before it. */
static PyObject *
ends_widened(PyObject *module, PyObject *text)
{
    if (!PyBytes_CheckExact(text) || PyBytes_GET_SIZE(text) > PY_SSIZE_T_MAX / 2) {
        PyErr_SetString(PyExc_TypeError, "bytes are wanted");
        return NULL;
    }
    const char *from = PyBytes_AS_STRING(text), *begin = from, *end = from + PyBytes_GET_SIZE(text), *lf;
    /* counted first: for memory that is not needed the kernel would have to be asked each time */
    PyObject *out = PyBytes_FromStringAndSize(NULL, end - from + count_of_lf(from, end));
    if (out == NULL)
        return NULL;
    char *to = PyBytes_AS_STRING(out);
    while ((lf = memchr(from, '\n', (size_t)(end - from))) != NULL) {
        memcpy(to, from, (size_t)(lf - from));
        to += lf - from;
        if (lf == begin || lf[-1] != '\r')
            *to++ = '\r';
        *to++ = '\n';
        from = lf + 1;
    }
    memcpy(to, from, (size_t)(end - from));
    to += end - from;
    return _PyBytes_Resize(&out, to - PyBytes_AS_STRING(out)) < 0 ? NULL : out;
}

/* narrowed(text): with LF for each CRLF; any other CR stays. */
static PyObject *
ends_narrowed(PyObject *module, PyObject *text)
{
    if (!PyBytes_CheckExact(text)) {
        PyErr_SetString(PyExc_TypeError, "bytes are wanted");
        return NULL;
    }
    const char *from = PyBytes_AS_STRING(text), *end = from + PyBytes_GET_SIZE(text), *cr;
    PyObject *out = PyBytes_FromStringAndSize(NULL, end - from);
    if (out == NULL)
        return NULL;
    char *to = PyBytes_AS_STRING(out);
    while ((cr = memchr(from, '\r', (size_t)(end - from))) != NULL) {
        memcpy(to, from, (size_t)(cr - from));
        to += cr - from;
        from = cr + 1;
        if (from == end || *from != '\n')
            *to++ = '\r';
    }
    memcpy(to, from, (size_t)(end - from));
    to += end - from;
    return _PyBytes_Resize(&out, to - PyBytes_AS_STRING(out)) < 0 ? NULL : out;
}

static PyMethodDef methods[] = {
    {"widened", ends_widened, METH_O, NULL},
    {"narrowed", ends_narrowed, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "ftpd.native._ends", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__ends(void)
{
    return PyModule_Create(&definition);
}
