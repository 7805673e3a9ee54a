/*
 * The headers as a C++ program uses them: names of services as literals, messages as aggregates,
 * rights in containers and templates. Compiled, never run.
 */
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>
#include <mach/notify.h>
#include <servers/bootstrap.h>

#include <algorithm>
#include <type_traits>
#include <vector>

#ifndef __APPLE__
#include <mach/machool.h>
#endif

static_assert(std::is_same<mach_port_t, mach_port_name_t>::value, "names mix");
static_assert(std::is_trivial<mach_msg_ool_descriptor_t>::value, "a descriptor is plain bytes");
static_assert(sizeof(mach_msg_descriptor_t) == 16 && alignof(mach_msg_header_t) == 4, "packed");

namespace
{

struct Request {
    mach_msg_header_t header;
    mach_msg_body_t body;
    mach_msg_ool_descriptor_t ool;
};

class SendRight
{
  public:
    explicit SendRight(mach_port_t name) : name_(name)
    {
    }
    SendRight(const SendRight &) = delete;
    SendRight &operator=(const SendRight &) = delete;
    ~SendRight()
    {
        mach_port_deallocate(mach_task_self(), name_);
    }
    mach_port_t name() const
    {
        return name_;
    }

  private:
    mach_port_t name_;
};

} // namespace

kern_return_t ask(std::vector<char> &payload);

kern_return_t ask(std::vector<char> &payload)
{
    mach_port_t service = MACH_PORT_NULL;
    kern_return_t kr = bootstrap_look_up(bootstrap_port, "com.example.usage", &service);
    if (kr != BOOTSTRAP_SUCCESS)
        return kr;
    SendRight right(service);

    Request request = {};
    request.header.msgh_bits = MACH_MSGH_BITS_SET(
        MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE, 0, MACH_MSGH_BITS_COMPLEX);
    request.header.msgh_remote_port = right.name();
    request.header.msgh_local_port = mach_reply_port();
    request.body.msgh_descriptor_count = 1;
    request.ool.address = payload.data();
    request.ool.size = static_cast<mach_msg_size_t>(payload.size());
    request.ool.copy = MACH_MSG_VIRTUAL_COPY;
    request.ool.type = MACH_MSG_OOL_DESCRIPTOR;
    kr = mach_msg(&request.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(request), 0,
                  MACH_PORT_NULL, std::max<mach_msg_timeout_t>(10, 20), MACH_PORT_NULL);
    if (kr == MACH_SEND_TIMED_OUT)
        mach_msg_destroy(&request.header);
    return kr;
}
