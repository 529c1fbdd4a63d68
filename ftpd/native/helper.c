/* A second thread for a moment, on a processor of its own from the start. */

#define _GNU_SOURCE
#include "gather.h"

#include <sched.h>
#include <signal.h>

/* A new thread often begins where who made it runs, while another processor has nothing to do; and of two that give way
   to each other all the time, the kernel takes neither away for twenty milliseconds. */
static void
move_from(int processor)
{
    cpu_set_t all, others;
    if (sched_getcpu() != processor || sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    others = all;
    CPU_CLR(processor, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
        sched_setaffinity(0, sizeof all, &all);
}

static void *
help(void *of)
{
    helper_t *helper = of;
    move_from(helper->processor);
    helper->work(helper->with);
    return NULL;
}

int
begin_helper(helper_t *helper, void (*work)(void *), void *with)
{
    *helper = (helper_t){.work = work, .with = with, .processor = sched_getcpu()};
    /* signals are for the threads that know what to do with them */
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before);
    int failed = pthread_create(&helper->thread, NULL, help, helper);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

void
end_helper(helper_t *helper)
{
    pthread_join(helper->thread, NULL);
}
