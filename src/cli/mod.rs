//! The command line.

mod args;
mod config;
mod failure;
mod history;
mod journal;
mod look;
mod questdb;
mod run;
mod screen;
mod sim;
mod stderr;
mod store;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, ConfigCommand, JournalCommand, StoreCommand};

/// Runs the command that the arguments name.
pub fn run() -> ExitCode {
    // Before anything speaks TLS; a second provider of the same kind does no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    let result = match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Sim(args)) => sim::run(&args),
        Some(Command::History(args)) => history::show(&args),
        Some(Command::Migrate(args)) => questdb::migrate(&args),
        Some(Command::Store(StoreCommand::Rebuild { json, data_dir })) => store::rebuild(data_dir, json),
        Some(Command::Store(StoreCommand::Status { questdb, data_dir })) => questdb::status(&questdb, data_dir),
        Some(Command::Store(StoreCommand::Verify { questdb, data_dir })) => questdb::verify(&questdb, data_dir),
        Some(Command::Store(StoreCommand::Resync { since, questdb, data_dir })) => {
            questdb::resync(&since, &questdb, data_dir)
        }
        Some(Command::Journal(JournalCommand::Verify { json, data_dir })) => journal::verify(data_dir, json),
        Some(Command::Config(ConfigCommand::Show { origin, config })) => config::show(config.as_deref(), origin),
        Some(Command::Themes) => {
            look::themes();
            Ok(())
        }
        Some(Command::Keys { config }) => look::keys(config.as_deref()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
