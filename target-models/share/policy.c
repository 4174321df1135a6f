/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a guest may do with a share. */
#include <string.h>

#include "internal.h"

G_DEFINE_QUARK(share-error-quark, share_error)

static bool ranges_check(const ShareIdRange *ranges, unsigned n,
                         const char *what, GError **error)
{
    if (n > SHARE_RANGES_MAX) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_POLICY,
                    "%u ranges of %s, at most %u", n, what,
                    SHARE_RANGES_MAX);
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        const ShareIdRange *r = &ranges[i];

        if (r->count == 0 || r->count > UINT32_MAX - r->guest ||
            r->count > UINT32_MAX - r->host) {
            g_set_error(error, SHARE_ERROR, SHARE_ERROR_POLICY,
                        "%s %u:%u:%u (guest:host:count): the count must be "
                        "at least 1 and no id above 4294967294", what,
                        r->guest, r->host, r->count);
            return false;
        }
        for (unsigned k = 0; k < i; k++) {
            const ShareIdRange *o = &ranges[k];

            if ((r->guest < o->guest + o->count &&
                 o->guest < r->guest + r->count) ||
                (r->host < o->host + o->count &&
                 o->host < r->host + r->count)) {
                g_set_error(error, SHARE_ERROR, SHARE_ERROR_POLICY,
                            "%s %u:%u:%u overlaps %u:%u:%u; ranges must not",
                            what, r->guest, r->host, r->count, o->guest,
                            o->host, o->count);
                return false;
            }
        }
    }
    return true;
}

static bool hidden_check(const char *const *hidden, GError **error)
{
    for (unsigned i = 0; hidden && hidden[i]; i++) {
        if (i == SHARE_HIDDEN_MAX) {
            g_set_error(error, SHARE_ERROR, SHARE_ERROR_POLICY,
                        "more than %u hidden patterns", SHARE_HIDDEN_MAX);
            return false;
        }
        if (!*hidden[i] || strlen(hidden[i]) > SHARE_NAME_MAX ||
            strchr(hidden[i], '/') || !g_utf8_validate(hidden[i], -1, NULL)) {
            g_autofree char *shown = share_name_printable(hidden[i]);

            g_set_error(error, SHARE_ERROR, SHARE_ERROR_POLICY,
                        "hidden pattern '%s': expected 1 to %u bytes of "
                        "UTF-8 without '/': it is compared with names, not "
                        "with paths", shown, SHARE_NAME_MAX);
            return false;
        }
    }
    return true;
}

bool share_policy_check(const SharePolicy *policy, GError **error)
{
    if ((unsigned)policy->squash > SHARE_SQUASH_ALL ||
        (unsigned)policy->cache > SHARE_CACHE_ALWAYS ||
        (unsigned)policy->xattrs > SHARE_XATTR_ALL) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_POLICY,
                    "squash %d, cache %d or xattrs %d: not known",
                    policy->squash, policy->cache, policy->xattrs);
        return false;
    }
    if (policy->squash != SHARE_SQUASH_NONE &&
        (policy->anonymous_uid == UINT32_MAX ||
         policy->anonymous_gid == UINT32_MAX)) {
        g_set_error(error, SHARE_ERROR, SHARE_ERROR_POLICY,
                    "anonymous ids %u:%u: 4294967295 is nobody's",
                    policy->anonymous_uid, policy->anonymous_gid);
        return false;
    }
    return ranges_check(policy->uids, policy->n_uids, "uids", error) &&
           ranges_check(policy->gids, policy->n_gids, "gids", error) &&
           hidden_check(policy->hidden, error);
}

bool share_name_check(const char *name, GError **error)
{
    bool good = *name && strlen(name) <= SHARE_NAME_MAX &&
                !strchr(name, '/') && strcmp(name, ".") != 0 &&
                strcmp(name, "..") != 0 && g_utf8_validate(name, -1, NULL);

    for (const char *p = name; good && *p; p = g_utf8_next_char(p)) {
        good = !g_unichar_iscntrl(g_utf8_get_char(p));
    }
    if (!good) {
        g_autofree char *shown = share_name_printable(name);

        g_set_error(error, SHARE_ERROR, SHARE_ERROR_NAME,
                    "share '%s': expected a name of 1 to %u bytes of UTF-8, "
                    "without '/' and control characters, not '.' or '..'",
                    shown, SHARE_NAME_MAX);
    }
    return good;
}

char *share_name_printable(const char *name)
{
    GString *out = g_string_new(NULL);

    for (const char *p = name; *p; p++) {
        if (g_ascii_isprint(*p) && !strchr("\\\"'$`", *p)) {
            g_string_append_c(out, *p);
        } else {
            g_string_append_printf(out, "\\x%02x", (uint8_t)*p);
        }
    }
    return g_string_free(out, FALSE);
}

void share_policy_copy(SharePolicy *to, const SharePolicy *from)
{
    *to = *from;
    to->uids = g_memdup2(from->uids, from->n_uids * sizeof(*from->uids));
    to->gids = g_memdup2(from->gids, from->n_gids * sizeof(*from->gids));
    to->hidden = (const char *const *)g_strdupv((char **)from->hidden);
}

void share_policy_clear(SharePolicy *policy)
{
    g_free((void *)policy->uids);
    g_free((void *)policy->gids);
    g_strfreev((char **)policy->hidden);
}

/* By bytes, as names are: they need not be UTF-8. */
static bool matches(const char *pattern, const char *name)
{
    const char *star = NULL, *from = NULL;

    while (*name) {
        if (*pattern == '*') {
            star = pattern++;
            from = name;
        } else if (*pattern && (*pattern == '?' || *pattern == *name)) {
            pattern++;
            name++;
        } else if (star) {
            /* the star takes one more */
            pattern = star + 1;
            name = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*') {
        pattern++;
    }
    return !*pattern;
}

bool share_policy_hides(const SharePolicy *policy, const char *name)
{
    for (unsigned i = 0; policy->hidden && policy->hidden[i]; i++) {
        if (matches(policy->hidden[i], name)) {
            return true;
        }
    }
    return false;
}

bool share_policy_host_id(const ShareIdRange *ranges, unsigned n,
                          uint32_t guest, uint32_t *host)
{
    *host = guest;
    for (unsigned i = 0; i < n; i++) {
        if (guest >= ranges[i].guest &&
            guest - ranges[i].guest < ranges[i].count) {
            *host = ranges[i].host + (guest - ranges[i].guest);
            return true;
        }
    }
    return n == 0 && guest != UINT32_MAX;
}

bool share_policy_guest_id(const ShareIdRange *ranges, unsigned n,
                           uint32_t host, uint32_t *guest)
{
    *guest = host;
    for (unsigned i = 0; i < n; i++) {
        if (host >= ranges[i].host &&
            host - ranges[i].host < ranges[i].count) {
            *guest = ranges[i].guest + (host - ranges[i].host);
            return true;
        }
    }
    if (n) {
        *guest = SHARE_NOBODY;
    }
    return n == 0;
}
