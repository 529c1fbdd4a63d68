/* The lines of MLSD (RFC 3659 7). */

#include "listing.h"

static int
same(const entry_t *one, const entry_t *other)
{
    return one->mode == other->mode && one->device == other->device && one->uid == other->uid
           && one->gid == other->gid;
}

static PyObject *
key(const entry_t *entry)
{
    return Py_BuildValue("(ILLK)", (unsigned int)entry->mode, (long long)entry->uid, (long long)entry->gid,
                         (unsigned long long)entry->device);
}

static char *
begin(char *to, const entry_t *entry, const slot_t *slot, style_t *style)
{
    if (slot->parts[0] != NULL) {
        to = put_part(to, slot->parts[0]);
        const struct tm *at = read_clock(&style->clock, entry->modified, 1, 1);
        to = put_signed(to, year_of(at), 4, '0');
        to = put_two(to, at->tm_mon + 1);
        to = put_two(to, at->tm_mday);
        to = put_two(to, at->tm_hour);
        to = put_two(to, at->tm_min);
        to = put_two(to, at->tm_sec);
    }
    if (slot->parts[1] != NULL) {
        to = put_part(to, slot->parts[1]);
        to = put_signed(to, entry->size, 0, ' ');
    }
    if (slot->parts[2] != NULL) {
        to = put_part(to, slot->parts[2]);
        to = put_hex(to, entry->inode);
    }
    return slot->parts[3] == NULL ? to : put_part(to, slot->parts[3]);
}

static const layout_t LAYOUT = {.same = same, .key = key, .begin = begin, .everything = 0, .usual = 192};

/* facts(names, start, attributes, parts) -> lines of MLSD, each with its end, as bytes.

   `parts[mode, uid, gid, device]` are what stands in front of the time, the size, the inode's number and the name;
   where one is None, neither it nor the number is shown. */
PyObject *
facts(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 4) {
        PyErr_SetString(PyExc_TypeError, "facts(names, start, attributes, parts)");
        return NULL;
    }
    style_t style = {.layout = &LAYOUT, .kinds = arguments[3]};
    return write_lines(arguments[0], arguments[1], arguments[2], &style);
}
