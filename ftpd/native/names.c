/* The names in a folder, in one buffer: read and handed on without an object for each.

   To Python they are a sequence of str, as what os.listdir gives is. */

#include "listing.h"

#include <dirent.h>
#include <errno.h>

typedef struct {
    PyObject_HEAD
    shelf_t *shelf;
    area_t records;
    Py_ssize_t count;
    int traits;
} Names;

static const record_t *
record_at(const Names *names, Py_ssize_t index)
{
    return &records_in(&names->records)[index];
}

/* The records are the new object's, or gone. */
static PyObject *
made_of(shelf_t *shelf, area_t records, Py_ssize_t count, int traits)
{
    Names *made = PyObject_New(Names, &Names_Type);
    if (made == NULL) {
        area_drop(&records);
        return NULL;
    }
    shelf->users++;
    made->shelf = shelf;
    made->records = records;
    made->count = count;
    made->traits = traits;
    return (PyObject *)made;
}

/* So many of them, of which no other than the shelf is shared. */
static PyObject *
part_of(const Names *names, Py_ssize_t start, Py_ssize_t step, Py_ssize_t count)
{
    area_t records = {0};
    if (area_grow(&records, (size_t)count * sizeof(record_t)) < 0)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        records_in(&records)[i] = *record_at(names, start + i * step);
    return made_of(names->shelf, records, count, names->traits);
}

static void
let_go(shelf_t *shelf)
{
    if (shelf != NULL && --shelf->users == 0) {
        area_drop(&shelf->text);
        PyMem_RawFree(shelf);
    }
}

static void
dealloc(PyObject *self)
{
    Names *names = (Names *)self;
    let_go(names->shelf);
    area_drop(&names->records);
    PyObject_Free(self);
}

/* -- reading ------------------------------------------------------------------------------------------------ */

/* What was wanted of all, or of the next `answers` of the kernel if that is not 0; NULL with an OSError set.

   Others run meanwhile: os.listdir gives the interpreter away, and has to win it back, for each entry. */
static PyObject *
gathered(int folder, gathered_t found, int answers)
{
    found.shelf = PyMem_RawCalloc(1, sizeof(shelf_t));
    if (found.shelf == NULL)
        return PyErr_NoMemory();
    found.shelf->users = 1;
    int why;
    Py_BEGIN_ALLOW_THREADS
    why = answers > 0 ? gather_some(folder, &found, answers) : gather(folder, &found);
    Py_END_ALLOW_THREADS
    PyObject *names = NULL;
    if (why != 0) {
        errno = why;
        PyErr_SetFromErrno(PyExc_OSError);
        area_drop(&found.records);
    } else
        names = made_of(found.shelf, found.records, (Py_ssize_t)found.count, found.traits);
    let_go(found.shelf);
    return names;
}

/* All but "." and "..", those that begin with a dot only if `dotted`, sorted by their bytes if `ordered`, else as they
   come; one more than `most` or a few at most, not all, where they are more. NULL with an OSError set. */
PyObject *
names_in(int folder, int dotted, int ordered, size_t most, size_t allowed, size_t each)
{
    return gathered(
        folder, (gathered_t){.dotted = dotted, .ordered = ordered, .most = most, .allowed = allowed, .each = each}, 0
    );
}

/* All of them, sorted, or what is kept of them; NULL with an OSError set. */
static PyObject *
sorted_names(int folder, int dotted)
{
    struct stat st;
    int lasts = fstat(folder, &st) == 0 && is_old(&st);
    PyObject *names = lasts ? kept_names(&st, dotted) : NULL;
    if (names == NULL) {
        names = names_in(folder, dotted, 1, SIZE_MAX, SIZE_MAX, 0);
        if (names == NULL || !lasts || !keep_names(folder, &st, dotted, names))
            return names;
    }
    /* who gets them may sort them otherwise */
    PyObject *own = part_of((Names *)names, 0, 1, ((Names *)names)->count);
    Py_DECREF(names);
    return own;
}

/* read(folder, dotted, ordered[, allowed, each]) -> Names, sorted by their bytes, or as they come; OSError, E2BIG where
   they take more bytes than are allowed, each so many beside its own. */
PyObject *
read_names(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t folder, allowed = INT64_MAX, each = 0;
    if (count != 3 && count != 5) {
        PyErr_SetString(PyExc_TypeError, "read(folder, dotted, ordered[, allowed, each])");
        return NULL;
    }
    int dotted = PyObject_IsTrue(arguments[1]), ordered = PyObject_IsTrue(arguments[2]);
    if (number(arguments[0], &folder) < 0 || dotted < 0 || ordered < 0)
        return NULL;
    if (count == 5 && (number(arguments[3], &allowed) < 0 || number(arguments[4], &each) < 0))
        return NULL;
    if (count == 3 && ordered)
        return sorted_names((int)folder, dotted);
    return names_in((int)folder, dotted, ordered, SIZE_MAX, allowed < 0 ? 0 : (size_t)allowed, (size_t)each);
}

