"""One file per native library behind one small protocol."""

import os

# onnxruntime for Linux reports its use to Microsoft, and begins while it is imported: it writes an
# identifier of the device below ~/.cache. Its disable_telemetry_events() comes too late for that.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
