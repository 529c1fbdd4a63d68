/* What the parts of the listings share: names in one buffer, the attributes of entries, and text in the making. */

#ifndef FTPD_LISTING_H
#define FTPD_LISTING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* -- arguments ---------------------------------------------------------------------------------------------- */

static inline int
number(PyObject *value, int64_t *out)
{
    *out = PyLong_AsLongLong(value);
    return *out == -1 && PyErr_Occurred() ? -1 : 0;
}

/* -- area.c: memory that grows ---------------------------------------------------------------------------------------- */

/* Zeroed it is empty. */
typedef struct {
    char *at;
    size_t room;
} area_t;

/* Bytes from which on it is mapped by itself. */
#define AREA_LARGE ((size_t)1 << 20)

/* Room for so many bytes, with what is there already; -1 where there is none. No Python object is touched. */
int area_grow(area_t *area, size_t wanted);
/* Give back what is not needed, where that is little. */
void area_trim(area_t *area, size_t needed);
void area_drop(area_t *area);
PyObject *rest(PyObject *module, PyObject *unused);

/* Let who waits for this processor have it, in the midst of what takes long: a kernel that interrupts nobody but at its
   ticks would keep the loop waiting for four milliseconds, with another processor idle. */
static inline void
give_way(void)
{
    sched_yield();
}

/* -- order.c: names in their order --------------------------------------------------------------------------------- */

/* The buffer; parts of what was read share it. Counted under the GIL. */
typedef struct {
    Py_ssize_t users;
    size_t length;
    area_t text;
    int fixed; /* the text is somebody else's: it cannot grow */
} shelf_t;

typedef struct {
    uint64_t key; /* eight letters behind those that all names begin with, while they are sorted */
    uint32_t at;  /* in the shelf's text */
    uint16_t length;
    uint8_t type; /* as getdents64(2) tells it */
} record_t;

static inline const char *
text_of(const shelf_t *shelf, const record_t *record)
{
    return shelf->text.at + record->at;
}

static inline record_t *
records_in(const area_t *area)
{
    return (record_t *)area->at;
}

/* Sort them; `spare` has room for half of them. No Python object is touched. */
void put_in_order(const shelf_t *shelf, record_t *records, record_t *spare, size_t count, int reverse);

/* The same by the keys that they have, and where these are equal by their letters. */
void sort_keyed(const shelf_t *shelf, record_t *records, record_t *spare, size_t count);

/* Parts of the records, one behind the other, each of which is sorted; zeroed it is empty. */
typedef struct {
    size_t starts[64]; /* each part is more than twice as long as the next one */
    int count;
    size_t end;      /* of the last of them */
    size_t skip;     /* letters that all names begin with */
    area_t spare;    /* for who used it to drop */
} runs_t;

/* Make what stands behind the last part, up to `count`, another one; -1 where there is no memory. */
int add_run(runs_t *runs, const shelf_t *shelf, record_t *records, size_t count);
/* One part of all of them, up to `count`; -1 where there is no memory. */
int join_runs(runs_t *runs, const shelf_t *shelf, record_t *records, size_t count);
/* The same of what two made, of which the second begins at `half`. */
int join_two(runs_t *first, const runs_t *second, const shelf_t *shelf, record_t *records, size_t half, size_t count);

/* -- rank.c: the order of times and sizes --------------------------------------------------------------------------- */

/* Sort them by what stands in this place of os.stat_result, the greatest first or, `least_first`, the other way round;
   gives how many are still there. `spare` as above. No Python object is touched. */
size_t put_in_rank(
    int folder, int column, int least_first, const shelf_t *shelf, record_t *records, record_t *spare, size_t count
);

/* -- gather.c: names as the kernel tells them ------------------------------------------------------------------- */

/* What one at least of some names is, or of those that they were with. */
#define ODD 1    /* no UTF-8 */
#define LINK 2   /* a symbolic link's, or the file system does not tell */
#define DOTTED 4 /* begun with a dot */

typedef struct {
    shelf_t *shelf;
    area_t records; /* whoever asked drops them */
    size_t count;
    size_t most; /* nobody needs more of them */
    size_t allowed, each; /* bytes that they may take, each so many beside its own */
    int dotted;  /* those that begin with a dot are wanted as well */
    int ordered; /* they are wanted in the order of their bytes */
    int traits;  /* of all that were found */
} gathered_t;

/* All that is in the folder; 0 or errno. No Python object is touched. */
int gather(int folder, gathered_t *found);
/* What comes next in it, so many answers of the kernel; nothing only at the end. The same otherwise. */
int gather_some(int folder, gathered_t *found, int answers);

/* -- names.c: the names in a folder ------------------------------------------------------------------------- */

extern PyTypeObject Names_Type;

