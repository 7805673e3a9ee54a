/*
 * The headers as C++ programs use them: names of services as literals, messages as aggregates and
 * as bytes, rights in containers and templates, constants in constant expressions. Compiled, never
 * run.
 */
#include <mach/mach.h>
#include <mach/mach_time.h>
#include <mach/mach_vm.h>
#include <mach/notify.h>
#include <servers/bootstrap.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
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

/* A right that knows how to let go of itself, by its kind; codes that explain themselves. */

namespace
{

template <mach_port_right_t Kind> struct RightTraits {
    static void release(mach_port_t name)
    {
        mach_port_mod_refs(mach_task_self(), name, Kind, -1);
    }
};

template <mach_port_right_t Kind> class ScopedRight
{
  public:
    explicit ScopedRight(mach_port_t name = MACH_PORT_NULL) : name_(name)
    {
    }
    ScopedRight(ScopedRight &&other) : name_(other.release())
    {
    }
    ~ScopedRight()
    {
        if (MACH_PORT_VALID(name_))
            RightTraits<Kind>::release(name_);
    }
    mach_port_t release()
    {
        mach_port_t name = MACH_PORT_NULL;
        std::swap(name, name_);
        return name;
    }
    mach_port_t *receive()
    {
        return &name_;
    }
    mach_port_t get() const
    {
        return name_;
    }

  private:
    mach_port_t name_;
};

using ReceiveRight = ScopedRight<MACH_PORT_RIGHT_RECEIVE>;
using ScopedSendRight = ScopedRight<MACH_PORT_RIGHT_SEND>;

class MachFailure
{
  public:
    MachFailure(const char *call, kern_return_t code)
        : text_(std::string(call) + ": " + mach_error_string(code)), code_(code)
    {
    }
    bool timedOut() const
    {
        return code_ == MACH_RCV_TIMED_OUT || code_ == MACH_SEND_TIMED_OUT;
    }

  private:
    std::string text_;
    kern_return_t code_;
};

constexpr mach_msg_size_t kInlineSize = 4096;
constexpr mach_msg_bits_t kReplyBits = MACH_MSGH_BITS_SET(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0, 0, 0);
constexpr mach_msg_timeout_t kForever = std::numeric_limits<mach_msg_timeout_t>::max();
constexpr mach_msg_option_t kReceive = MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_VOUCHER |
                                       MACH_RCV_TRAILER_ELEMENTS(MACH_RCV_TRAILER_AUDIT);
enum class Kind : mach_port_type_t {
    Send = MACH_PORT_TYPE_SEND,
    Receive = MACH_PORT_TYPE_RECEIVE,
    Dead = MACH_PORT_TYPE_DEAD_NAME,
};
static_assert(kReplyBits == 18 && MACH_PORT_DEAD == 0xffffffff, "constant expressions");

struct Envelope : mach_msg_base_t {
    mach_msg_port_descriptor_t ports[2];
};
static_assert(sizeof(Envelope) == 52, "no hole");

} // namespace

/* A buffer that grows until the message fits, walked by what its descriptors say they are. */

std::vector<std::uint8_t> receiveGrowing(mach_port_t port);
std::vector<std::uint8_t> receiveGrowing(mach_port_t port)
{
    std::vector<std::uint8_t> buffer(kInlineSize);
    for (;;) {
        auto *header = reinterpret_cast<mach_msg_header_t *>(buffer.data());
        const mach_msg_return_t code = mach_msg(header, kReceive, 0,
                                                static_cast<mach_msg_size_t>(buffer.size()), port,
                                                kForever, MACH_PORT_NULL);
        if (code == MACH_RCV_TOO_LARGE)
            buffer.resize(header->msgh_size + sizeof(mach_msg_audit_trailer_t));
        else if (code != MACH_MSG_SUCCESS)
            throw MachFailure("mach_msg", code);
        else
            return buffer;
    }
}

