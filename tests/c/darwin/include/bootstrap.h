/*
 * Check-only stand-in for the SDK's <bootstrap.h>, the older spelling: see ../README.md.
 */
#include <servers/bootstrap.h>
