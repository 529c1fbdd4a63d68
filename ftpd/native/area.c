/* Memory that grows in its place. Much of it is mapped by itself and, where the kernel has them, in large pages: a page
   that nobody has had lately costs a virtual machine up to 70 us, and long listings would wait for thousands. Even a
   large one may take the kernel some milliseconds, in which it lets nobody else have the processor: those of the last
   listings are kept for a while. */

#define _GNU_SOURCE
#include "large.h"
#include "listing.h"

#include <stdatomic.h>

/* Addresses, not memory: what is never written to is never there. */
#define AHEAD ((size_t)32 << 20)

/* -- what is kept --------------------------------------------------------------------------------------------- */

#define KEPT_MOST 8
/* of each, as much as folders of some hundred thousand names need */
#define KEPT_BYTES ((size_t)8 << 20)

static atomic_flag in_use = ATOMIC_FLAG_INIT; /* by a thread; others do without then */
static char *kept[KEPT_MOST];
static int kept_count;
static int used_lately;

static char *
take_kept(void)
{
    if (atomic_flag_test_and_set_explicit(&in_use, memory_order_acquire))
        return NULL;
    char *at = kept_count > 0 ? kept[--kept_count] : NULL;
    atomic_flag_clear_explicit(&in_use, memory_order_release);
    return at;
}

static int
keep(char *at)
{
    if (atomic_flag_test_and_set_explicit(&in_use, memory_order_acquire))
        return 0;
    int fits = kept_count < KEPT_MOST && madvise(at + KEPT_BYTES, AHEAD - KEPT_BYTES, MADV_DONTNEED) == 0;
    if (fits) {
        kept[kept_count++] = at;
        used_lately = 1;
    }
    atomic_flag_clear_explicit(&in_use, memory_order_release);
    return fits;
}

/* rest(): give back what nobody has wanted since it was called before. */
PyObject *
rest(PyObject *module, PyObject *unused)
{
    char *old[KEPT_MOST];
    int count = 0;
    if (!atomic_flag_test_and_set_explicit(&in_use, memory_order_acquire)) {
        while (!used_lately && kept_count > 0)
            old[count++] = kept[--kept_count];
        used_lately = 0;
        atomic_flag_clear_explicit(&in_use, memory_order_release);
    }
    while (count > 0)
        munmap(old[--count], AHEAD);
    Py_RETURN_NONE;
}

/* -- areas ---------------------------------------------------------------------------------------------------- */

static char *
map_room(size_t room)
{
    int failed;
    char *at = room == AHEAD ? take_kept() : NULL;
    return at != NULL ? at : map_large(room, MAP_NORESERVE, &failed);
}

int
area_grow(area_t *area, size_t wanted)
{
    if (wanted <= area->room)
        return 0;
    if (wanted < AREA_LARGE) {
        char *at = PyMem_RawRealloc(area->at, wanted);
        if (at == NULL)
            return -1;
        *area = (area_t){at, wanted};
        return 0;
    }
    if (area->room >= AREA_LARGE) {
        char *at = mremap(area->at, area->room, 2 * wanted, MREMAP_MAYMOVE);
        if (at == MAP_FAILED)
            return -1;
        *area = (area_t){at, 2 * wanted};
        return 0;
    }
    size_t room = wanted < AHEAD ? AHEAD : (2 * wanted + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    char *at = map_room(room);
    if (at == NULL)
        return -1;
    if (area->room > 0)
        memcpy(at, area->at, area->room);
    area_drop(area);
    *area = (area_t){at, room};
    return 0;
}

void
area_trim(area_t *area, size_t needed)
{
    if (area->room >= AREA_LARGE || needed == 0)
        return;
    char *at = PyMem_RawRealloc(area->at, needed);
    if (at != NULL)
        *area = (area_t){at, needed};
}

void
area_drop(area_t *area)
{
    if (area->room >= AREA_LARGE) {
        if (area->room != AHEAD || !keep(area->at))
            munmap(area->at, area->room);
    } else
        PyMem_RawFree(area->at);
    *area = (area_t){0};
}
