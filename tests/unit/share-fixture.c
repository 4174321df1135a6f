/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A file side in memory. */
#include <errno.h>
#include <string.h>

#include "share-fixture.h"

struct ShareFile {
    FakeNode *node;
};

struct ShareOpen {
    FakeNode *node;
    uint64_t number;
};

static void unref(FakeNode *node)
{
    if (--node->refs) {
        return;
    }
    g_clear_pointer(&node->children, g_hash_table_unref);
    g_clear_pointer(&node->data, g_byte_array_unref);
    g_clear_pointer(&node->xattrs, g_hash_table_unref);
    g_free(node->target);
    g_free(node);
}

static void unref_name(void *node)
{
    ((FakeNode *)node)->nlink--;
    unref(node);
}

static FakeNode *node_new(FakeVolume *volume, uint32_t mode)
{
    FakeNode *node = g_new0(FakeNode, 1);

    node->ino = ++volume->last_ino;
    node->dev = 7;
    node->mode = mode;
    node->xattrs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify)g_bytes_unref);
    if ((mode & WIRE_S_IFMT) == WIRE_S_IFDIR) {
        node->children = g_hash_table_new_full(g_str_hash, g_str_equal,
                                               g_free, unref_name);
    } else if ((mode & WIRE_S_IFMT) == WIRE_S_IFREG) {
        node->data = g_byte_array_new();
    }
    return node;
}

static void give_name(FakeNode *dir, const char *name, FakeNode *node)
{
    node->refs++;
    node->nlink++;
    g_hash_table_insert(dir->children, g_strdup(name), node);
}

FakeVolume *fake_volume_new(void)
{
    FakeVolume *volume = g_new0(FakeVolume, 1);

    volume->root = node_new(volume, WIRE_S_IFDIR | 0755);
    volume->root->refs = volume->root->nlink = 1;
    return volume;
}

bool fake_volume_free(FakeVolume *volume)
{
    bool clean = !volume->files && !volume->opens && volume->closed == 1;

    unref(volume->root);
    g_free(volume);
    return clean;
}

FakeNode *fake_add(FakeVolume *volume, FakeNode *dir, const char *name,
                   uint32_t mode, const char *data)
{
    FakeNode *node = node_new(volume, mode);

    if (data && node->data) {
        g_byte_array_append(node->data, (const void *)data, strlen(data));
    }
    give_name(dir, name, node);
    return node;
}

ShareFile *fake_file(FakeVolume *volume, FakeNode *node)
{
    ShareFile *file = g_new(ShareFile, 1);

    file->node = node;
    node->refs++;
    volume->files++;
    return file;
}

static ShareOpen *fake_open(FakeVolume *volume, FakeNode *node)
{
    ShareOpen *open = g_new(ShareOpen, 1);

    open->node = node;
    open->number = ++volume->last_open;
    node->refs++;
    volume->opens++;
    volume->opened++;
    return open;
}

static void fill(const FakeNode *node, ShareAttr *attr)
{
    *attr = (ShareAttr){
        .dev = node->dev, .ino = node->ino,
        .size = node->data ? node->data->len : 0,
        .mode = node->mode, .nlink = node->nlink, .uid = node->uid,
        .gid = node->gid, .block_size = 4096, .mtime = { 12, 34 },
    };
}

static int lookup(void *opaque, ShareFile *dir, const char *name,
                  ShareFile **file, ShareAttr *attr)
{
    FakeVolume *volume = opaque;
    FakeNode *node;

    g_assert(*name && !strchr(name, '/') && strcmp(name, ".") &&
             strcmp(name, ".."));
    if (volume->fails) {
        return -volume->fails;
    }
    node = g_hash_table_lookup(dir->node->children, name);
    if (!node) {
        return -ENOENT;
    }
    fill(node, attr);
    *file = fake_file(volume, node);
    if (volume->in_lookup) {
        volume->in_lookup(volume->opaque);
    }
    return 0;
}

static void forget(void *opaque, ShareFile *file)
{
    FakeVolume *volume = opaque;

    g_assert(volume->files && !volume->closed);
    volume->files--;
    unref(file->node);
    g_free(file);
}

static int get_attr(void *opaque, ShareFile *file, ShareOpen *open,
                    ShareAttr *attr)
{
    FakeVolume *volume = opaque;

    g_assert(!open || open->node == file->node);
    fill(file->node, attr);
    return -volume->fails;
}

static int set_attr(void *opaque, ShareFile *file, ShareOpen *open,
                    const ShareSetAttr *set, ShareAttr *attr)
{
    FakeVolume *volume = opaque;
    FakeNode *node = file->node;

    if (set->valid & SHARE_SET_SIZE) {
        g_assert(node->data && set->size <= SHARE_MAX_WRITE);
        g_byte_array_set_size(node->data, set->size);
    }
    if (set->valid & SHARE_SET_MODE) {
        node->mode = (node->mode & WIRE_S_IFMT) | set->mode;
    }
    if (set->valid & SHARE_SET_UID) {
        node->uid = set->uid;
    }
    if (set->valid & SHARE_SET_GID) {
        node->gid = set->gid;
    }
    fill(node, attr);
    return -volume->fails;
}

