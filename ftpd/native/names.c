/* The names in a folder, in one buffer: read and handed on without an object for each.

   To Python they are a sequence of str, as what os.listdir gives is. */

#include "listing.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    PyObject_HEAD
    shelf_t *shelf;
    record_t *records;
    Py_ssize_t count;
    int odd; /* one of them, or of those that they were with, is no UTF-8 */
} Names;

/* `shelf` and `records`, which PyMem_RawMalloc made, are the new object's, or gone. */
static PyObject *
made_of(shelf_t *shelf, record_t *records, Py_ssize_t count, int odd)
{
    Names *made = PyObject_New(Names, &Names_Type);
    if (made == NULL) {
        PyMem_RawFree(records);
        return NULL;
    }
    shelf->users++;
    made->shelf = shelf;
    made->records = records;
    made->count = count;
    made->odd = odd;
    return (PyObject *)made;
}

static void
let_go(shelf_t *shelf)
{
    if (shelf != NULL && --shelf->users == 0) {
        PyMem_RawFree(shelf->text);
        PyMem_RawFree(shelf);
    }
}

static void
dealloc(PyObject *self)
{
    Names *names = (Names *)self;
    let_go(names->shelf);
    PyMem_RawFree(names->records);
    PyObject_Free(self);
}

/* -- reading ------------------------------------------------------------------------------------------------ */

/* linux_dirent64, which getdents64(2) fills in */
typedef struct {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
} __attribute__((packed)) listed_t;

#define BLOCK 65536

static int
is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int
is_utf8(const unsigned char *at, size_t length)
{
    const unsigned char *end = at + length;
    while (at < end) {
        unsigned char first = *at++;
        if (first < 0x80)
            continue;
        int more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
        if (first < 0xC2 || first > 0xF4 || end - at < more)
            return 0;
        /* overlong forms, surrogates, what is beyond the last character (RFC 3629 4) */
        unsigned char least = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
        unsigned char most = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
        if (*at < least || *at > most)
            return 0;
        for (at++; --more > 0; at++)
            if ((*at & 0xC0) != 0x80)
                return 0;
    }
    return 1;
}

typedef struct {
    shelf_t *shelf;
    record_t *records;
    size_t count, room;
    int dotted; /* those that begin with a dot are wanted as well */
    int odd;
} found_t;

/* Room for so many more names, of so many letters with their NULs; -1 where there is none. */
static int
make_room(found_t *found, size_t names, size_t letters)
{
    if (found->count + names > found->room) {
        size_t room = (found->count + names) * 2;
        record_t *records = PyMem_RawRealloc(found->records, room * sizeof *records);
        if (records == NULL)
            return -1;
        found->records = records;
        found->room = room;
    }
    if (found->shelf->length + letters > found->shelf->room) {
        size_t room = (found->shelf->length + letters) * 2;
        char *text = room > UINT32_MAX ? NULL : PyMem_RawRealloc(found->shelf->text, room);
        if (text == NULL)
            return -1;
        found->shelf->text = text;
        found->shelf->room = room;
    }
    return 0;
}

static int
add_block(found_t *found, const char *block, long size)
{
    /* no entry is shorter than its head, and names are shorter than the entries that they stand in */
    if (make_room(found, (size_t)size / sizeof(listed_t) + 1, (size_t)size) < 0)
        return -1;
    shelf_t *shelf = found->shelf;
    for (long at = 0; at < size;) {
        const listed_t *entry = (const listed_t *)(block + at);
        at += entry->length;
        if (entry->name[0] == '.' && (!found->dotted || is_dots(entry->name)))
            continue;
        size_t length = strlen(entry->name);
        found->records[found->count++] = (record_t){
            .at = (uint32_t)shelf->length, .length = (uint16_t)length, .type = entry->type,
        };
        found->odd |= !is_utf8((const unsigned char *)entry->name, length);
        memcpy(shelf->text + shelf->length, entry->name, length + 1);
        shelf->length += length + 1;
    }
    return 0;
}

/* All that is in the folder, while the GIL is not held; 0, or -1 with errno. */
static int
read_all(int folder, found_t *found)
{
    char *block = PyMem_RawMalloc(BLOCK);
    long size = block == NULL ? -1 : lseek(folder, 0, SEEK_SET);
    while (size >= 0 && (size = syscall(SYS_getdents64, folder, block, BLOCK)) > 0)
        if (add_block(found, block, size) < 0) {
            errno = ENOMEM;
            size = -1;
        }
    int why = block == NULL ? ENOMEM : errno;
    PyMem_RawFree(block);
    /* back to the start, where who reads it next begins */
    if (size == 0)
        lseek(folder, 0, SEEK_SET);
    errno = why;
    return size < 0 ? -1 : 0;
}

