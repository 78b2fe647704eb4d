// c-ares, the asynchronous DNS resolver.
#pragma once
#include <ares.h>

// Status codes as plain numbers: they are macros in some versions of the library and an enum in others.
static const int cares_success = ARES_SUCCESS;
static const int cares_no_data = ARES_ENODATA;
static const int cares_not_found = ARES_ENOTFOUND;
static const int cares_bad_name = ARES_EBADNAME;
static const int cares_connection_refused = ARES_ECONNREFUSED;
static const int cares_timeout = ARES_ETIMEOUT;
static const int cares_no_memory = ARES_ENOMEM;
static const int cares_destruction = ARES_EDESTRUCTION;
static const int cares_cancelled = ARES_ECANCELLED;
