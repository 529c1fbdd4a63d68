/* The order of names: sorted by their bytes, where they lie. */

#include "listing.h"

/* How many letters all of them begin with. */
static size_t
shared(const shelf_t *shelf, const record_t *records, size_t count)
{
    const char *first = text_of(shelf, records);
    size_t same = records->length;
    for (size_t i = 1; i < count && same > 0; i++) {
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
    if (!after(text, &records[half - 1], &records[half]))
        return;
    memcpy(spare, records, half * sizeof *records);
    size_t left = 0, right = half, to = 0;
    while (left < half && right < count)
        records[to++] = after(text, &spare[left], &records[right]) ? records[right++] : spare[left++];
    memcpy(records + to, spare + left, (half - left) * sizeof *records);
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
put_in_order(const shelf_t *shelf, record_t *records, record_t *spare, size_t count, int reverse)
{
    if (count > 1) {
        fill_keys(shelf, records, count, shared(shelf, records, count));
        /* many file systems give the newest first */
        if (after(shelf->text, &records[0], &records[count - 1]))
            turn_round(records, count);
        merge_sort(shelf->text, records, spare, count);
    }
    if (reverse)
        turn_round(records, count);
}
