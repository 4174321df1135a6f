/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The share engine behind /dev/fuse: the kernel of this host is its guest
 *
 * fuse-host MOUNTPOINT mounts, and obeys lines from standard input, each with
 * one line of answer, "ok ..." or "error ...":
 *
 *   add NAME PATH [OPTION]...   options as parse_option() knows them
 *   remove NAME
 *   count                       nodes, handles, waiting, malformed
 *   usage NAME                  bytes, files
 *   hold NAME                   reads of files so named wait
 *   free                        until then
 *   quit
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "hw/virtio/share-pool.h"
#include "target-models/share/share.h"
#include "target-models/share/wire.h"
#include "tools/share/host-files.h"

#define THREADS     8
#define IN_MAX      (SHARE_MAX_WRITE + 65536)
#define RETRY_MS    20          /* locks of others */
#define MAX_NODES   1500        /* few, so that tests can use them up */
#define MAX_HANDLES 600

typedef struct Host {
    int fuse;
    ShareEngine *engine;
    SharePool *pool;
    GMutex lock;
    GCond freed;
    char *held;                 /* NULL: nothing is */
    int ends;                   /* atomic */
} Host;

typedef struct Job {
    ShareSpan in, out;
    uint8_t bytes[];            /* request, then room for the reply */
} Job;

static int before(void *opaque, const ShareAccess *access)
{
    Host *host = opaque;

    g_mutex_lock(&host->lock);
    while (access->opcode == WIRE_READ && host->held &&
           g_str_has_suffix(access->path, host->held)) {
        g_cond_wait(&host->freed, &host->lock);
    }
    g_mutex_unlock(&host->lock);
    return 0;
}

static void hold(Host *host, const char *name)
{
    g_mutex_lock(&host->lock);
    g_free(host->held);
    host->held = g_strdup(name);
    g_cond_broadcast(&host->freed);
    g_mutex_unlock(&host->lock);
}

static void send_reply(Host *host, Job *job, size_t size)
{
    if (size && write(host->fuse, job->out.base, size) < 0 &&
        errno != ENOENT && errno != ENODEV) {
        fprintf(stderr, "reply of %zu bytes: %s\n", size, strerror(errno));
    }
    free(job);
}

static void complete(void *opaque, void *token, size_t size)
{
    send_reply(opaque, token, size);
}

static void answer(void *opaque_job, void *opaque)
{
    Host *host = opaque;
    Job *job = opaque_job;
    ShareRequest request = { &job->in, 1, &job->out, 1, job };
    int64_t size = share_engine_handle(host->engine, &request);

    if (size != SHARE_LATER) {
        send_reply(host, job, MAX(size, 0));
    }
}

static void take(Host *host, const uint8_t *bytes, size_t size)
{
    const WireInHeader *header = (const WireInHeader *)bytes;
    bool small = header->opcode != WIRE_READ && size < 4096;
    size_t room = small ? 65536 + 4096 : SHARE_MAX_WRITE + 4096;
    Job *job = malloc(sizeof(*job) + size + room);

    memcpy(job->bytes, bytes, size);
    job->in = (ShareSpan){ job->bytes, size };
    job->out = (ShareSpan){ job->bytes + size, room };
    if (header->opcode == WIRE_FORGET ||
        header->opcode == WIRE_BATCH_FORGET ||
        header->opcode == WIRE_INTERRUPT) {
        answer(job, host);
    } else {
        share_pool_push(host->pool, header->nodeid, job);
    }
}

static void *serve(void *opaque)
{
    Host *host = opaque;
    g_autofree uint8_t *bytes = g_malloc(IN_MAX);

    for (;;) {
        ssize_t got = read(host->fuse, bytes, IN_MAX);

        if (got < 0 && (errno == EINTR || errno == ENOENT)) {
            continue;
        }
        if (got < 0) {
            return NULL;        /* ENODEV: it is no longer mounted */
        }
        take(host, bytes, got);
    }
}

static void *retry(void *opaque)
{
    Host *host = opaque;

    while (!g_atomic_int_get(&host->ends)) {
        g_usleep(RETRY_MS * 1000);
        share_engine_retry_locks(host->engine);
    }
    return NULL;
}

