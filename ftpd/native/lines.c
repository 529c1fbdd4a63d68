/* Listings: the names in a folder, the attributes of a slice of them, and their lines, without an object for each.

   ftpd/core/listing.py, ftpd/core/facts.py and ftpd/fs/folder.py hold the same in Python, which serves where this could
   not be compiled; tests run both. Nothing is decided here: what stands in front of a size or between two facts comes
   from there, for each kind of entry that there is.

   Attributes travel between the calls as a string of `entry_t`. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef struct {
    int64_t accessed, modified, changed; /* in the order of os.stat_result */
    int64_t size, uid, gid;
    uint64_t inode, device, links;
    uint32_t mode;
    uint32_t gone; /* it went away meanwhile, or cannot be looked at */
} entry_t;

/* How often the clock is asked while entries are looked at: a disk that has to fetch them takes long. */
#define BETWEEN_CLOCKS 16

static int
number(PyObject *value, int64_t *out)
{
    *out = PyLong_AsLongLong(value);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

/* Python's own way to tell of (uid_t)-1. */
static int64_t
id_number(uint32_t id)
{
    return id == UINT32_MAX ? -1 : (int64_t)id;
}

/* The bytes of a name; NULL where there are none for it, or with an error set. `keep` holds what was made for them. */
static const char *
name_bytes(PyObject *name, PyObject **keep, Py_ssize_t *length)
{
    *keep = NULL;
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "the name of an entry is a str");
        return NULL;
    }
    if (PyUnicode_READY(name) < 0)
        return NULL;
    if (PyUnicode_IS_COMPACT_ASCII(name)) {
        *length = PyUnicode_GET_LENGTH(name);
        return (const char *)PyUnicode_1BYTE_DATA(name);
    }
    *keep = PyUnicode_AsEncodedString(name, "utf-8", "surrogateescape");
    if (*keep == NULL) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
            PyErr_Clear();
        return NULL;
    }
    *length = PyBytes_GET_SIZE(*keep);
    return PyBytes_AS_STRING(*keep);
}

/* -- reading ---------------------------------------------------------------------------------------------- */

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

/* Add the names of one block to the list; those of links only, if `links`. */
static int
add_names(PyObject *found, const char *block, long size, int links, int *unsure)
{
    for (long at = 0; at < size;) {
        const listed_t *entry = (const listed_t *)(block + at);
        at += entry->length;
        if (is_dots(entry->name))
            continue;
        *unsure |= entry->type == DT_UNKNOWN;
        if (links && entry->type != DT_LNK)
            continue;
        PyObject *name = PyUnicode_DecodeUTF8(entry->name, (Py_ssize_t)strlen(entry->name), "surrogateescape");
        int failed = name == NULL || PyList_Append(found, name) < 0;
        Py_XDECREF(name);
        if (failed)
            return -1;
    }
    return 0;
}

/* names(folder, links) -> (names, unsure), of all entries or of the links among them; OSError.

   `unsure`: the file system does not tell which are links. A block at a time, and others run while the disk is asked:
   os.listdir gives the interpreter away, and has to win it back, for each entry. */
static PyObject *
names(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t folder;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "names(folder, links)");
        return NULL;
    }
    int links = PyObject_IsTrue(arguments[1]), unsure = 0;
    if (number(arguments[0], &folder) < 0 || links < 0)
        return NULL;
    char *block = PyMem_Malloc(BLOCK);
    PyObject *found = block == NULL ? PyErr_NoMemory() : PyList_New(0);
    long size = found == NULL ? 0 : lseek((int)folder, 0, SEEK_SET);
    while (found != NULL && size >= 0) {
        Py_BEGIN_ALLOW_THREADS
        size = syscall(SYS_getdents64, (int)folder, block, BLOCK);
        Py_END_ALLOW_THREADS
        if (size == 0)
            break;
        if (size > 0 && add_names(found, block, size, links, &unsure) < 0)
            Py_CLEAR(found);
    }
    if (found != NULL && size < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_CLEAR(found);
    }
    /* back to the start, where who reads it next begins */
    if (found != NULL)
        lseek((int)folder, 0, SEEK_SET);
    PyMem_Free(block);
    return found == NULL ? NULL : Py_BuildValue("(NO)", found, unsure ? Py_True : Py_False);
}

