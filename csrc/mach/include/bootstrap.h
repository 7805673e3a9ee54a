/*
 * The older spelling of <servers/bootstrap.h>.
 */
#include <servers/bootstrap.h>
