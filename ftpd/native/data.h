/* What data.c and the walk have in common: the kernel calls of a data connection. */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <netinet/in.h>
#include <sys/socket.h>

/* What goes out by itself is no longer than that (SMALL in ftpd/transfer/data.py). */
#define MOST_AT_ONCE 32768

typedef union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address_t;

/* The address of these packed bytes, without a port; -1 with an error set where they are none. */
int read_address(PyObject *packed, long long scope, address_t *at);

/* A socket that is to listen at that address; -errno where there is none. */
int open_port(const address_t *at);

/* Have it listen at that port: 1, or 0 where another one is to be tried, which errno tells; -errno for all else. */
int listen_on(int fd, address_t *at, int port, int backlog);

/* The next connection, which never blocks and has its type of service, and where it is from; -errno for none. */
int accept_tuned(int listener, int no_delay, int service, address_t *from);

void write_host(const address_t *from, char *text, socklen_t room);

/* Close it in order; what close(2) gives. */
int end_connection(int fd);

/* Add the type Walk; -1 with an error set. */
int add_walk(PyObject *module);

/* The same of the type Pump. */
int add_pump(PyObject *module);

PyObject *serve_pumps(PyObject *module, PyObject *const *arguments, Py_ssize_t count);
