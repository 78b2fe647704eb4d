// zlib: compresses long answers of the admin port.
#pragma once
#include <zlib.h>
