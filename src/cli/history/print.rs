//! Rows of the past as a table for people, as JSON lines and as CSV for programs. Numbers are
//! printed as they were stored. What is not known is `?`, `null` and empty; what is not there at all
//! (the error of an order that did not fail) is `-` in a table.

use std::io::{self, Write};

use serde_json::value::RawValue;
use unicode_width::UnicodeWidthStr as _;

use crate::cli::args::Format;
use crate::model::{PastCell, PastColumn, PastKind, PastRow, PastTable, SessionTime, escape_controls};

/// What stands in a table where nothing is known.
const UNKNOWN: &str = "?";
/// What stands in a table where there is nothing.
const NONE: &str = "-";
/// Decimals of a number in a table; the finest tick of the exchange has 10.
const DECIMALS: usize = 12;
/// A column of a table is not made wider than this for one long text.
const WIDEST: usize = 60;

/// Prints pages of rows.
pub struct Printer<W> {
    out: W,
    format: Format,
    table: PastTable,
    /// Widths of a table's columns: those of the first page, for all that follow.
    widths: Option<Vec<usize>>,
    begun: bool,
}

impl<W: Write> Printer<W> {
    /// A printer of one table's rows.
    pub const fn new(out: W, format: Format, table: PastTable) -> Self {
        Self { out, format, table, widths: None, begun: false }
    }

    /// Prints a page; the first one with what stands above the rows.
    pub fn page(&mut self, rows: &[PastRow]) -> io::Result<()> {
        match self.format {
            Format::Table => self.table_page(rows)?,
            Format::Json => {
                for row in rows {
                    writeln!(self.out, "{}", json(self.table.columns(), row))?;
                }
            }
            Format::Csv => {
                if !self.begun {
                    let names: Vec<&str> = self.table.columns().iter().map(|column| column.name).collect();
                    writeln!(self.out, "{}", names.join(","))?;
                }
                for row in rows {
                    writeln!(self.out, "{}", csv(row))?;
                }
            }
        }
        self.begun = true;
        // A reader that has gone is noticed here, and not after another page was fetched.
        self.out.flush()
    }

    fn table_page(&mut self, rows: &[PastRow]) -> io::Result<()> {
        let columns = self.table.columns();
        let shown: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                let cells = columns.iter().zip(&row.cells).filter(|(column, _)| column.main);
                cells.map(|(column, cell)| plain(column, cell)).collect()
            })
            .collect();
        let main: Vec<&PastColumn> = columns.iter().filter(|column| column.main).collect();
        let widths = self.widths.get_or_insert_with(|| {
            let widest = |i: usize| shown.iter().filter_map(|row| row.get(i)).map(|text| text.width()).max();
            let wide = |(i, column): (usize, &&PastColumn)| column.name.len().max(widest(i).unwrap_or(0)).min(WIDEST);
            main.iter().enumerate().map(wide).collect()
        });
        let mut lines: Vec<String> = Vec::with_capacity(shown.len().saturating_add(1));
        if !self.begun {
            lines.push(line(&main, widths, main.iter().map(|column| column.name)));
        }
        lines.extend(shown.iter().map(|row| line(&main, widths, row.iter().map(String::as_str))));
        for line in lines {
            writeln!(self.out, "{line}")?;
        }
        Ok(())
    }
}

fn line<'a>(columns: &[&PastColumn], widths: &[usize], cells: impl Iterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for ((column, width), cell) in columns.iter().zip(widths).zip(cells) {
        let pad = " ".repeat(width.saturating_sub(cell.width()));
        let right = matches!(column.kind, PastKind::Number | PastKind::Whole);
        line.push_str(if right { &pad } else { cell });
        line.push_str(if right { cell } else { &pad });
        line.push_str("  ");
    }
    line.truncate(line.trim_end().len());
    line
}

/// For people: control characters escaped, times to the millisecond.
fn plain(column: &PastColumn, cell: &PastCell) -> String {
    match cell {
        PastCell::Time(at) => day_and_time(*at),
        PastCell::Number(text) => shortened(text),
        other => match other.words() {
            Some(words) => escape_controls(&words).into_owned(),
            None => if column.optional { NONE } else { UNKNOWN }.to_owned(),
        },
    }
}

/// A number as it is stored; of one with very many decimals the first, and a mark that there are
/// more. JSON and CSV have them all.
fn shortened(text: &str) -> String {
    let text = escape_controls(text);
    match text.split_once('.') {
        Some((whole, decimals)) if decimals.len() > DECIMALS => {
            let shown: String = decimals.chars().take(DECIMALS).collect();
            format!("{whole}.{shown}~")
        }
        _ => text.into_owned(),
    }
}

