/* The lines of LIST, as `ls -l` writes them. */

#include "listing.h"

static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static int
same(const entry_t *one, const entry_t *other)
{
    return one->mode == other->mode && one->links == other->links && one->uid == other->uid && one->gid == other->gid;
}

static PyObject *
key(const entry_t *entry)
{
    return Py_BuildValue("(IKLL)", (unsigned int)entry->mode, (unsigned long long)entry->links, (long long)entry->uid,
                         (long long)entry->gid);
}

static char *
begin(char *to, const entry_t *entry, const slot_t *slot, style_t *style)
{
    if (slot->parts[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "the columns in front of the size are a str");
        return NULL;
    }
    to = put_part(to, slot->parts[0]);
    to = put_signed(to, entry->size, 8, ' ');
    *to++ = ' ';
    int64_t moment = style->column == 7 ? entry->accessed : style->column == 9 ? entry->changed : entry->modified;
    int old = moment < style->oldest;
    /* offsets from UTC are whole quarters of an hour: the day is the same in all of a quarter */
    const struct tm *at = read_clock(&style->clock, moment, old ? 900 : 60, style->gmt);
    to = put(to, MONTHS + 3 * at->tm_mon, 3);
    *to++ = ' ';
    to = put_signed(to, at->tm_mday, 2, ' ');
    *to++ = ' ';
    if (old)
        to = put_signed(to, year_of(at), 5, ' ');
    else {
        to = put_two(to, at->tm_hour);
        *to++ = ':';
        to = put_two(to, at->tm_min);
    }
    *to++ = ' ';
    return to;
}

static const layout_t LAYOUT = {.same = same, .key = key, .begin = begin, .everything = 1, .usual = 96};

/* columns(names, start, attributes, heads, column, oldest, gmt) -> lines of LIST, each with its end, as bytes.

   `heads[mode, links, uid, gid]` is what stands in front of the size; `column` the place of the time in an
   os.stat_result; what is older than `oldest` is shown with its year. */
PyObject *
columns(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 7) {
        PyErr_SetString(PyExc_TypeError, "columns(names, start, attributes, heads, column, oldest, gmt)");
        return NULL;
    }
    style_t style = {.layout = &LAYOUT, .kinds = arguments[3], .gmt = PyObject_IsTrue(arguments[6])};
    if (number(arguments[4], &style.column) < 0 || number(arguments[5], &style.oldest) < 0 || style.gmt < 0)
        return NULL;
    return write_lines(arguments[0], arguments[1], arguments[2], &style);
}
