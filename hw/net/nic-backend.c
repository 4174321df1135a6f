/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sunder-nic-backend: what wires of our own have in common
 */
#include "qemu/osdep.h"
#include "hw/net/nic.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "qom/object_interfaces.h"

NicBackend *nic_backend_take(const char *id, const NicBackendOps *ops,
                             void *opaque, Error **errp)
{
    Object *o = object_resolve_path_component(object_get_objects_root(), id);
    NicBackend *b;

    if (!o) {
        error_setg(errp, "there is neither a -netdev nor an -object called "
                   "\"%s\"; give -netdev ...,id=%s or -object "
                   "sunder-nic-dgram,id=%s,local=...,remote=...",
                   id, id, id);
        return NULL;
    }
    b = (NicBackend *)object_dynamic_cast(o, TYPE_NIC_BACKEND);
    if (!b) {
        error_setg(errp, "object \"%s\" is of type %s and no wire; a port "
                   "needs a -netdev or an -object sunder-nic-dgram",
                   id, object_get_typename(o));
        return NULL;
    }
    if (b->ops) {
        error_setg(errp, "wire \"%s\" is used by another port; give each "
                   "port one of its own", id);
        return NULL;
    }
    b->ops = ops;
    b->opaque = opaque;
    return b;
}

void nic_backend_release(NicBackend *b)
{
    NIC_BACKEND_GET_CLASS(b)->set_receiving(b, false, false);
    b->ops = NULL;
    b->opaque = NULL;
}

/* Taking one keeps object-del from it, so ports need no reference. */
static bool backend_can_be_deleted(UserCreatable *uc)
{
    return !NIC_BACKEND(uc)->ops;
}

static void get_transmit_lost(Object *o, Visitor *v, const char *name,
                              void *opaque, Error **errp)
{
    visit_type_uint64(v, name, &NIC_BACKEND(o)->transmit_lost, errp);
}

static void get_receive_refused(Object *o, Visitor *v, const char *name,
                                void *opaque, Error **errp)
{
    visit_type_uint64(v, name, &NIC_BACKEND(o)->receive_refused, errp);
}

static void backend_class_init(ObjectClass *klass, void *data)
{
    USER_CREATABLE_CLASS(klass)->can_be_deleted = backend_can_be_deleted;
    object_class_property_add(klass, "transmit-lost", "uint64",
                              get_transmit_lost, NULL, NULL, NULL);
    object_class_property_set_description(klass, "transmit-lost",
        "frames that nobody was there for, or too long for the wire");
    object_class_property_add(klass, "receive-refused", "uint64",
                              get_receive_refused, NULL, NULL, NULL);
    object_class_property_set_description(klass, "receive-refused",
        "datagrams that are no frame, or too long for one");
}

static const TypeInfo backend_types[] = {
    {
        .name = TYPE_NIC_BACKEND,
        .parent = TYPE_OBJECT,
        .instance_size = sizeof(NicBackend),
        .class_size = sizeof(NicBackendClass),
        .class_init = backend_class_init,
        .abstract = true,
        .interfaces = (InterfaceInfo[]) {
            { TYPE_USER_CREATABLE },
            { }
        },
    }
};

DEFINE_TYPES(backend_types)