/* more(folder, dotted, answers) -> Names, as they come, from where the folder stands, so many answers of the kernel long:
   none at its end; OSError. */
PyObject *
more_names(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t folder, answers;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "more(folder, dotted, answers)");
        return NULL;
    }
    int dotted = PyObject_IsTrue(arguments[1]);
    if (number(arguments[0], &folder) < 0 || dotted < 0 || number(arguments[2], &answers) < 0)
        return NULL;
    gathered_t wanted = {.dotted = dotted, .most = SIZE_MAX, .allowed = SIZE_MAX};
    return gathered((int)folder, wanted, answers < 1 ? 1 : (int)answers);
}

size_t
trim_names(PyObject *self)
{
    Names *names = (Names *)self;
    area_trim(&names->shelf->text, names->shelf->length);
    area_trim(&names->records, (size_t)names->count * sizeof(record_t));
    return names->shelf->text.room + names->records.room;
}

/* -- sorting -------------------------------------------------------------------------------------------------- */

typedef struct {
    int reverse;
    int folder; /* -1: by name */
    int column;
} wanted_t;

static size_t
sort_records(const shelf_t *shelf, record_t *records, record_t *spare, size_t count, const wanted_t *wanted)
{
    if (wanted->folder >= 0)
        return put_in_rank(wanted->folder, wanted->column, wanted->reverse, shelf, records, spare, count);
    put_in_order(shelf, records, spare, count, wanted->reverse);
    return count;
}

/* Others run meanwhile, to whom there are no names until it is done; -1 with an error set. */
static int
sort_as(Names *names, const wanted_t *wanted)
{
    size_t count = (size_t)names->count;
    if (count == 0) /* none there are, or another thread sorts them */
        return 0;
    area_t records = names->records, spare = {0};
    if (area_grow(&spare, count * sizeof(record_t) / 2 + 1) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    names->records = (area_t){0};
    names->count = 0;
    Py_BEGIN_ALLOW_THREADS
    count = sort_records(names->shelf, records_in(&records), records_in(&spare), count, wanted);
    area_drop(&spare);
    Py_END_ALLOW_THREADS
    names->records = records;
    names->count = (Py_ssize_t)count;
    return 0;
}

int
sort_names(PyObject *self, int reverse)
{
    return sort_as((Names *)self, &(wanted_t){.reverse = reverse, .folder = -1});
}

/* sort(reverse=False): by the bytes of the names, which is the order of str where all are UTF-8. */
static PyObject *
sort(PyObject *self, PyObject *arguments, PyObject *keywords)
{
    static char *words[] = {"reverse", NULL};
    int reverse = 0;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|$p", words, &reverse) || sort_names(self, reverse) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* rank(folder, column, least_first): by what stands there in the os.stat_result of each, the greatest first, the names of
   equals by their bytes; what is gone is left out. */
static PyObject *
rank(PyObject *self, PyObject *arguments)
{
    wanted_t wanted;
    if (!PyArg_ParseTuple(arguments, "iip", &wanted.folder, &wanted.column, &wanted.reverse))
        return NULL;
    if (sort_as((Names *)self, &wanted) < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* -- a sequence of str ------------------------------------------------------------------------------------------ */

static PyObject *
as_str(const shelf_t *shelf, const record_t *record)
{
    return PyUnicode_DecodeUTF8(text_of(shelf, record), record->length, "surrogateescape");
}

static Py_ssize_t
length(PyObject *self)
{
    return ((Names *)self)->count;
}

static PyObject *
item(PyObject *self, Py_ssize_t index)
{
    Names *names = (Names *)self;
    if (index < 0 || index >= names->count) {
        PyErr_SetString(PyExc_IndexError, "there are not so many names");
        return NULL;
    }
    return as_str(names->shelf, record_at(names, index));
}

static PyObject *
slice(Names *names, PyObject *wanted)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(wanted, &start, &stop, &step) < 0)
        return NULL;
    return part_of(names, start, step, PySlice_AdjustIndices(names->count, &start, &stop, step));
}

static PyObject *
subscript(PyObject *self, PyObject *key)
{
    if (PySlice_Check(key))
        return slice((Names *)self, key);
    Py_ssize_t index = PyNumber_AsSsize_t(key, PyExc_IndexError);
    if (index == -1 && PyErr_Occurred())
        return NULL;
    return item(self, index < 0 ? index + length(self) : index);
}

/* undotted() -> Names, without those that begin with a dot. Others run meanwhile. */
static PyObject *
undotted(PyObject *self, PyObject *unused)
{
    Names *names = (Names *)self;
    if (!(names->traits & DOTTED))
        return Py_NewRef(self);
    const record_t *from = record_at(names, 0);
    area_t records = {0};
    Py_ssize_t all = names->count, count = 0;
    if (area_grow(&records, (size_t)all * sizeof(record_t)) < 0)
        return PyErr_NoMemory();
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < all; i++)
        if (*text_of(names->shelf, &from[i]) != '.')
            records_in(&records)[count++] = from[i];
    Py_END_ALLOW_THREADS
    return made_of(names->shelf, records, count, names->traits);
}

/* Records after which others have their turn. */
#define SPELL 4096

/* links() -> the names of symbolic links, a list; None where the file system does not tell which are. */
static PyObject *
links(PyObject *self, PyObject *unused)
{
    Names *names = (Names *)self;
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; (names->traits & LINK) && found != NULL && i < names->count; i++) {
        if (i % SPELL == SPELL - 1) {
            Py_BEGIN_ALLOW_THREADS
            give_way();
            Py_END_ALLOW_THREADS
        }
        if (record_at(names, i)->type == DT_UNKNOWN) {
            Py_DECREF(found);
            Py_RETURN_NONE;
        }
        if (record_at(names, i)->type != DT_LNK)
            continue;
        PyObject *name = as_str(names->shelf, record_at(names, i));
        if (name == NULL || PyList_Append(found, name) < 0)
            Py_CLEAR(found);
        Py_XDECREF(name);
    }
    return found;
}