static int read_link(void *opaque, ShareFile *file, char *target,
                     size_t size)
{
    size_t length = MIN(strlen(file->node->target), size);

    memcpy(target, file->node->target, length);
    return length;
}

static int make(void *opaque, ShareFile *dir, const char *name,
                const ShareMake *what, ShareFile **file, ShareAttr *attr)
{
    FakeVolume *volume = opaque;
    FakeNode *node;

    g_assert(*name && !strchr(name, '/'));
    if (volume->fails) {
        return -volume->fails;
    }
    if (g_hash_table_contains(dir->node->children, name)) {
        return -EEXIST;
    }
    node = fake_add(volume, dir->node, name, what->mode, NULL);
    node->target = g_strdup(what->target);
    node->uid = what->caller.uid;
    node->gid = what->caller.gid;
    volume->caller = what->caller;
    fill(node, attr);
    *file = fake_file(volume, node);
    return 0;
}

static int create(void *opaque, ShareFile *dir, const char *name,
                  unsigned flags, uint32_t mode, const ShareCaller *caller,
                  ShareFile **file, ShareAttr *attr, ShareOpen **open)
{
    ShareMake what = { .mode = WIRE_S_IFREG | mode, .caller = *caller };
    int ret = make(opaque, dir, name, &what, file, attr);

    if (ret == 0) {
        *open = fake_open(opaque, (*file)->node);
    }
    return ret;
}

static int make_tmpfile(void *opaque, ShareFile *dir, unsigned flags,
                        uint32_t mode, const ShareCaller *caller,
                        ShareFile **file, ShareAttr *attr, ShareOpen **open)
{
    FakeNode *node = node_new(opaque, WIRE_S_IFREG | mode);

    fill(node, attr);
    *file = fake_file(opaque, node);
    *open = fake_open(opaque, node);
    return 0;
}

static int remove_name(void *opaque, ShareFile *dir, const char *name,
                       bool directory, ShareAttr *gone)
{
    FakeNode *node = g_hash_table_lookup(dir->node->children, name);

    if (!node) {
        return -ENOENT;
    }
    if (directory != !!node->children) {
        return directory ? -ENOTDIR : -EISDIR;
    }
    if (directory && g_hash_table_size(node->children)) {
        return -ENOTEMPTY;
    }
    fill(node, gone);
    gone->nlink--;
    g_hash_table_remove(dir->node->children, name);
    return 0;
}

static int rename_to(void *opaque, ShareFile *dir, const char *name,
                     ShareFile *new_dir, const char *new_name,
                     unsigned flags, ShareAttr *replaced)
{
    FakeNode *node = g_hash_table_lookup(dir->node->children, name);
    FakeNode *old = g_hash_table_lookup(new_dir->node->children, new_name);

    if (!node || node->children || flags) {
        return node ? -EINVAL : -ENOENT;
    }
    memset(replaced, 0, sizeof(*replaced));
    if (old == node) {
        return 0;
    }
    if (old) {
        fill(old, replaced);
        replaced->nlink--;
    }
    give_name(new_dir->node, new_name, node);
    g_hash_table_remove(dir->node->children, name);
    return 0;
}

static int make_link(void *opaque, ShareFile *file, ShareFile *dir,
                     const char *name, ShareAttr *attr)
{
    if (g_hash_table_contains(dir->node->children, name)) {
        return -EEXIST;
    }
    give_name(dir->node, name, file->node);
    fill(file->node, attr);
    return 0;
}

static int open_file(void *opaque, ShareFile *file, unsigned flags,
                     ShareOpen **open)
{
    FakeVolume *volume = opaque;

    g_assert(file->node->data);
    if (volume->fails) {
        return -volume->fails;
    }
    if (flags & SHARE_OPEN_TRUNCATE) {
        g_byte_array_set_size(file->node->data, 0);
    }
    *open = fake_open(volume, file->node);
    return 0;
}

static int open_directory(void *opaque, ShareFile *file, ShareOpen **open)
{
    g_assert(file->node->children);
    *open = fake_open(opaque, file->node);
    return 0;
}

static void release(void *opaque, ShareOpen *open)
{
    FakeVolume *volume = opaque;

    g_assert(volume->opens && !volume->closed);
    if (volume->locked_by == open->number) {
        volume->locked_by = 0;
    }
    volume->opens--;
    unref(open->node);
    g_free(open);
}

