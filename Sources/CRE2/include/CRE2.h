// RE2 behind C: linear-time regular expressions.
#pragma once
