// System calls that the Glibc module does not export.
#pragma once
