// c-ares, the asynchronous DNS resolver.
#pragma once
#include <ares.h>
