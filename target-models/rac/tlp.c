/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Headers of Transaction Layer Packets. */
#include "tlp.h"

/* Fmt and Type, byte 0 of the header: 2.2.1, table 2-3 */
#define TLP_MEMORY_READ_32      0x00
#define TLP_MEMORY_WRITE_32     0x40
#define TLP_IO_READ             0x02
#define TLP_IO_WRITE            0x42
#define TLP_CONFIG_READ_0       0x04
#define TLP_CONFIG_WRITE_0      0x44
#define TLP_CONFIG_TYPE_1       0x01    /* added for type 1 */
#define TLP_FOUR_DOUBLEWORDS    0x20    /* added for 64-bit addresses */

static uint32_t doublewords(uint64_t address, unsigned size)
{
    return ((address & 3) + size + 3) / 4;
}

/* Byte enables of the first and last doubleword: 2.2.5 */
static uint32_t byte_enables(uint64_t address, unsigned size)
{
    uint32_t bytes = ((1u << size) - 1) << (address & 3);
    unsigned last = doublewords(address, size) - 1;

    /* a request of one doubleword has none in the last */
    return (last ? bytes >> (last * 4) << 4 : 0) | (bytes & 0xf);
}

static uint32_t format_and_type(const TlpRequest *r)
{
    switch (r->space) {
    case RAC_SPACE_IO:
        return r->write ? TLP_IO_WRITE : TLP_IO_READ;
    case RAC_SPACE_CONFIG:
        return (r->write ? TLP_CONFIG_WRITE_0 : TLP_CONFIG_READ_0) |
               (r->direct ? 0 : TLP_CONFIG_TYPE_1);
    default:
        return (r->write ? TLP_MEMORY_WRITE_32 : TLP_MEMORY_READ_32) |
               (r->address >> 32 ? TLP_FOUR_DOUBLEWORDS : 0);
    }
}

void tlp_request_header(const TlpRequest *r, uint32_t header[4])
{
    header[0] = format_and_type(r) << 24 |
                doublewords(r->address, r->size);
    header[1] = (uint32_t)r->requester << 16 |
                byte_enables(r->address, r->size);
    header[3] = 0;
    if (r->space == RAC_SPACE_CONFIG) {
        /* 2.2.7: bus, device, function, extended and register number */
        header[2] = (uint32_t)r->completer << 16 | (r->address & 0xffc);
    } else if (r->address >> 32 && r->space == RAC_SPACE_MEMORY) {
        header[2] = r->address >> 32;
        header[3] = r->address & ~3u;
    } else {
        header[2] = r->address & ~3u;
    }
}
