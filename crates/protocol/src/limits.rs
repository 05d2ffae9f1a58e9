//! The ranges and sizes both sides of the protocol agree on.

/// The largest call the broker reads, in bytes, its terminating NUL included.
pub const MAX_CALL_BYTES: usize = 64 << 10;

/// The largest reply a client reads, in bytes, its terminating NUL included.
pub const MAX_REPLY_BYTES: usize = 1 << 20;

/// The most file descriptors that may wait with the broker for the rest of one peer's message.
pub const MAX_CALL_FDS: usize = 8;

/// The most file descriptors one reply can carry: the kernel's own limit per message (`SCM_MAX_FD`).
pub const MAX_REPLY_FDS: usize = 253;

/// The longest session label, in bytes. The shortest is 1 byte.
pub const MAX_LABEL_BYTES: usize = 63;

/// The longest name of a buffer set or stream, in bytes (Contract: B2). It may be empty.
pub const MAX_NAME_BYTES: usize = 31;

/// The most buffers in one set. The fewest is 1.
pub const MAX_BUFFERS: u32 = 64;

/// The largest buffer that can be asked for, in bytes. Keeps every later sum far from overflow; what a user
/// really gets is decided by quotas.
pub const MAX_BUFFER_BYTES: u64 = 1 << 40;

/// The longest text a move of buffers carries to everybody who has them, in bytes. It may be empty.
pub const MAX_PLAN_BYTES: usize = 16 << 10;

/// The longest those who are expected in a negotiated set may take, in milliseconds. The shortest is 1.
pub const MAX_SET_DEADLINE_MS: u64 = 3_600_000;

/// The longest a call waits with the broker, in milliseconds.
pub const MAX_WAIT_MS: u64 = 1000;

/// The most participants a negotiated set can have at once.
pub const MAX_PARTICIPANTS: usize = 128;

/// The most seats a negotiated set can have, participants included.
pub const MAX_SEATS: usize = 256;

/// The most that all participants of a negotiated set can declare together, in bytes of JSON and 384 for each alternative.
pub const MAX_DECLARED_BYTES: usize = 1 << 20;

/// The longest reason a participant gives for not being able to use a generation, in bytes. It may be empty.
pub const MAX_REASON_BYTES: usize = 255;

/// The longest a move of buffers may take, in milliseconds. The shortest is 1.
pub const MAX_MOVE_MS: u64 = 60_000;

/// The most consumers of one stream. The fewest is 1.
pub const MAX_CONSUMERS: u32 = 64;

/// The most imports of one timeline at a time. Their waiter pages fit one reply.
pub const MAX_IMPORTS: usize = 128;

/// The first cell of a waiter page in which a point can be announced.
pub const FIRST_WAITER_CELL: u32 = 8;

/// The last cell of a waiter page.
pub const LAST_WAITER_CELL: u32 = 511;

/// The most uses of one token. The fewest is 1.
pub const MAX_TOKEN_USES: u32 = 1000;
