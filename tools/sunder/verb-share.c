/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder share: what machines are offered of the host's files
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "description.h"
#include "share.h"
#include "verbs.h"

static const char add_text[] =
    "Offers PATH, a folder or a file, to each machine named, under TAG (by\n"
    "default the last name of PATH). A machine need not run; it keeps what it\n"
    "is offered. Read-only unless --rw is given.\n"
    "\n"
    "  sunder share add lab ~/src\n"
    "  sunder share add lab-a,lab-b /srv/data data --rw --squash all\n"
    "  sunder share add lab /mnt/image disk --volume --hide '*.key'\n";

static const char remove_text[] =
    "Takes TAG back from each machine named.\n"
    "\n"
    "  sunder share remove lab-a,lab-b data\n";

static const char list_text[] =
    "What is offered to the machine, or to all.\n";

static const char show_text[] =
    "One share, with all that is set or taken by default.\n";

static const char store_text[] =
    "Prints the path of the socket of the store of shares, which speaks the\n"
    "XenStore protocol, and starts the store if it does not run.\n"
    "\n"
    "  export XENSTORED_PATH=$(sunder share store)\n"
    "  xenstore-ls -fp\n";

/* Options of "add" that are a key's value as they are */
static const char *const plain_keys[] = { "cache", "uid-map", "gid-map",
                                          "squash", "xattr", "quota-files" };

typedef struct AddOptions {
    gboolean rw, volume;
    char *plain[G_N_ELEMENTS(plain_keys)];
    char *quota_bytes;
    char **hide;
} AddOptions;

static void add_options_clear(AddOptions *options)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(plain_keys); i++) {
        g_free(options->plain[i]);
    }
    g_free(options->quota_bytes);
    g_strfreev(options->hide);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AddOptions, add_options_clear)

static int add_parse(AddOptions *options, int *argc, char ***argv)
{
    const GOptionEntry entries[] = {
        { "rw", 'w', 0, G_OPTION_ARG_NONE, &options->rw,
          "the guest may write, too", NULL },
        { "volume", 0, 0, G_OPTION_ARG_NONE, &options->volume,
          "PATH is where a volume is mounted", NULL },
        { "cache", 0, 0, G_OPTION_ARG_STRING, &options->plain[0],
          "what the guest may keep: none, auto (default) or always", "HOW" },
        { "uid-map", 0, 0, G_OPTION_ARG_STRING, &options->plain[1],
          "owners: GUEST:HOST:COUNT, blanks between them", "RANGES" },
        { "gid-map", 0, 0, G_OPTION_ARG_STRING, &options->plain[2],
          "groups, the same", "RANGES" },
        { "squash", 0, 0, G_OPTION_ARG_STRING, &options->plain[3],
          "users that act as PATH's owner: none (default), root or all",
          "WHO" },
        { "xattr", 0, 0, G_OPTION_ARG_STRING, &options->plain[4],
          "extended attributes: none, user (default) or all", "WHICH" },
        { "quota-files", 0, 0, G_OPTION_ARG_STRING, &options->plain[5],
          "files and folders at most", "N" },
        { "quota-bytes", 0, 0, G_OPTION_ARG_STRING, &options->quota_bytes,
          "bytes at most; K, M, G or T behind the number", "SIZE" },
        { "hide", 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->hide,
          "names that the guest never sees; may be given again", "PATTERN" },
        { NULL },
    };

    return verb_parse(argc, argv, "share add [OPTION...] NAME[,NAME...] PATH "
                      "[TAG]", add_text, entries);
}

/* What @path, which is absolute, can be offered as; NULL: it cannot */
static const char *path_type(const char *path, bool volume, GError **error)
{
    struct statx status;
    const char *why = NULL;

    if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &status) < 0) {
        why = g_strerror(errno);
    } else if (S_ISREG(status.stx_mode) && !volume) {
        return "file";
    } else if (!S_ISDIR(status.stx_mode)) {
        why = volume ? "not a folder, so no volume is mounted there"
                     : "neither a folder nor a file";
    } else if (!volume) {
        return "directory";
    } else if (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) {
        return "volume";
    } else {
        why = "nothing is mounted there; without --volume it is offered as a "
              "folder";
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE, "%s: %s", path, why);
    return NULL;
}

static bool add_quota(Share *share, const char *size, GError **error)
{
    g_autofree char *text = NULL;
    guint64 bytes;

    if (!description_parse_size(size, &bytes, error)) {
        g_prefix_error(error, "--quota-bytes: ");
        return false;
    }
    text = g_strdup_printf("%" G_GUINT64_FORMAT, bytes);
    return share_set(share, "quota-bytes", text, error);
}

