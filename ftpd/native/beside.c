/* The names of a large folder: a second thread takes them out of answers and sorts them while the kernel has the next
   answer in the making. */

#include "gather.h"

#include <errno.h>

/* that the kernel may be ahead: as many as lie in one large page, for a fresh one of which who takes may have to wait as
   long as the kernel for five of them */
#define PLACES 32

/* Where answers go from who asks to who takes names out of them. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t put_there, taken;
    unsigned put, took;
    int ended;
    int why; /* errno of who takes, who has stopped then */
    long sizes[PLACES];
    char *answers;
    gathered_t *found;
} belt_t;

static int
next_on(belt_t *belt)
{
    pthread_mutex_lock(&belt->lock);
    while (belt->took == belt->put && !belt->ended)
        pthread_cond_wait(&belt->put_there, &belt->lock);
    int any = belt->took != belt->put;
    pthread_mutex_unlock(&belt->lock);
    return any;
}

static void
taken_from(belt_t *belt, int why)
{
    pthread_mutex_lock(&belt->lock);
    belt->took++;
    belt->why = why;
    pthread_cond_signal(&belt->taken);
    pthread_mutex_unlock(&belt->lock);
}

static void
take_from(void *of)
{
    belt_t *belt = of;
    gathered_t *found = belt->found;
    runs_t runs = {0};
    int why = found->ordered && add_run(&runs, found->shelf, records_in(&found->records), found->count) < 0 ? ENOMEM : 0;
    while (why == 0 && next_on(belt)) {
        unsigned place = belt->took % PLACES;
        give_way();
        why = take_out(found, belt->answers + place * ANSWER, belt->sizes[place]);
        if (why == 0 && found->ordered && add_run(&runs, found->shelf, records_in(&found->records), found->count) < 0)
            why = ENOMEM;
        taken_from(belt, why);
    }
    if (why == 0 && found->ordered && join_runs(&runs, found->shelf, records_in(&found->records), found->count) < 0)
        why = ENOMEM;
    area_drop(&runs.spare);
    pthread_mutex_lock(&belt->lock);
    belt->why = why;
    pthread_cond_signal(&belt->taken);
    pthread_mutex_unlock(&belt->lock);
}

/* Room for another answer; NULL where nobody takes them any more. */
static char *
place_on(belt_t *belt)
{
    pthread_mutex_lock(&belt->lock);
    while (belt->put - belt->took == PLACES && belt->why == 0)
        pthread_cond_wait(&belt->taken, &belt->lock);
    char *place = belt->why != 0 ? NULL : belt->answers + belt->put % PLACES * ANSWER;
    pthread_mutex_unlock(&belt->lock);
    return place;
}

static void
put_on(belt_t *belt, long size)
{
    pthread_mutex_lock(&belt->lock);
    if (size > 0)
        belt->sizes[belt->put++ % PLACES] = size;
    else
        belt->ended = 1;
    pthread_cond_signal(&belt->put_there);
    pthread_mutex_unlock(&belt->lock);
}

int
gather_beside(int folder, gathered_t *found)
{
    belt_t belt = {
        .lock = PTHREAD_MUTEX_INITIALIZER, .put_there = PTHREAD_COND_INITIALIZER, .taken = PTHREAD_COND_INITIALIZER,
        .found = found,
    };
    helper_t helper;
    area_t answers = {0};
    if (area_grow(&answers, AREA_LARGE) < 0)
        return -1;
    belt.answers = answers.at;
    if (begin_helper(&helper, take_from, &belt) != 0) {
        area_drop(&answers);
        return -1;
    }
    long size = 0;
    for (char *place; (place = place_on(&belt)) != NULL && (size = ask(folder, place)) > 0;)
        put_on(&belt, size);
    int why = size < 0 ? errno : 0;
    put_on(&belt, 0);
    end_helper(&helper);
    area_drop(&answers);
    return why != 0 ? why : belt.why;
}
