/* Memory entries; see entry_kit.h. */
#include "entry_kit.h"

mach_port_t kit_entry(const void *address, size_t size, vm_prot_t permission)
{
    memory_object_size_t got = size;
    mach_port_t entry = MACH_PORT_NULL;
    ASSERT_OK(mach_make_memory_entry_64(mach_task_self(), &got,
                                        (memory_object_offset_t)(uintptr_t)address, permission,
                                        &entry, MACH_PORT_NULL));
    ASSERT_EQ(kit_round(size), got);
    ASSERT_NE(MACH_PORT_NULL, entry);
    return entry;
}

kern_return_t kit_try_map(void **ret_at, mach_port_t entry, size_t size, size_t offset, bool copy,
                          vm_prot_t current, vm_prot_t maximum)
{
    mach_vm_address_t at = 0;
    kern_return_t kr = mach_vm_map(mach_task_self(), &at, size, 0, VM_FLAGS_ANYWHERE, entry, offset,
                                   copy, current, maximum, VM_INHERIT_DEFAULT);
    if (kr == KERN_SUCCESS)
        *ret_at = (void *)(uintptr_t)at;
    return kr;
}

char *kit_map(mach_port_t entry, size_t size, size_t offset, bool copy)
{
    void *at = NULL;
    ASSERT_OK(kit_try_map(&at, entry, size, offset, copy, RW, RW));
    ASSERT_EQ(0, (uintptr_t)at % vm_page_size);
    return at;
}

void kit_assert_shared(char *a, char *b, size_t size)
{
    kit_fill(a, size, 11);
    ASSERT_FILLED(b, size, 11);
    kit_fill(b, size, 12);
    ASSERT_FILLED(a, size, 12);
}
