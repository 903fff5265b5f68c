//! What a confined child can still do. Each probe is this program started again, with one thread
//! and an empty environment, as the executor starts its children.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::AsFd,
        unix::{net::UnixStream, process::ExitStatusExt},
    },
    process::{Command, ExitStatus, Stdio},
};

use cofferdam_call::{Confinement, EndState, FromRunner, ToRunner, read_frame, write_frame};
use cofferdam_runner::{Ruleset, compile, compile_bytes, confine, serve};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

#[path = "common/mod.rs"]
mod common;

/// `SIGSYS`: the filter killed the process.
const SIGSYS: i32 = 31;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if let Some(role) =
        arguments.next().and_then(|argument| argument.strip_prefix("--role=").map(str::to_owned))
    {
        std::process::exit(play(&role));
    }
    let tests: &[(&str, fn())] = &[
        ("a_confined_child_reports_what_the_kernel_gave", a_confined_child_reports_what_the_kernel_gave),
        ("a_confined_child_opens_no_file", a_confined_child_opens_no_file),
        ("network_exec_threads_and_deletions_kill_a_confined_child", network_exec_threads_and_deletions_kill),
        ("a_child_with_an_environment_refuses_to_start", a_child_with_an_environment_refuses_to_start),
        ("a_runner_serves_attempts_while_confined", a_runner_serves_attempts_while_confined),
        ("a_runner_that_is_spoken_to_wrongly_ends", a_runner_that_is_spoken_to_wrongly_ends),
        ("a_compile_child_compiles_what_this_process_would", a_compile_child_compiles),
        ("a_compile_child_says_why_not_in_one_line", a_compile_child_says_why_not_in_one_line),
    ];
    for (name, test) in tests {
        print!("test {name} ... ");
        let _ = std::io::stdout().flush();
        test();
        println!("ok");
    }
}

/// The child's side.
fn play(role: &str) -> i32 {
    match role {
        "serve" => {
            return match serve() {
                Ok(()) => 0,
                Err(error) => {
                    eprintln!("{}", cofferdam_ids::render(&error));
                    1
                }
            };
        }
        "compile" => return i32::from(compile().is_err()),
        _ => {}
    }
    let rules = if role.starts_with("compile-") {
        Ruleset::Compile
    } else {
        Ruleset::Runner { guest_bytes_max: 1 << 30 }
    };
    let given = match confine(rules) {
        Ok(given) => given,
        Err(error) => {
            eprintln!("{error}");
            return 9;
        }
    };
    let denied = |result: std::io::Result<()>| match result {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::ACCESS.raw_os_error()) => 0,
        other => {
            eprintln!("{other:?}");
            1
        }
    };
    match role.trim_start_matches("compile-") {
        "report" => {
            let Confinement { landlock_abi, seccomp, rlimits, no_network } = given;
            println!("{landlock_abi} {seccomp} {rlimits} {no_network}");
            0
        }
        "open" => denied(std::fs::File::open("/etc/passwd").map(drop)),
        "create" => denied(std::fs::File::create("/tmp/cofferdam-probe").map(drop)),
        "list" => denied(std::fs::read_dir("/").map(drop)),
        "tcp" => i32::from(std::net::TcpStream::connect("127.0.0.1:1").is_err()),
        "udp" => i32::from(std::net::UdpSocket::bind("127.0.0.1:0").is_err()),
        "unix" => i32::from(UnixStream::pair().is_err()),
        "exec" => i32::from(Command::new("/bin/true").status().is_err()),
        "thread" => i32::from(std::thread::Builder::new().spawn(|| ()).is_err()),
        "pidfd" => i32::from(pidfd_of_itself().is_err()),
        "remove" => i32::from(std::fs::remove_file("/tmp/none").is_err()),
        other => panic!("no such role: {other}"),
    }
}

/// A handle on a process, the first step to reading another's memory.
fn pidfd_of_itself() -> rustix::io::Result<std::os::fd::OwnedFd> {
    rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty())
}

fn child(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg(format!("--role={role}")).env_clear().stdin(Stdio::null());
    command
}

fn outcome(role: &str) -> ExitStatus {
    child(role).status().unwrap()
}

fn a_confined_child_reports_what_the_kernel_gave() {
    let output = child("report").output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap();
    let [abi, rest] = report.trim().splitn(2, ' ').collect::<Vec<_>>()[..] else { panic!("{report}") };
    assert_eq!(rest, "true true true", "every kernel this project supports has seccomp");
    println!("(landlock ABI {abi}) ");
    assert!(output.status.success());
}

fn a_confined_child_opens_no_file() {
    for role in ["open", "create", "list", "compile-open", "compile-create"] {
        assert_eq!(outcome(role).code(), Some(0), "`{role}` was not refused");
    }
}

fn network_exec_threads_and_deletions_kill() {
    for role in ["tcp", "udp", "unix", "exec", "thread", "pidfd", "remove", "compile-tcp", "compile-exec"] {
        assert_eq!(outcome(role).signal(), Some(SIGSYS), "`{role}` did not end the process");
    }
}

fn a_child_with_an_environment_refuses_to_start() {
    let output = child("report").env("DATABASE_URL", "secret").output().unwrap();
    assert_eq!(output.status.code(), Some(9));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "the child inherited environment variables, `DATABASE_URL` among them\n");
}