/* --- Commands --------------------------------------------------------- */

typedef struct Options {
    SharePolicy policy;
    bool submounts;
    GArray *uids, *gids;
    GPtrArray *hidden;
} Options;

static bool add_range(GArray *ranges, const char *text)
{
    ShareIdRange r;

    if (sscanf(text, "%u:%u:%u", &r.guest, &r.host, &r.count) != 3) {
        return false;
    }
    g_array_append_val(ranges, r);
    return true;
}

static int place(const char *value, const char *const *names)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], value) == 0) {
            return i;
        }
    }
    return -1;
}

static bool parse_option(Options *o, const char *key, const char *value)
{
    static const char *const caches[] = { "none", "auto", "always", NULL };
    static const char *const xattrs[] = {
        "none", "user", "mapped", "all", NULL
    };
    static const char *const squashes[] = { "none", "root", "all", NULL };

    if (strcmp(key, "ro") == 0) {
        o->policy.read_only = true;
    } else if (strcmp(key, "devices") == 0) {
        o->policy.devices = true;
    } else if (strcmp(key, "submounts") == 0) {
        o->policy.submounts = o->submounts = true;
    } else if (strcmp(key, "cache") == 0) {
        o->policy.cache = place(value, caches);
    } else if (strcmp(key, "xattrs") == 0) {
        o->policy.xattrs = place(value, xattrs);
    } else if (strcmp(key, "squash") == 0) {
        o->policy.squash = place(value, squashes);
    } else if (strcmp(key, "anonymous") == 0) {
        o->policy.anonymous_uid = o->policy.anonymous_gid = atoi(value);
    } else if (strcmp(key, "bytes") == 0) {
        o->policy.max_bytes = g_ascii_strtoull(value, NULL, 10);
    } else if (strcmp(key, "files") == 0) {
        o->policy.max_files = g_ascii_strtoull(value, NULL, 10);
    } else if (strcmp(key, "uids") == 0) {
        return add_range(o->uids, value);
    } else if (strcmp(key, "gids") == 0) {
        return add_range(o->gids, value);
    } else if (strcmp(key, "hide") == 0) {
        g_ptr_array_add(o->hidden, (char *)value);
    } else {
        return false;
    }
    return true;
}

static bool parse_options(Options *o, char **words, GError **error)
{
    for (; *words; words++) {
        char *value = strchr(*words, '=');

        if (value) {
            *value++ = 0;
        }
        if (!parse_option(o, *words, value ? value : "")) {
            g_set_error(error, SHARE_ERROR, SHARE_ERROR_POLICY,
                        "option %s", *words);
            return false;
        }
    }
    g_ptr_array_add(o->hidden, NULL);
    o->policy.uids = (void *)o->uids->data;
    o->policy.n_uids = o->uids->len;
    o->policy.gids = (void *)o->gids->data;
    o->policy.n_gids = o->gids->len;
    o->policy.hidden = (const char *const *)o->hidden->pdata;
    return true;
}

static ShareTime now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (ShareTime){ t.tv_sec, t.tv_nsec };
}

static bool publish(Host *host, char **words, const Options *o,
                    GError **error)
{
    SharePublish publish = {
        .name = words[1], .policy = &o->policy, .ops = &host_file_ops,
    };
    HostVolume *volume = host_volume_open(words[2], o->submounts, error);

    if (!volume) {
        return false;
    }
    publish.volume = volume;
    publish.root = host_volume_root(volume);
    if (publish.root &&
        (!(o->policy.max_bytes || o->policy.max_files) ||
         host_volume_count(volume, &publish.usage, error)) &&
        share_engine_add(host->engine, &publish, now(), error)) {
        return true;
    }
    if (publish.root) {
        host_file_ops.forget(volume, publish.root);
    }
    host_volume_free(volume);
    return false;
}