/* -- looking ---------------------------------------------------------------------------------------------- */

static int
is_entry(const char *name, Py_ssize_t length)
{
    /* a NUL would cut it short on the way to the kernel, a path would lead out of the folder */
    return length > 0 && strlen(name) == (size_t)length && memchr(name, '/', (size_t)length) == NULL;
}

static void
fill(entry_t *entry, const struct stat *st)
{
    entry->accessed = st->st_atime;
    entry->modified = st->st_mtime;
    entry->changed = st->st_ctime;
    entry->size = st->st_size;
    entry->uid = id_number(st->st_uid);
    entry->gid = id_number(st->st_gid);
    entry->inode = st->st_ino;
    entry->device = st->st_dev;
    entry->links = st->st_nlink;
    entry->mode = st->st_mode;
    entry->gone = 0;
}

static int64_t
nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Look at entries until there is a link, or "..", which is `odd`; gives how many were looked at before it. */
static Py_ssize_t
look_at(int folder, const char *const *paths, Py_ssize_t count, entry_t *entries, int64_t patience, int *odd)
{
    struct stat st;
    int64_t until = nanoseconds() + patience;
    for (Py_ssize_t i = 0; i < count; i++) {
        if (i > 0 && i % BETWEEN_CLOCKS == 0 && nanoseconds() > until)
            return i;
        if (paths[i] == NULL || fstatat(folder, paths[i], &st, AT_SYMLINK_NOFOLLOW) != 0) {
            memset(&entries[i], 0, sizeof entries[i]);
            entries[i].gone = 1;
            continue;
        }
        if (S_ISLNK(st.st_mode) || !strcmp(paths[i], "..")) {
            *odd = 1;
            return i;
        }
        fill(&entries[i], &st);
    }
    return count;
}

/* look(folder, names, start, stop, patience) -> (attributes of names[start:stop], odd)

   They are fewer than asked where a link or ".." stands behind them, which is `odd`, or where `patience` nanoseconds
   are over.

   Who asks is who the thread is; other threads run meanwhile. */
static PyObject *
look(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t folder, start, stop, patience;
    if (count != 5 || !PyList_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "look(folder, names, start, stop, patience)");
        return NULL;
    }
    if (number(arguments[0], &folder) < 0 || number(arguments[2], &start) < 0 || number(arguments[3], &stop) < 0
        || number(arguments[4], &patience) < 0)
        return NULL;
    /* a list of our own: nobody takes a name away while other threads run */
    PyObject *names = PyList_GetSlice(arguments[1], start, stop), *kept = PyList_New(0), *looked = NULL;
    Py_ssize_t size = names == NULL ? 0 : PyList_GET_SIZE(names), seen = 0;
    int odd = 0;
    const char **paths = PyMem_New(const char *, size ? size : 1);
    if (names == NULL || kept == NULL)
        goto done;
    looked = paths == NULL ? PyErr_NoMemory() : PyBytes_FromStringAndSize(NULL, size * (Py_ssize_t)sizeof(entry_t));
    if (looked == NULL)
        goto done;
    for (Py_ssize_t i = 0; i < size; i++) {
        PyObject *keep;
        Py_ssize_t length = 0;
        paths[i] = name_bytes(PyList_GET_ITEM(names, i), &keep, &length);
        if (paths[i] == NULL && PyErr_Occurred()) {
            Py_CLEAR(looked);
            goto done;
        }
        if (paths[i] != NULL && !is_entry(paths[i], length))
            paths[i] = NULL;
        if (keep != NULL) {
            int failed = PyList_Append(kept, keep);
            Py_DECREF(keep);
            if (failed) {
                Py_CLEAR(looked);
                goto done;
            }
        }
    }
    entry_t *entries = (entry_t *)PyBytes_AS_STRING(looked);
    Py_BEGIN_ALLOW_THREADS
    seen = look_at((int)folder, paths, size, entries, patience, &odd);
    Py_END_ALLOW_THREADS
    if (seen < size)
        _PyBytes_Resize(&looked, seen * (Py_ssize_t)sizeof(entry_t));
