/*
 * Processors one by one, as structs.
 */
#ifndef MACHOOL_MACH_PROCESSOR_INFO_H
#define MACHOOL_MACH_PROCESSOR_INFO_H

#include <mach/machine.h>
#include <mach/message.h>

typedef integer_t *processor_info_t;
typedef integer_t *processor_info_array_t;
typedef integer_t *processor_set_info_t;
typedef int processor_flavor_t;
typedef int processor_set_flavor_t;

#define PROCESSOR_INFO_MAX (1024)
typedef integer_t processor_info_data_t[PROCESSOR_INFO_MAX];
#define PROCESSOR_SET_INFO_MAX (1024)
typedef integer_t processor_set_info_data_t[PROCESSOR_SET_INFO_MAX];

#define PROCESSOR_BASIC_INFO 1
#define PROCESSOR_CPU_LOAD_INFO 2

struct processor_basic_info {
    cpu_type_t cpu_type;
    cpu_subtype_t cpu_subtype;
    boolean_t running;
    int slot_num;
    boolean_t is_master;
};
typedef struct processor_basic_info processor_basic_info_data_t, *processor_basic_info_t;

struct processor_cpu_load_info {
    unsigned int cpu_ticks[CPU_STATE_MAX];
};
typedef struct processor_cpu_load_info processor_cpu_load_info_data_t, *processor_cpu_load_info_t;

#define PROCESSOR_BASIC_INFO_COUNT                                                                 \
    ((mach_msg_type_number_t)(sizeof(processor_basic_info_data_t) / sizeof(natural_t)))
#define PROCESSOR_CPU_LOAD_INFO_COUNT                                                              \
    ((mach_msg_type_number_t)(sizeof(processor_cpu_load_info_data_t) / sizeof(natural_t)))

/* Loads are integers: this many stand for one thread that runs all the time. */
#define LOAD_SCALE 1000

#endif
