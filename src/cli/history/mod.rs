//! `perpdeck history`: what has been, from the projections of this machine or from QuestDB.

mod print;
pub mod when;

use std::io::{BufWriter, ErrorKind, Write as _};

use super::args::HistoryArgs;
use super::failure::Failure;
use super::{config, run};
use crate::clock::wall_time;
use crate::config::Mode;
use crate::model::{PastFrom, PastQuery, PastReader, SessionTime, Symbol};
use crate::runtime::projections_of;
use crate::store::PastOfSqlite;
use crate::store::questdb::{Conf, PastOfQuestDb};
use print::Printer;

/// Rows that are fetched, and held, at a time.
const PAGE: usize = 1_000;
/// The same from a server: each page costs two questions.
const SERVER_PAGE: usize = 4_000;

/// Prints what is asked for.
pub fn show(args: &HistoryArgs) -> Result<(), Failure> {
    let mut query = query(args)?;
    let mut reader = reader(args)?;
    let size = if args.questdb.is_some() { SERVER_PAGE } else { PAGE };
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut printer = Printer::new(BufWriter::new(std::io::stdout().lock()), args.format, query.table);
    loop {
        query.limit = usize::try_from(left).unwrap_or(size).min(size);
        let page = reader.page(&query).map_err(|error| Failure::new(error.to_string()))?;
        match printer.page(&page.rows) {
            Ok(()) => {}
            // Whoever reads has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Failure::new(format!("the history cannot be printed: {error}"))),
        }
        left = left.saturating_sub(u64::try_from(page.rows.len()).unwrap_or(u64::MAX));
        match page.rows.into_iter().next_back() {
            Some(last) if page.more && left > 0 => query.from = PastFrom::After(last.place),
            Some(_) => return Ok(()),
            None => {
                let _ = writeln!(std::io::stderr(), "perpdeck: no {} of that kind", query.table.word());
                return Ok(());
            }
        }
    }
}

fn query(args: &HistoryArgs) -> Result<PastQuery, Failure> {
    let now = wall_time();
    let time = |option: &str, text: &Option<String>| -> Result<Option<SessionTime>, Failure> {
        let parse =
            |text: &String| when::parse(text, now).map_err(|why| Failure::usage(format!("{option} {text:?} {why}")));
        text.as_ref().map(parse).transpose()
    };
    let (since, until) = (time("--since", &args.since)?, time("--until", &args.until)?);
    if let (Some(from), Some(to)) = (since, until)
        && from >= to
    {
        return Err(Failure::usage(format!("--since {from} is not before --until {to}: nothing lies between them")));
    }
    if let Some(symbol) = &args.symbol {
        Symbol::new(symbol).map_err(|why| Failure::usage(format!("--symbol {symbol:?}: {why}")))?;
    }
    Ok(PastQuery {
        table: args.table.into(),
        since,
        until,
        symbol: args.symbol.clone(),
        session: args.session.clone(),
        reversed: args.oldest_first,
        limit: PAGE,
        ..PastQuery::default()
    })
}

fn reader(args: &HistoryArgs) -> Result<Box<dyn PastReader>, Failure> {
    let settings = config::of_file(None)?.settings;
    if let Some(text) = &args.questdb {
        let named = Some(text.as_str()).filter(|text| !text.is_empty());
        let Some(text) = named.or(settings.questdb.conf.expose()) else {
            return Err(Failure::usage(
                "no QuestDB is configured: name it, as in --questdb \"http::addr=127.0.0.1:9000;\", or set questdb.conf",
            ));
        };
        let conf = Conf::parse(text).map_err(|error| Failure::usage(error.to_string()))?;
        return Ok(Box::new(PastOfQuestDb::new(conf)));
    }
    let session = settings.session;
    let named = args.data_dir.clone().or(session.data_dir);
    let root = run::data_dir(named, session.mode == Mode::Live)?;
    Ok(Box::new(PastOfSqlite::new(&projections_of(&root))))
}
