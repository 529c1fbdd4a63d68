/* What calls.c lends to other extension modules, in a capsule: acting as a user belongs to one place. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <limits.h>
#include <stdint.h>

#define CALLS "ftpd.native._calls.shared"
#define OPEN_FAILED INT_MIN

typedef struct {
    /* Put the name behind its folder, which ends in a slash; 0 where the name is no plain one or the path too long. */
    int (*is_below)(char path[PATH_MAX], PyObject *folder, PyObject *name);
    /* openat2(2) beneath the root where no link is on the way, as the identity (or None); a descriptor, -errno, or
       OPEN_FAILED with an error set. Like a glance it may leave the thread as that user until be_oneself(). */
    int (*open_plain)(PyObject *identity, PyObject *otherwise, int root, const char *path, int flags, int mode);
    /* Whether the folder beneath the root, its path with a / at its beginning and end, has a default ACL, which is to
       count instead of a umask; -1 with an error set. It stays like open_plain. */
    int (*has_default_acl)(PyObject *identity, PyObject *otherwise, int root, const char *folder);
    /* Be who the thread was before; -1 with an error set. */
    int (*be_oneself)(void);
} calls_t;
