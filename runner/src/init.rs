//! Process 1 of a container: starts the runner proper as its child, hands signals on to it, and buries every process whose
//! parent ended first. On Fly the machine's own init does that, and this is not used.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};

/// What a runner ends with that could not be started.
const NOT_STARTED: u8 = 70;

/// The runner proper.
static CHILD: AtomicI32 = AtomicI32::new(0);

/// Whether this process is the first of its process tree.
pub fn is_first() -> bool {
    std::process::id() == 1
}

/// Runs this program again as a child and ends as it ends; 128 and the signal's number when one killed it.
pub fn run() -> ExitCode {
    let program = std::env::current_exe();
    let started = program.and_then(|program| Command::new(program).args(std::env::args_os().skip(1)).spawn());
    let child = match started {
        Ok(child) => child.id().cast_signed(),
        Err(error) => {
            eprintln!("the runner could not be started: {error}");
            return ExitCode::from(NOT_STARTED);
        }
    };
    CHILD.store(child, Ordering::SeqCst);
    hand_on();
    let status = wait_for(child);
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}

/// Buries whatever ends, until `child` does.
#[expect(unsafe_code, reason = "std waits for one child only, and the orphans are not its own")]
fn wait_for(child: i32) -> ExitStatus {
    loop {
        let mut status = 0;
        // SAFETY: `status` is valid for the call, which has no other effect on memory.
        let ended = unsafe { libc::waitpid(-1, &raw mut status, 0) };
        if ended == child {
            return ExitStatus::from_raw(status);
        }
    }
}

extern "C" fn pass(signal: libc::c_int) {
    #[expect(unsafe_code, reason = "the one call a handler makes; it is async-signal-safe")]
    // SAFETY: takes integers only; the child is unburied for as long as this process lives.
    unsafe {
        libc::kill(CHILD.load(Ordering::SeqCst), signal);
    }
}

/// The first process of a tree gets no signal that it has no handler for.
fn hand_on() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        #[expect(unsafe_code, reason = "std knows no signals")]
        // SAFETY: `pass` does nothing but an atomic load and kill(2).
        unsafe {
            libc::signal(signal, pass as extern "C" fn(libc::c_int) as libc::sighandler_t);
        }
    }
}
