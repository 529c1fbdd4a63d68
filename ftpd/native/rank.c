/* The order of times and sizes: each entry is looked at, and its key is what it is sorted by. */

#include "gather.h"

#include <fcntl.h>

/* Entries that are looked at in a tenth of a millisecond, if no disk has to fetch them. */
#define SPELL 128
/* So many take longer than a second thread does to begin. */
#define MANY 2048

typedef struct {
    int folder, column, least_first;
    const shelf_t *shelf;
    record_t *records;
    size_t count; /* of those that are still there, once it is done */
} weighing_t;

static int64_t
weight(const struct stat *st, int column)
{
    switch (column) {
    case 6:
        return st->st_size;
    case 7:
        return st->st_atime;
    case 9:
        return st->st_ctime;
    default:
        return st->st_mtime;
    }
}

static void
weigh(void *of)
{
    weighing_t *these = of;
    size_t there = 0;
    struct stat st;
    for (size_t i = 0; i < these->count; i++) {
        if (i % SPELL == 0)
            give_way();
        if (fstatat(these->folder, text_of(these->shelf, &these->records[i]), &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        int64_t key = weight(&st, these->column);
        these->records[there] = these->records[i];
        /* as numbers without a sign they have the same order */
        these->records[there++].key = (uint64_t)(these->least_first ? key : ~key) ^ (uint64_t)1 << 63;
    }
    these->count = there;
}

/* The same by two threads, where there are many. */
static void
weigh_all(weighing_t *all)
{
    weighing_t first = *all, second = *all;
    helper_t helper;
    first.count = all->count / 2;
    second.count = all->count - first.count;
    second.records += first.count;
    if (all->count < MANY || begin_helper(&helper, weigh, &second) != 0) {
        weigh(all);
        return;
    }
    weigh(&first);
    end_helper(&helper);
    memmove(first.records + first.count, second.records, second.count * sizeof(record_t));
    all->count = first.count + second.count;
}

size_t
put_in_rank(
    int folder, int column, int least_first, const shelf_t *shelf, record_t *records, record_t *spare, size_t count
)
{
    weighing_t all = {folder, column, least_first, shelf, records, count};
    weigh_all(&all);
    if (all.count > 1)
        sort_keyed(shelf, records, spare, all.count);
    return all.count;
}
