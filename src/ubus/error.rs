//! Errors of the bus.

use std::fmt;

/// Why bytes from a peer are not what the protocol says they must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("1 to 3 bytes left over where an attribute should stand")]
    Leftover,
    #[error("attribute shorter than its own header")]
    AttributeLength,
    #[error("attribute reaches past the end of what holds it")]
    Overrun,
    #[error("frame length below 4 or above 1048576")]
    FrameLength,
    #[error("attribute of the message has the wrong size")]
    AttributeSize,
    #[error("string without its final NUL")]
    Unterminated,
    #[error("member without a name header")]
    Name,
    #[error("member of a type that does not exist")]
    Type,
    #[error("number of the wrong size")]
    NumberSize,
    #[error("tables nested more than 64 deep")]
    Depth,
}

/// The status that ends a request, as ubus numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub i32);

impl Status {
    pub const OK: Status = Status(0);
    pub const INVALID_COMMAND: Status = Status(1);
    pub const INVALID_ARGUMENT: Status = Status(2);
    pub const METHOD_NOT_FOUND: Status = Status(3);
    pub const NOT_FOUND: Status = Status(4);
    pub const NO_DATA: Status = Status(5);
    pub const PERMISSION_DENIED: Status = Status(6);
    pub const TIMEOUT: Status = Status(7);
    pub const NOT_SUPPORTED: Status = Status(8);
    pub const UNKNOWN_ERROR: Status = Status(9);
    pub const CONNECTION_FAILED: Status = Status(10);
    pub const NO_MEMORY: Status = Status(11);
    pub const PARSE_ERROR: Status = Status(12);
    pub const SYSTEM_ERROR: Status = Status(13);

    /// The words the ubus command line tool prints for this status.
    pub fn text(self) -> &'static str {
        match self.0 {
            0 => "Success",
            1 => "Invalid command",
            2 => "Invalid argument",
            3 => "Method not found",
            4 => "Not found",
            5 => "No response",
            6 => "Permission denied",
            7 => "Request timed out",
            8 => "Operation not supported",
            9 => "Unknown error",
            10 => "Connection failed",
            11 => "Out of memory",
            12 => "Parsing message data failed",
            13 => "System error",
            _ => "Unknown error",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (status {})", self.text().to_lowercase(), self.0)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({}: {})", self.0, self.text())
    }
}

/// Why something asked of the bus did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("not connected to the bus")]
    Disconnected,
    #[error("cannot connect to {path}: {reason}")]
    Connect { path: String, reason: String },
    #[error("no answer within {0} ms")]
    Timeout(u128),
    /// The daemon or the callee ended the request with this status.
    #[error("{0}")]
    Status(Status),
    /// The call succeeded, but brought no data.
    #[error("answered without data")]
    NoData,
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Well formed, but not what was asked for: another type, a missing member.
    #[error("unexpected reply: {0}")]
    Decode(String),
    #[error("cannot be put into a message: {0}")]
    Encode(String),
    #[error("message of {0} bytes is over the bus's limit")]
    TooLarge(usize),
    #[error("too many requests under way")]
    Busy,
}