done:
    PyMem_Free(paths);
    Py_XDECREF(kept);
    Py_XDECREF(names);
    return looked == NULL ? NULL : Py_BuildValue("(NO)", looked, odd ? Py_True : Py_False);
}

static int
pack_one(PyObject *known, entry_t *entry)
{
    int64_t fields[10];
    if (!PyTuple_Check(known) || PyTuple_GET_SIZE(known) < 10) {
        PyErr_SetString(PyExc_TypeError, "attributes are an os.stat_result");
        return -1;
    }
    for (int i = 0; i < 10; i++) {
        PyObject *field = PyTuple_GET_ITEM(known, i);
        if (i == 1 || i == 2 || i == 3) /* inode, device, links */
            fields[i] = (int64_t)PyLong_AsUnsignedLongLong(field);
        else
            fields[i] = PyLong_AsLongLong(field);
        if (fields[i] == -1 && PyErr_Occurred())
            return -1;
    }
    *entry = (entry_t){
        .mode = (uint32_t)fields[0], .inode = (uint64_t)fields[1], .device = (uint64_t)fields[2],
        .links = (uint64_t)fields[3], .uid = fields[4], .gid = fields[5], .size = fields[6],
        .accessed = fields[7], .modified = fields[8], .changed = fields[9],
    };
    return 0;
}

/* pack(found) -> the same of what was looked at before, a list of os.stat_result. */
static PyObject *
pack(PyObject *self, PyObject *found)
{
    if (!PyList_CheckExact(found)) {
        PyErr_SetString(PyExc_TypeError, "pack(list of os.stat_result)");
        return NULL;
    }
    Py_ssize_t size = PyList_GET_SIZE(found);
    PyObject *packed = PyBytes_FromStringAndSize(NULL, size * (Py_ssize_t)sizeof(entry_t));
    for (Py_ssize_t i = 0; packed != NULL && i < size; i++)
        if (pack_one(PyList_GET_ITEM(found, i), (entry_t *)PyBytes_AS_STRING(packed) + i) < 0)
            Py_CLEAR(packed);
    return packed;
}

static const entry_t *
entries_of(PyObject *names, PyObject *packed, int64_t start, Py_ssize_t *count)
{
    if (!PyList_CheckExact(names) || !PyBytes_CheckExact(packed)) {
        PyErr_SetString(PyExc_TypeError, "a list of names and the attributes that look or pack gave");
        return NULL;
    }
    *count = PyBytes_GET_SIZE(packed) / (Py_ssize_t)sizeof(entry_t);
    if (start < 0 || start > PyList_GET_SIZE(names) || *count > PyList_GET_SIZE(names) - start) {
        PyErr_SetString(PyExc_ValueError, "there are more attributes than names");
        return NULL;
    }
    return (const entry_t *)PyBytes_AS_STRING(packed);
}

/* folders(names, start, attributes) -> those of names[start:] that are folders, but for ".". */
static PyObject *
folders(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t start;
    Py_ssize_t size;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "folders(names, start, attributes)");
        return NULL;
    }
    if (number(arguments[1], &start) < 0)
        return NULL;
    const entry_t *entries = entries_of(arguments[0], arguments[2], start, &size);
    PyObject *found = entries == NULL ? NULL : PyList_New(0);
    for (Py_ssize_t i = 0; found != NULL && i < size; i++) {
        PyObject *name = PyList_GET_ITEM(arguments[0], start + i);
        if (S_ISDIR(entries[i].mode) && PyUnicode_CompareWithASCIIString(name, ".") != 0
            && PyList_Append(found, name) < 0)
            Py_CLEAR(found);
    }
    return found;
}

/* -- writing ---------------------------------------------------------------------------------------------- */

typedef struct {
    char *text;
    size_t length, room;
    int ascii;
} text_t;