static bool add_options(Share *share, const AddOptions *options,
                        GError **error)
{
    g_autofree char *hide = options->hide ? g_strjoinv("\n", options->hide)
                                          : NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(plain_keys); i++) {
        if (options->plain[i] &&
            !share_set(share, plain_keys[i], options->plain[i], error)) {
            return false;
        }
    }
    return (!options->quota_bytes ||
            add_quota(share, options->quota_bytes, error)) &&
           (!hide || share_set(share, "hide", hide, error));
}

/* The share that the words and options of "add" describe */
static Share *add_share(const char *given, const char *tag,
                        const AddOptions *options, GError **error)
{
    g_autoptr(Share) share = share_new();
    g_autofree char *path = realpath(given, NULL);
    g_autofree char *base = path ? g_path_get_basename(path) : NULL;
    const char *type;

    if (!path) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE, "%s: %s", given,
                    g_strerror(errno));
        return NULL;
    }
    type = path_type(path, options->volume, error);
    if (!type || !share_set(share, "tag", tag ? tag : base, error) ||
        !share_set(share, "type", type, error) ||
        !share_set(share, "access", options->rw ? "rw" : "ro", error) ||
        !share_set(share, "path", path, error) ||
        !share_set(share, "state", "offered", error) ||
        !add_options(share, options, error)) {
        return NULL;
    }
    return g_steal_pointer(&share);
}

static int share_verb_add(int argc, char **argv)
{
    g_auto(AddOptions) options = { 0 };
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreClient) client = NULL;
    g_autoptr(Share) share = NULL;
    g_auto(GStrv) machines = NULL;
    int status = add_parse(&options, &argc, &argv);

    if (status >= 0) {
        return status;
    }
    if (argc != 2 && argc != 3) {
        return verb_usage("share add", "NAME and PATH expected, and TAG or "
                          "nothing behind them");
    }
    machines = g_strsplit(argv[0], ",", 0);
    share = add_share(argv[1], argc > 2 ? argv[2] : NULL, &options, &error);
    client = share ? store_client_open(true, &error) : NULL;
    return client && share_add(client, machines, share, &error)
           ? 0 : verb_fail(error);
}

static int share_verb_remove(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreClient) client = NULL;
    g_auto(GStrv) machines = NULL;
    int status = verb_parse(&argc, &argv, "share remove [OPTION...] "
                            "NAME[,NAME...] TAG", remove_text, NULL);

    if (status >= 0) {
        return status;
    }
    if (argc != 2) {
        return verb_usage("share remove", "NAME and TAG expected");
    }
    machines = g_strsplit(argv[0], ",", 0);
    client = store_client_open(true, &error);
    return client && share_remove(client, machines, argv[1], &error)
           ? 0 : verb_fail(error);
}

static JsonObject *share_json(const Share *share)
{
    JsonObject *object = json_object_new();

    json_object_set_string_member(object, "machine", share->machine);
    json_object_set_int_member(object, "domain", share->domain);
    json_object_set_int_member(object, "share", share->number);
    for (const StoreKey *key = store_keys; key->name; key++) {
        /* A path may be any bytes; JSON is UTF-8. */
        g_autofree char *text = g_utf8_make_valid(
            share_effective(share, key->name), -1);

        json_object_set_string_member(object, key->name, text);
    }
    return object;
}

static void list_print(const GPtrArray *shares)
{
    static const char *const columns[] = { "tag", "type", "access", "state",
                                           "path" };
    static const int widths[] = { 16, 9, 6, 8, 0 };

    printf("%-12s %-16s %-9s %-6s %-8s %s\n", "MACHINE", "TAG", "TYPE",
           "ACCESS", "STATE", "PATH");
    for (unsigned i = 0; i < shares->len; i++) {
        const Share *share = shares->pdata[i];
        g_autofree char *machine = verb_printable(share->machine);

        printf("%-12s", machine);
        for (unsigned c = 0; c < G_N_ELEMENTS(columns); c++) {
            g_autofree char *text = verb_printable(
                share_effective(share, columns[c]));

            printf(" %-*s", widths[c], *text ? text : "-");
        }
        printf("\n");
    }
}

