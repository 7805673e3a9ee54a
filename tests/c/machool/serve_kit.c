/* See serve_kit.h. */
#include "serve_kit.h"

struct serving here;

bool serve_one(mach_port_t port, demux *answer)
{
    union message in, out;
    ASSERT_OK(kit_receive(&in.header, sizeof(in), port, 0, 2 * PATIENCE));
    if (in.header.msgh_id == 99)
        return false;
    ASSERT(answer(&in.header, &out.header));
    ASSERT_EQ(MACH_PORT_NULL, in.request.port.name);
    ASSERT_OK(kit_send(&out.header, MACH_SEND_TIMEOUT, PATIENCE));
    return true;
}

static void *serve(void *unused)
{
    while (serve_one(here.port, here.answer))
        here.served++;
    return unused;
}

void be_bootstrap(demux *answer)
{
    ASSERT_OK(task_get_bootstrap_port(mach_task_self(), &here.saved));
    here.port = kit_port();
    here.answer = answer;
    here.served = 0;
    ASSERT_OK(task_set_bootstrap_port(mach_task_self(), here.port));
    if (answer != NULL)
        here.thread = kit_thread(serve, NULL);
}

void restore_bootstrap(void)
{
    ASSERT_OK(task_set_bootstrap_port(mach_task_self(), here.saved));
}

void be_none(void)
{
    restore_bootstrap();
    if (here.answer != NULL) {
        kit_send_plain(here.port, 99);
        kit_join(here.thread);
    }
    kit_deallocate(here.saved);
    kit_destroy(here.port);
}