PyObject *read_names(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *more_names(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *names_in(int folder, int dotted, int ordered, size_t most, size_t allowed, size_t each);
int sort_names(PyObject *names, int reverse);
int any_odd_name(PyObject *names);

/* A name's bytes, behind which a NUL stands. `kept` is to be given to Py_XDECREF when they are needed no more.
   `bytes` is NULL where no bytes stand for it. */
typedef struct {
    const char *bytes;
    Py_ssize_t length;
    PyObject *kept;
} name_t;

/* How many names a list or Names holds; -1 with an error set for anything else. */
Py_ssize_t count_names(PyObject *names);

/* Have Names that were just read take no more room than they need; gives that, in bytes. */
size_t trim_names(PyObject *names);

/* Name number `index` of them, which has to be there; -1 with an error set. */
int name_at(PyObject *names, Py_ssize_t index, name_t *name);

/* The same as a str; a new reference. */
PyObject *name_as_str(PyObject *names, Py_ssize_t index);

/* -- kept.c: names that were read before ---------------------------------------------------------------------- */

/* Those in a folder that was opened for reading and then looked like this, in their order, with those that begin with a
   dot if `dotted`: a new reference to what nobody is to change; NULL, without an error, where they are not known. */
PyObject *kept_names(const struct stat *folder, int dotted);

/* Whether a folder that looks like this will look otherwise after each change that is still to come. */
int is_old(const struct stat *folder);

/* It was old and looked like that before all of the names were read and put in their order; whether they are kept, and
   nobody is to change them any more. */
int keep_names(int folder, const struct stat *before, int dotted, PyObject *names);

/* -- look.c: attributes ------------------------------------------------------------------------------------- */

typedef struct {
    int64_t accessed, modified, changed; /* in the order of os.stat_result */
    int64_t size, uid, gid;
    uint64_t inode, device, links;
    uint32_t mode;
    uint32_t gone; /* it went away meanwhile, or cannot be looked at */
} entry_t;

PyObject *look(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *survey(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *survey_below(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *pack(PyObject *module, PyObject *found);
PyObject *folders(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

/* The attributes in `packed`, of names[start:]; NULL with an error set where they are no such thing. */
const entry_t *entries_of(PyObject *names, PyObject *packed, int64_t start, Py_ssize_t *count);

/* -- text.c: text in the making ------------------------------------------------------------------------------ */

typedef struct {
    PyObject *made; /* bytes, of which so many are written */
    size_t length;
} text_t;

static inline char *
end_of(text_t *out)
{
    return PyBytes_AS_STRING(out->made) + out->length;
}

/* Room for so many more bytes; -1 with an error set, and then the text is gone. */
int reserve(text_t *out, size_t more);
/* What was written, as bytes; the text is gone then. */
PyObject *finished(text_t *out);

/* All that follows writes at `to`, where there is room for it, and gives where it came to. */

/* The room that all numbers and the time of a line may take. */
#define ROOM 160

char *put_signed(char *to, int64_t value, int width, char pad);
char *put_hex(char *to, uint64_t value);
/* A name as people see it (`everything`), or with nothing but its line ends replaced. */
char *put_name(char *to, const char *name, Py_ssize_t length, int everything);

static inline char *
put(char *to, const char *bytes, size_t length)
{
    memcpy(to, bytes, length);
    return to + length;
}

static inline char *
put_two(char *to, int value)
{
    to[0] = (char)('0' + value / 10);
    to[1] = (char)('0' + value % 10);
    return to + 2;
}

/* The date and time at the beginning of a stretch of so many seconds; those of the epoch where no calendar reaches.
   What was read last is kept: files that came together have the same. */
typedef struct {
    int64_t stretch;
    int seconds; /* 0: nothing was read yet */
    struct tm at;
} reading_t;

const struct tm *read_clock(reading_t *last, int64_t moment, int seconds, int gmt);

static inline int64_t
year_of(const struct tm *at)
{
    return (int64_t)at->tm_year + 1900;
}

/* -- lines.c: lines of entries -------------------------------------------------------------------------------- */

/* What Python says of a kind of entry; most entries of a folder share a few. */
#define SLOTS 16

typedef struct {
    entry_t like;
    PyObject *parts[4]; /* bytes; NULL where Python said None */
    size_t room;        /* of all of them */
    int used;
} slot_t;

typedef struct style style_t;

/* What differs between LIST and MLSD: which entries share their kind, what Python is asked for it, what stands in
   front of a name. */
typedef struct {
    int (*same)(const entry_t *one, const entry_t *other);
    PyObject *(*key)(const entry_t *entry);
    char *(*begin)(char *to, const entry_t *entry, const slot_t *slot, style_t *style); /* NULL with an error set */
    int everything; /* see put_name */
    size_t usual;   /* bytes of a line, for the first guess */
} layout_t;

struct style {
    const layout_t *layout;
    PyObject *kinds; /* a mapping: what Python says for a key */
    reading_t clock;
    int64_t column, oldest; /* of LIST */
    int gmt;
};

static inline char *
put_part(char *to, PyObject *part)
{
    return put(to, PyBytes_AS_STRING(part), (size_t)PyBytes_GET_SIZE(part));
}

PyObject *write_lines(PyObject *names, PyObject *start, PyObject *packed, style_t *style);

/* -- columns.c, facts.c ---------------------------------------------------------------------------------------- */

PyObject *columns(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
PyObject *facts(PyObject *module, PyObject *const *arguments, Py_ssize_t count);

#endif
