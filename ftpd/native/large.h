/* Large pages, for whoever maps memory by itself. */

#ifndef FTPD_LARGE_H
#define FTPD_LARGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#define LARGE_PAGE ((size_t)2 << 20)

/* So many bytes that begin at a large page, mapped with these flags beside those of private memory; NULL where there are
   none. The kernel gives them in large pages where it has some; where it knows of no such thing, `failed` is not 0. */
static inline char *
map_large(size_t size, int flags, int *failed)
{
    char *at = mmap(NULL, size + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    size_t before = (LARGE_PAGE - (uintptr_t)at % LARGE_PAGE) % LARGE_PAGE;
    if (before > 0)
        munmap(at, before);
    if (before < LARGE_PAGE)
        munmap(at + before + size, LARGE_PAGE - before);
    *failed = madvise(at + before, size, MADV_HUGEPAGE);
    return at + before;
}

#endif
