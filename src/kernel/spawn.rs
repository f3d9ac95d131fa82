//! A process that begins its life in a cgroup.
//!
//! It is made in the agent's own memory, as `vfork` and `posix_spawn` do it: until it has called exec, the
//! thread that makes it stands still and the two share everything, so that no page table is copied and no
//! page is copied later because somebody else has it too. Such a process needs a stack of its own, onto which
//! no C function can return, so its first instructions are given here for each processor ([`clone`]).
//! On other processors it gets a copy of the memory.

use std::ffi::{c_char, c_int, c_long, CStr, CString};
use std::io::{self, Read};
use std::mem::{offset_of, size_of, zeroed, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::OnceLock;

use rustix::process::{waitid, Pid, WaitId, WaitIdOptions};

use super::SIGNALS;

/// `struct clone_args` of linux/sched.h as kernels since 5.7 know it; every field has 64 bits everywhere.
#[repr(C)]
#[derive(Debug, Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid_to_parent_tid: [u64; 2],
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls_to_set_tid_size: [u64; 3],
    cgroup: u64,
}

const _: () = assert!(size_of::<CloneArgs>() == 88);
const _: () = assert!(offset_of!(CloneArgs, exit_signal) == 32);
const _: () = assert!(offset_of!(CloneArgs, stack) == 40);
const _: () = assert!(offset_of!(CloneArgs, cgroup) == 80);

const CLONE_VM: u64 = 0x100;
const CLONE_PIDFD: u64 = 0x1000;
/// The parent goes on when the child has called exec.
const CLONE_VFORK: u64 = 0x4000;
/// Signals with a handler have their default effect in the child; those that are ignored stay so.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A program to start in a session and a cgroup of its own, in `/`, with umask 077 and the signals as
/// after a boot.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) path: &'a CStr,
    /// The name of the program first.
    pub(crate) arguments: &'a [CString],
    /// `NAME=value`, all there are.
    pub(crate) environment: &'a [CString],
    /// Standard input, output and error, none of them below 3.
    pub(crate) streams: [BorrowedFd<'a>; 3],
    /// The directory of the cgroup.
    pub(crate) cgroup: BorrowedFd<'a>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    /// This kernel, or this cgroup, does not do it.
    #[error("a process cannot be made in a cgroup: {0}")]
    Clone(io::Error),
    #[error(transparent)]
    Exec(io::Error),
}

/// Memory of the child until it calls exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// Ours.
    Shared,
    /// A copy of ours.
    Copied,
}

/// The kinds of memory that a child can have on this processor, the better one first.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm"))]
pub(super) const MEMORIES: &[Memory] = &[Memory::Shared, Memory::Copied];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm")))]
pub(super) const MEMORIES: &[Memory] = &[Memory::Copied];

/// Starts `program`, which has called exec when this returns; its pidfd tells its end.
///
/// The process is born in its cgroup (Linux 5.7): to move it there would stop every fork on the device
/// for a grace period, 15 ms and more.
pub(crate) fn spawn(program: &Program<'_>) -> Result<(Pid, OwnedFd), SpawnError> {
    spawn_in(MEMORIES[0], program)
}

