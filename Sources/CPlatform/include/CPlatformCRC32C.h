// CRC-32C (Castagnoli) by the processor where it can, by table elsewhere.
#pragma once
