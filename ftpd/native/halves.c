/* The names of a large folder of ext4, which takes more time for each than other file systems, but may be asked twice at
   once: two threads read, and sort, a half each. */

#define _GNU_SOURCE
#include "gather.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

/* What fstatfs(2) calls ext2, ext3 and ext4. */
#define EXT 0xEF53
/* Where in a folder the second half begins: there they tell names in the order of hashes of 63 bits. Those that keep none
   end long before. */
#define HALF ((int64_t)1 << 62)

typedef struct {
    int folder;
    int64_t end; /* what stands there or behind it is left to the other */
    gathered_t found;
    shelf_t shelf;
    runs_t runs;
    int why;
} half_t;

/* Part of an answer that stands before the end of this half, where it begins there; whether that is `reached`. */
static long
part_before(int64_t end, const char *answer, long size, int *reached)
{
    long at = 0;
    while (at < size && !*reached) {
        const listed_t *entry = (const listed_t *)(answer + at);
        at += entry->length;
        *reached = entry->offset >= end;
    }
    return at;
}

/* Have the page there before it is needed: if it is a fresh one, whoever waits meanwhile comes first then. */
static void
touch(char *at)
{
    *(volatile char *)at = '\0';
    give_way();
}

static void
read_half(void *of)
{
    half_t *half = of;
    gathered_t *found = &half->found;
    touch(half->shelf.text.at + half->shelf.length);
    touch(found->records.at);
    char *answer = PyMem_RawMalloc(ANSWER);
    long size = 0;
    int reached = 0;
    half->why = answer == NULL ? ENOMEM : 0;
    while (half->why == 0 && !reached && (size = ask(half->folder, answer)) > 0) {
        half->why = take_out(found, answer, part_before(half->end, answer, size, &reached));
        if (half->why == 0 && found->ordered)
            half->why = add_run(&half->runs, found->shelf, records_in(&found->records), found->count);
    }
    if (size < 0)
        half->why = errno;
    if (half->why == 0 && found->ordered)
        half->why = join_runs(&half->runs, found->shelf, records_in(&found->records), found->count);
    PyMem_RawFree(answer);
}

/* The same folder, standing at its second half; -1 where it is not to be had so. */
static int
second_half(int folder)
{
    struct statfs kind;
    if (fstatfs(folder, &kind) != 0 || kind.f_type != EXT)
        return -1;
    int half = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (half >= 0 && lseek(half, HALF, SEEK_SET) != HALF) {
        close(half);
        half = -1;
    }
    return half;
}

/* Room for the records of one half, and for its letters in what both have in common: from there to there. */
static int
furnish(half_t *half, const gathered_t *wanted, size_t start, size_t end)
{
    half->shelf = (shelf_t){.length = start, .text = {wanted->shelf->text.at, end}, .fixed = 1};
    half->found = (gathered_t){
        .shelf = &half->shelf, .most = SIZE_MAX, .allowed = wanted->allowed / 2, .each = wanted->each,
        .dotted = wanted->dotted, .ordered = wanted->ordered,
    };
    return area_grow(&half->found.records, AREA_LARGE);
}

/* Both of them, one behind the other or in order. */
static int
put_together(gathered_t *found, half_t *first, half_t *second)
{
    size_t half = first->found.count, count = half + second->found.count;
    if (area_grow(&first->found.records, count * sizeof(record_t)) < 0)
        return -1;
    record_t *records = records_in(&first->found.records);
    memcpy(records + half, second->found.records.at, second->found.count * sizeof(record_t));
    if (found->ordered && join_two(&first->runs, &second->runs, found->shelf, records, half, count) < 0)
        return -1;
    area_drop(&found->records);
    found->records = first->found.records;
    first->found.records = (area_t){0};
    found->count = count;
    found->traits = first->found.traits | second->found.traits;
    found->shelf->length = second->shelf.length;
    return 0;
}

static void
drop(half_t *half)
{
    area_drop(&half->found.records);
    area_drop(&half->runs.spare);
}

/* `bytes`: those of the folder, whose names have not so many with their NULs; hashes halve them. */
static int
read_both(gathered_t *found, half_t *first, half_t *second, size_t bytes)
{
    helper_t helper;
    if (area_grow(&found->shelf->text, bytes) < 0 || furnish(first, found, 0, bytes / 2) < 0)
        return -1;
    if (furnish(second, found, bytes / 2, bytes) < 0 || begin_helper(&helper, read_half, second) != 0)
        return -1;
    read_half(first);
    end_helper(&helper);
    return first->why == 0 && second->why == 0 ? put_together(found, first, second) : -1;
}

int
gather_halves(int folder, gathered_t *found, size_t bytes)
{
    if (bytes > UINT32_MAX || found->shelf->length > 0)
        return -1;
    int other = second_half(folder);
    if (other < 0)
        return -1;
    half_t first = {.folder = folder, .end = HALF}, second = {.folder = other, .end = INT64_MAX};
    int why = read_both(found, &first, &second, bytes);
    drop(&first);
    drop(&second);
    close(other);
    if (why != 0)
        lseek(folder, 0, SEEK_SET);
    return why;
}
