/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * State directories of machines
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib/gstdio.h>

#include "error.h"
#include "machine.h"
#include "state.h"

/* Another process may remove the directory while we claim it. */
#define CLAIM_TRIES 100

static bool state_check_private(const char *path, GError **error)
{
    struct stat stat;

    if (lstat(path, &stat) < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be made: %s", path, g_strerror(errno));
        return false;
    }
    /* In /tmp anybody could have made it first, to read our sockets. */
    if (!S_ISDIR(stat.st_mode) || stat.st_uid != geteuid() ||
        (stat.st_mode & (S_IRWXG | S_IRWXO))) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: expected a directory of user %u with mode 0700; "
                    "remove it, or set XDG_RUNTIME_DIR", path, geteuid());
        return false;
    }
    return true;
}

char *machine_state_root(GError **error)
{
    const char *runtime = g_getenv("XDG_RUNTIME_DIR");
    /* Containers and su(1) often leave it naming what is not there. */
    bool usable = runtime && *runtime && access(runtime, W_OK | X_OK) == 0;
    g_autofree char *root = usable
        ? g_canonicalize_filename("sunder", runtime)
        : g_strdup_printf("/tmp/sunder-%u", geteuid());

    if (g_mkdir_with_parents(root, 0700) < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be made: %s", root, g_strerror(errno));
        return NULL;
    }
    return state_check_private(root, error) ? g_steal_pointer(&root) : NULL;
}

bool state_name_valid(const char *name, GError **error)
{
    static const char good[] = G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "-_.";
    size_t length = strlen(name);

    if (length && length <= STATE_NAME_MAX && *name != '.' && *name != '-' &&
        strspn(name, good) == length) {
        return true;
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "name \"%s\": expected 1 to %d letters, digits, '-', '_' and "
                "'.', the first a letter, digit or '_'", name,
                STATE_NAME_MAX);
    return false;
}

/* 0: it is ours now; EAGAIN: somebody's; another errno */
static int state_lock(int fd)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) {
        return 0;
    }
    return errno == EACCES ? EAGAIN : errno;
}

static bool state_same_file(int fd, const char *path)
{
    struct stat ours, there;

    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
           ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

bool state_claimed(const char *directory)
{
    g_autofree char *path = g_build_filename(directory, MACHINE_LOCK, NULL);
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    bool claimed;

    if (fd < 0) {
        return false;
    }
    claimed = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return claimed;
}

/* Remove the files in @directory; those of a machine are never deeper. */
static void state_empty(const char *directory, bool with_lock)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *file;

    while (dir && (file = g_dir_read_name(dir))) {
        if (with_lock || strcmp(file, MACHINE_LOCK)) {
            g_autofree char *path = g_build_filename(directory, file, NULL);

            g_unlink(path);
        }
    }
}

void state_remove(const char *directory)
{
    state_empty(directory, true);
    g_rmdir(directory);
}

static int state_claim_once(const char *directory, int *failure)
{
    g_autofree char *path = g_build_filename(directory, MACHINE_LOCK, NULL);
    int fd;

    if (g_mkdir(directory, 0700) < 0 && errno != EEXIST) {
        *failure = errno;
        return -1;
    }
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        *failure = errno;
        return -1;
    }
    *failure = state_lock(fd);
    if (!*failure && state_same_file(fd, path)) {
        return fd;
    }
    if (!*failure) {
        *failure = ENOENT;      /* removed between open and lock */
    }
    close(fd);
    return -1;
}

int state_claim(const char *name, char **directory, GError **error)
{
    g_autofree char *root = NULL;
    g_autofree char *path = NULL;
    int failure = ENOENT;

    if (!state_name_valid(name, error) ||
        !(root = machine_state_root(error))) {
        return -1;
    }
    path = g_build_filename(root, name, NULL);
    for (int i = 0; i < CLAIM_TRIES && failure == ENOENT; i++) {
        int fd = state_claim_once(path, &failure);

        if (fd >= 0) {
            state_empty(path, false);
            *directory = g_steal_pointer(&path);
            return fd;
        }
    }
    if (failure == EAGAIN) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "a machine named %s is running: end it with \"sunder stop "
                    "%s\", or give this one another --name", name, name);
    } else {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "%s: cannot be claimed: %s", path, g_strerror(failure));
    }
    return -1;
}

void state_prune(const char *name)
{
    g_autofree char *directory = NULL;
    int claim = state_claim(name, &directory, NULL);

    if (claim >= 0) {
        state_remove(directory);
        close(claim);
    }
}

static int state_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

char **state_names(bool claimed, GError **error)
{
    g_autofree char *root = machine_state_root(error);
    g_autoptr(GDir) dir = root ? g_dir_open(root, 0, error) : NULL;
    GPtrArray *names;
    const char *name;

    if (!dir) {
        return NULL;
    }
    names = g_ptr_array_new();
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(root, name, NULL);

        if (state_name_valid(name, NULL) &&
            g_file_test(path, G_FILE_TEST_IS_DIR) &&
            state_claimed(path) == claimed) {
            g_ptr_array_add(names, g_strdup(name));
        }
    }
    g_ptr_array_sort(names, state_compare);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}