static int share_verb_list(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
        { NULL },
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreClient) client = NULL;
    g_autoptr(GPtrArray) shares = NULL;
    JsonArray *array;
    JsonNode *node;
    int status = verb_parse(&argc, &argv, "share list [OPTION...] [NAME]",
                            list_text, entries);

    if (status >= 0) {
        return status;
    }
    if (argc > 1) {
        return verb_usage("share list", "NAME or nothing expected");
    }
    client = store_client_open(true, &error);
    shares = client ? share_list(client, argc ? argv[0] : NULL, &error) : NULL;
    if (!shares) {
        return verb_fail(error);
    }
    if (!json) {
        list_print(shares);
        return 0;
    }
    array = json_array_new();
    for (unsigned i = 0; i < shares->len; i++) {
        json_array_add_object_element(array, share_json(shares->pdata[i]));
    }
    node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    verb_print_json(node);
    return 0;
}

static void show_print(const Share *share)
{
    printf("%-12s %s\n%-12s %u\n%-12s %u\n", "machine", share->machine,
           "domain", share->domain, "share", share->number);
    for (const StoreKey *key = store_keys; key->name; key++) {
        g_auto(GStrv) lines = g_strsplit(share_effective(share, key->name),
                                         "\n", 0);

        for (unsigned i = 0; lines[i]; i++) {
            g_autofree char *text = verb_printable(lines[i]);

            printf("%-12s %s\n", i ? "" : key->name, *text ? text : "-");
        }
        if (!lines[0]) {
            printf("%-12s -\n", key->name);
        }
    }
}

static int share_verb_show(int argc, char **argv)
{
    gboolean json = FALSE;
    const GOptionEntry entries[] = {
        { "json", 'j', 0, G_OPTION_ARG_NONE, &json, "print JSON", NULL },
        { NULL },
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreClient) client = NULL;
    g_autoptr(Share) share = NULL;
    JsonNode *node;
    int status = verb_parse(&argc, &argv, "share show [OPTION...] NAME TAG",
                            show_text, entries);

    if (status >= 0) {
        return status;
    }
    if (argc != 2) {
        return verb_usage("share show", "NAME and TAG expected");
    }
    client = store_client_open(true, &error);
    share = client ? share_find(client, argv[0], argv[1], &error) : NULL;
    if (!share) {
        return verb_fail(error);
    }
    if (json) {
        node = json_node_new(JSON_NODE_OBJECT);
        json_node_take_object(node, share_json(share));
        verb_print_json(node);
    } else {
        show_print(share);
    }
    return 0;
}

/* It writes at most a few megabytes before it ends. */
#define STOP_SECONDS    10

/* It keeps what it has and ends; whoever asks next starts another. */
static int store_stop(GError **error)
{
    g_autoptr(StoreClient) client = store_client_open(false, error);
    pid_t pid = client ? store_client_pid(client) : 0;

    if (!client) {
        return verb_fail(*error);
    }
    if (pid <= 0 || kill(pid, SIGTERM) < 0) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "the store of shares (process %d) cannot be ended: %s",
                    (int)pid, g_strerror(errno));
        return verb_fail(*error);
    }
    if (!store_client_wait_end(client, STOP_SECONDS)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "the store of shares (process %d) does not end within "
                    "%d seconds", (int)pid, STOP_SECONDS);
        return verb_fail(*error);
    }
    return 0;
}

static int share_verb_store(int argc, char **argv)
{
    gboolean stop = FALSE;
    const GOptionEntry entries[] = {
        { "stop", 0, 0, G_OPTION_ARG_NONE, &stop,
          "end it; what it has is kept", NULL },
        { NULL },
    };
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreClient) client = NULL;
    g_autofree char *socket = NULL;
    int status = verb_parse(&argc, &argv, "share store [OPTION...]",
                            store_text, entries);

    if (status >= 0) {
        return status;
    }
    if (argc) {
        return verb_usage("share store", "nothing expected behind it");
    }
    if (stop) {
        return store_stop(&error);
    }
    client = store_client_open(true, &error);
    socket = client ? store_client_socket(&error) : NULL;
    if (!socket) {
        return verb_fail(error);
    }
    printf("%s\n", socket);
    return 0;
}

int verb_share(int argc, char **argv)
{
    static const Verb subcommands[] = {
        { "add", share_verb_add, "offer a folder, a file or a volume" },
        { "remove", share_verb_remove, "take a share back" },
        { "list", share_verb_list, "what is offered" },
        { "show", share_verb_show, "one share in full" },
        { "store", share_verb_store, "the store's socket, or its end" },
        { NULL, NULL, NULL },
    };

    return verb_dispatch("share", subcommands, argc, argv);
}
