/* Objects that are made as another one is, in one go: what ftpd/core/mould.py does, attribute by attribute, in Python. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

typedef struct {
    Py_ssize_t offset;
    PyObject *value;
} part_t;

typedef struct {
    PyObject_HEAD
    PyTypeObject *kind;
    PyObject *nothing; /* the arguments of its constructor */
    part_t *parts;
    Py_ssize_t count;
} Mould;

static int
mould_clear(Mould *self)
{
    for (Py_ssize_t i = 0; i < self->count; i++)
        Py_CLEAR(self->parts[i].value);
    self->count = 0;
    Py_CLEAR(self->kind);
    Py_CLEAR(self->nothing);
    return 0;
}

static int
mould_traverse(Mould *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->kind);
    for (Py_ssize_t i = 0; i < self->count; i++)
        Py_VISIT(self->parts[i].value);
    return 0;
}

static void
mould_dealloc(Mould *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    mould_clear(self);
    PyMem_Free(self->parts);
    type->tp_free((PyObject *)self);
    Py_DECREF(type);
}

/* Where the value of a slot is kept: -1 where the descriptor is none of a slot that is filled. */
static Py_ssize_t
offset_of(PyObject *descriptor, PyObject *pattern)
{
    if (Py_TYPE(descriptor) != &PyMemberDescr_Type)
        return -1;
    PyMemberDef *member = ((PyMemberDescrObject *)descriptor)->d_member;
    if (member->type != T_OBJECT_EX || member->flags || *(PyObject **)((char *)pattern + member->offset) == NULL)
        return -1;
    return member->offset;
}

static int
fill(Mould *self, PyObject *pattern)
{
    PyObject *lines = self->kind->tp_mro;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(lines); i++) {
        PyObject *name, *descriptor, *named = ((PyTypeObject *)PyTuple_GET_ITEM(lines, i))->tp_dict;
        Py_ssize_t at = 0;
        part_t *parts = PyMem_Realloc(self->parts, (size_t)(self->count + PyDict_GET_SIZE(named) + 1) * sizeof *parts);
        if (parts == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        self->parts = parts;
        while (PyDict_Next(named, &at, &name, &descriptor)) {
            Py_ssize_t offset = offset_of(descriptor, pattern);
            if (offset < 0)
                continue;
            parts[self->count].offset = offset;
            parts[self->count++].value = Py_NewRef(*(PyObject **)((char *)pattern + offset));
        }
    }
    return 0;
}

/* Mould(pattern): what makes objects of its class whose slots hold what those of the pattern hold now. */
static PyObject *
mould_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    PyObject *pattern;
    if (!PyArg_ParseTuple(arguments, "O", &pattern))
        return NULL;
    Mould *self = (Mould *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->kind = (PyTypeObject *)Py_NewRef(Py_TYPE(pattern));
    self->nothing = PyTuple_New(0);
    if (self->nothing == NULL || fill(self, pattern) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *
mould_call(Mould *self, PyObject *arguments, PyObject *named)
{
    if (self->kind == NULL) {
        PyErr_SetString(PyExc_ReferenceError, "a mould that is gone");
        return NULL;
    }
    PyObject *made = self->kind->tp_new(self->kind, self->nothing, NULL);
    if (made == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < self->count; i++)
        Py_XSETREF(*(PyObject **)((char *)made + self->parts[i].offset), Py_NewRef(self->parts[i].value));
    return made;
}

static PyType_Slot slots[] = {
    {Py_tp_new, mould_new},
    {Py_tp_call, mould_call},
    {Py_tp_traverse, mould_traverse},
    {Py_tp_clear, mould_clear},
    {Py_tp_dealloc, mould_dealloc},
    {0, NULL},
};

static PyType_Spec specification = {
    "ftpd.native._moulds.Mould", sizeof(Mould), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, slots,
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "ftpd.native._moulds", NULL, -1, NULL, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__moulds(void)
{
    PyObject *module = PyModule_Create(&definition);
    PyObject *type = module == NULL ? NULL : PyType_FromSpec(&specification);
    if (type == NULL || PyModule_AddObject(module, "Mould", type) < 0) {
        Py_XDECREF(type);
        Py_CLEAR(module);
    }
    return module;
}
