/* Threads that come and go while others list them: every name dies once, none is left behind. */
#include "harness/mach_kit.h"

#include <mach/mig.h>
#include <stdatomic.h>

enum { CREATORS = 4, ROUNDS = 150 };

static atomic_int running;

static void *short_lived(void *ret_name)
{
    mach_port_t port = mig_get_reply_port();
    mach_port_t self = mach_thread_self();
    ASSERT_NE(MACH_PORT_NULL, port);
    ASSERT_EQ(self, mach_thread_self());
    kit_deallocate(self);
    *(mach_port_t *)ret_name = self; /* with the reference that is left */
    return NULL;
}

static void *create(void *unused)
{
    (void)unused;
    for (int i = 0; i < ROUNDS; i++) {
        mach_port_t name;
        kit_join(kit_thread(short_lived, &name));
        kit_deallocate(name); /* a dead name by now, or one a moment before its death */
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

TEST_FOR(threads_come_and_go_while_they_are_listed, 60)
{
    pthread_t creator[CREATORS];
    unsigned lists = 0;
    mach_port_t self = mach_thread_self();
    atomic_store(&running, CREATORS);
    for (int i = 0; i < CREATORS; i++)
        creator[i] = kit_thread(create, NULL);
    for (; atomic_load(&running) > 0 || lists < 10; lists++) {
        thread_act_array_t list;
        mach_msg_type_number_t count;
        ASSERT_OK(task_threads(mach_task_self(), &list, &count));
        ASSERT_EQ(self, list[0]);
        for (mach_msg_type_number_t i = 0; i < count; i++) {
            struct thread_basic_info info;
            mach_msg_type_number_t words = THREAD_BASIC_INFO_COUNT;
            kern_return_t kr = thread_info(list[i], THREAD_BASIC_INFO, (thread_info_t)&info,
                                           &words);
            if (kr != KERN_SUCCESS)
                ASSERT_CODE(MACH_SEND_INVALID_DEST, kr); /* it has ended */
            kit_deallocate(list[i]);
        }
        kit_free(list, count * sizeof *list);
    }
    for (int i = 0; i < CREATORS; i++)
        kit_join(creator[i]);
    ASSERT_EQ(1, kit_refs(self, MACH_PORT_RIGHT_SEND));
    kit_deallocate(self);
}
