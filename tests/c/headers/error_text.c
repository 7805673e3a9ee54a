/*
 * Every code has words: S159 to S163, and special bits or-ed in (S161).
 *
 * A plain program over api/mach_error.c alone, built and run by scripts/check-headers: it prints
 * what is wrong and exits 1. The words are the project's own, so it is for Linux only.
 */
#include <mach/mach.h>
#include <servers/bootstrap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failures;

__attribute__((format(printf, 2, 3))) static void expect(bool holds, const char *format, ...)
{
    va_list arguments;

    if (holds)
        return;
    failures++;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* A text of its own, with its family in front. */
static void check_code(int code, const char *type)
{
    const char *text = mach_error_string(code);
    static char *seen[256];
    static int count;

    expect(strcmp(mach_error_type(code), type) == 0, "0x%x: %s, not %s", (unsigned)code,
           mach_error_type(code), type);
    expect(starts_with(text, type), "0x%x: %s: not %s", (unsigned)code, text, type);
    expect(strstr(text, "unknown code") == NULL, "0x%x has no words", (unsigned)code);
    for (int i = 0; i < count; i++)
        expect(strcmp(seen[i], text) != 0, "0x%x: %s: another's words", (unsigned)code, text);
    seen[count++] = strdup(text);
}

static void check_all_codes(void)
{
    for (int code = KERN_SUCCESS; code <= KERN_INVALID_GUARD_OBJECT_SLOT; code++)
        check_code(code, "(os/kern)");
    for (int code = MACH_SEND_IN_PROGRESS; code <= MACH_SEND_AUX_TOO_LARGE; code++) {
        if (code != 0x10000006 && code != 0x10000014)
            check_code(code, "(ipc/send)");
    }
    for (int code = MACH_RCV_IN_PROGRESS; code <= MACH_RCV_INVALID_ARGUMENTS; code++) {
        if (code != 0x10004010)
            check_code(code, "(ipc/rcv)");
    }
    for (int code = BOOTSTRAP_NOT_PRIVILEGED; code <= BOOTSTRAP_NO_CHILDREN; code++)
        check_code(code, "(bootstrap)");
    for (int code = MIG_TRAILER_ERROR; code <= MIG_TYPE_ERROR; code++)
        check_code(code, "(ipc/mig)");
    check_code(unix_err(2), "(os/unix)");
}

static void check_special_bits(void)
{
    char plain[128];
    const char *text;

    snprintf(plain, sizeof(plain), "%s", mach_error_string(MACH_RCV_BODY_ERROR));
    check_code(MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE, "(ipc/rcv)");
    check_code(MACH_RCV_BODY_ERROR | MACH_MSG_VM_KERNEL, "(ipc/rcv)");
    check_code(MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_SPACE, "(ipc/rcv)");
    check_code(MACH_RCV_HEADER_ERROR | MACH_MSG_IPC_KERNEL, "(ipc/rcv)");
    check_code(MACH_SEND_INVALID_MEMORY | MACH_MSG_VM_KERNEL, "(ipc/send)");
    check_code(MACH_MSG_VM_KERNEL, "(ipc/msg)");
    text = mach_error_string(MACH_RCV_BODY_ERROR | MACH_MSG_MASK);
    expect(starts_with(text, plain), "%s: does not start as without the bits", text);
    expect(strlen(text) < 255, "%s: cut short", text);
}

static void check_unknown_codes(void)
{
    static const struct {
        int code;
        const char *text;
    } unknown[] = {
        {58, "(os/kern) unknown code 0x3a"},
        {1099, "(os/kern) unknown code 0x44b"},
        {1107, "(os/kern) unknown code 0x453"},
        {0x10000006, "(ipc/send) unknown code 0x10000006"},
        {0x10004010, "(ipc/rcv) unknown code 0x10004010"},
        {0x10003c99, "(ipc/send) unknown code 0x10003c99"},
        {0x10008001, "(unknown) unknown code 0x10008001"},
        {-1, "(unknown) unknown code 0xffffffff"},
        {-310, "(unknown) unknown code 0xfffffeca"},
        {(int)0x80000000, "(unknown) unknown code 0x80000000"},
    };

    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        const char *text = mach_error_string(unknown[i].code);

        expect(strcmp(text, unknown[i].text) == 0, "%s: not %s", text, unknown[i].text);
    }
}

static void check_bootstrap_strerror(void)
{
    expect(strcmp(bootstrap_strerror(BOOTSTRAP_SUCCESS), "success") == 0, "bootstrap success");
    for (int code = BOOTSTRAP_NOT_PRIVILEGED; code <= BOOTSTRAP_NO_CHILDREN; code++) {
        const char *text = bootstrap_strerror(code);

        expect(text[0] != '(', "%d: %s: the family shows", code, text);
        expect(strstr(mach_error_string(code), text) != NULL, "%d: %s: other words", code, text);
    }
    expect(strcmp(bootstrap_strerror(KERN_INVALID_NAME), mach_error_string(KERN_INVALID_NAME)) == 0,
           "a kernel code has other words from bootstrap_strerror");
}

/* mach_error's line, as stderr gets it. */
static void check_mach_error(void)
{
    char line[256] = "", expected[256];
    FILE *file = tmpfile();
    int saved = dup(STDERR_FILENO);

    if (file == NULL || saved < 0 || dup2(fileno(file), STDERR_FILENO) < 0)
        abort();
    mach_error("habits:", MACH_SEND_INVALID_DEST);
    dup2(saved, STDERR_FILENO);
    close(saved);
    rewind(file);
    if (fgets(line, sizeof(line), file) == NULL)
        expect(false, "mach_error printed nothing");
    fclose(file);
    snprintf(expected, sizeof(expected), "habits: %s (0x10000003)\n",
             mach_error_string(MACH_SEND_INVALID_DEST));
    expect(strcmp(line, expected) == 0, "mach_error printed %s", line);
}

int main(void)
{
    check_all_codes();
    check_special_bits();
    check_unknown_codes();
    check_bootstrap_strerror();
    check_mach_error();
    return failures != 0;
}