static int
reserve(text_t *out, size_t more)
{
    if (out->length + more <= out->room)
        return 0;
    size_t room = (out->length + more) * 2;
    char *text = PyMem_Realloc(out->text, room);
    if (text == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    out->text = text;
    out->room = room;
    return 0;
}

static void
put(text_t *out, const char *bytes, size_t length)
{
    memcpy(out->text + out->length, bytes, length);
    out->length += length;
}

static void
put_signed(text_t *out, int64_t value, int width, char pad)
{
    char digits[20];
    int length = 0, negative = value < 0;
    uint64_t rest = negative ? 0 - (uint64_t)value : (uint64_t)value;
    do
        digits[sizeof digits - 1 - (size_t)length++] = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    width -= length + negative;
    if (negative && pad == '0')
        out->text[out->length++] = '-';
    for (; width > 0; width--)
        out->text[out->length++] = pad;
    if (negative && pad != '0')
        out->text[out->length++] = '-';
    put(out, digits + sizeof digits - length, (size_t)length);
}

static void
put_two(text_t *out, int value)
{
    out->text[out->length++] = (char)('0' + value / 10);
    out->text[out->length++] = (char)('0' + value % 10);
}

static void
put_hex(text_t *out, uint64_t value)
{
    int shift = 60;
    while (shift > 0 && value >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        out->text[out->length++] = "0123456789ABCDEF"[value >> shift & 15];
}

/* The room that all numbers and the time of a line may take. */
#define ROOM 160

/* A name as people see it (`everything`), or with nothing but its line ends replaced. */
static void
put_name(text_t *out, const char *name, Py_ssize_t length, int everything)
{
    for (Py_ssize_t i = 0; i < length; i++) {
        unsigned char letter = (unsigned char)name[i];
        if (letter == '\r' || letter == '\n')
            letter = '?';
        else if (everything && ((letter < ' ' && letter != '\t') || letter == 0x7F))
            letter = '?';
        else if (letter >= 0x80) {
            out->ascii = 0;
            if (everything && letter == 0xC2 && i + 1 < length && ((unsigned char)name[i + 1] & 0xE0) == 0x80) {
                /* U+0080 to U+009F */
                letter = '?';
                i++;
            }
        }
        out->text[out->length++] = (char)letter;
    }
}

static PyObject *
finished(text_t *out)
{
    PyObject *text;
    if (out->length >= 2)
        out->length -= 2; /* the last line's end */
    if (out->ascii) {
        text = PyUnicode_New((Py_ssize_t)out->length, 127);
        if (text != NULL && out->length)
            memcpy(PyUnicode_1BYTE_DATA(text), out->text, out->length);
    } else
        text = PyUnicode_DecodeUTF8(out->text, (Py_ssize_t)out->length, "surrogateescape");
    PyMem_Free(out->text);
    return text;
}

/* Seconds from 1970 in which all calendars have a year for everything. */
#define CALENDAR ((int64_t)1 << 55)

/* The date and time at the beginning of a stretch of so many seconds; those of the epoch where no calendar reaches.
   What was read last is kept: files that came together have the same. */
typedef struct {
    int64_t stretch;
    int seconds; /* 0: nothing was read yet */
    struct tm at;
} reading_t;

static const struct tm *
read_clock(reading_t *last, int64_t moment, int seconds, int gmt)
{
    int64_t stretch = moment / seconds - (moment % seconds < 0);
    if (last->seconds != seconds || last->stretch != stretch) {
        last->stretch = stretch;
        last->seconds = seconds;
        time_t start = 0;
        if (stretch >= -CALENDAR / seconds - 1 && stretch <= CALENDAR / seconds)
            start = (time_t)(stretch * seconds);
        else
            gmt = 1;
        if (start < -CALENDAR || start >= CALENDAR || (gmt ? gmtime_r : localtime_r)(&start, &last->at) == NULL) {
            start = 0;
            gmtime_r(&start, &last->at);
        }
    }
    return &last->at;
}

static int64_t
year_of(const struct tm *at)
{
    return (int64_t)at->tm_year + 1900;
}

/* What Python says of a kind of entry; most entries of a folder share a few. */
#define SLOTS 16

typedef struct {
    entry_t like;
    PyObject *parts[4]; /* bytes; NULL where Python said None */
    int used, ascii;
} slot_t;

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
    Py_ssize_t size = said != NULL && PyTuple_Check(said) ? PyTuple_GET_SIZE(said) : 1;
    slot->used = 0;
    slot->ascii = 1;
    for (Py_ssize_t part = 0; part < 4; part++) {
        PyObject *text = Py_None;
        Py_CLEAR(slot->parts[part]);
        if (said != NULL && part < size)
            text = PyTuple_Check(said) ? PyTuple_GET_ITEM(said, part) : said;
        if (said != NULL && text != Py_None && (slot->parts[part] = as_bytes(text)) == NULL)
            said = NULL;
        if (said != NULL && text != Py_None)
            slot->ascii &= PyUnicode_IS_ASCII(text);
    }
    if (said == NULL)
        return -1;
    slot->like = *entry;
    slot->used = 1;
    return 0;
}

/* One line: what `begin` writes, and the name behind it. */
typedef int (*begin_t)(text_t *out, const entry_t *entry, void *how);

static PyObject *
write_lines(PyObject *names, int64_t start, const entry_t *entries, Py_ssize_t count, begin_t begin, void *how,
            int everything)
{
    text_t out = {.ascii = 1};
    if (reserve(&out, (size_t)count * 96 + 2) < 0)
        return NULL;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *keep = NULL;
        Py_ssize_t length = 0;
        int failed = 0;
        if (entries[i].gone)
            continue;
        if (start + i >= PyList_GET_SIZE(names)) {
            PyErr_SetString(PyExc_RuntimeError, "the list of names became shorter");
            goto failed;
        }
        /* what is asked of Python in between may do anything to the list */
        PyObject *name = Py_NewRef(PyList_GET_ITEM(names, start + i));
        const char *bytes = name_bytes(name, &keep, &length);
        if (bytes != NULL) {
            failed = begin(&out, &entries[i], how) < 0 || reserve(&out, (size_t)length + 2) < 0;
            if (!failed) {
                put_name(&out, bytes, length, everything);
                put(&out, "\r\n", 2);
            }
        }
        Py_XDECREF(keep);
        Py_DECREF(name);
        if (failed || PyErr_Occurred())
            goto failed;
    }
    return finished(&out);
failed:
    PyMem_Free(out.text);
    return NULL;
}

