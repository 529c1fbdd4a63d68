/* Listings: the names in a folder, the attributes of a slice of them, and their lines, without an object for each.

   ftpd/core/listing.py, ftpd/core/mlsx.py and ftpd/fs/folder.py hold the same in Python, which serves where this could
   not be compiled; tests run both. Nothing is decided here: what stands in front of a size or between two facts comes
   from there, for each kind of entry that there is. Here is how lines are put together; names.c, order.c, look.c and
   text.c are below it, columns.c and facts.c above. */

#include "listing.h"

static void
empty(slot_t *slots)
{
    for (int i = 0; i < SLOTS; i++)
        for (int part = 0; part < 4; part++)
            Py_CLEAR(slots[i].parts[part]);
}

static slot_t *
slot_for(slot_t *slots, const entry_t *entry)
{
    uint64_t mixed = entry->mode * 31u + (uint64_t)entry->uid * 7u + (uint64_t)entry->gid * 3u + entry->links;
    return &slots[(mixed ^ (mixed >> 8)) % SLOTS];
}

static PyObject *
as_bytes(PyObject *text)
{
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "what stands around a name is a str");
        return NULL;
    }
    return PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape");
}

/* Put the parts of a line into the slot: a str, or a tuple of up to four of which each may be None. */
static int
learn(slot_t *slot, PyObject *said, const entry_t *entry)
{
    Py_ssize_t size = PyTuple_Check(said) ? PyTuple_GET_SIZE(said) : 1;
    slot->used = 0;
    slot->room = 0;
    for (Py_ssize_t part = 0; part < 4; part++) {
        PyObject *text = part >= size ? Py_None : PyTuple_Check(said) ? PyTuple_GET_ITEM(said, part) : said;
        Py_CLEAR(slot->parts[part]);
        if (text == Py_None)
            continue;
        if ((slot->parts[part] = as_bytes(text)) == NULL)
            return -1;
        slot->room += (size_t)PyBytes_GET_SIZE(slot->parts[part]);
    }
    slot->like = *entry;
    slot->used = 1;
    return 0;
}

/* The slot of the entry's kind; NULL with an error set. */
static const slot_t *
kind_of(slot_t *slots, const entry_t *entry, const style_t *style)
{
    slot_t *slot = slot_for(slots, entry);
    if (slot->used && style->layout->same(&slot->like, entry))
        return slot;
    PyObject *key = style->layout->key(entry);
    PyObject *said = key == NULL ? NULL : PyObject_GetItem(style->kinds, key);
    int failed = said == NULL || learn(slot, said, entry) < 0;
    Py_XDECREF(key);
    Py_XDECREF(said);
    return failed ? NULL : slot;
}

/* One line: what the style has in front of the name, the name, and the line's end. */
static int
write_line(text_t *out, const name_t *name, const entry_t *entry, slot_t *slots, style_t *style)
{
    const slot_t *slot = kind_of(slots, entry, style);
    if (slot == NULL)
        return -1;
    if (reserve(out, slot->room + ROOM + (size_t)name->length + 2) < 0)
        return -1;
    char *to = style->layout->begin(end_of(out), entry, slot, style);
    if (to == NULL)
        return -1;
    to = put(put_name(to, name->bytes, name->length, style->layout->everything), "\r\n", 2);
    out->length = (size_t)(to - PyBytes_AS_STRING(out->made));
    return 0;
}

/* The lines of names[start:], as bytes with a line end behind each. */
PyObject *
write_lines(PyObject *names, PyObject *start, PyObject *packed, style_t *style)
{
    int64_t first;
    Py_ssize_t count;
    if (number(start, &first) < 0)
        return NULL;
    const entry_t *entries = entries_of(names, packed, first, &count);
    if (entries == NULL)
        return NULL;
    text_t out = {0};
    slot_t slots[SLOTS] = {0};
    int failed = reserve(&out, (size_t)count * style->layout->usual + 2);
    for (Py_ssize_t i = 0; !failed && i < count; i++) {
        name_t name;
        if (entries[i].gone)
            continue;
        failed = name_at(names, (Py_ssize_t)first + i, &name);
        if (!failed && name.bytes != NULL)
            failed = write_line(&out, &name, &entries[i], slots, style);
        Py_XDECREF(name.kept);
    }
    empty(slots);
    if (!failed)
        return finished(&out);
    Py_XDECREF(out.made);
    return NULL;
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))read_names, METH_FASTCALL, NULL},
    {"more", (PyCFunction)(void (*)(void))more_names, METH_FASTCALL, NULL},
    {"look", (PyCFunction)(void (*)(void))look, METH_FASTCALL, NULL},
    {"survey", (PyCFunction)(void (*)(void))survey, METH_FASTCALL, NULL},
    {"rest", rest, METH_NOARGS, NULL},
    {"survey_below", (PyCFunction)(void (*)(void))survey_below, METH_FASTCALL, NULL},
    {"pack", pack, METH_O, NULL},
    {"folders", (PyCFunction)(void (*)(void))folders, METH_FASTCALL, NULL},
    {"columns", (PyCFunction)(void (*)(void))columns, METH_FASTCALL, NULL},
    {"facts", (PyCFunction)(void (*)(void))facts, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "ftpd.native._lines", NULL, -1, methods, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__lines(void)
{
    if (PyType_Ready(&Names_Type) < 0)
        return NULL;
    PyObject *module = PyModule_Create(&definition);
    /* the bytes of the attributes of one entry */
    if (module != NULL && PyModule_AddIntConstant(module, "ENTRY", sizeof(entry_t)) < 0)
        Py_CLEAR(module);
    return module;
}
