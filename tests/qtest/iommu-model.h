/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an IOMMU that caches for ever must do: the reference of
 * iommu-late-test.c, a few pages, no time, nothing shared with the product.
 *
 * A page of the device has an entry (the frame that it is mapped to, or NONE)
 * and maybe a cached frame.  Only an invalidation takes the cached frame
 * away.  A use whose cached frame is not the entry's is stale.
 */
#ifndef SUNDER_TESTS_IOMMU_MODEL_H
#define SUNDER_TESTS_IOMMU_MODEL_H

#include <stdbool.h>

#define MODEL_PAGES     8
#define NONE            (-1)

typedef enum ModelMode {
    MODEL_REPORT,
    MODEL_ENFORCE,
    MODEL_COHERENT,
} ModelMode;

typedef struct Model {
    ModelMode mode;
    int entry[MODEL_PAGES];
    int cached[MODEL_PAGES];
} Model;

/* What a use comes to: the frame, or NONE if it is refused. */
typedef struct ModelUse {
    int frame;
    bool stale;
} ModelUse;

void model_init(Model *model, ModelMode mode);
void model_set_entry(Model *model, unsigned page, int frame);
void model_invalidate(Model *model, unsigned first, unsigned n);
ModelUse model_use(Model *model, unsigned page);
/*
 * The write-back of a pointer that was taken when the page led to @then: a
 * use, but one that leads elsewhere is stale, too.
 */
ModelUse model_write_back(Model *model, unsigned page, int then);

#endif
