/* What those who gather the names of a folder share. */

#ifndef FTPD_GATHER_H
#define FTPD_GATHER_H

#include "listing.h"

#include <pthread.h>

/* linux_dirent64, which getdents64(2) fills in */
typedef struct {
    uint64_t inode;
    int64_t offset; /* where the next one stands in the folder */
    unsigned short length;
    unsigned char type;
    char name[];
} __attribute__((packed)) listed_t;

/* Bytes of one answer of the kernel. */
#define ANSWER 65536

/* -- gather.c ------------------------------------------------------------------------------------------------- */

/* What comes next in the folder: the bytes of the answer, 0 at its end, -1 with errno. */
long ask(int folder, char *answer);
/* Add the names of an answer, as far as they are wanted; 0 or errno. */
int take_out(gathered_t *found, const char *answer, long size);

/* -- helper.c: a second thread ------------------------------------------------------------------------------------ */

typedef struct {
    pthread_t thread;
    void (*work)(void *);
    void *with;
    int processor; /* of who began it */
} helper_t;

/* Do this beside what follows; 0 or errno. */
int begin_helper(helper_t *helper, void (*work)(void *), void *with);
/* Wait until it is done. */
void end_helper(helper_t *helper);

/* -- beside.c, halves.c: by two threads --------------------------------------------------------------------------- */

/* All that is still to come; 0 or errno, -1 where no thread is to be had. */
int gather_beside(int folder, gathered_t *found);
/* All of a folder that stands at its start and has so many bytes itself; 0, or -1 where it is to be read otherwise, and
   then it stands there again and nothing was found. */
int gather_halves(int folder, gathered_t *found, size_t bytes);

#endif
