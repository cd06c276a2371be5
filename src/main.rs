//! The `perpdeck` command.

fn main() -> std::process::ExitCode {
    perpdeck::cli::run()
}
