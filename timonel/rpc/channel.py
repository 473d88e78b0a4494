"""What both ends of the node protocol set on their gRPC channels."""

LARGEST_ASSIGNMENT = 256 << 20
"""Bytes that a node takes in one message: a COMPLETE assignment carries every object of the node."""

LARGEST_REPORT = 16 << 20
"""Bytes that the master takes in one message from a node."""

FRAME_BYTES = 64 << 10
"""Bytes of data that a sender puts into one Frame, at most; receivers take any size."""

_COMMON: list[tuple[str, int]] = [
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
]

CLIENT_OPTIONS: list[tuple[str, int]] = [
    *_COMMON,
    ("grpc.max_receive_message_length", LARGEST_ASSIGNMENT),
    ("grpc.max_send_message_length", LARGEST_REPORT),
    ("grpc.max_reconnect_backoff_ms", 2_000),
]

SERVER_OPTIONS: list[tuple[str, int]] = [
    *_COMMON,
    ("grpc.max_receive_message_length", LARGEST_REPORT),
    ("grpc.max_send_message_length", LARGEST_ASSIGNMENT),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.so_reuseport", 0),
]