/* All but "." and "..", those that begin with a dot only if `dotted`, in no order; NULL with an OSError set.

   Others run meanwhile: os.listdir gives the interpreter away, and has to win it back, for each entry. */
PyObject *
names_in(int folder, int dotted)
{
    found_t found = {.shelf = PyMem_RawCalloc(1, sizeof(shelf_t)), .dotted = dotted};
    if (found.shelf == NULL)
        return PyErr_NoMemory();
    found.shelf->users = 1;
    int failed;
    Py_BEGIN_ALLOW_THREADS
    failed = read_all(folder, &found);
    Py_END_ALLOW_THREADS
    PyObject *names = NULL;
    if (failed) {
        PyErr_SetFromErrno(PyExc_OSError);
        PyMem_RawFree(found.records);
    } else
        names = made_of(found.shelf, found.records, (Py_ssize_t)found.count, found.odd);
    let_go(found.shelf);
    return names;
}

/* read(folder, dotted) -> Names, in no order; OSError. */
PyObject *
read_names(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t folder;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "read(folder, dotted)");
        return NULL;
    }
    int dotted = PyObject_IsTrue(arguments[1]);
    return number(arguments[0], &folder) < 0 || dotted < 0 ? NULL : names_in((int)folder, dotted);
}

/* -- sorting -------------------------------------------------------------------------------------------------- */

/* Others run meanwhile, to whom there are no names until it is done; -1 with an error set. */
int
sort_names(PyObject *self, int reverse)
{
    Names *names = (Names *)self;
    Py_ssize_t count = names->count;
    if (count == 0) /* none there are, or another thread sorts them */
        return 0;
    record_t *records = names->records, *spare = PyMem_RawMalloc((size_t)count * sizeof *records / 2 + 1);
    if (spare == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    names->records = NULL;
    names->count = 0;
    Py_BEGIN_ALLOW_THREADS
    put_in_order(names->shelf, records, spare, (size_t)count, reverse);
    Py_END_ALLOW_THREADS
    PyMem_RawFree(spare);
    names->records = records;
    names->count = count;
    return 0;
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
    return as_str(names->shelf, &names->records[index]);
}

static PyObject *
slice(Names *names, PyObject *wanted)
{
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(wanted, &start, &stop, &step) < 0)
        return NULL;
    Py_ssize_t count = PySlice_AdjustIndices(names->count, &start, &stop, step);
    record_t *records = PyMem_RawMalloc((size_t)count * sizeof *records + 1);
    if (records == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        records[i] = names->records[start + i * step];
    return made_of(names->shelf, records, count, names->odd);
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

/* undotted() -> Names, without those that begin with a dot. */
static PyObject *
undotted(PyObject *self, PyObject *unused)
{
    Names *names = (Names *)self;
    record_t *records = PyMem_RawMalloc((size_t)names->count * sizeof *records + 1);
    if (records == NULL)
        return PyErr_NoMemory();
    Py_ssize_t count = 0;
    for (Py_ssize_t i = 0; i < names->count; i++)
        if (*text_of(names->shelf, &names->records[i]) != '.')
            records[count++] = names->records[i];
    return made_of(names->shelf, records, count, names->odd);
}

/* links() -> the names of symbolic links, a list; None where the file system does not tell which are. */
static PyObject *
links(PyObject *self, PyObject *unused)
{
    Names *names = (Names *)self;
    PyObject *found = PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < names->count; i++) {
        if (names->records[i].type == DT_UNKNOWN) {
            Py_DECREF(found);
            Py_RETURN_NONE;
        }
        if (names->records[i].type != DT_LNK)
            continue;
        PyObject *name = as_str(names->shelf, &names->records[i]);
        if (name == NULL || PyList_Append(found, name) < 0)
            Py_CLEAR(found);
        Py_XDECREF(name);
    }
    return found;
}

int
any_odd_name(PyObject *self)
{
    return ((Names *)self)->odd;
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
    name->bytes = text_of(held->shelf, &held->records[index]);
    name->length = held->records[index].length;
    return 0;
}
