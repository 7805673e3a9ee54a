/*
 * Memory that two processes share: a memory entry.
 *
 * Out-of-line memory is a copy; this is the opposite. A memory entry is a port that stands for a
 * range of memory: whoever gets a right to it can map the range, and all see each other's writes.
 * The entry says what may be done with it; mapping it for more fails. Messages still serve to tell
 * the other side that there is something to look at.
 */
#include "check.h"

#include <mach/mach_vm.h>
#include <string.h>

struct offer {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t entry;
    mach_msg_trailer_t trailer;
};

struct board { /* what is in the memory */
    int writers;
    char text[2][32];
};

static void child(const char *name)
{
    mach_port_t mine = new_port();
    union {
        mach_msg_header_t header;
        struct offer offer;
    } buffer;
    address(&buffer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND),
            sizeof buffer.header, find_service(name), mine, 0);
    CHECK(mach_msg(&buffer.header, MACH_SEND_MSG | MACH_RCV_MSG, sizeof buffer.header,
                   sizeof buffer, mine, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL));
    mach_port_t entry = buffer.offer.entry.name;

    mach_vm_address_t place = 0;
    CHECK(mach_vm_map(mach_task_self(), &place, vm_page_size, 0, VM_FLAGS_ANYWHERE, entry, 0, FALSE,
                      VM_PROT_READ | VM_PROT_WRITE, VM_PROT_READ | VM_PROT_WRITE, VM_INHERIT_NONE));
    CHECK(mach_port_deallocate(mach_task_self(), entry)); /* the mapping stays */
    struct board *board = (struct board *)place;
    printf("child reads: %s\n", board->text[0]);
    snprintf(board->text[1], sizeof board->text[1], "hello, parent");
    board->writers++;

    address(&buffer.header, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0), sizeof buffer.header,
            find_service(name), MACH_PORT_NULL, 0);
    send_message(&buffer.header);
}

static void offer(mach_port_t to, mach_port_t entry)
{
    struct offer message = {
        .body = {.msgh_descriptor_count = 1},
        .entry = {.name = entry,
                  .disposition = MACH_MSG_TYPE_MOVE_SEND,
                  .type = MACH_MSG_PORT_DESCRIPTOR},
    };
    address(&message.header, MACH_MSGH_BITS_COMPLEX | MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, 0),
            sizeof message - sizeof message.trailer, to, MACH_PORT_NULL, 0);
    send_message(&message.header);
}

int main(void)
{
    char name[BOOTSTRAP_MAX_NAME_LEN];
    mach_port_t mine = new_service(name);
    pid_t pid = start(child, name);
    struct {
        mach_msg_header_t header;
        mach_msg_trailer_t trailer;
    } note;
    receive_message(&note.header, sizeof note, mine);

    mach_vm_address_t place = 0;
    CHECK(mach_vm_allocate(mach_task_self(), &place, vm_page_size, VM_FLAGS_ANYWHERE));
    struct board *board = (struct board *)place;
    snprintf(board->text[0], sizeof board->text[0], "hello, child");
    board->writers = 1;

    mach_port_t entry = MACH_PORT_NULL;
    memory_object_size_t size = vm_page_size;
    CHECK(mach_make_memory_entry_64(mach_task_self(), &size, place,
                                    MAP_MEM_VM_SHARE | VM_PROT_READ | VM_PROT_WRITE, &entry,
                                    MACH_PORT_NULL));
    offer(note.header.msgh_remote_port, entry);

    receive_message(&note.header, sizeof note, mine);
    printf("parent reads: %s\n", board->text[1]);
    printf("%d writers in one page\n", board->writers);
    finish(pid);
    CHECK(mach_vm_deallocate(mach_task_self(), place, vm_page_size));
    return 0;
}