static int64_t read_data(void *opaque, ShareOpen *open, const ShareSpan *to,
                         unsigned n, uint64_t offset)
{
    const GByteArray *data = open->node->data;
    int64_t done = 0;

    for (unsigned i = 0; i < n && offset < data->len; i++) {
        size_t size = MIN(to[i].size, data->len - offset);

        memcpy(to[i].base, data->data + offset, size);
        offset += size;
        done += size;
    }
    return done;
}

static int64_t write_data(void *opaque, ShareOpen *open,
                          const ShareSpan *from, unsigned n,
                          uint64_t offset, bool append)
{
    GByteArray *data = open->node->data;
    int64_t done = 0;

    offset = append ? data->len : offset;
    for (unsigned i = 0; i < n; i++) {
        if (offset + from[i].size > 4 * SHARE_MAX_WRITE) {
            return -EFBIG;
        }
        if (offset + from[i].size > data->len) {
            g_byte_array_set_size(data, offset + from[i].size);
        }
        memcpy(data->data + offset, from[i].base, from[i].size);
        offset += from[i].size;
        done += from[i].size;
    }
    return done;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int64_t read_directory(void *opaque, ShareOpen *open,
                              uint64_t cookie, void *buffer, size_t size)
{
    GList *names = g_list_sort(g_hash_table_get_keys(open->node->children),
                               by_name);
    size_t done = 0;
    uint64_t at = 0;

    for (GList *l = names; l; l = l->next) {
        const char *name = l->data;
        const FakeNode *node = g_hash_table_lookup(open->node->children,
                                                   name);
        ShareDirent d = {
            .ino = node->ino, .next = ++at, .type = node->mode >> 12,
            .name_size = strlen(name),
            .record_size = (sizeof(d) + strlen(name) + 7) & ~7u,
        };

        if (at <= cookie || d.record_size > size - done) {
            continue;
        }
        memcpy((uint8_t *)buffer + done, &d, sizeof(d));
        memcpy((uint8_t *)buffer + done + sizeof(d), name, d.name_size);
        done += d.record_size;
    }
    g_list_free(names);
    return done;
}

static int64_t get_xattr(void *opaque, ShareFile *file, const char *name,
                         void *value, size_t size)
{
    GBytes *bytes = g_hash_table_lookup(file->node->xattrs, name);
    size_t is;
    const void *data = bytes ? g_bytes_get_data(bytes, &is) : NULL;

    if (!bytes) {
        return -ENODATA;
    }
    if (size && is > size) {
        return -ERANGE;
    }
    if (size && is) {
        memcpy(value, data, is);
    }
    return is;
}

static int64_t list_xattrs(void *opaque, ShareFile *file, char *list,
                           size_t size)
{
    GHashTableIter iter;
    size_t done = 0;
    void *name;

    g_hash_table_iter_init(&iter, file->node->xattrs);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        size_t length = strlen(name) + 1;

        g_assert(done + length <= size);
        memcpy(list + done, name, length);
        done += length;
    }
    return done;
}

static int set_xattr(void *opaque, ShareFile *file, const char *name,
                     const void *value, size_t size, unsigned flags)
{
    g_hash_table_insert(file->node->xattrs, g_strdup(name),
                        g_bytes_new(value, size));
    return 0;
}

static int remove_xattr(void *opaque, ShareFile *file, const char *name)
{
    return g_hash_table_remove(file->node->xattrs, name) ? 0 : -ENODATA;
}

/* One lock for all of the volume. */
static int lock(void *opaque, ShareOpen *open, const ShareLock *lock)
{
    FakeVolume *volume = opaque;

    if (lock->type == SHARE_LOCK_NONE) {
        volume->locked_by = volume->locked_by == open->number
                                ? 0 : volume->locked_by;
        return 0;
    }
    if (volume->locked_by && volume->locked_by != open->number) {
        return -EAGAIN;
    }
    volume->locked_by = open->number;
    return 0;
}

static int test_lock(void *opaque, ShareOpen *open, ShareLock *lock)
{
    FakeVolume *volume = opaque;

    if (!volume->locked_by || volume->locked_by == open->number) {
        lock->type = SHARE_LOCK_NONE;
    }
    return 0;
}

static void closed(void *opaque)
{
    FakeVolume *volume = opaque;

    g_assert(!volume->files && !volume->opens);
    volume->closed++;
}

const ShareFileOps fake_file_ops = {
    .lookup = lookup, .forget = forget, .getattr = get_attr,
    .setattr = set_attr, .readlink = read_link, .make = make,
    .create = create, .tmpfile = make_tmpfile, .remove = remove_name,
    .rename = rename_to, .link = make_link, .open = open_file,
    .opendir = open_directory, .release = release, .read = read_data,
    .write = write_data, .readdir = read_directory,
    .getxattr = get_xattr, .listxattr = list_xattrs, .setxattr = set_xattr,
    .removexattr = remove_xattr, .lock = lock, .test_lock = test_lock,
    .closed = closed,
};
