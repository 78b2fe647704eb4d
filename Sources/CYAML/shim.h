// libyaml: an event parser that keeps line and column.
#pragma once
#include <yaml.h>
