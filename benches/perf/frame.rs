//! One frame at 200x60 with 1000 orders and 100 positions: a price folded, the frame drawn, and the
//! difference to the frame before found. Reference: ratatui drawing a screen full of text.

use std::time::{Duration, Instant};

use perpdeck::model::Record;
use perpdeck::tui::testkit::Stage;
use perpdeck::tui::theme::Depth;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Widget};

use crate::book;
use crate::report::{Table, percentile};

const FRAMES: u64 = 2_000;

pub fn run(table: &mut Table) {
    let ours = dashboard();
    let reference = plain_text();
    let ms = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    table.row(
        "one dashboard frame at 200x60, 1000 orders, 100 positions, p99",
        format!("{} (p50 {})", ms(percentile(&ours, 0.99)), ms(percentile(&ours, 0.5))),
        format!(
            "{} (p50 {}; a screen of plain text)",
            ms(percentile(&reference, 0.99)),
            ms(percentile(&reference, 0.5))
        ),
        "2 ms",
        percentile(&ours, 0.99) < Duration::from_millis(2),
    );
}

fn dashboard() -> Vec<Duration> {
    let mut stage = Stage::new((200, 60), "cockpit", Depth::TrueColour, false).unwrap();
    let at = stage.now().session;
    let mut seq = 0;
    let facts = book::facts(at, "http://127.0.0.1:1").into_iter().map(|event| {
        seq += 1;
        Record { seq, at, event }
    });
    let facts: Vec<Record> = facts.collect();
    stage.records(facts);
    let mut before = stage.draw();
    let mut times = Vec::new();
    for n in 0..FRAMES {
        let at = stage.now().session;
        let events = vec![Record { seq, at, event: book::quote(n % book::POSITIONS, n, at) }];
        let begun = Instant::now();
        stage.records(events);
        let after = stage.draw();
        std::hint::black_box(before.diff(&after).len());
        times.push(begun.elapsed());
        before = after;
    }
    times.sort();
    times
}

fn plain_text() -> Vec<Duration> {
    let area = Rect::new(0, 0, 200, 60);
    let text = |n: u64| vec![format!("{n:<200}"); 60].join("\n");
    let mut before = Buffer::empty(area);
    let mut times = Vec::new();
    for n in 0..FRAMES {
        let text = text(n);
        let begun = Instant::now();
        let mut after = Buffer::empty(area);
        Paragraph::new(text.as_str()).render(area, &mut after);
        std::hint::black_box(before.diff(&after).len());
        times.push(begun.elapsed());
        before = after;
    }
    times.sort();
    times
}