int
any_odd_name(PyObject *self)
{
    return (((Names *)self)->traits & ODD) != 0;
}

/* odd() -> whether one of them is no UTF-8: the order of its bytes is not that of its str. */
static PyObject *
odd(PyObject *self, PyObject *unused)
{
    return PyBool_FromLong(any_odd_name(self));
}

static PyMethodDef methods[] = {
    {"links", links, METH_NOARGS, NULL},
    {"odd", odd, METH_NOARGS, NULL},
    {"undotted", undotted, METH_NOARGS, NULL},
    {"rank", rank, METH_VARARGS, NULL},
    {"sort", (PyCFunction)(void (*)(void))sort, METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL},
};

static PySequenceMethods as_sequence = {.sq_length = length, .sq_item = item};
static PyMappingMethods as_mapping = {.mp_length = length, .mp_subscript = subscript};

PyTypeObject Names_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "ftpd.native._lines.Names",
    .tp_basicsize = sizeof(Names),
    .tp_dealloc = dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_SEQUENCE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_methods = methods,
    .tp_as_sequence = &as_sequence,
    .tp_as_mapping = &as_mapping,
};

/* -- the same for the other parts, be it Names or a list ---------------------------------------------------------- */

Py_ssize_t
count_names(PyObject *names)
{
    if (Py_IS_TYPE(names, &Names_Type))
        return length(names);
    if (PyList_CheckExact(names))
        return PyList_GET_SIZE(names);
    PyErr_SetString(PyExc_TypeError, "names are a list of str, or what read gave");
    return -1;
}

PyObject *
name_as_str(PyObject *names, Py_ssize_t index)
{
    return Py_IS_TYPE(names, &Names_Type) ? item(names, index) : PySequence_GetItem(names, index);
}

static int
bytes_of_str(PyObject *text, name_t *name)
{
    if (!PyUnicode_Check(text)) {
        PyErr_SetString(PyExc_TypeError, "the name of an entry is a str");
        return -1;
    }
    if (PyUnicode_READY(text) < 0)
        return -1;
    if (PyUnicode_IS_COMPACT_ASCII(text)) {
        /* what is asked of Python in between may do anything to the list */
        name->kept = Py_NewRef(text);
        name->bytes = (const char *)PyUnicode_1BYTE_DATA(text);
        name->length = PyUnicode_GET_LENGTH(text);
        return 0;
    }
    name->kept = PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape");
    if (name->kept == NULL) {
        if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            return -1;
        PyErr_Clear();
        return 0;
    }
    name->bytes = PyBytes_AS_STRING(name->kept);
    name->length = PyBytes_GET_SIZE(name->kept);
    return 0;
}

int
name_at(PyObject *names, Py_ssize_t index, name_t *name)
{
    *name = (name_t){0};
    if (index >= count_names(names)) {
        PyErr_SetString(PyExc_RuntimeError, "the names became fewer");
        return -1;
    }
    if (!Py_IS_TYPE(names, &Names_Type))
        return bytes_of_str(PyList_GET_ITEM(names, index), name);
    const Names *held = (const Names *)names;
    name->bytes = text_of(held->shelf, record_at(held, index));
    name->length = record_at(held, index)->length;
    return 0;
}
