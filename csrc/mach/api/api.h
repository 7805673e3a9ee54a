/* What the calls of the API share. */
#ifndef MACHOOL_API_API_H
#define MACHOOL_API_API_H

#include <mach/mach_init.h>
#include <mach/message.h>

/* Only this task can be worked on (S184). */
#define CHECK_TASK(task)                                                                           \
    do {                                                                                           \
        if ((task) != mach_task_self_)                                                             \
            return MACH_SEND_INVALID_DEST;                                                         \
    } while (0)

#endif