/// [`spawn`] with a child in this memory, which has to be among [`MEMORIES`].
pub(super) fn spawn_in(
    memory: Memory,
    program: &Program<'_>,
) -> Result<(Pid, OwnedFd), SpawnError> {
    let streams = program.streams.map(|stream| stream.as_raw_fd());
    if streams.iter().any(|stream| *stream < 3) {
        return Err(SpawnError::Exec(io::ErrorKind::InvalidInput.into()));
    }
    let arguments = pointers(program.arguments);
    let environment = pointers(program.environment);
    // The reason of a failure that is written to our memory reaches us without a pipe.
    let pipe = (memory == Memory::Copied).then(io::pipe).transpose();
    let pipe = pipe.map_err(SpawnError::Exec)?;
    let start = Start {
        path: program.path.as_ptr(),
        arguments: arguments.as_ptr(),
        environment: environment.as_ptr(),
        ignored: ignored(),
        streams,
        report: pipe.as_ref().map_or(-1, |(_, report)| report.as_raw_fd()),
        errno: AtomicI32::new(0),
    };
    let mut pidfd: c_int = -1;
    let mut args = CloneArgs {
        flags: CLONE_PIDFD | CLONE_VFORK | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP,
        pidfd: (&raw mut pidfd).expose_provenance() as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: program.cgroup.as_raw_fd() as u64,
        ..CloneArgs::default()
    };
    let mut stack = Stack::new();
    if memory == Memory::Shared {
        args.flags |= CLONE_VM;
        args.stack = stack.0.as_mut_ptr().expose_provenance() as u64;
        args.stack_size = size_of::<Stack>() as u64;
    }
    // SAFETY: `args` asks for a fork, or for a child in our memory with CLONE_VFORK and with a stack that is
    // its alone, is there until this function returns, and is aligned to 16 bytes at both ends. The kernel
    // writes one descriptor to `pidfd`. All of `start` is there until the child has called exec. Other
    // threads may hold locks of our memory, or of its copy: `become_program` takes none. CLONE_CLEAR_SIGHAND
    // takes our handlers from the child at its birth, so no signal has it run code of ours.
    let pid = unsafe { clone(&args, become_program, &raw const start) };
    let told = pipe.map(|(told, _)| told);
    if pid < 0 {
        let error = io::Error::from_raw_os_error(c_int::try_from(-pid).unwrap_or(0));
        return Err(SpawnError::Clone(error));
    }
    // SAFETY: with CLONE_PIDFD a clone that succeeds has stored a new descriptor, which nobody else owns.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let ended = match told {
        None => Some(start.errno.load(Ordering::Relaxed)).filter(|errno| *errno != 0),
        Some(mut told) => {
            let mut errno = [0; size_of::<c_int>()];
            // Closed by the exec, it has none.
            let read = told.read_exact(&mut errno);
            read.ok().map(|()| c_int::from_be_bytes(errno))
        }
    };
    let ended = ended.map(io::Error::from_raw_os_error);
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    match (ended, pid) {
        (None, Some(pid)) => Ok((pid, pidfd)),
        (ended, _) => {
            // It has ended or is about to; an error says that somebody else has waited for it.
            let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            let error = ended.unwrap_or_else(|| io::ErrorKind::InvalidData.into());
            Err(SpawnError::Exec(error))
        }
    }
}

/// The strings as exec wants them.
fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    let pointers = strings.iter().map(|string| string.as_ptr());
    pointers.chain([ptr::null()]).collect()
}

/// The signals that this process ignores: SIGPIPE, as every Rust program, and those that were ignored when
/// it was started. Nothing in it ignores another one later.
fn ignored() -> &'static [c_int] {
    static IGNORED: OnceLock<Vec<c_int>> = OnceLock::new();
    IGNORED.get_or_init(|| {
        let is_ignored = |signal: &c_int| {
            // SAFETY: `action` is plain data, which the call fills in or leaves as it is: zeros, the
            // default effect. A null pointer changes nothing.
            unsafe {
                let mut action: libc::sigaction = zeroed();
                libc::sigaction(*signal, ptr::null(), &raw mut action);
                action.sa_sigaction == libc::SIG_IGN
            }
        };
        SIGNALS.filter(is_ignored).collect()
    })
}

/// The stack of a child in our memory. It needs less than 1 KiB, for it calls nothing but the C library's
/// wrappers of system calls; built without optimisation, twice that.
#[repr(align(16))]
struct Stack([MaybeUninit<u8>; 16 << 10]);

impl Stack {
    fn new() -> Self {
        Stack([const { MaybeUninit::uninit() }; _])
    }
}

/// The child's work, in memory of the parent.
struct Start<'a> {
    path: *const c_char,
    arguments: *const *const c_char,
    environment: *const *const c_char,
    /// Signals to be given their default effect.
    ignored: &'a [c_int],
    streams: [c_int; 3],
    /// Takes the reason why the program does not start, if the memory is a copy; -1 if it is ours.
    report: c_int,
    /// The same, if the memory is ours. 0 once the program has started.
    errno: AtomicI32,
}

