/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shares in the store: what is offered to which machine
 */
#include <string.h>

#include "error.h"
#include "share.h"
#include "state.h"

#define DOMAINS     "/local/domain"

/* Somebody else is in the way each time: not even a storm of them is. */
#define TRIES       1000

/* A step of a change, for one machine */
typedef bool ShareChange(StoreClient *client, const char *machine,
                         const void *what, GError **error);

Share *share_new(void)
{
    return g_new0(Share, 1);
}

void share_free(Share *share)
{
    for (unsigned i = 0; i < SHARE_KEYS; i++) {
        g_free(share->values[i]);
    }
    g_free(share->machine);
    g_free(share);
}

static void share_destroy(gpointer share)
{
    share_free(share);
}

static unsigned key_index(const char *name)
{
    return (unsigned)(store_key_find(name) - store_keys);
}

const char *share_value(const Share *share, const char *name)
{
    return share->values[key_index(name)];
}

const char *share_effective(const Share *share, const char *name)
{
    const char *value = share_value(share, name);
    const char *initial = store_key_find(name)->initial;

    return value ? value : initial ? initial : "";
}

bool share_set(Share *share, const char *name, const char *value,
               GError **error)
{
    const StoreKey *key = store_key_find(name);
    unsigned index = key_index(name);

    if (!key->valid(value)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "%s \"%s\": expected %s", name, value, key->expected);
        return false;
    }
    g_free(share->values[index]);
    share->values[index] = g_strdup(value);
    return true;
}

static GPtrArray *text_array(void)
{
    return g_ptr_array_new_with_free_func(g_free);
}

/* Numbers that nodes in @path are named by, as (char *), and their values */
static bool list_numbers(StoreClient *client, const char *path,
                         const char *leaf, GPtrArray **numbers,
                         GPtrArray **values, GError **error)
{
    g_autoptr(GPtrArray) names = store_client_list(client, path, error);
    g_autoptr(GPtrArray) paths = text_array();

    if (!names) {
        return false;
    }
    for (unsigned i = names->len; i-- > 0;) {
        uint64_t number;

        if (!store_number_parse(names->pdata[i], UINT32_MAX, &number)) {
            g_ptr_array_remove_index(names, i);
        }
    }
    for (unsigned i = 0; i < names->len; i++) {
        g_ptr_array_add(paths, g_strdup_printf("%s/%s/%s", path,
                                               (char *)names->pdata[i], leaf));
    }
    *values = store_client_read_all(client, paths, error);
    if (!*values) {
        return false;
    }
    *numbers = g_steal_pointer(&names);
    return true;
}

static unsigned number_at(const GPtrArray *numbers, unsigned i)
{
    return (unsigned)g_ascii_strtoull(numbers->pdata[i], NULL, 10);
}

/* The domain of @machine, 0 if it has none; *@free: one that is nobody's */
static bool find_domain(StoreClient *client, const char *machine,
                        unsigned *domain, unsigned *free, GError **error)
{
    g_autoptr(GPtrArray) numbers = NULL, names = NULL;

    if (!list_numbers(client, DOMAINS, "name", &numbers, &names, error)) {
        return false;
    }
    *domain = 0;
    *free = 1;
    for (unsigned i = 0; i < numbers->len; i++) {
        unsigned number = number_at(numbers, i);

        *free = MAX(*free, number + 1);
        if (number && !g_strcmp0(names->pdata[i], machine)) {
            *domain = number;
        }
    }
    return true;
}

/* Of shares that were read key by key */
static GPtrArray *make_shares(const char *machine, unsigned domain,
                              const GPtrArray *numbers, GPtrArray *values)
{
    GPtrArray *shares = g_ptr_array_new_with_free_func(share_destroy);
    unsigned at = 0;

    for (unsigned i = 0; i < numbers->len; i++) {
        Share *share = share_new();

        share->machine = g_strdup(machine);
        share->domain = domain;
        share->number = number_at(numbers, i);
        for (unsigned k = 0; store_keys[k].name; k++) {
            share->values[k] = g_steal_pointer(&values->pdata[at++]);
        }
        g_ptr_array_add(shares, share);
    }
    return shares;
}

