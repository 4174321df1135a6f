/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qemu/osdep.h"
#include "iommu-model.h"

void model_init(Model *model, ModelMode mode)
{
    model->mode = mode;
    model_invalidate(model, 0, MODEL_PAGES);
    for (unsigned i = 0; i < MODEL_PAGES; i++) {
        model->entry[i] = NONE;
    }
}

void model_set_entry(Model *model, unsigned page, int frame)
{
    model->entry[page] = frame;
}

void model_invalidate(Model *model, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        model->cached[i] = NONE;
    }
}

ModelUse model_use(Model *model, unsigned page)
{
    int *cached = &model->cached[page];
    int entry = model->entry[page];

    if (*cached == NONE || *cached == entry) {
        *cached = entry;
        return (ModelUse) { entry, false };
    }
    switch (model->mode) {
    case MODEL_REPORT:
        return (ModelUse) { *cached, true };
    case MODEL_ENFORCE:
        return (ModelUse) { NONE, true };
    default:
        *cached = entry;
        return (ModelUse) { entry, true };
    }
}

ModelUse model_write_back(Model *model, unsigned page, int then)
{
    ModelUse use = model_use(model, page);

    if (!use.stale && use.frame != then) {
        use.stale = true;
        if (model->mode == MODEL_ENFORCE) {
            use.frame = NONE;
        }
    }
    return use;
}
