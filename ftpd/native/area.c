/* Memory that grows in its place. Much of it is mapped by itself and, where the kernel has them, in large pages: a page
   that nobody has had lately costs a virtual machine up to 70 us, and long listings would wait for thousands. */

#define _GNU_SOURCE
#include "large.h"
#include "listing.h"

/* Addresses, not memory: what is never written to is never there. */
#define AHEAD ((size_t)32 << 20)

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
    int failed;
    char *at = map_large(room, MAP_NORESERVE, &failed);
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
    if (area->room >= AREA_LARGE)
        munmap(area->at, area->room);
    else
        PyMem_RawFree(area->at);
    *area = (area_t){0};
}