std::vector<mach_port_t> portsOf(const mach_msg_header_t *header);
std::vector<mach_port_t> portsOf(const mach_msg_header_t *header)
{
    std::vector<mach_port_t> found;
    if (!(header->msgh_bits & MACH_MSGH_BITS_COMPLEX))
        return found;
    const auto *base = reinterpret_cast<const mach_msg_base_t *>(header);
    const auto *at = reinterpret_cast<const std::uint8_t *>(base + 1);
    for (mach_msg_size_t i = 0; i < base->body.msgh_descriptor_count; i++) {
        const auto *descriptor = reinterpret_cast<const mach_msg_descriptor_t *>(at);
        switch (descriptor->type.type) {
        case MACH_MSG_PORT_DESCRIPTOR:
            found.push_back(descriptor->port.name);
            at += sizeof(mach_msg_port_descriptor_t);
            break;
        case MACH_MSG_OOL_PORTS_DESCRIPTOR: {
            const auto *ports = static_cast<mach_port_t *>(descriptor->ool_ports.address);
            found.insert(found.end(), ports, ports + descriptor->ool_ports.count);
            at += sizeof(mach_msg_ool_ports_descriptor_t);
            break;
        }
        default:
            at += sizeof(mach_msg_ool_descriptor_t);
        }
    }
    return found;
}

mach_port_t passPorts(mach_port_t to);
mach_port_t passPorts(mach_port_t to)
{
    ReceiveRight port;
    mach_port_options_t options{};
    options.flags = MPO_INSERT_SEND_RIGHT | MPO_QLIMIT;
    options.mpl.mpl_qlimit = MACH_PORT_QLIMIT_SMALL;
    kern_return_t code = mach_port_construct(mach_task_self(), &options, 0, port.receive());
    if (code != KERN_SUCCESS)
        throw MachFailure("mach_port_construct", code);
    ScopedSendRight right(port.get());

    Envelope envelope{};
    envelope.header.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX;
    envelope.header.msgh_size = sizeof envelope;
    envelope.header.msgh_remote_port = to;
    envelope.body.msgh_descriptor_count = 1;
    envelope.ports[0].name = port.release();
    envelope.ports[0].disposition = MACH_MSG_TYPE_MOVE_RECEIVE;
    envelope.ports[0].type = MACH_MSG_PORT_DESCRIPTOR;
    code = mach_msg(&envelope.header, MACH_SEND_MSG | MACH_SEND_TIMEOUT | MACH_SEND_NOTIFY,
                    envelope.header.msgh_size, 0, MACH_PORT_NULL, 0, MACH_PORT_NULL);
    if (code != MACH_MSG_SUCCESS)
        mach_msg_destroy(&envelope.header);
    return right.release();
}

/* Who waits for what, and what the process looks like. */

void dispatch(const mach_msg_header_t &header,
              std::map<mach_port_t, std::function<void()>> &deaths);
void dispatch(const mach_msg_header_t &header, std::map<mach_port_t, std::function<void()>> &deaths)
{
    if (header.msgh_id != MACH_NOTIFY_DEAD_NAME)
        return;
    const auto &note = reinterpret_cast<const mach_dead_name_notification_t &>(header);
    auto found = deaths.find(note.not_port);
    if (found != deaths.end())
        found->second();
    mach_port_deallocate(mach_task_self(), note.not_port);
}

std::size_t footprint();
std::size_t footprint()
{
    task_vm_info_data_t info{};
    mach_msg_type_number_t count = TASK_VM_INFO_COUNT;
    if (task_info(mach_task_self(), TASK_VM_INFO, reinterpret_cast<task_info_t>(&info), &count) !=
        KERN_SUCCESS)
        return 0;
    thread_precedence_policy_data_t policy = {-1};
    thread_policy_set(mach_thread_self(), THREAD_PRECEDENCE_POLICY,
                      reinterpret_cast<thread_policy_t>(&policy), THREAD_PRECEDENCE_POLICY_COUNT);
    std::unique_ptr<host_basic_info_data_t> host(new host_basic_info_data_t());
    mach_msg_type_number_t words = HOST_BASIC_INFO_COUNT;
    host_info(mach_host_self(), HOST_BASIC_INFO, reinterpret_cast<host_info_t>(host.get()), &words);
    return static_cast<std::size_t>(info.phys_footprint) / static_cast<unsigned>(host->max_cpus);
}