static int
put_part(text_t *out, PyObject *part)
{
    Py_ssize_t length = PyBytes_GET_SIZE(part);
    if (reserve(out, (size_t)length + ROOM) < 0)
        return -1;
    put(out, PyBytes_AS_STRING(part), (size_t)length);
    return 0;
}

/* -- LIST ------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject *heads;
    int64_t column, oldest;
    int gmt;
    reading_t clock;
    slot_t slots[SLOTS];
} columns_t;

static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static int
begin_columns(text_t *out, const entry_t *entry, void *how)
{
    columns_t *columns = how;
    slot_t *slot = slot_for(columns->slots, entry);
    if (!slot->used || slot->like.mode != entry->mode || slot->like.links != entry->links
        || slot->like.uid != entry->uid || slot->like.gid != entry->gid) {
        PyObject *key = Py_BuildValue("(IKLL)", (unsigned int)entry->mode, (unsigned long long)entry->links,
                                      (long long)entry->uid, (long long)entry->gid);
        PyObject *head = key == NULL ? NULL : PyObject_GetItem(columns->heads, key);
        int failed = learn(slot, head, entry);
        Py_XDECREF(key);
        Py_XDECREF(head);
        if (failed)
            return -1;
    }
    if (slot->parts[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "the columns in front of the size are a str");
        return -1;
    }
    out->ascii &= slot->ascii;
    if (put_part(out, slot->parts[0]) < 0)
        return -1;
    put_signed(out, entry->size, 8, ' ');
    put(out, " ", 1);
    int64_t moment = columns->column == 7 ? entry->accessed : columns->column == 9 ? entry->changed : entry->modified;
    int old = moment < columns->oldest;
    /* offsets from UTC are whole quarters of an hour: the day is the same in all of a quarter */
    const struct tm *at = read_clock(&columns->clock, moment, old ? 900 : 60, columns->gmt);
    put(out, MONTHS + 3 * at->tm_mon, 3);
    put(out, " ", 1);
    put_signed(out, at->tm_mday, 2, ' ');
    put(out, " ", 1);
    if (old)
        put_signed(out, year_of(at), 5, ' ');
    else {
        put_two(out, at->tm_hour);
        put(out, ":", 1);
        put_two(out, at->tm_min);
    }
    put(out, " ", 1);
    return 0;
}

