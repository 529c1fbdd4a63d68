/* The order of names: sorted by their bytes, where they lie. */

#include "listing.h"

/* Records that are merged, or looked at, in a quarter of a millisecond. */
#define SPELL 16384

/* How many letters all of them begin with as the first of all does, `same` at most. */
static size_t
shared(const shelf_t *shelf, const char *first, size_t same, const record_t *records, size_t count)
{
    for (size_t i = 0; i < count && same > 0; i++) {
        if (i % SPELL == SPELL - 1)
            give_way();
        const char *other = text_of(shelf, &records[i]);
        if (records[i].length < same)
            same = records[i].length;
        if (memcmp(first, other, same) != 0) {
            size_t at = 0;
            while (first[at] == other[at])
                at++;
            same = at;
        }
    }
    return same;
}

/* Put the letters behind the first `skip` into the keys, as one big number each: most names differ in them. */
static void
fill_keys(const shelf_t *shelf, record_t *records, size_t count, size_t skip)
{
    for (size_t i = 0; i < count; i++) {
        if (i % SPELL == SPELL - 1)
            give_way();
        const unsigned char *at = (const unsigned char *)text_of(shelf, &records[i]) + skip;
        size_t left = records[i].length - skip;
        uint64_t key = 0;
        for (size_t letter = 0; letter < 8; letter++)
            key = key << 8 | (letter < left ? at[letter] : 0);
        records[i].key = key;
    }
}

/* Whether `one` comes after `other`. No name holds a NUL, which stands for its end in the keys. */
static int
after(const char *text, const record_t *one, const record_t *other)
{
    if (one->key != other->key)
        return one->key > other->key;
    size_t least = one->length < other->length ? one->length : other->length;
    int differs = memcmp(text + one->at, text + other->at, least);
    return differs != 0 ? differs > 0 : one->length > other->length;
}

#define FEW 12

static void
insert(const char *text, record_t *records, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        record_t moved = records[i];
        size_t at = i;
        for (; at > 0 && after(text, &records[at - 1], &moved); at--)
            records[at] = records[at - 1];
        records[at] = moved;
    }
}

/* Two sorted parts, of which the first is `half` long; `spare` has room for that. */
static void
merge(const char *text, record_t *records, record_t *spare, size_t half, size_t count)
{
    memcpy(spare, records, half * sizeof *records);
    size_t left = 0, right = half, to = 0;
    while (left < half && right < count) {
        records[to++] = after(text, &spare[left], &records[right]) ? records[right++] : spare[left++];
        if (to % SPELL == 0)
            give_way();
    }
    memcpy(records + to, spare + left, (half - left) * sizeof *records);
}

/* Sort by merging, whose worst case is no worse than others: who names files cannot make it take long. */
static void
merge_sort(const char *text, record_t *records, record_t *spare, size_t count)
{
    if (count <= FEW) {
        insert(text, records, count);
        return;
    }
    size_t half = count / 2;
    merge_sort(text, records, spare, half);
    merge_sort(text, records + half, spare, count - half);
    if (count > SPELL / 16)
        give_way();
    if (!after(text, &records[half - 1], &records[half]))
        return;
    merge(text, records, spare, half, count);
}

static void
turn_round(record_t *records, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        record_t moved = records[i];
        records[i] = records[count - 1 - i];
        records[count - 1 - i] = moved;
    }
}

void
sort_keyed(const shelf_t *shelf, record_t *records, record_t *spare, size_t count)
{
    /* many file systems give the newest first */
    if (after(shelf->text.at, &records[0], &records[count - 1]))
        turn_round(records, count);
    merge_sort(shelf->text.at, records, spare, count);
}

void
put_in_order(const shelf_t *shelf, record_t *records, record_t *spare, size_t count, int reverse)
{
    if (count > 1) {
        size_t skip = shared(shelf, text_of(shelf, records), records->length, records + 1, count - 1);
        fill_keys(shelf, records, count, skip);
        sort_keyed(shelf, records, spare, count);
    }
    if (reverse)
        turn_round(records, count);
}

/* -- part by part --------------------------------------------------------------------------------------------- */

static record_t *
make_spare(runs_t *runs, size_t count)
{
    return area_grow(&runs->spare, count * sizeof(record_t)) < 0 ? NULL : records_in(&runs->spare);
}

/* The last two parts become one. */
static int
join_last(runs_t *runs, const shelf_t *shelf, record_t *records)
{
    size_t start = runs->starts[runs->count - 2], half = runs->starts[runs->count - 1] - start;
    runs->count--;
    if (!after(shelf->text.at, &records[start + half - 1], &records[start + half]))
        return 0;
    record_t *spare = make_spare(runs, half);
    if (spare == NULL)
        return -1;
    merge(shelf->text.at, records + start, spare, half, runs->end - start);
    return 0;
}

int
add_run(runs_t *runs, const shelf_t *shelf, record_t *records, size_t count)
{
    size_t start = runs->end, more = count - start;
    if (more == 0)
        return 0;
    record_t *spare = make_spare(runs, more / 2 + 1);
    if (spare == NULL)
        return -1;
    const record_t *first = &records[runs->count == 0 ? start : 0];
    size_t same = runs->count == 0 ? first->length : runs->skip;
    size_t skip = shared(shelf, text_of(shelf, first), same, records + start, more);
    /* the keys of all have to begin at the same letter */
    if (runs->count > 0 && skip != runs->skip)
        fill_keys(shelf, records, start, skip);
    fill_keys(shelf, records + start, more, skip);
    sort_keyed(shelf, records + start, spare, more);
    runs->skip = skip;
    runs->starts[runs->count++] = start;
    runs->end = count;
    while (runs->count > 1 && start - runs->starts[runs->count - 2] <= 2 * (count - start)) {
        start = runs->starts[runs->count - 2];
        if (join_last(runs, shelf, records) < 0)
            return -1;
    }
    return 0;
}

int
join_runs(runs_t *runs, const shelf_t *shelf, record_t *records, size_t count)
{
    if (add_run(runs, shelf, records, count) < 0)
        return -1;
    while (runs->count > 1)
        if (join_last(runs, shelf, records) < 0)
            return -1;
    return 0;
}

int
join_two(runs_t *first, const runs_t *second, const shelf_t *shelf, record_t *records, size_t half, size_t count)
{
    if (half == 0 || half == count)
        return 0;
    /* all of a part begin as its first does */
    size_t skip = first->skip < second->skip ? first->skip : second->skip;
    skip = shared(shelf, text_of(shelf, records), skip, records + half, 1);
    if (first->skip != skip)
        fill_keys(shelf, records, half, skip);
    if (second->skip != skip)
        fill_keys(shelf, records + half, count - half, skip);
    *first = (runs_t){.starts = {0, half}, .count = 2, .end = count, .skip = skip, .spare = first->spare};
    return join_last(first, shelf, records);
}