static bool add(Host *host, char **words, GError **error)
{
    Options o = {
        .uids = g_array_new(FALSE, FALSE, sizeof(ShareIdRange)),
        .gids = g_array_new(FALSE, FALSE, sizeof(ShareIdRange)),
        .hidden = g_ptr_array_new(),
    };
    bool done = parse_options(&o, words + 3, error) &&
                publish(host, words, &o, error);

    g_array_unref(o.uids);
    g_array_unref(o.gids);
    g_ptr_array_unref(o.hidden);
    return done;
}

static void show_usage(const ShareState *state, void *opaque)
{
    if (strcmp(state->name, opaque) == 0) {
        printf("ok %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n",
               state->usage.bytes, state->usage.files);
    }
}

static void obey(Host *host, char **words)
{
    g_autoptr(GError) error = NULL;
    unsigned n = g_strv_length(words);
    bool done = false;

    if (n >= 3 && strcmp(words[0], "add") == 0) {
        done = add(host, words, &error);
    } else if (n == 2 && strcmp(words[0], "remove") == 0) {
        done = share_engine_remove(host->engine, words[1], now());
    } else if (n == 1 && strcmp(words[0], "count") == 0) {
        ShareEngineState s = share_engine_state(host->engine);

        printf("ok %u %u %u %" G_GUINT64_FORMAT "\n", s.nodes, s.handles,
               s.waiting, s.malformed);
        return;
    } else if (n == 2 && strcmp(words[0], "usage") == 0) {
        share_engine_foreach(host->engine, show_usage, words[1]);
        return;
    } else if (n == 2 && strcmp(words[0], "hold") == 0) {
        hold(host, words[1]);
        done = true;
    } else if (n == 1 && strcmp(words[0], "free") == 0) {
        hold(host, NULL);
        done = true;
    }
    printf(done ? "ok\n" : "error %s\n", error ? error->message : "");
}

/* Until "quit", or the end of input. */
static void obey_all(Host *host)
{
    char line[8192];

    while (fgets(line, sizeof(line), stdin)) {
        g_auto(GStrv) words = NULL;

        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, "quit") == 0) {
            break;
        }
        words = g_strsplit(line, " ", -1);
        obey(host, words);
        fflush(stdout);
    }
}

static bool mount_at(Host *host, const char *where)
{
    char data[128];

    host->fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (host->fuse < 0) {
        fprintf(stderr, "/dev/fuse: %s\n", strerror(errno));
        return false;
    }
    snprintf(data, sizeof(data), "fd=%d,rootmode=40000,user_id=%u,"
             "group_id=%u,allow_other,default_permissions", host->fuse,
             getuid(), getgid());
    if (mount("sunder-share", where, "fuse", MS_NOSUID | MS_NODEV,
              data) < 0) {
        fprintf(stderr, "mount %s: %s\n", where, strerror(errno));
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Host host = { 0 };
    ShareEngineOptions options = {
        .max_nodes = MAX_NODES, .max_handles = MAX_HANDLES,
        .remote_locks = true, .wait_for_locks = true, .before = before,
        .complete = complete, .opaque = &host,
    };
    GThread *server, *retrier;

    if (argc != 2 || !host_files_begin(&error)) {
        fprintf(stderr, "usage: fuse-host MOUNTPOINT%s%s\n",
                error ? "\n" : "", error ? error->message : "");
        return 2;
    }
    if (!mount_at(&host, argv[1])) {
        return 77;
    }
    g_mutex_init(&host.lock);
    g_cond_init(&host.freed);
    host.engine = share_engine_new(&options);
    host.pool = share_pool_new(THREADS, answer, &host);
    server = g_thread_new("serve", serve, &host);
    retrier = g_thread_new("retry", retry, &host);
    printf("ok mounted\n");
    fflush(stdout);
    obey_all(&host);
    hold(&host, NULL);
    /* whatever a test left open: it ends */
    umount2(argv[1], MNT_FORCE | MNT_DETACH);
    g_atomic_int_set(&host.ends, 1);
    g_thread_join(retrier);
    g_thread_join(server);
    share_pool_free(host.pool);
    share_engine_free(host.engine);
    g_cond_clear(&host.freed);
    g_mutex_clear(&host.lock);
    close(host.fuse);
    return 0;
}