/// `clone3`, whose child calls `child` with `start`. Returns the child's number, or the negative error.
///
/// # Safety
///
/// `args` has to ask for something sound. A child in our memory has a stack in `args`, and CLONE_VFORK.
/// `child` may run with `start` while every other thread of this process may hold any lock.
unsafe fn clone(
    args: &CloneArgs,
    child: unsafe extern "C" fn(*const Start<'_>) -> !,
    start: *const Start<'_>,
) -> c_long {
    let pid: c_long;
    // SAFETY: the kernel reads 88 bytes of `args` (asserted above) and keeps every register but those named
    // as clobbered, in the child too. The parent goes on behind the block with its own stack pointer. The
    // child, for which the call returns 0, never leaves the block: it calls a function that does not return,
    // with its argument in the first register, on its own stack or on its copy of ours, which the kernel or
    // the compiler has aligned for a call.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r8",
            "call r9",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => pid,
            in("rdi") args,
            in("rsi") size_of::<CloneArgs>(),
            in("r8") start,
            in("r9") child,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x0, x2",
            "blr x3",
            "brk #1",
            "2:",
            inlateout("x0") ptr::from_ref(args) => pid,
            in("x1") size_of::<CloneArgs>(),
            in("x2") start,
            in("x3") child,
            in("x8") libc::SYS_clone3,
        );
    }
    // The number goes into r7, which may be the frame pointer.
    #[cfg(target_arch = "arm")]
    unsafe {
        std::arch::asm!(
            "mov {frame}, r7",
            "mov r7, {number}",
            "svc #0",
            "mov r7, {frame}",
            "cmp r0, #0",
            "bne 2f",
            "mov r0, {start}",
            "blx {child}",
            "udf #0",
            "2:",
            frame = out(reg) _,
            number = in(reg) libc::SYS_clone3,
            start = in(reg) start,
            child = in(reg) child,
            inlateout("r0") ptr::from_ref(args) => pid,
            in("r1") size_of::<CloneArgs>(),
        );
    }
    // SAFETY: as above, but that the caller asks for a fork alone: in a copy of the memory the child may
    // return from the C library's function.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm")))]
    unsafe {
        pid = match libc::syscall(libc::SYS_clone3, args, size_of::<CloneArgs>()) {
            0 => child(start),
            -1 => -c_long::from(
                io::Error::last_os_error()
                    .raw_os_error()
                    .unwrap_or(libc::EIO),
            ),
            pid => pid,
        };
    }
    pid
}

/// The child's part of [`spawn`]: ends with exec, or tells the report why not.
///
/// # Safety
///
/// The caller is the only thread of a new process, whose descriptors 0 to 2 it replaces. The path is a C
/// string, and both lists hold pointers to C strings and end with a null pointer.
unsafe extern "C" fn become_program(start: *const Start<'_>) -> ! {
    // SAFETY: these are system calls and nothing else (async-signal-safe, all of them): they take no
    // lock, allocate nothing and cannot panic; of our memory they write the C library's `errno`, which a parent
    // that stands still does not read, and the atomic of `start`. Zeros are the default effect of a signal, and
    // an empty set. The pointers are the caller's, who answers for them.
    unsafe {
        let start = &*start;
        libc::setsid();
        libc::umask(0o077);
        let default: libc::sigaction = zeroed();
        for signal in start.ignored {
            libc::sigaction(*signal, &raw const default, ptr::null_mut());
        }
        let none: libc::sigset_t = zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, ptr::null_mut());
        let [input, output, errors] = start.streams;
        let ready = libc::chdir(c"/".as_ptr()) == 0
            && libc::dup2(input, 0) == 0
            && libc::dup2(output, 1) == 1
            && libc::dup2(errors, 2) == 2;
        if ready {
            libc::execve(start.path, start.arguments, start.environment);
        }
        let error = io::Error::last_os_error().raw_os_error();
        let errno = error.unwrap_or(libc::EIO);
        start.errno.store(errno, Ordering::Relaxed);
        if start.report >= 0 {
            let errno = errno.to_be();
            libc::write(start.report, (&raw const errno).cast(), size_of::<c_int>());
        }
        libc::_exit(127)
    }
}