static int compare_shares(gconstpointer a, gconstpointer b)
{
    const Share *share_a = *(Share *const *)a;
    const Share *share_b = *(Share *const *)b;
    int order = strcmp(share_a->machine, share_b->machine);

    return order ? order
           : (share_a->number > share_b->number) -
             (share_a->number < share_b->number);
}

static GPtrArray *list_domain(StoreClient *client, const char *machine,
                              unsigned domain, GError **error)
{
    g_autofree char *folder = store_path_folder(STORE_FRONT, domain);
    g_autoptr(GPtrArray) numbers = NULL, tags = NULL, values = NULL;
    g_autoptr(GPtrArray) paths = text_array();

    if (!list_numbers(client, folder, "tag", &numbers, &tags, error)) {
        return NULL;
    }
    for (unsigned i = 0; i < numbers->len; i++) {
        for (const StoreKey *key = store_keys; key->name; key++) {
            g_ptr_array_add(paths, store_path_key(key, domain,
                                                  number_at(numbers, i)));
        }
    }
    values = store_client_read_all(client, paths, error);
    return values ? make_shares(machine, domain, numbers, values) : NULL;
}

GPtrArray *share_list(StoreClient *client, const char *machine,
                      GError **error)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(share_destroy);
    g_autoptr(GPtrArray) numbers = NULL, names = NULL;

    if (!list_numbers(client, DOMAINS, "name", &numbers, &names, error)) {
        return NULL;
    }
    for (unsigned i = 0; i < numbers->len; i++) {
        const char *name = names->pdata[i] ? names->pdata[i] : "";
        unsigned domain = number_at(numbers, i);
        GPtrArray *shares;

        if (domain == STORE_TRUSTED || (machine && strcmp(name, machine))) {
            continue;
        }
        shares = list_domain(client, name, domain, error);
        if (!shares) {
            return NULL;
        }
        g_ptr_array_extend_and_steal(all, shares);
    }
    g_ptr_array_sort(all, compare_shares);
    return g_steal_pointer(&all);
}

static bool not_offered(const char *machine, const char *tag, GError **error)
{
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                "%s: no share \"%s\" is offered to it; \"sunder share list\" "
                "shows what is", machine, tag);
    return false;
}

Share *share_find(StoreClient *client, const char *machine, const char *tag,
                  GError **error)
{
    g_autoptr(GPtrArray) shares = share_list(client, machine, error);

    if (!shares) {
        return NULL;
    }
    for (unsigned i = 0; i < shares->len; i++) {
        Share *share = shares->pdata[i];

        if (!strcmp(share_effective(share, "tag"), tag)) {
            return g_ptr_array_steal_index(shares, i);
        }
    }
    not_offered(machine, tag, error);
    return NULL;
}

/* Do @change for each of @machines, in one transaction. */
static bool change_machines(StoreClient *client, char *const *machines,
                            ShareChange *change, const void *what,
                            GError **error)
{
    for (unsigned i = 0; i < TRIES; i++) {
        GError *failure = NULL;
        bool done = store_client_begin(client, &failure);

        for (char *const *machine = machines; done && *machine; machine++) {
            done = change(client, *machine, what, &failure);
        }
        if (done) {
            done = store_client_end(client, true, &failure);
        } else {
            store_client_end(client, false, NULL);
        }
        if (failure) {
            g_propagate_error(error, failure);
            return false;
        }
        if (done) {
            return true;
        }
    }
    g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                "others have changed the store %d times meanwhile; try again",
                TRIES);
    return false;
}

static bool write_key(StoreClient *client, const StoreKey *key,
                      unsigned domain, unsigned number, const char *value,
                      GError **error)
{
    g_autofree char *path = store_path_key(key, domain, number);

    return store_client_write(client, path, value, error);
}

/* The first share: a domain of its own, and the folders for its shares */
static bool make_domain(StoreClient *client, const char *machine,
                        unsigned domain, GError **error)
{
    g_autofree char *name = store_path_name(domain);
    g_autofree char *home = g_path_get_dirname(name);
    g_autofree char *front = store_path_folder(STORE_FRONT, domain);
    g_autofree char *back = store_path_folder(STORE_BACK, domain);

    if (domain >= STORE_DOMAINS) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_FAILED,
                    "the store of shares has no number left for a machine");
        return false;
    }
    return store_client_make(client, home, error) &&
           store_client_permit(client, home, domain, error) &&
           store_client_write(client, name, machine, error) &&
           store_client_make(client, front, error) &&
           store_client_make(client, back, error);
}

