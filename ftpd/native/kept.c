/* The names in folders that were read before and have not changed since, for who reads them next. */

#include "listing.h"

#include <sys/vfs.h>
#include <time.h>

#define PLACES 64
/* Bytes that all of them may take. */
#define MOST ((size_t)4 << 20)
/* Seconds that a folder has to have been as it is: what is changed later is then changed at another time. */
#define OLD 1

typedef struct {
    struct stat folder;
    int dotted;
    size_t size;
    uint64_t used; /* when, by the count of uses */
    PyObject *names; /* in their order, which nobody is to change; NULL where the place is free */
} kept_t;

static kept_t places[PLACES];
static size_t taken;
static uint64_t uses;

static int
same_time(const struct timespec *one, const struct timespec *other)
{
    return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

/* The time of the last change is nobody's to set. */
static int
unchanged(const struct stat *one, const struct stat *other)
{
    return one->st_ino == other->st_ino && one->st_dev == other->st_dev && same_time(&one->st_ctim, &other->st_ctim)
           && same_time(&one->st_mtim, &other->st_mtim);
}

PyObject *
kept_names(const struct stat *folder, int dotted)
{
    for (kept_t *place = places; place < places + PLACES; place++)
        if (place->names != NULL && place->dotted == dotted && unchanged(&place->folder, folder)) {
            place->used = ++uses;
            return Py_NewRef(place->names);
        }
    return NULL;
}

/* Whether whatever changes in the folder gives it another time of change, and nothing else is put over it. */
static int
tells_changes(int folder)
{
    struct statfs on;
    if (fstatfs(folder, &on) != 0)
        return 0;
    switch ((uint32_t)on.f_type) {
    case 0x01021994: /* tmpfs */
    case 0x0000EF53: /* ext2, ext3, ext4 */
    case 0x58465342: /* xfs */
    case 0x9123683E: /* btrfs */
        return 1;
    default:
        return 0;
    }
}

static void
make_free(kept_t *place)
{
    taken -= place->size;
    place->size = 0;
    Py_CLEAR(place->names);
}

/* The one that nobody used for longest, and which there is when `taken` is not 0. */
static kept_t *
oldest(void)
{
    kept_t *found = NULL;
    for (kept_t *place = places; place < places + PLACES; place++)
        if (place->names != NULL && (found == NULL || place->used < found->used))
            found = place;
    return found;
}

/* What a folder held before nobody asks for again. */
static void
forget(const struct stat *folder, int dotted)
{
    for (kept_t *place = places; place < places + PLACES; place++)
        if (place->names != NULL && place->dotted == dotted && place->folder.st_ino == folder->st_ino
            && place->folder.st_dev == folder->st_dev)
            make_free(place);
}

static kept_t *
free_place(void)
{
    for (kept_t *place = places; place < places + PLACES; place++)
        if (place->names == NULL)
            return place;
    kept_t *place = oldest();
    make_free(place);
    return place;
}

int
is_old(const struct stat *folder)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return folder->st_ctim.tv_sec > 0 && folder->st_ctim.tv_sec + OLD < now.tv_sec;
}

int
keep_names(int folder, const struct stat *before, int dotted, PyObject *names)
{
    size_t size = trim_names(names);
    if (size > MOST / 4 || !tells_changes(folder))
        return 0;
    forget(before, dotted);
    while (taken + size > MOST)
        make_free(oldest());
    *free_place() = (kept_t){*before, dotted, size, ++uses, Py_NewRef(names)};
    taken += size;
    return 1;
}