fn day_and_time(at: SessionTime) -> String {
    at.to_datetime().map_or_else(|| at.exact(), |at| at.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
}

/// One JSON object. Money is a string, because a JSON number is a float to most readers.
fn json(columns: &[PastColumn], row: &PastRow) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let fields: Vec<String> = columns
        .iter()
        .zip(&row.cells)
        .map(|(column, cell)| {
            let value = match cell {
                PastCell::Unknown => "null".to_owned(),
                PastCell::Text(text) | PastCell::Number(text) => quoted(text),
                PastCell::Time(at) => quoted(&at.exact()),
                PastCell::Whole(number) => number.to_string(),
                PastCell::Flag(flag) => flag.to_string(),
                // As it is, so that no number in it loses a digit; a line break in it would be
                // between its parts, never in a text.
                PastCell::Json(text) => match serde_json::from_str::<&RawValue>(text) {
                    Ok(raw) => raw.get().replace(['\n', '\r'], " "),
                    Err(_) => quoted(text),
                },
            };
            format!("{}:{value}", quoted(column.name))
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}

/// One line of CSV, as RFC 4180 quotes it.
fn csv(row: &PastRow) -> String {
    let fields: Vec<String> = row
        .cells
        .iter()
        .map(|cell| {
            let text = match cell {
                PastCell::Flag(flag) => flag.to_string(),
                other => other.words().unwrap_or_default(),
            };
            if text.contains([',', '"', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text
            }
        })
        .collect();
    fields.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PastPlace;

    /// An alert with everything in it that could break a line.
    fn row() -> PastRow {
        let text = |text: &str| PastCell::Text(text.to_owned());
        let cells = vec![
            PastCell::Time(SessionTime::from_micros(1_795_443_727_000_001)),
            text("7"),
            text("CRITICAL"),
            text("ORDER_REJECTED"),
            PastCell::Unknown,
            text("said \"no\", then\n\u{1b}[2Jleft"),
            PastCell::Unknown,
            PastCell::Unknown,
            PastCell::Unknown,
            PastCell::Json("{\"id\":\n739000000000000002739}".to_owned()),
            text("s1"),
            PastCell::Whole(41),
        ];
        let place = PastPlace { sorted: String::new(), at: SessionTime::ZERO, key: "7".into() };
        PastRow { cells, place }
    }

    fn printed(format: Format) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out, format, PastTable::Alerts);
        printer.page(&[row()]).unwrap();
        printer.page(&[row()]).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_table_is_harmless_and_says_what_is_not_known() {
        let text = printed(Format::Table);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "one header and two rows: {text}");
        assert!(lines[0].starts_with("created_at"));
        assert!(lines[1].starts_with("2026-11-23 14:22:07.000  7         CRITICAL  ORDER_REJECTED  -       said"));
        assert!(lines[1].contains("then\\u{a}\\u{1b}[2Jleft") && !text.contains('\u{1b}'));
    }

    #[test]
    fn a_number_is_printed_as_it_is_stored_and_says_when_it_goes_on() {
        assert_eq!(shortened("123456789012345678901.123456789012"), "123456789012345678901.123456789012");
        assert_eq!(shortened("0.0088691796008869179600"), "0.008869179600~");
        assert_eq!(shortened("50%"), "50%");
    }

    #[test]
    fn json_is_one_object_a_line_and_keeps_every_digit() {
        let text = printed(Format::Json);
        assert_eq!(text.lines().count(), 2);
        let line = text.lines().next().unwrap();
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["message"], "said \"no\", then\n\u{1b}[2Jleft");
        assert_eq!(value["created_at"], "2026-11-23T14:22:07.000001Z");
        assert!(value["symbol"].is_null() && value["rev"] == 41);
        assert!(line.contains("739000000000000002739"), "{line}");
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        let text = printed(Format::Csv);
        let header: Vec<&str> = PastTable::Alerts.columns().iter().map(|column| column.name).collect();
        assert!(text.starts_with(&format!("{}\n", header.join(","))));
        let row = "2026-11-23T14:22:07.000001Z,7,CRITICAL,ORDER_REJECTED,,\"said \"\"no\"\", then\n\u{1b}[2Jleft\",,,,\
                   \"{\"\"id\"\":\n739000000000000002739}\",s1,41\n";
        assert_eq!(text.matches(row).count(), 2, "{text}");
        assert_eq!(text.matches("created_at").count(), 1, "the header stands once");
    }
}