/* The share of @domain that has @tag; false: none */
static bool find_tag(StoreClient *client, unsigned domain, const char *tag,
                     unsigned *number, unsigned *free, GError **error)
{
    g_autofree char *folder = store_path_folder(STORE_FRONT, domain);
    g_autoptr(GPtrArray) numbers = NULL, tags = NULL;
    bool found = false;

    if (!list_numbers(client, folder, "tag", &numbers, &tags, error)) {
        return false;
    }
    for (unsigned i = 0; i < numbers->len; i++) {
        unsigned there = number_at(numbers, i);

        *free = MAX(*free, there + 1);
        if (!g_strcmp0(tags->pdata[i], tag)) {
            *number = there;
            found = true;
        }
    }
    return found;
}

/* The number that a new share gets: none that a share has had */
static bool take_number(StoreClient *client, unsigned domain, unsigned *number,
                        GError **error)
{
    g_autofree char *path = store_path_next(domain);
    GError *failure = NULL;
    g_autofree char *value = store_client_read(client, path, &failure);
    g_autofree char *next = NULL;
    uint64_t kept;

    if (failure) {
        g_propagate_error(error, failure);
        return false;
    }
    if (value && store_number_parse(value, UINT32_MAX - 1, &kept)) {
        *number = MAX(*number, (unsigned)kept);
    }
    next = g_strdup_printf("%u", *number + 1);
    return store_client_write(client, path, next, error);
}

static bool write_share(StoreClient *client, unsigned domain, unsigned number,
                        const Share *share, GError **error)
{
    for (unsigned i = 0; store_keys[i].name; i++) {
        if (share->values[i] &&
            !write_key(client, &store_keys[i], domain, number,
                       share->values[i], error)) {
            return false;
        }
    }
    return true;
}

static bool add_to(StoreClient *client, const char *machine, const void *what,
                   GError **error)
{
    const Share *share = what;
    const char *tag = share_effective(share, "tag");
    unsigned domain, free, number = 0, next = 0;
    GError *failure = NULL;

    if (!find_domain(client, machine, &domain, &free, error)) {
        return false;
    }
    if (domain == 0) {
        domain = free;
        if (!make_domain(client, machine, domain, error)) {
            return false;
        }
    }
    if (find_tag(client, domain, tag, &number, &next, &failure)) {
        g_set_error(error, SUNDER_ERROR, SUNDER_ERROR_USAGE,
                    "%s: a share \"%s\" is offered to it already; remove that "
                    "first, or give this one another name", machine, tag);
        return false;
    }
    if (failure) {
        g_propagate_error(error, failure);
        return false;
    }
    return take_number(client, domain, &next, error) &&
           write_share(client, domain, next, share, error);
}

bool share_add(StoreClient *client, char *const *machines, const Share *share,
               GError **error)
{
    for (char *const *machine = machines; *machine; machine++) {
        if (!state_name_valid(*machine, error)) {
            return false;
        }
    }
    return change_machines(client, machines, add_to, share, error);
}

static bool remove_from(StoreClient *client, const char *machine,
                        const void *what, GError **error)
{
    const char *tag = what;
    unsigned domain, free, number = 0;
    g_autofree char *front = NULL, *back = NULL;
    GError *failure = NULL;

    if (!find_domain(client, machine, &domain, &free, error)) {
        return false;
    }
    if (domain == 0 ||
        !find_tag(client, domain, tag, &number, &free, &failure)) {
        if (failure) {
            g_propagate_error(error, failure);
            return false;
        }
        return not_offered(machine, tag, error);
    }
    front = store_path_share(STORE_FRONT, domain, number);
    back = store_path_share(STORE_BACK, domain, number);
    return store_client_remove(client, front, error) &&
           store_client_remove(client, back, error);
}

bool share_remove(StoreClient *client, char *const *machines, const char *tag,
                  GError **error)
{
    return change_machines(client, machines, remove_from, tag, error);
}