/* columns(names, start, attributes, heads, column, oldest, gmt) -> lines of LIST, with line ends between them.

   `heads[mode, links, uid, gid]` is what stands in front of the size; `column` the place of the time in an
   os.stat_result; what is older than `oldest` is shown with its year. */
static PyObject *
columns(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t start;
    Py_ssize_t size;
    columns_t how = {0};
    if (count != 7) {
        PyErr_SetString(PyExc_TypeError, "columns(names, start, attributes, heads, column, oldest, gmt)");
        return NULL;
    }
    how.heads = arguments[3];
    how.gmt = PyObject_IsTrue(arguments[6]);
    if (number(arguments[1], &start) < 0 || number(arguments[4], &how.column) < 0
        || number(arguments[5], &how.oldest) < 0 || how.gmt < 0)
        return NULL;
    const entry_t *entries = entries_of(arguments[0], arguments[2], start, &size);
    if (entries == NULL)
        return NULL;
    PyObject *text = write_lines(arguments[0], start, entries, size, begin_columns, &how, 1);
    empty(how.slots);
    return text;
}

/* -- MLSD ------------------------------------------------------------------------------------------------- */

typedef struct {
    PyObject *parts;
    reading_t clock;
    slot_t slots[SLOTS];
} facts_t;

static int
begin_facts(text_t *out, const entry_t *entry, void *how)
{
    facts_t *facts = how;
    slot_t *slot = slot_for(facts->slots, entry);
    if (!slot->used || slot->like.mode != entry->mode || slot->like.device != entry->device
        || slot->like.uid != entry->uid || slot->like.gid != entry->gid) {
        PyObject *key = Py_BuildValue("(ILLK)", (unsigned int)entry->mode, (long long)entry->uid,
                                      (long long)entry->gid, (unsigned long long)entry->device);
        PyObject *parts = key == NULL ? NULL : PyObject_GetItem(facts->parts, key);
        int failed = learn(slot, parts, entry);
        Py_XDECREF(key);
        Py_XDECREF(parts);
        if (failed)
            return -1;
    }
    out->ascii &= slot->ascii;
    if (slot->parts[0] != NULL) {
        if (put_part(out, slot->parts[0]) < 0)
            return -1;
        const struct tm *at = read_clock(&facts->clock, entry->modified, 1, 1);
        put_signed(out, year_of(at), 4, '0');
        put_two(out, at->tm_mon + 1);
        put_two(out, at->tm_mday);
        put_two(out, at->tm_hour);
        put_two(out, at->tm_min);
        put_two(out, at->tm_sec);
    }
    if (slot->parts[1] != NULL) {
        if (put_part(out, slot->parts[1]) < 0)
            return -1;
        put_signed(out, entry->size, 0, ' ');
    }
    if (slot->parts[2] != NULL) {
        if (put_part(out, slot->parts[2]) < 0)
            return -1;
        put_hex(out, entry->inode);
    }
    return slot->parts[3] == NULL ? 0 : put_part(out, slot->parts[3]);
}

/* facts(names, start, attributes, parts) -> lines of MLSD, with line ends between them.

   `parts[mode, uid, gid, device]` are what stands in front of the time, the size, the inode's number and the name;
   where one is None, neither it nor the number is shown. */
static PyObject *
facts(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    int64_t start;
    Py_ssize_t size;
    facts_t how = {0};
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "facts(names, start, attributes, parts)");
        return NULL;
    }
    how.parts = arguments[3];
    if (number(arguments[1], &start) < 0)
        return NULL;
    const entry_t *entries = entries_of(arguments[0], arguments[2], start, &size);
    if (entries == NULL)
        return NULL;
    PyObject *text = write_lines(arguments[0], start, entries, size, begin_facts, &how, 0);
    empty(how.slots);
    return text;
}

static PyMethodDef methods[] = {
    {"names", (PyCFunction)(void (*)(void))names, METH_FASTCALL, NULL},
    {"look", (PyCFunction)(void (*)(void))look, METH_FASTCALL, NULL},
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
    PyObject *module = PyModule_Create(&definition);
    /* the bytes of the attributes of one entry */
    if (module != NULL && PyModule_AddIntConstant(module, "ENTRY", sizeof(entry_t)) < 0)
        Py_CLEAR(module);
    return module;
}
