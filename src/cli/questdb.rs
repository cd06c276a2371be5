//! `perpdeck migrate` and `perpdeck store status`, `verify`, `resync`: the copy in QuestDB.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::args::{MigrateArgs, QuestDbArgs};
use super::failure::Failure;
use super::history::when;
use super::{config, run};
use crate::clock::wall_time;
use crate::config::{Loaded, Mode};
use crate::model::{SinkPhase, SinkStatus};
use crate::runtime::{DataDir, DataDirError, projections_of};
use crate::store::questdb::{
    self, Applied, Comparison, Conf, Drain, DrainOptions, QuestDbError, Server, Source, TARGETS,
};

/// The longest that one question of a person may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The longest that a comparison waits for the server to apply what it has taken.
const APPLY: Duration = Duration::from_secs(60);
/// The longest that a status waits for a server that does not answer.
const STATUS: Duration = Duration::from_secs(3);
/// Refused rows that a status names.
const NAMED: u32 = 10;
/// A resync that comes no further for so long gives up; the rest stays marked.
const STUCK: Duration = Duration::from_secs(30);

impl From<QuestDbError> for Failure {
    fn from(error: QuestDbError) -> Self {
        match error {
            QuestDbError::Conf(error) => Self::usage(error.to_string()),
            error => Self::new(error.to_string()),
        }
    }
}

/// The QuestDB that a command is about, and the settings.
fn target(args: &QuestDbArgs) -> Result<(Conf, Loaded), Failure> {
    let loaded = config::of_file(args.config.as_deref())?;
    let text = args.questdb.as_deref().or(loaded.settings.questdb.conf.expose());
    let Some(text) = text else {
        return Err(Failure::usage(
            "no QuestDB is configured: name it with --questdb \"http::addr=127.0.0.1:9000;\", or set questdb.conf",
        ));
    };
    Ok((Conf::parse(text).map_err(QuestDbError::Conf)?, loaded))
}

/// The projections that a command is about, and where they are.
fn source(data_dir: Option<PathBuf>, loaded: &Loaded) -> Result<(Source, PathBuf), Failure> {
    let session = &loaded.settings.session;
    let root = run::data_dir(data_dir.or_else(|| session.data_dir.clone()), session.mode == Mode::Live)?;
    let database = projections_of(&root);
    match Source::open(&database).map_err(|error| Failure::new(error.to_string()))? {
        Some(source) => Ok((source, root)),
        None if database.exists() => Err(Failure::new(format!(
            "the projections in {} are of an older version: run `perpdeck store rebuild`",
            root.display()
        ))),
        None => Err(Failure::new(format!(
            "there are no projections in {}: name a session's directory with --data-dir DIR",
            root.display()
        ))),
    }
}

