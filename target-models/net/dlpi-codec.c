/* SPDX-License-Identifier: GPL-2.0-or-later */
/* DLPI: messages as bytes. */
#include "dlpi-internal.h"

#include "target-models/bytes.h"

#define CAPABILITY_HEADER   12      /* primitive, offset, length */
#define SERVICE_CLDLS       2       /* connectionless */

/* Words of data of each type, as in <sys/dlpi.h> where it is there. */
#define HCKSUM_WORDS        6       /* version, flags, module id */
#define LSO_WORDS           8       /* version, flags, max, 0, module id */
#define INTERFACE_WORDS     8       /* version, flags, interface */

void dlpi_add_message(GByteArray *out, uint32_t primitive,
                      const uint32_t *words, unsigned n)
{
    bytes_add32(out, primitive);
    for (unsigned i = 0; i < n; i++) {
        bytes_add32(out, words[i]);
    }
}

void dlpi_add_bind_req(GByteArray *out, uint16_t sap)
{
    dlpi_add_message(out, DLPI_BIND_REQ,
                     (uint32_t[]){ sap, 0, SERVICE_CLDLS, 0 }, 4);
}

bool dlpi_has_interface(uint32_t type)
{
    return type == DLPI_CAPAB_POLL || type == DLPI_CAPAB_DIRECT;
}

/* Returns: words of data, or 0 for a type that is not known. */
static unsigned words_of(uint32_t type)
{
    switch (type) {
    case DLPI_CAPAB_HCKSUM:
        return HCKSUM_WORDS;
    case DLPI_CAPAB_LSO:
        return LSO_WORDS;
    case DLPI_CAPAB_POLL:
    case DLPI_CAPAB_DIRECT:
        return INTERFACE_WORDS;
    default:
        return 0;
    }
}

void dlpi_add_capability(GByteArray *out, const DlpiCapability *c)
{
    uint32_t words[8] = { DLPI_CAPAB_VERSION, c->flags };
    unsigned n = words_of(c->type);

    if (dlpi_has_interface(c->type)) {
        words[2] = c->interface.bar;
        words[3] = c->interface.offset;
        words[4] = c->interface.stride;
        words[5] = c->interface.n;
        words[6] = c->interface.handle;
        words[7] = c->interface.handle >> 32;
    } else if (c->type == DLPI_CAPAB_LSO) {
        words[2] = c->max;
    }
    bytes_add32(out, c->type);
    bytes_add32(out, n * 4);
    for (unsigned i = 0; i < n; i++) {
        bytes_add32(out, words[i]);
    }
}

void dlpi_add_capability_req(GByteArray *out, const DlpiCapability *list,
                             unsigned n)
{
    unsigned at = out->len;
    uint32_t length;

    dlpi_add_message(out, DLPI_CAPABILITY_REQ,
                     (uint32_t[]){ n ? CAPABILITY_HEADER : 0, 0 }, 2);
    for (unsigned i = 0; i < n; i++) {
        dlpi_add_capability(out, &list[i]);
    }
    length = GUINT32_TO_LE(out->len - at - CAPABILITY_HEADER);
    memcpy(out->data + at + 8, &length, sizeof(length));
}

static void parse_one(const uint8_t *data, DlpiCapability *c)
{
    c->flags = bytes_le32(data + 4);
    if (dlpi_has_interface(c->type)) {
        c->interface.bar = bytes_le32(data + 8);
        c->interface.offset = bytes_le32(data + 12);
        c->interface.stride = bytes_le32(data + 16);
        c->interface.n = bytes_le32(data + 20);
        c->interface.handle = bytes_le64(data + 24);
    } else if (c->type == DLPI_CAPAB_LSO) {
        c->max = bytes_le32(data + 8);
    }
}

/* Where the capability of a type is, or is to be. */
static DlpiCapability *find(DlpiCapability *list, int *n, uint32_t type)
{
    for (int i = 0; i < *n; i++) {
        if (list[i].type == type) {
            return &list[i];
        }
    }
    return &list[(*n)++];
}

static int parse_list(BytesReader *r, DlpiCapability *list)
{
    int n = 0;

    while (r->left) {
        DlpiCapability c = { .type = bytes_take32(r) };
        uint32_t length = bytes_take32(r);
        const uint8_t *data = bytes_take(r, length);
        unsigned words = words_of(c.type);

        if (!data || length < words * 4) {
            return -1;
        }
        if (words && bytes_le32(data) == DLPI_CAPAB_VERSION) {
            parse_one(data, &c);
            *find(list, &n, c.type) = c;
        }
    }
    return n;
}

int dlpi_parse_capabilities(const uint8_t *data, size_t size,
                            DlpiCapability list[DLPI_CAPABILITIES])
{
    uint32_t offset, length;
    BytesReader r;

    if (size < CAPABILITY_HEADER) {
        return -1;
    }
    offset = bytes_le32(data + 4);
    length = bytes_le32(data + 8);
    if (length == 0) {
        return 0;
    }
    if (offset < CAPABILITY_HEADER || offset > size ||
        length > size - offset) {
        return -1;
    }
    r = (BytesReader){ data + offset, length, false };
    return parse_list(&r, list);
}
