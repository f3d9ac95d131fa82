//! Errors of the bus.

use std::fmt;

/// Why bytes from a peer are not what the protocol says they must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Too few bytes for an attribute.
    #[error("1 to 3 bytes left over where an attribute should stand")]
    Leftover,
    /// A length below that of its own word.
    #[error("attribute shorter than its own header")]
    AttributeLength,
    /// A length beyond the bytes there are.
    #[error("attribute reaches past the end of what holds it")]
    Overrun,
    /// No next frame can be found behind such a length.
    #[error("frame length below 4 or above 1048576")]
    FrameLength,
    /// A number or a flag of another size.
    #[error("attribute of the message has the wrong size")]
    AttributeSize,
    /// A string that does not end with NUL.
    #[error("string without its final NUL")]
    Unterminated,
    /// A member without room for its name.
    #[error("member without a name header")]
    Name,
    /// A type that blobmsg does not have.
    #[error("member of a type that does not exist")]
    Type,
    /// A value of another size than its type.
    #[error("number of the wrong size")]
    NumberSize,
    /// The bound on nesting.
    #[error("tables nested more than 64 deep")]
    Depth,
}

/// The status that ends a request, as ubus numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub i32);

impl Status {
    /// It succeeded.
    pub const OK: Status = Status(0);
    /// The daemon does not know such a request.
    pub const INVALID_COMMAND: Status = Status(1);
    /// An argument is missing or of the wrong type; also a path that is taken.
    pub const INVALID_ARGUMENT: Status = Status(2);
    /// The object has no such method.
    pub const METHOD_NOT_FOUND: Status = Status(3);
    /// No such object, or it is hidden.
    pub const NOT_FOUND: Status = Status(4);
    /// The callee has nothing to tell.
    pub const NO_DATA: Status = Status(5);
    /// Access rights forbid it.
    pub const PERMISSION_DENIED: Status = Status(6);
    /// The callee gave up waiting.
    pub const TIMEOUT: Status = Status(7);
    /// The callee cannot do it.
    pub const NOT_SUPPORTED: Status = Status(8);
    /// Any other error.
    pub const UNKNOWN_ERROR: Status = Status(9);
    /// The connection is gone.
    pub const CONNECTION_FAILED: Status = Status(10);
    /// The callee is out of memory.
    pub const NO_MEMORY: Status = Status(11);
    /// The callee could not read something.
    pub const PARSE_ERROR: Status = Status(12);
    /// The system refused a call.
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
#[non_exhaustive]
pub enum Error {
    /// There is no connection, or it was lost meanwhile.
    #[error("not connected to the bus")]
    Disconnected,
    /// The bus cannot be reached.
    #[error("cannot connect to {path}: {reason}")]
    Connect {
        /// The socket.
        path: String,
        /// The words of the system.
        reason: String,
    },
    /// The deadline passed.
    #[error("no answer within {0} ms")]
    Timeout(u128),
    /// The daemon or the callee ended the request with this status.
    #[error("{0}")]
    Status(Status),
    /// The call succeeded, but brought no data.
    #[error("answered without data")]
    NoData,
    /// The answer does not hold together.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Well formed, but not what was asked for: another type, a missing member.
    #[error("unexpected reply: {0}")]
    Decode(String),
    /// A value that blobmsg has no form for.
    #[error("cannot be put into a message: {0}")]
    Encode(String),
    /// The bound on messages.
    #[error("message of {0} bytes is over the bus's limit")]
    TooLarge(usize),
    /// The bound on requests.
    #[error("too many requests under way")]
    Busy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_has_the_words_of_the_command_line_tool() {
        // `ubus_strerror` of libubus.
        for (status, text) in [
            (Status::OK, "Success"),
            (Status::INVALID_ARGUMENT, "Invalid argument"),
            (Status::METHOD_NOT_FOUND, "Method not found"),
            (Status::NOT_FOUND, "Not found"),
            (Status::NO_DATA, "No response"),
            (Status::PERMISSION_DENIED, "Permission denied"),
            (Status::TIMEOUT, "Request timed out"),
            (Status::NOT_SUPPORTED, "Operation not supported"),
            (Status::UNKNOWN_ERROR, "Unknown error"),
            (Status::CONNECTION_FAILED, "Connection failed"),
            (Status::NO_MEMORY, "Out of memory"),
            (Status::PARSE_ERROR, "Parsing message data failed"),
            (Status::SYSTEM_ERROR, "System error"),
            (Status(99), "Unknown error"),
        ] {
            assert_eq!(status.text(), text);
        }
        assert_eq!(Status(4).to_string(), "not found (status 4)");
        assert_eq!(format!("{:?}", Status(4)), "Status(4: Not found)");
    }
}