/// Prints one JSON object, or lines. A reader that stops reading has seen enough.
fn print(args: &QuestDbArgs, object: &Value, lines: &[String]) {
    let text = if args.json { object.to_string() } else { lines.join("\n") };
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Applies the migrations that the server lacks, or says which it has.
pub fn migrate(args: &MigrateArgs) -> Result<(), Failure> {
    let (conf, _) = target(&args.questdb)?;
    let server = Server::new(&conf, PATIENCE)?;
    let done = if args.status { Vec::new() } else { questdb::migrate(&server)? };
    let is_new = |version: u32| done.iter().any(|migration| migration.version == version);
    let all = questdb::status(&server)?;
    let mut lines = vec![format!("QuestDB at {conf}:")];
    let mut rows = Vec::new();
    for (migration, applied) in &all {
        let (word, at) = match applied {
            Applied::Pending => ("pending", None),
            Applied::At(at) => (if is_new(migration.version) { "applied now" } else { "applied" }, Some(at)),
            Applied::Other => ("another one has this number", None),
        };
        let since = at.map_or_else(String::new, |at| format!(" at {at}"));
        lines.push(format!("  {migration}  {word}{since}"));
        rows.push(json!({ "version": migration.version, "name": migration.name, "state": word, "applied_at": at }));
    }
    print(&args.questdb, &json!({ "address": conf.url(), "migrations": rows }), &lines);
    Ok(())
}

/// How far the copy is.
pub fn status(args: &QuestDbArgs, data_dir: Option<PathBuf>) -> Result<(), Failure> {
    let (conf, loaded) = target(args)?;
    let (source, _) = source(data_dir, &loaded)?;
    let server = Server::new(&conf, STATUS)?;
    let mut problem = None;
    let mut note = |error: QuestDbError| problem = problem.take().or(Some(error.to_string()));
    let version = server.about().map_err(&mut note).ok().map(|about| about.version);
    let reachable = version.is_some();
    let suspended = if reachable { questdb::suspended(&server).map_err(&mut note).unwrap_or_default() } else { vec![] };
    let schema = if reachable { questdb::status(&server).map_err(&mut note).unwrap_or_default() } else { vec![] };
    if reachable && let Err(error) = questdb::check(&server, &TARGETS.iter().collect::<Vec<_>>()) {
        note(error);
    }
    let is_applied = |applied: &Applied| matches!(applied, Applied::At(_));
    let schema = schema.iter().filter(|(_, applied)| is_applied(applied)).map(|(migration, _)| migration.version).max();
    let status = SinkStatus {
        phase: if reachable { SinkPhase::Up } else { SinkPhase::Down },
        problem,
        schema,
        tables: questdb::tables(&source, &suspended)?,
    };
    let mut letters = Vec::new();
    for target in &TARGETS {
        for letter in source.dead_letters(target, NAMED).map_err(|error| Failure::new(error.to_string()))? {
            letters.push((target.name, letter));
        }
    }
    let object = json!({
        "address": conf.url(),
        "reachable": reachable,
        "server_version": version,
        "schema_version": status.schema,
        "problem": status.problem,
        "lag_rows": status.rows(),
        "lag_seconds": status.seconds(),
        "dead_letters": status.dead_letters(),
        "suspended": suspended,
        "tables": status.tables,
        "refused": letters.iter().map(|(table, letter)| json!({
            "table": table, "id": letter.key, "rev": letter.rev, "message": letter.message,
        })).collect::<Vec<_>>(),
    });
    let there = version.map_or_else(|| "not reachable".to_owned(), |version| format!("reachable, version {version}"));
    let schema = status.schema.map_or_else(|| "unknown".to_owned(), |schema| format!("{schema:03}"));
    let mut lines = vec![format!("QuestDB at {conf}: {there}, schema {schema}")];
    lines.extend(status.problem.iter().cloned());
    for table in &status.tables {
        let mut line = format!("  {:<15} {:>9} rows behind, {} s", table.name, table.rows, table.seconds);
        if table.dead_letters > 0 {
            line.push_str(&format!(", {} refused", table.dead_letters));
        }
        if table.suspended {
            line.push_str(&format!(", SUSPENDED: run ALTER TABLE {} RESUME WAL in QuestDB", table.name));
        }
        lines.push(line);
    }
    for (table, letter) in &letters {
        lines.push(format!("  refused: {table} {} (rev {}): {}", letter.key, letter.rev, letter.message));
    }
    print(args, &object, &lines);
    Ok(())
}

/// Compares both sides.
pub fn verify(args: &QuestDbArgs, data_dir: Option<PathBuf>) -> Result<(), Failure> {
    let (conf, loaded) = target(args)?;
    let (source, _) = source(data_dir, &loaded)?;
    let server = Server::new(&conf, PATIENCE)?;
    let first_day = questdb::first_day_kept(wall_time(), loaded.settings.questdb.retention_days);
    let mut comparisons: Vec<Comparison> = Vec::new();
    for target in &TARGETS {
        questdb::wait_applied(&server, target, APPLY)?;
        comparisons.push(questdb::compare(&source, &server, target, first_day)?);
    }
    let equal = comparisons.iter().all(|comparison| comparison.differences.is_empty());
    let mut lines = Vec::new();
    for comparison in &comparisons {
        let verdict = if comparison.differences.is_empty() { "equal" } else { "DIFFERENT" };
        let Comparison { table, rows_here, rows_there, unsent, dead_letters, .. } = comparison;
        lines.push(format!(
            "{table:<15} {rows_here:>9} here {rows_there:>9} there  {verdict}{}{}",
            if *unsent > 0 { format!(", {unsent} not sent yet") } else { String::new() },
            if *dead_letters > 0 { format!(", {dead_letters} refused") } else { String::new() },
        ));
        for day in &comparison.differences {
            lines.push(format!(
                "  {} session {}: {} rows to rev {} here, {} rows to rev {} there",
                day.day, day.session_id, day.here.rows, day.here.latest_rev, day.there.rows, day.there.latest_rev
            ));
        }
    }
    print(args, &json!({ "address": conf.url(), "equal": equal, "tables": comparisons }), &lines);
    if equal {
        return Ok(());
    }
    Err(Failure::new(
        "both sides differ. Rows that are not sent yet are sent while a session runs; for the rest: \
         perpdeck store resync --since TIME",
    ))
}

/// Sends everything since a time once more.
pub fn resync(since: &str, args: &QuestDbArgs, data_dir: Option<PathBuf>) -> Result<(), Failure> {
    let (conf, loaded) = target(args)?;
    let at = when::parse(since, wall_time()).map_err(|why| Failure::usage(format!("--since {since:?} {why}")))?;
    let (mut source, root) = source(data_dir, &loaded)?;
    let rows = source.resend(at).map_err(|error| Failure::new(error.to_string()))?;
    // Held while sending, so that no session sends the same rows at the same time.
    let held = match DataDir::open(&root) {
        Ok(held) => held,
        Err(DataDirError::InUse { .. }) => {
            let text = format!("{rows} rows since {at} are sent once more by the session that runs");
            print(args, &json!({ "marked": rows, "sent_by": "the running session" }), &[text]);
            return Ok(());
        }
        Err(error) => return Err(Failure::new(error.to_string())),
    };
    let status = send(&conf, &projections_of(&root), &loaded)?;
    drop(held);
    let left = status.rows();
    let object =
        json!({ "marked": rows, "left": left, "dead_letters": status.dead_letters(), "problem": status.problem });
    print(args, &object, &[format!("{rows} rows since {at} marked to be sent once more; {left} are left")]);
    if left == 0 {
        return Ok(());
    }
    let why = status.problem.unwrap_or_else(|| "QuestDB does not take them".into());
    Err(Failure::new(format!("{left} rows are left: {why}. They are sent by the next session or resync")))
}

/// Drains until nothing is left or nothing moves any more.
fn send(conf: &Conf, database: &std::path::Path, loaded: &Loaded) -> Result<SinkStatus, Failure> {
    let (tell, status) = watch::channel(SinkStatus::default());
    let options = DrainOptions { retention_days: loaded.settings.questdb.retention_days, ..DrainOptions::default() };
    let drain = Drain::start(conf, database, options, tell)?;
    let (mut least, mut moved) = (u64::MAX, std::time::Instant::now());
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let now = status.borrow().clone();
        let done = now.phase == SinkPhase::Up && !now.tables.is_empty() && now.rows() == 0;
        if !now.tables.is_empty() && now.rows() < least {
            (least, moved) = (now.rows(), std::time::Instant::now());
        }
        if done || now.phase == SinkPhase::Refused || moved.elapsed() >= STUCK {
            return Ok(drain.stop(Duration::from_secs(5)));
        }
    }
}
