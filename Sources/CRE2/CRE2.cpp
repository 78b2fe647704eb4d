// RE2 behind C: linear-time regular expressions.
#include "CRE2.h"
