/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's messages on the wire
 *
 * The XenStore protocol as it is spoken on a Unix socket (xen.git
 * docs/misc/xenstore.txt, xen/include/public/io/xs_wire.h): a header of four
 * numbers of 32 bits in the host's order, and up to 4,096 bytes behind it.
 *
 * Everything that comes from a client is hostile.  All functions are pure and
 * may be called from any thread.
 */
#ifndef SUNDER_STORE_WIRE_H
#define SUNDER_STORE_WIRE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_HEADER            16u
#define STORE_PAYLOAD_MAX       4096u   /* XENSTORE_PAYLOAD_MAX */
#define STORE_ABSOLUTE_MAX      3072u   /* XENSTORE_ABS_PATH_MAX */
#define STORE_RELATIVE_MAX      2048u   /* XENSTORE_REL_PATH_MAX */

/* So that a path of any length and a token fit into one event. */
#define STORE_TOKEN_MAX         (STORE_PAYLOAD_MAX - STORE_ABSOLUTE_MAX - 2)

/* enum xsd_sockmsg_type */
typedef enum StoreType {
    STORE_CONTROL = 0,
    STORE_DIRECTORY = 1,
    STORE_READ = 2,
    STORE_GET_PERMS = 3,
    STORE_WATCH = 4,
    STORE_UNWATCH = 5,
    STORE_TRANSACTION_START = 6,
    STORE_TRANSACTION_END = 7,
    STORE_INTRODUCE = 8,
    STORE_RELEASE = 9,
    STORE_GET_DOMAIN_PATH = 10,
    STORE_WRITE = 11,
    STORE_MKDIR = 12,
    STORE_RM = 13,
    STORE_SET_PERMS = 14,
    STORE_WATCH_EVENT = 15,
    STORE_ERROR = 16,
    STORE_IS_DOMAIN_INTRODUCED = 17,
    STORE_RESUME = 18,
    STORE_SET_TARGET = 19,
    STORE_RESET_WATCHES = 21,
    STORE_DIRECTORY_PART = 22,
} StoreType;

typedef struct StoreMessage {
    uint32_t type;              /* StoreType, or any other number */
    uint32_t request;           /* goes back with the reply */
    uint32_t transaction;       /* 0: none */
    const uint8_t *payload;     /* within the bytes parsed; NULL if empty */
    uint32_t length;
} StoreMessage;

typedef enum StoreFrame {
    STORE_FRAME_PARTIAL,        /* more bytes are needed */
    STORE_FRAME_WHOLE,
    STORE_FRAME_BAD,            /* too long: nothing behind it makes sense */
} StoreFrame;

/*
 * store_message_parse:
 *
 * Reads one message at the front of @bytes.  If there is one, sets *@message
 * and *@used, the bytes that it takes; else leaves both alone.
 */
StoreFrame store_message_parse(const uint8_t *bytes, size_t size,
                               StoreMessage *message, size_t *used);

/* Appends a message; @length is at most STORE_PAYLOAD_MAX. */
void store_message_append(GByteArray *bytes, uint32_t type, uint32_t request,
                          uint32_t transaction, const void *payload,
                          size_t length);

/*
 * store_message_strings:
 * @strings: room for @most pointers into the payload
 *
 * Splits a payload that is strings, each with its NUL.
 *
 * Returns: how many there are; 0 if there are more than @most, or none, or
 * the last has no NUL.
 */
unsigned store_message_strings(const StoreMessage *message,
                               const char **strings, unsigned most);

/*
 * The first string of a payload that goes on with other bytes; NULL if there
 * is none.  Sets *@rest and *@length to what is behind its NUL.
 */
const char *store_message_head(const StoreMessage *message,
                               const uint8_t **rest, size_t *length);

/* What the protocol calls an errno, "EINVAL" for those that it has not. */
const char *store_error_name(int error);

/* The errno that the protocol calls so; EINVAL if there is none. */
int store_error_number(const char *name);

/*
 * store_path_resolve:
 * @path: as a client of @domain wrote it
 * @absolute: the same, from the root; the caller frees it
 *
 * Paths have letters, digits and "-/_@+"; no element is empty, and only the
 * root ends with "/".  What does not begin with "/" is below
 * /local/domain/@domain/.
 *
 * Returns: 0, EINVAL (it is none) or E2BIG (it is too long).
 */
int store_path_resolve(const char *path, unsigned domain, char **absolute);

/* Whether @path is @folder or below it; both are absolute. */
bool store_path_below(const char *path, const char *folder);

/* The folder of @path, which is not "/"; the caller frees it. */
char *store_path_parent(const char *path);

/*
 * Whether @text is a permission: n, r, w or b (none, read, write, both) and a
 * domain's number below STORE_DOMAINS.  *@domain is set if it is.
 */
bool store_permission_valid(const char *text, unsigned *domain);

#endif /* SUNDER_STORE_WIRE_H */
