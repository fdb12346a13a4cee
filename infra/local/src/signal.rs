//! Signals and the fate of processes: what the standard library has no word for.

use std::{io, os::unix::process::CommandExt};

/// The number of a signal named as Fly names them, or given as a number.
pub fn number(name: &str) -> Option<i32> {
    let number = match name {
        "SIGABRT" => libc::SIGABRT,
        "SIGALRM" => libc::SIGALRM,
        "SIGFPE" => libc::SIGFPE,
        "SIGHUP" => libc::SIGHUP,
        "SIGILL" => libc::SIGILL,
        "SIGINT" => libc::SIGINT,
        "SIGKILL" => libc::SIGKILL,
        "SIGPIPE" => libc::SIGPIPE,
        "SIGQUIT" => libc::SIGQUIT,
        "SIGSEGV" => libc::SIGSEGV,
        "SIGTERM" => libc::SIGTERM,
        "SIGTRAP" => libc::SIGTRAP,
        "SIGUSR1" => libc::SIGUSR1,
        "SIGUSR2" => libc::SIGUSR2,
        digits => digits.parse().ok().filter(|number| (1..=31).contains(number))?,
    };
    Some(number)
}

/// Sends `signal` to one process. One that is gone, or was never ours, is no error.
pub fn send(pid: u32, signal: i32) {
    kill(i64::from(pid), signal);
}

/// Sends `signal` to a whole process group.
pub fn send_group(leader: u32, signal: i32) {
    kill(-i64::from(leader), signal);
}

fn kill(target: i64, signal: i32) {
    // 0, 1 and -1 would mean our own group, init and everybody.
    let Ok(target) = i32::try_from(target) else { return };
    if (-1..=1).contains(&target) {
        return;
    }
    #[expect(unsafe_code, reason = "std cannot send signals; kill takes two integers and touches no memory")]
    // SAFETY: kill has no memory-safety preconditions.
    unsafe {
        libc::kill(target, signal);
    }
}

/// Makes the program start as the first process of a computer would: in a session of its own, so that its group and all
/// it starts can be found and ended, and with every signal doing what it does by default. (A server started in the
/// background of a shell ignores SIGINT, and its machines would inherit that.)
pub fn fresh_start(command: &mut tokio::process::Command) {
    #[expect(unsafe_code, reason = "pre_exec is the only way to do this between fork and exec")]
    // SAFETY: signal and setsid are async-signal-safe, and the closure does nothing else.
    unsafe {
        command.as_std_mut().pre_exec(|| {
            for number in 1..32 {
                // Fails for SIGKILL and SIGSTOP, which need no reset.
                libc::signal(number, libc::SIG_DFL);
            }
            if libc::setsid() == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
        });
    }
}

/// Makes orphans among our descendants our children and not init's, so that none of them stays a zombie where init
/// does not care, as in a container without one.
pub fn adopt_orphans() {
    #[expect(unsafe_code, reason = "std has no prctl; this option takes one integer and touches no memory")]
    // SAFETY: PR_SET_CHILD_SUBREAPER has no memory-safety preconditions.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
    }
}

/// Buries a child that has ended.
pub fn reap(pid: u32) {
    let Ok(pid) = i32::try_from(pid) else { return };
    #[expect(unsafe_code, reason = "std can only wait for children it started itself")]
    // SAFETY: waitpid accepts a null status, and WNOHANG keeps it from blocking.
    unsafe {
        libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG);
    }
}
