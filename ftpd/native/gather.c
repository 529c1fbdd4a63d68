/* The names in a folder, as the kernel tells them: taken out of its answers and, where that is wanted, sorted.

   Those of a large folder are gathered by two threads: beside.c, halves.c. */

#include "gather.h"

#include <dirent.h>
#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

/* so many of them, ten thousand names, come quicker than a thread begins to pay */
#define ALONE 8
/* Bytes of a folder itself that say that it has so many, and that it has several times as many. */
#define FOLDER_LARGE 262144
#define FOLDER_HUGE (4 * FOLDER_LARGE)

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

/* Room for so many more names, of so many letters with their NULs; -1 where there is none. */
static int
make_room(gathered_t *found, size_t names, size_t letters)
{
    area_t *text = &found->shelf->text, *records = &found->records;
    size_t wanted = (found->count + names) * sizeof(record_t), long_wanted = found->shelf->length + letters;
    if (wanted > records->room && area_grow(records, wanted * 2) < 0)
        return -1;
    if (long_wanted <= text->room)
        return 0;
    return long_wanted > UINT32_MAX || found->shelf->fixed ? -1 : area_grow(text, long_wanted * 2);
}

static int
traits_of(const listed_t *entry, size_t length)
{
    int link = entry->type == DT_LNK || entry->type == DT_UNKNOWN;
    int odd = !is_utf8((const unsigned char *)entry->name, length);
    return (odd ? ODD : 0) | (link ? LINK : 0) | (entry->name[0] == '.' ? DOTTED : 0);
}

int
take_out(gathered_t *found, const char *answer, long size)
{
    /* no entry is shorter than its head, and names are shorter than the entries that they stand in */
    if (make_room(found, (size_t)size / sizeof(listed_t) + 1, (size_t)size) < 0)
        return ENOMEM;
    shelf_t *shelf = found->shelf;
    for (long at = 0; at < size;) {
        const listed_t *entry = (const listed_t *)(answer + at);
        at += entry->length;
        if (entry->name[0] == '.' && (!found->dotted || is_dots(entry->name)))
            continue;
        size_t length = strlen(entry->name);
        records_in(&found->records)[found->count++] = (record_t){
            .at = (uint32_t)shelf->length, .length = (uint16_t)length, .type = entry->type,
        };
        found->traits |= traits_of(entry, length);
        memcpy(shelf->text.at + shelf->length, entry->name, length + 1);
        shelf->length += length + 1;
    }
    return found->count * found->each + shelf->length > found->allowed ? E2BIG : 0;
}

long
ask(int folder, char *answer)
{
    give_way();
    return syscall(SYS_getdents64, folder, answer, ANSWER);
}

static int
sort_all(gathered_t *found)
{
    area_t spare = {0};
    if (area_grow(&spare, found->count * sizeof(record_t) / 2 + 1) < 0)
        return ENOMEM;
    put_in_order(found->shelf, records_in(&found->records), records_in(&spare), found->count, 0);
    area_drop(&spare);
    return 0;
}

/* How many bytes the folder says that it has itself; 0 where not all names are wanted. */
static off_t
extent(int folder, const gathered_t *found)
{
    struct stat st;
    return found->most == SIZE_MAX && fstat(folder, &st) == 0 ? st.st_size : 0;
}

/* Have memory in large pages from the start: the small ones of the first names would all be left. */
static int
begin_large(gathered_t *found)
{
    return area_grow(&found->records, AREA_LARGE) < 0 || area_grow(&found->shelf->text, AREA_LARGE) < 0 ? ENOMEM : 0;
}

static int
gather_all(int folder, gathered_t *found, char *answer)
{
    long size = 0;
    off_t bytes = extent(folder, found);
    int answers = 0, beside = -1;
    if (bytes >= FOLDER_HUGE && gather_halves(folder, found, (size_t)bytes) == 0)
        return 0;
    if (bytes >= FOLDER_LARGE && begin_large(found) != 0)
        return ENOMEM;
    if (bytes >= FOLDER_HUGE && (beside = gather_beside(folder, found)) >= 0)
        return beside;
    while (found->count <= found->most && (size = ask(folder, answer)) > 0) {
        int why = take_out(found, answer, size);
        if (why != 0)
            return why;
        if (++answers == ALONE && found->most == SIZE_MAX && (beside = gather_beside(folder, found)) >= 0)
            return beside;
    }
    if (size < 0)
        return errno;
    return found->ordered ? sort_all(found) : 0;
}

int
gather_some(int folder, gathered_t *found, int answers)
{
    char *answer = PyMem_RawMalloc(ANSWER);
    int why = answer == NULL ? ENOMEM : 0;
    long size = 0;
    /* of an answer full of names that are not wanted, it could not be told that others follow */
    while (why == 0 && (answers-- > 0 || found->count == 0) && (size = ask(folder, answer)) > 0)
        why = take_out(found, answer, size);
    if (why == 0 && size < 0)
        why = errno;
    PyMem_RawFree(answer);
    return why;
}

int
gather(int folder, gathered_t *found)
{
    char *answer = PyMem_RawMalloc(ANSWER);
    int why = answer == NULL ? ENOMEM : lseek(folder, 0, SEEK_SET) < 0 ? errno : gather_all(folder, found, answer);
    PyMem_RawFree(answer);
    /* back to the start, where who reads it next begins */
    if (why == 0)
        lseek(folder, 0, SEEK_SET);
    return why;
}