/// Starts a runner with so many lanes, as the broker does.
fn start_runner(lanes: usize) -> (std::process::Child, UnixStream, Vec<UnixStream>) {
    let (control, theirs) = UnixStream::pair().unwrap();
    let runner = child("serve")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs)))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..lanes).map(|_| UnixStream::pair().unwrap()).unzip();
    let mut frame = Vec::new();
    let configure = ToRunner::Configure { lanes: lanes as u32, memory_bytes_max: 1 << 30 };
    write_frame(&mut frame, &configure, &[]).unwrap();
    let descriptors: Vec<_> = theirs.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
    let sent = sendmsg(&control, &[IoSlice::new(&frame)], &mut ancillary, SendFlags::empty()).unwrap();
    assert_eq!(sent, frame.len());
    (runner, control, ours)
}

fn a_runner_serves_attempts_while_confined() {
    let (mut runner, mut control, mut lanes) = start_runner(2);
    let ready = read_frame::<FromRunner>(&mut control).unwrap().message;
    let FromRunner::Ready(Confinement { seccomp: true, rlimits: true, no_network: true, .. }) = ready else {
        panic!("{ready:?}")
    };

    let log = r#"(import "cofferdam:capability/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let guests = [
        common::task(log, "(call $log (i32.const 1) (i32.const 512) (i32.const 3)) (i32.const 0)"),
        common::task("", "(loop (br 0)) (i32.const 0)"),
        common::task("", "(call $run (local.get $in))"),
        // Touches new memory until it is refused: faults, growth and traps under the filter.
        common::task(
            "",
            "(loop (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 1))
              (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) unreachable",
        ),
    ];
    let digests = guests.map(|guest| {
        let component = cofferdam_ids::Sha256Digest::of(&guest);
        let artifact = compile_bytes(&guest).unwrap();
        let pieces = artifact.chunks(cofferdam_call::FRAME_BYTES_MAX);
        let count = pieces.len();
        for (number, piece) in pieces.enumerate() {
            let message = ToRunner::Load { component, last: number + 1 == count };
            write_frame(&mut control, &message, piece).unwrap();
        }
        let loaded = read_frame::<FromRunner>(&mut control).unwrap().message;
        assert_eq!(loaded, FromRunner::Loaded { component, failure: None });
        component
    });

    for round in 0..3 {
        // Lane 1 spins until it is cancelled, while lane 0 works on.
        write_frame(&mut lanes[1], &ToRunner::Start(Box::new(common::plan(digests[1]))), &[]).unwrap();

        let lane = &mut lanes[0];
        write_frame(lane, &ToRunner::Start(Box::new(common::plan(digests[0]))), &[]).unwrap();
        let call = read_frame::<FromRunner>(lane).unwrap().message;
        assert!(matches!(call, FromRunner::Call(cofferdam_call::Call::Log { .. })), "{call:?}");
        write_frame(lane, &ToRunner::Reply(cofferdam_call::Reply::Done), &[]).unwrap();
        let FromRunner::End(end) = read_frame::<FromRunner>(lane).unwrap().message else { panic!() };
        assert!(matches!(end.state, EndState::Succeeded { .. }), "{end:?}");

        for (guest, code) in
            [(digests[2], cofferdam_runner::STACK_OVERFLOW), (digests[3], cofferdam_runner::MEMORY_LIMIT)]
        {
            write_frame(lane, &ToRunner::Start(Box::new(common::plan(guest))), &[]).unwrap();
            let FromRunner::End(end) = read_frame::<FromRunner>(lane).unwrap().message else { panic!() };
            assert!(matches!(end.state, EndState::Stopped { code: is, .. } if is == code), "{end:?}");
        }

        let cancel = ToRunner::Cancel { lane: 1, start: round + 1, code: cofferdam_runner::CANCELLED };
        write_frame(&mut control, &cancel, &[]).unwrap();
        let FromRunner::End(end) = read_frame::<FromRunner>(&mut lanes[1]).unwrap().message else { panic!() };
        assert!(matches!(end.state, EndState::Stopped { code: cofferdam_runner::CANCELLED, .. }), "{end:?}");
    }

    drop((control, lanes));
    assert_eq!(runner.wait().unwrap().code(), Some(0), "a runner ends with its control socket");
}

fn a_runner_that_is_spoken_to_wrongly_ends() {
    let (runner, mut control, _lanes) = start_runner(1);
    read_frame::<FromRunner>(&mut control).unwrap();
    control.write_all(&[0xff; 16]).unwrap();
    let output = runner.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8(output.stderr).unwrap(), @r"
    error[CD0421]: the control socket failed
      why: a frame's header is 4294967295 bytes long; the limit is 2097152
      fix: start `cofferdam-executor start`; it starts its runners itself
    ");
}

fn run_compile(input: &[u8]) -> std::process::Output {
    let mut child =
        child("compile").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn a_compile_child_compiles() {
    let guest = common::task("", "(i32.const 0)");
    let output = run_compile(&guest);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, compile_bytes(&guest).unwrap());
}

fn a_compile_child_says_why_not_in_one_line() {
    let output = run_compile(b"(module)");
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let mut line = String::new();
    output.stderr.as_slice().read_to_string(&mut line).unwrap();
    assert!(line.starts_with(r#"{"code":"CD0431","message":"the component cannot be compiled: "#), "{line}");
    assert_eq!(line.lines().count(), 1);
}
