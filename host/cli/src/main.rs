//! `cofferdam`: the command line.

fn main() -> std::process::ExitCode {
    cofferdam_cli::main_with(std::env::args_os())
}
